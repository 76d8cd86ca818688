/**
 * What happens in a demo, step by step; the accounts for people and for programs are made from it.
 */
import type { Effort } from "../walk.ts";

export type Step = "start" | "store" | "read" | "kill" | "reread";

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
  /** `total`: nodes or records. */
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
