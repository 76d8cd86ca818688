/**
 * What happens in a demo, step by step; the accounts for people and for programs are made from it.
 */
import type { Effort } from "../walk.ts";

/** In their order. `chunks` and `file`: a file goes in, and comes back; `announce` and `providers`: who has it is told. */
export type Step =
  | "start"
  | "store"
  | "read"
  | "chunks"
  | "announce"
  | "kill"
  | "reread"
  | "file"
  | "providers";

export type DemoEvent =
  | {
      readonly type: "begin";
      readonly file: string;
      readonly bytes: number;
      readonly lines: number;
      readonly records: number;
      readonly blankLines: number;
      readonly repeatedLines: number;
      readonly cutLines: number;
    }
  /** What goes in as chunks. */
  | { readonly type: "file"; readonly file: string; readonly bytes: number; readonly chunks: number }
  /** `total`: nodes, records or chunks. */
  | { readonly type: "step"; readonly step: Step; readonly total: number; readonly through?: string }
  | {
      readonly type: "joined";
      readonly id: string;
      readonly address: string;
      /** Of a node in a process of its own. */
      readonly pid: number | undefined;
      /** Nodes that answered; `undefined` for the first node, which has nobody to ask. */
      readonly contacts: number | undefined;
      readonly effort: Effort | undefined;
    }
  | {
      readonly type: "stored";
      readonly line: number;
      readonly text: string;
      readonly key: string;
      readonly accepted: number;
      readonly asked: number;
      /** The first that took it. */
      readonly holder: string | undefined;
      readonly effort: Effort;
    }
  | {
      readonly type: "read";
      readonly line: number;
      readonly text: string;
      readonly key: string;
      readonly reader: string;
      /** Who answered with the record; `undefined`: the reader holds it itself. */
      readonly holder: string | undefined;
      readonly effort: Effort;
    }
  /** One more chunk is stored, or read: how many by now. */
  | { readonly type: "chunk"; readonly chunks: number }
  | {
      readonly type: "fileStored";
      readonly key: string;
      readonly bytes: number;
      readonly chunks: number;
      readonly manifests: number;
      /** Of any record. */
      readonly leastAccepted: number | undefined;
    }
  /** All bytes came back. */
  | { readonly type: "fileRead"; readonly key: string; readonly bytes: number; readonly chunks: number }
  | {
      readonly type: "announced";
      readonly id: string;
      readonly address: string;
      readonly accepted: number;
      readonly asked: number;
      readonly effort: Effort;
    }
  | {
      readonly type: "found";
      /** Who looked for them. */
      readonly reader: string;
      /** Those that it heard of. */
      readonly providers: number;
      /** Those of them that are alive, which are all that are. */
      readonly alive: number;
      /** Until the first was heard of; `undefined` where nobody was. */
      readonly firstMs: number | undefined;
      readonly effort: Effort;
    }
  | {
      readonly type: "killed";
      readonly id: string;
      readonly address: string;
      readonly pid: number | undefined;
    }
  /** One operation of the step did not work. */
  | {
      readonly type: "failed";
      readonly step: Step;
      readonly line: number | undefined;
      readonly reason: string;
    }
  /** What a node reports beside; nothing of the step has failed by it. */
  | { readonly type: "error"; readonly message: string }
  | { readonly type: "stepEnd"; readonly step: Step; readonly failures: number; readonly durationMs: number }
  /** Everything worked, or not. */
  | { readonly type: "result"; readonly ok: boolean; readonly alive: number; readonly durationMs: number }
  | { readonly type: "ready"; readonly join: string }
  /** A node from elsewhere has joined. */
  | { readonly type: "visitor"; readonly id: string; readonly address: string };

/** Told of each event in turn. */
export interface Account {
  tell(event: DemoEvent): void;
  /** Whatever was drawn and not meant to stay is taken away. */
  close(): void;
}
