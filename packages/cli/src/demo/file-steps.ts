/**
 * What a demo does with a file: in as chunks, out again, and who has it is announced and found.
 */
import { equalBytes, type RecordKey } from "@kad/core";
import type { DhtNode } from "@kad/dht";
import type { Effort } from "../walk.ts";
import type { DemoFile } from "./demo-file.ts";
import type { Account } from "./events.ts";

export interface FileStepsOptions {
  readonly file: DemoFile;
  readonly account: Account;
  readonly signal: AbortSignal;
}

export class FileSteps {
  readonly #file: DemoFile;
  readonly #account: Account;
  readonly #signal: AbortSignal;
  /** `undefined` until it is stored. */
  #key: RecordKey | undefined;
  readonly #announcers = new Set<DhtNode>();

  constructor({ file, account, signal }: FileStepsOptions) {
    this.#file = file;
    this.#account = account;
    this.#signal = signal;
  }

  async store(writer: DhtNode): Promise<void> {
    let told = 0;
    const onProgress = ({ stored }: { readonly stored: number }): void => {
      if (stored === told) return; // a manifest
      told = stored;
      this.#account.tell({ type: "chunk", chunks: stored });
    };
    const put = await writer.putFile(this.#file.bytes, { signal: this.#signal, onProgress });
    this.#key = put.key;
    const { key, bytes, chunks, manifests, leastAccepted } = put;
    this.#account.tell({ type: "fileStored", key: key.toHex(), bytes, chunks, manifests, leastAccepted });
  }

  /** Compares every byte as it comes. */
  async read(reader: DhtNode): Promise<void> {
    const key = this.#stored();
    const { bytes } = this.#file;
    const download = reader.getFile(key, { signal: this.#signal });
    let at = 0;
    for await (const piece of download) {
      if (!equalBytes(piece, bytes.subarray(at, at + piece.length))) throw new Error("other bytes came back");
      at += piece.length;
      this.#account.tell({ type: "chunk", chunks: download.progress.chunks });
    }
    if (at !== bytes.length) throw new Error(`${at} of ${bytes.length} bytes came back`);
    this.#account.tell({ type: "fileRead", key: key.toHex(), bytes: at, chunks: download.progress.chunks });
  }

  async announce(node: DhtNode): Promise<void> {
    const startedAtMs = performance.now();
    const options = { meta: this.#file.name, signal: this.#signal };
    const { accepted, asked, stats } = await node.announce(this.#stored(), options);
    this.#announcers.add(node);
    const [address = ""] = node.addresses;
    const effort = effortOf(stats, startedAtMs);
    this.#account.tell({ type: "announced", id: node.id.toHex(), address, accepted, asked, effort });
  }

  /** All that are alive must be found; those that are not stand there until their announcement expires. */
  async find(node: DhtNode): Promise<void> {
    const startedAtMs = performance.now();
    const search = node.findProviders(this.#stored(), { signal: this.#signal });
    let firstMs: number | undefined;
    for await (const _provider of search) firstMs ??= performance.now() - startedAtMs;
    const { providers, stats } = await search;
    const effort = effortOf(stats, startedAtMs);
    const living = [...this.#announcers].filter(({ closed }) => !closed);
    const alive = living.filter((one) => providers.some(({ id }) => id.equals(one.id))).length;
    if (alive < living.length) throw new Error(`${alive} of ${living.length} providers were found`);
    const [reader = ""] = node.addresses;
    this.#account.tell({ type: "found", reader, providers: providers.length, alive, firstMs, effort });
  }

  #stored(): RecordKey {
    if (this.#key === undefined) throw new Error("the file was not stored");
    return this.#key;
  }
}

function effortOf({ rounds, hops, requests }: Effort, startedAtMs: number): Effort {
  return { rounds, hops, requests, durationMs: performance.now() - startedAtMs };
}
