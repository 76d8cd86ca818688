import { type Contact, type DhtRecord, NodeId, type RecordKey } from "@kad/core";
import { PutFailed } from "../../src/errors.ts";
import type { FileNetwork } from "../../src/files/file-network.ts";
import type { GetOptions, PutOptions } from "../../src/options.ts";
import type { GetResult, PutResult } from "../../src/records.ts";

const stats = { startedAtMs: 0, durationMs: 0, requests: 0, responses: 0, failures: 0, rounds: 0, hops: 0 };

/** Holders of records with neither network nor time: what files are tested on where real sockets would only be slow. */
export class RecordMap implements FileNetwork {
  readonly replicas = 20;
  readonly minAccepted = 1;
  readonly valueLifetimeMs = 86_400_000;
  readonly closing: AbortController = new AbortController();
  readonly bodies: Map<string, Uint8Array> = new Map();
  /** In the order of the requests. */
  readonly puts: RecordKey[] = [];
  readonly gets: RecordKey[] = [];
  /** Under way now, and the most that ever were. */
  running = 0;
  mostRunning = 0;
  /** Puts beyond so many bodies are refused. */
  capacity: number = Number.POSITIVE_INFINITY;
  /** What is left of the life of each record, and how many holders show it. */
  lifetimeMs: number = this.valueLifetimeMs;
  holders = 20;
  /** Each request waits for it. */
  turn: () => Promise<void> = () => Promise.resolve();

  get lifetime(): AbortSignal {
    return this.closing.signal;
  }

  readonly records: FileNetwork["records"] = {
    get: (key, options) => this.#get(key as RecordKey, options),
    putRecord: (record, options) => this.#put(record, options),
  };

  async #get(key: RecordKey, { signal }: GetOptions): Promise<GetResult> {
    this.gets.push(key);
    await this.#takeTurn(signal);
    const body = this.bodies.get(key.key);
    const record = body && { type: "immutable", key, body, lifetimeMs: this.lifetimeMs };
    const holders = record === undefined ? [] : contacts(this.holders);
    const unowned = { seq: undefined, owner: undefined };
    return { key, record, value: body, ...unowned, holders, end: "converged", stats };
  }

  async #put({ key, body }: DhtRecord, { signal }: PutOptions): Promise<PutResult> {
    this.puts.push(key);
    await this.#takeTurn(signal);
    const asked = this.holders;
    if (this.bodies.size >= this.capacity && !this.bodies.has(key.key)) {
      throw new PutFailed(1, { accepted: 0, asked, refusals: { full: asked }, end: "converged" });
    }
    this.bodies.set(key.key, body);
    return { key, accepted: asked, asked, refusals: {}, end: "converged", holders: contacts(asked), stats };
  }

  async #takeTurn(signal: AbortSignal | undefined): Promise<void> {
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      await this.turn();
      signal?.throwIfAborted();
    } finally {
      this.running--;
    }
  }
}

function contacts(count: number): Contact[] {
  return Array.from({ length: count }, (_, index) => ({
    id: NodeId.fromBytes(new Uint8Array(32).fill(index)),
    addresses: [],
  }));
}

/** Bytes that do not repeat, the same in every run. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return joined(pieces);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
