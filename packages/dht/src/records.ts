/**
 * Reading and writing records: what `get`, `put` and `set` of a node come to, in queries of core.
 */
import {
  type Commands,
  type Contact,
  copyBytes,
  type DhtRecord,
  type InstantMs,
  immutableRecord,
  limitSpecs,
  openRecord,
  type QueryEnd,
  type QueryFinished,
  type QueryId,
  type QueryOptions,
  type QueryStats,
  type RecordKey,
  readOpenRecord,
} from "@kad/core";
import { PutFailed, type PutOutcome } from "./errors.ts";
import { type Explained, explained } from "./explained.ts";
import { sha256 } from "./hash.ts";
import { checkId, checkName, resolveKey, toBytes } from "./key.ts";
import {
  checkMinAccepted,
  checkTimeout,
  defined,
  type GetOptions,
  type OperationOptions,
  type PutOptions,
} from "./options.ts";
import type { RunOptions } from "./query-promises.ts";

export interface GetResult extends Explained {
  readonly key: RecordKey;
  /** `undefined` with `end: "converged"`: the closest nodes have answered, and nobody has it. */
  readonly record: DhtRecord | undefined;
  /** What the record says: the value of an immutable or open record, the body of another. */
  readonly value: Uint8Array | undefined;
  /** Who had it; empty where this node holds it itself. */
  readonly holders: readonly Contact[];
  readonly end: QueryEnd;
  readonly stats: QueryStats;
}

export interface PutResult extends PutOutcome {
  readonly key: RecordKey;
  readonly holders: readonly Contact[];
  readonly stats: QueryStats;
}

/** Begins a query with what core knows of the options, and resolves with its end. */
export type RunQuery = (
  options: OperationOptions,
  begin: (nowMs: InstantMs, options: QueryOptions) => QueryId,
  hooks?: Pick<RunOptions, "observe" | "onBegin">,
) => Promise<QueryFinished>;

export interface RecordsOptions {
  readonly run: RunQuery;
  readonly commands: Commands;
  readonly minAccepted: number;
  readonly queryTimeoutMs: number;
}

export class Records {
  readonly #options: RecordsOptions;

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  async get(keyOrName: RecordKey | string, options: GetOptions): Promise<GetResult> {
    const { run, commands } = this.#options;
    const key = resolveKey(keyOrName);
    const finished = await run(options, (nowMs, query) => commands.get(nowMs, key, query));
    const { result, end, stats } = finished;
    const { record, holders } = result.type === "value" ? result : nothingFound;
    return { key, record, value: record && contentOf(record), holders, end, stats, ...explained(finished) };
  }

  async put(value: Uint8Array | string, options: PutOptions): Promise<PutResult> {
    return await this.putRecord(immutableRecord(sha256, toBytes("value", value)), options);
  }

  /** Reads first: the sequence number is the time, or one more than the largest seen. */
  async set(name: string, value: Uint8Array | string, options: PutOptions): Promise<PutResult> {
    const { timeoutMs = this.#options.queryTimeoutMs, signal, parallelism, paths } = options;
    checkTimeout("timeoutMs", timeoutMs, limitSpecs.queryTimeoutMs.max);
    checkMinAccepted(options.minAccepted);
    const bytes = copyBytes(toBytes("value", value));
    const { key } = openRecord(sha256, checkName(name), bytes, 0); // what is wrong with either shows before anything is asked
    const endAtMs = performance.now() + timeoutMs;
    const half = Math.max(1, timeoutMs / 2);
    const { record } = await this.get(key, { ...defined({ signal, parallelism, paths }), timeoutMs: half });
    const seen = record?.type === "open" ? readOpenRecord(record.body)?.seq : undefined;
    const seq = Math.max(Date.now(), (seen ?? 0) + 1);
    const leftMs = Math.max(1, endAtMs - performance.now());
    return await this.putRecord(openRecord(sha256, name, bytes, seq), { ...options, timeoutMs: leftMs });
  }

  async putRecord(record: DhtRecord, options: PutOptions): Promise<PutResult> {
    const { run, commands } = this.#options;
    const { minAccepted = this.#options.minAccepted, lifetimeMs } = options;
    checkMinAccepted(minAccepted);
    checkId("record.key", record.key);
    const lasting = lifetimeMs === undefined ? record : { ...record, lifetimeMs };
    const finished = await run(options, (nowMs, query) => commands.put(nowMs, lasting, query));
    const { result, end, stats } = finished;
    const { accepted, asked, refusals, holders } = result.type === "stored" ? result : nothingStored;
    const outcome = { accepted, asked, refusals, end, ...explained(finished) };
    if (accepted < minAccepted) throw new PutFailed(minAccepted, outcome);
    return { key: record.key, ...outcome, holders, stats };
  }
}

const nothingFound = { record: undefined, holders: [] } as const;
const nothingStored = { accepted: 0, asked: 0, refusals: {}, holders: [] } as const;

function contentOf(record: DhtRecord): Uint8Array | undefined {
  return record.type === "open" ? readOpenRecord(record.body)?.value : record.body;
}
