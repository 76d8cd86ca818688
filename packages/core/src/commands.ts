/**
 * What a caller may ask of a node. Each command returns a {@link QueryId} at once; the query ends in exactly one
 * `queryFinished` event. Through a {@link Driver} no command is left unsent until the next deadline.
 */
import type { Contact, Seed } from "./contact.ts";
import type { PluginId, QueryId, ReplyToken, TimerId } from "./events.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { Announcement } from "./provider.ts";
import type { DhtRecord, RecordKey } from "./record.ts";
import type { InsertOutcome, ReadonlyRoutingTable } from "./routing-table.ts";
import type { NodeStats } from "./stats.ts";

/** How one query differs from the node's limits. Every field is checked; a bad one throws `UsageError` `invalidOption`. */
export interface QueryOptions {
  /** The query ends then with what it has, `timedOut`. 1 ms to 30 days; default `queryTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Requests kept outstanding (α), 1 to 64. */
  readonly parallelism?: number;
  /** How many of the closest must have answered, 1 to 255: by default 8 for a find, `bucketSize` for a put or announce. */
  readonly results?: number;
  /** Disjoint paths, 1 to 8: more than one survives liars on some of them (S/Kademlia §4.4). */
  readonly paths?: number;
  /** Holders that a `get` hears before it answers, 1 to 255; by default the record type's own. */
  readonly quorum?: number;
  /**
   * Compare-and-swap, for a `put` of a type that has sequence numbers: a holder whose record has a larger one than this
   * refuses, `superseded`, though the new record would win. 0 to 2^53 − 1. No promise: holders that do not know of the
   * newer record yet take ours, and whichever wins by the rules of the type stays in the end. Our own copy is kept only
   * when somebody took the record and nobody refused it as superseded.
   */
  readonly expectedSeq?: number;
  /** `false`: a `put` keeps no copy of the record in our own store, and so never renews it. True by default. */
  readonly keep?: boolean;
  /** Whether `queryProgressed` events are wanted; false by default, since most callers want the end alone. */
  readonly progress?: boolean;
  /** Whether the query's events carry an {@link Explanation}: who was asked, skipped or dropped, and why. Default false. */
  readonly explain?: boolean;
}

export interface FindProvidersOptions extends QueryOptions {
  /** The query ends when so many are known, 1 to 1,000; by default `providerResults` (100). */
  readonly limit?: number;
}

export interface Commands {
  /** Asks the seeds for our own neighbourhood, then refreshes the buckets beyond it. */
  bootstrap(nowMs: InstantMs, seeds: readonly Seed[], options?: QueryOptions): QueryId;
  /** Ends `converged` when the peer answered, else with `result.reason`. */
  ping(nowMs: InstantMs, to: Seed, options?: QueryOptions): QueryId;
  /** The closest live nodes to `target`, ourselves excluded. */
  findNode(nowMs: InstantMs, target: NodeId, options?: QueryOptions): QueryId;
  /** Ends `converged` with `record: undefined` when the closest have answered and nobody had it. */
  get(nowMs: InstantMs, key: RecordKey, options?: QueryOptions): QueryId;
  /** Stores on the `results` closest, and in our own store unless told not to. The body is copied. */
  put(nowMs: InstantMs, record: DhtRecord, options?: QueryOptions): QueryId;
  /**
   * Tells the `results` closest that we serve `key`, and renews that until it is withdrawn, also when this query is
   * cancelled; a second call replaces what the first one said and ends it, if it is under way. Throws `UsageError`
   * `noAddress` on a client that has no addresses, `invalidRecord`, and `tooMany` beyond `maxOwnProviders` keys.
   */
  announce(nowMs: InstantMs, key: RecordKey, announcement?: Announcement, options?: QueryOptions): QueryId;
  /**
   * Stops renewing and tells the holders. Whoever cannot be reached forgets it when its lifetime ends. The result is as
   * of `put`; where nothing is announced, nobody is asked and the query ends `converged`.
   */
  withdraw(nowMs: InstantMs, key: RecordKey, options?: QueryOptions): QueryId;
  /**
   * Who serves `key`; with `progress` those known so far, as they are heard. Ends when `limit` are known, or when the
   * closest have no more. What nobody has announced ends `converged` and empty.
   */
  findProviders(nowMs: InstantMs, key: RecordKey, options?: FindProvidersOptions): QueryId;
  /** One application message; the query ends with the peer's reply, or empty when only acknowledged. The body is copied. */
  send(nowMs: InstantMs, to: Seed, protocol: string, body: Uint8Array, options?: QueryOptions): QueryId;
  /** Answers an application message. `false`: the token has expired or was used, or no answer can wait. The body is copied. */
  reply(nowMs: InstantMs, token: ReplyToken, body: Uint8Array): boolean;
  /** `false`: already ended, an ordinary race. `queryFinished` follows with what was found. */
  cancel(nowMs: InstantMs, query: QueryId): boolean;
  /** Offers a contact that the caller vouches for (a saved table); it is pinged before it counts as verified. */
  addContact(nowMs: InstantMs, contact: Contact): InsertOutcome;
  /** The application protocols that plugins take; messages of others are answered `noHandler`. Replaces the earlier set. */
  setProtocols(names: readonly string[]): void;
  /** A `timer` event after `delayMs` (0 to 30 days). At most `maxTimersPerPlugin` for each plugin. */
  setTimer(nowMs: InstantMs, delayMs: number, plugin: PluginId): TimerId;
  /** `false`: fired or cleared already. */
  clearTimer(timer: TimerId): boolean;
  readonly id: NodeId;
  readonly table: ReadonlyRoutingTable;
  stats(): NodeStats;
}
