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
  type QueryEnd,
  type QueryFinished,
  type QueryId,
  type QueryOptions,
  type QueryResult,
  type QueryStats,
  type RecordKey,
  UsageError,
} from "@kad/core";
import { abortable } from "./abort.ts";
import { PutFailed, type PutOutcome, Superseded } from "./errors.ts";
import { type Explained, explained } from "./explained.ts";
import { sha256 } from "./hash.ts";
import { checkId, checkName, toBytes } from "./key.ts";
import { checkValue, type Names, type Said } from "./names.ts";
import { checkMinAccepted, checkTimeout, defined } from "./option-checks.ts";
import type { GetOptions, OperationOptions, PutOptions, SetOptions, SwapOptions, Whose } from "./options.ts";
import type { RunOptions } from "./query-promises.ts";

export interface GetResult extends Explained {
  readonly key: RecordKey;
  /** `undefined` with `end: "converged"`: the closest nodes have answered, and nobody has it. */
  readonly record: DhtRecord | undefined;
  /** What the record says: the value of an immutable, mutable or open record, the body of another. */
  readonly value: Uint8Array | undefined;
  /** The sequence number of a mutable or open record: what `set` with `expectedSeq` compares. */
  readonly seq: number | undefined;
  /** The public key of whoever has signed it, 32 bytes; `undefined` for records that nobody owns. */
  readonly owner: Uint8Array | undefined;
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
  readonly names: Names;
  /** Holders of a record, where the caller says nothing. */
  readonly replicas: number;
  readonly minAccepted: number;
  readonly queryTimeoutMs: number;
  /** Aborts when the node closes. */
  readonly lifetime: AbortSignal;
}

export class Records {
  readonly #options: RecordsOptions;

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  async get(keyOrName: RecordKey | string, options: GetOptions): Promise<GetResult> {
    const { run, commands } = this.#options;
    const key = this.keyOf(keyOrName, options);
    const finished = await run(options, (nowMs, query) => commands.get(nowMs, key, query));
    const { result, end, stats } = finished;
    const { record, holders } = result.type === "value" ? result : nothingFound;
    const { value, seq, owner } = (record && this.read(record)) ?? nothingSaid;
    return { key, record, value, seq, owner, holders, end, stats, ...explained(finished) };
  }

  /** @throws UsageError */
  keyOf(keyOrName: RecordKey | string, { owner, open }: Whose): RecordKey {
    if (typeof keyOrName === "string") return this.#options.names.keyOf(keyOrName, defined({ owner, open }));
    if (owner === undefined && open === undefined) return checkId("key", keyOrName);
    const name = owner === undefined ? "open" : "owner";
    throw new UsageError(
      "invalidOption",
      `${name}: given beside a key; allowed is nothing, since it is for names`,
    );
  }

  /**
   * The best record, and how many of the closest have it: all of them are heard. `answered`: how many of the closest there
   * are, at most as many as a put stores on.
   */
  async count(
    key: RecordKey,
    options: OperationOptions,
  ): Promise<{
    readonly record: DhtRecord | undefined;
    readonly holders: number;
    readonly answered: number;
  }> {
    const { run, commands, replicas } = this.#options;
    const all = { quorum: mostHolders, results: replicas };
    const { result } = await run(options, (nowMs, query) => commands.get(nowMs, key, { ...query, ...all }));
    if (result.type !== "value") return { record: undefined, holders: 0, answered: 0 };
    const { record, holders, contacts } = result;
    return { record, holders: holders.length, answered: contacts.length };
  }

  /** What a record says; `undefined` for a body that its type would not have. */
  read(record: DhtRecord): Said | undefined {
    return this.#options.names.read(record);
  }

  async put(value: Uint8Array | string, options: PutOptions): Promise<PutResult> {
    return await this.putRecord(immutableRecord(sha256, toBytes("value", value)), options);
  }

  /** Reads first: the sequence number is the time, or one more than the largest seen. */
  async set(name: string, value: Uint8Array | string, options: SetOptions): Promise<PutResult> {
    const { timeoutMs = this.#options.queryTimeoutMs, signal, parallelism, paths, expectedSeq = 0 } = options;
    checkTimeout("timeoutMs", timeoutMs, limitSpecs.queryTimeoutMs.max);
    checkMinAccepted(options.minAccepted);
    const bytes = copyBytes(toBytes("value", value));
    const kind = this.#options.names.kindToWrite(options.open);
    const key = kind.keyOf(checkName(name));
    checkValue(bytes);
    const endAtMs = performance.now() + timeoutMs;
    const half = Math.max(1, timeoutMs / 2);
    const seen = await this.get(key, { ...defined({ signal, parallelism, paths }), timeoutMs: half });
    const { seq: seenSeq = 0 } = seen;
    if (options.expectedSeq !== undefined && seenSeq > expectedSeq)
      throw new Superseded(expectedSeq, seenSeq, { ...nothingStored, end: seen.end });
    const seq = Math.max(Date.now(), seenSeq + 1, expectedSeq + 1);
    const making = abortable(kind.make(name, bytes, seq, options.lifetimeMs), this.#options.lifetime);
    const record = await abortable(making, signal);
    const leftMs = Math.max(1, endAtMs - performance.now());
    return await this.putRecord(record, { ...options, timeoutMs: leftMs });
  }

  async putRecord(record: DhtRecord, options: SwapOptions): Promise<PutResult> {
    const { run, commands } = this.#options;
    const { minAccepted = this.#options.minAccepted, lifetimeMs, expectedSeq } = options;
    checkMinAccepted(minAccepted);
    checkId("record.key", record.key);
    const lasting = lifetimeMs === undefined ? record : { ...record, lifetimeMs };
    const finished = await run(options, (nowMs, query) => commands.put(nowMs, lasting, query));
    const { result, end, stats } = finished;
    const { accepted, asked, refusals, holders }: Stored = result.type === "stored" ? result : nothingStored;
    const outcome = { accepted, asked, refusals, end, ...explained(finished) };
    if (expectedSeq !== undefined && refusals.superseded !== undefined)
      throw new Superseded(expectedSeq, undefined, outcome);
    if (accepted < minAccepted) throw new PutFailed(minAccepted, outcome);
    return { key: record.key, ...outcome, holders, stats };
  }
}

/** More than a walk remembers to have answered. */
const mostHolders = 255;
const nothingSaid: Partial<Said> = {};
const nothingFound = { record: undefined, holders: [] } as const;
type Stored = Omit<Extract<QueryResult, { type: "stored" }>, "type">;

const nothingStored: Stored = { accepted: 0, asked: 0, refusals: {}, holders: [] };
