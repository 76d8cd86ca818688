/**
 * Begins the queries that commands and maintenance ask for, and keeps what they have in common: options, seeds from the
 * table, what a finished walk teaches.
 */
import type { Address } from "./address.ts";
import type { AnnouncerQueries, OnAnnounced } from "./announcer.ts";
import { BootstrapQuery } from "./bootstrap-query.ts";
import type { FindProvidersOptions, QueryOptions } from "./commands.ts";
import type { Contact, Seed } from "./contact.ts";
import { DisjointLookup } from "./disjoint-lookup.ts";
import { distanceShare } from "./distance.ts";
import { KadError, UsageError } from "./errors.ts";
import type { EventQueue } from "./event-queue.ts";
import type { NodeEvent, QueryFinished, QueryId, QueryResult, RemoteErrorCode } from "./events.ts";
import { FindProvidersQuery } from "./find-providers-query.ts";
import { FindQuery } from "./find-query.ts";
import { GetQuery } from "./get-query.ts";
import { Lookup } from "./lookup.ts";
import type { InstantMs, Path, Transmit } from "./machine.ts";
import type { Maintenance } from "./maintenance.ts";
import { NetworkSize } from "./network-size.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { PeerHistory } from "./peer-history.ts";
import type { Protocol, RefusalReason, WireRecord } from "./protocol.ts";
import { noCursor, type ProviderKeeper } from "./provider-keeper.ts";
import type { ProviderRules } from "./provider-rules.ts";
import { PutQuery } from "./put-query.ts";
import type { Query } from "./query.ts";
import { QueryPool } from "./query-pool.ts";
import { type ResolvedQueryOptions, resolveProviderLimit, resolveQueryOptions } from "./query-settings.ts";
import type { DhtRecord, RecordKey, StoredRecord } from "./record.ts";
import type { RecordKeeper } from "./record-keeper.ts";
import { RefusedQuery } from "./refused-query.ts";
import type { RoutingTable } from "./routing-table.ts";
import type { Rpc } from "./rpc.ts";
import { SendRoom } from "./send-room.ts";
import { SingleQuery } from "./single-query.ts";
import type { StoreRequest } from "./store-round.ts";
import type { TimerQueue } from "./timers.ts";
import type { Walk } from "./walk.ts";
import { WithdrawQuery } from "./withdraw-query.ts";

export interface QueriesOptions {
  readonly self: NodeId;
  readonly limits: NodeLimits;
  readonly timers: TimerQueue;
  readonly rpc: Rpc;
  readonly table: RoutingTable;
  readonly keeper: RecordKeeper;
  readonly providers: ProviderKeeper;
  readonly providerRules: ProviderRules;
  readonly history: PeerHistory;
  readonly protocol: Pick<Protocol, "requests">;
  readonly events: EventQueue;
  readonly maintenance: Pick<Maintenance, "onRecordsChanged">;
  groupOf(address: Address): string | undefined;
  onMisbehaved(from: Path, code: RemoteErrorCode): void;
  /** A walk to our own id is over. */
  onJoined(nowMs: InstantMs): void;
}

type OnEnd = (nowMs: InstantMs, finished: QueryFinished) => void;

/** What becomes of a query beside its event. */
interface Ending {
  /** Where it says something about the neighbourhood of its target. */
  readonly walk?: Walk;
  readonly finish?: OnEnd;
  /** The node's own: no event. */
  readonly isOwn?: boolean;
}

/** A put goes on past `results` to at most so many times as many holders, when the closest lie too densely. */
const maxSafeFactor = 2;

function refusedPut(reason: RefusalReason): QueryResult {
  return { type: "stored", asked: 0, accepted: 0, holders: [], refusals: { [reason]: 1 } };
}

export class Queries implements AnnouncerQueries {
  readonly #options: QueriesOptions;
  readonly #pool: QueryPool;
  readonly #size = new NetworkSize();
  readonly #room: SendRoom;

  constructor(options: QueriesOptions) {
    this.#options = options;
    this.#room = new SendRoom(options.limits);
    this.#pool = new QueryPool(options);
  }

  get size(): number {
    return this.#pool.size;
  }

  /** As many run as may. */
  get full(): boolean {
    return this.#pool.full;
  }

  /** Bytes of application messages that wait or are under way. */
  get sendBytes(): number {
    return this.#room.used;
  }

  /** Estimate of the number of other nodes; `undefined` until enough walks tell. */
  networkSize(nowMs: InstantMs): number | undefined {
    return this.#size.estimate(nowMs);
  }

  progress(id: QueryId): NodeEvent | undefined {
    const progress = this.#pool.progress(id);
    if (progress === undefined) return undefined;
    const { step, query, explanation } = progress;
    const explained = explanation === undefined ? {} : { explanation };
    return { type: "queryProgressed", query: id, step, result: query.result(), ...explained };
  }

  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    return this.#pool.pollTransmit(nowMs, into);
  }

  cancel(nowMs: InstantMs, id: QueryId): boolean {
    return this.#pool.cancel(nowMs, id);
  }

  closeAll(nowMs: InstantMs): void {
    this.#pool.closeAll(nowMs);
  }

  /** A link is open again. */
  wakeAll(): void {
    this.#pool.wakeAll();
  }

  bootstrap(nowMs: InstantMs, seeds: readonly Seed[], options: QueryOptions): QueryId {
    const { self, table } = this.#options;
    const resolved = this.#resolve(options, this.#options.limits.bucketSize);
    const walk = this.#lookup(nowMs, self, resolved);
    walk.addSeeds(table.closest(self, this.#options.limits.bucketSize));
    const finish: OnEnd = (endMs, finished) => {
      if (finished.end === "converged") this.#options.onJoined(endMs);
    };
    return this.#begin(nowMs, new BootstrapQuery(walk, seeds), resolved, { walk, finish });
  }

  ping(nowMs: InstantMs, to: Seed, options: QueryOptions): QueryId {
    return this.#begin(nowMs, new SingleQuery(to, { type: "ping" }), this.#resolve(options, 1));
  }

  findNode(nowMs: InstantMs, target: NodeId, options: QueryOptions): QueryId {
    const resolved = this.#resolve(options, this.#options.limits.findResults);
    const walk = this.#walk(nowMs, target, resolved);
    return this.#begin(nowMs, new FindQuery(walk), resolved, { walk });
  }

  get(nowMs: InstantMs, key: RecordKey, options: QueryOptions): QueryId {
    const { keeper } = this.#options;
    const resolved = this.#resolve(options, this.#options.limits.findResults);
    const walk = this.#walk(nowMs, key, resolved);
    const query = new GetQuery({
      walk,
      key,
      types: keeper.types,
      quorum: resolved.quorum,
      local: toWire(nowMs, keeper.get(nowMs, key)),
      onInvalid: (from) => this.#options.onMisbehaved(from, "invalidValue"),
    });
    return this.#begin(nowMs, query, resolved);
  }

  put(nowMs: InstantMs, record: DhtRecord, options: QueryOptions): QueryId {
    const { keeper, maintenance } = this.#options;
    const resolved = this.#resolve(options, this.#options.limits.bucketSize);
    const wire = keeper.types.toWire(record);
    const keep = (keptMs: InstantMs): void => {
      if (options.keep === false) return;
      keeper.keepOwn(keptMs, { ...record, body: wire.body });
      maintenance.onRecordsChanged(keptMs);
    };
    if (resolved.expectedSeq !== undefined)
      return this.#swap(nowMs, wire, resolved.expectedSeq, resolved, keep);
    const id = this.#put(nowMs, wire, resolved);
    keep(nowMs);
    return id;
  }

  send(nowMs: InstantMs, to: Seed, protocol: string, body: Uint8Array, options: QueryOptions): QueryId {
    const resolved = this.#resolve(options, 1);
    const peer = to.id?.key ?? to.addresses[0]?.key ?? "";
    const isTaken = this.#room.take(peer, body.length);
    const query = new SingleQuery(to, { type: "application", protocol, body }, () => {
      if (isTaken) this.#room.giveBack(peer, body.length);
    });
    if (!isTaken) query.refuse("busy");
    else if (!this.#options.protocol.requests.has("application")) query.refuse("unsupported");
    return this.#begin(nowMs, query, resolved);
  }

  /** A walk of the node's own. `false`: no room for it now. */
  refresh(nowMs: InstantMs, target: NodeId, onEnd: (nowMs: InstantMs) => void): boolean {
    if (this.#pool.full) return false;
    // Our own neighbourhood should be known whole.
    const isSelf = target.equals(this.#options.self);
    const resolved = this.#resolve(
      {},
      isSelf ? this.#options.limits.bucketSize : this.#options.limits.findResults,
    );
    const walk = this.#walk(nowMs, target, resolved);
    this.#begin(nowMs, new FindQuery(walk), resolved, { walk, finish: onEnd, isOwn: true });
    return true;
  }

  /** Passes a held record on to the closest. `false`: no room for it now. */
  republish(nowMs: InstantMs, record: StoredRecord, onEnd: OnEnd): boolean {
    if (this.#pool.full) return false;
    const wire = toWire(nowMs, record) as WireRecord;
    const ending = { finish: onEnd, isOwn: true };
    this.#put(nowMs, wire, this.#resolve({}, this.#options.limits.bucketSize), ending);
    return true;
  }

  admit(options: QueryOptions): ResolvedQueryOptions {
    return this.#resolve(options, this.#options.limits.bucketSize);
  }

  announce(
    nowMs: InstantMs,
    key: RecordKey,
    request: StoreRequest,
    options: ResolvedQueryOptions,
    onEnd: OnAnnounced,
    isOwn = false,
  ): QueryId {
    if (!this.#options.protocol.requests.has("addProvider")) {
      const finish: OnEnd = (endMs, finished) => onEnd(endMs, finished, []);
      return this.#begin(nowMs, new RefusedQuery(refusedPut("unsupported")), options, { finish, isOwn });
    }
    const { query, walk } = this.#putQuery(nowMs, key, request, options);
    const finish: OnEnd = (endMs, finished) => onEnd(endMs, finished, query.told());
    return this.#begin(nowMs, query, options, { walk, finish, isOwn });
  }

  renew(nowMs: InstantMs, key: RecordKey, request: StoreRequest, onEnd: OnAnnounced): QueryId | undefined {
    if (this.#pool.full) return undefined;
    return this.announce(nowMs, key, request, this.admit({}), onEnd, true);
  }

  withdraw(
    nowMs: InstantMs,
    key: RecordKey,
    holders: readonly Contact[],
    options: ResolvedQueryOptions,
    onEnd: (nowMs: InstantMs) => void,
  ): QueryId {
    return this.#begin(nowMs, new WithdrawQuery(key, holders), options, { finish: onEnd });
  }

  findProviders(nowMs: InstantMs, key: RecordKey, options: FindProvidersOptions): QueryId {
    const { self, providers, protocol } = this.#options;
    const limit = resolveProviderLimit(this.#options.limits, options.limit);
    const resolved = this.#resolve(options, this.#options.limits.findResults);
    const admits = ({ id }: Contact) => !id.equals(self);
    const page = { cursor: noCursor, maxBytes: Number.POSITIVE_INFINITY, maxCount: limit, admits };
    const local = providers.page(nowMs, key, page).providers;
    if (!protocol.requests.has("getProviders")) {
      const result: QueryResult = { type: "providers", providers: local, contacts: [] };
      return this.#begin(nowMs, new RefusedQuery(result), resolved);
    }
    const walk = this.#walk(nowMs, key, resolved);
    const query = new FindProvidersQuery({
      walk,
      key,
      self,
      limit,
      parallelism: resolved.parallelism,
      rules: this.#options.providerRules,
      local,
      onInvalid: (from) => this.#options.onMisbehaved(from, "invalidValue"),
    });
    return this.#begin(nowMs, query, resolved);
  }

  /** Compare-and-swap. `keep` only once it is known that the swap came about. */
  #swap(
    nowMs: InstantMs,
    record: WireRecord,
    expectedSeq: number,
    options: ResolvedQueryOptions,
    keep: (nowMs: InstantMs) => void,
  ): QueryId {
    const { keeper } = this.#options;
    const { typeCode } = record;
    if (keeper.types.seqOf(typeCode, record.body) === undefined) {
      const name = keeper.types.nameOf(typeCode);
      throw new UsageError("invalidOption", `expectedSeq: records of type ${name} have no sequence numbers`);
    }
    if (keeper.isAhead(nowMs, record, expectedSeq)) {
      return this.#begin(nowMs, new RefusedQuery(refusedPut("superseded")), options);
    }
    const finish: OnEnd = (endMs, { result }) => {
      if (result.type === "stored" && result.accepted > 0 && result.refusals.superseded === undefined)
        keep(endMs);
    };
    return this.#put(nowMs, record, options, { finish });
  }

  #put(nowMs: InstantMs, record: WireRecord, options: ResolvedQueryOptions, ending: Ending = {}): QueryId {
    // Its life counts from now: what the walk takes is no longer there when a holder gets it, and nobody stores what is over.
    const expiresAtMs = nowMs + record.lifetimeMs;
    const { expectedSeq } = options;
    const request: StoreRequest = (token, askedAtMs) => ({
      type: "putValue",
      token,
      record: { ...record, lifetimeMs: expiresAtMs - askedAtMs },
      ...(expectedSeq === undefined ? {} : { expectedSeq }),
    });
    const { query, walk } = this.#putQuery(nowMs, record.key, request, options);
    const timeoutMs = Math.min(options.timeoutMs, record.lifetimeMs);
    return this.#begin(nowMs, query, { ...options, timeoutMs }, { walk, ...ending });
  }

  #putQuery(
    nowMs: InstantMs,
    key: RecordKey,
    request: StoreRequest,
    options: ResolvedQueryOptions,
  ): { readonly query: PutQuery; readonly walk: Walk } {
    const { results } = options;
    const walk = this.#walk(nowMs, key, options);
    const safeResults = (closest: readonly Contact[]) => this.#safeResults(nowMs, key, closest, results);
    return { query: new PutQuery({ walk, request, safeResults }), walk };
  }

  #begin(
    nowMs: InstantMs,
    query: Query,
    { timeoutMs, progress, trace }: ResolvedQueryOptions,
    { walk, finish, isOwn = false }: Ending = {},
  ): QueryId {
    const onEnd = (endMs: InstantMs, finished: QueryFinished) => {
      if (walk !== undefined && finished.end === "converged") this.#learn(endMs, walk);
      finish?.(endMs, finished);
      if (!isOwn) this.#options.events.push(finished);
    };
    return this.#pool.begin(nowMs, query, { timeoutMs, progress, trace, onEnd });
  }

  /** What a walk that converged tells about the size of the network, and about a neighbourhood that is too dense. */
  #learn(nowMs: InstantMs, walk: Walk): void {
    const ids = walk.closest().map((contact) => contact.id);
    if (this.#size.isTooDense(nowMs, walk.target, ids)) {
      const message = `the nodes closest to ${walk.target.toHex()} lie closer together than chance allows`;
      this.#options.events.push({ type: "error", error: new KadError("denseNeighbourhood", message) });
      return;
    }
    if (ids.length >= this.#options.limits.findResults) this.#size.onLookup(nowMs, walk.target, ids);
  }

  /** Where liars crowd around a key, a put goes on until it has reached as far as honest nodes are expected. */
  #safeResults(nowMs: InstantMs, key: RecordKey, closest: readonly Contact[], results: number): number {
    const ids = closest.map((contact) => contact.id);
    if (!this.#size.isTooDense(nowMs, key, ids)) return results;
    const expected = this.#size.expectedDistanceShare(nowMs, results);
    const farthest = ids.at(-1);
    if (expected === undefined || farthest === undefined || distanceShare(key, farthest) >= expected)
      return results;
    return Math.min(results * maxSafeFactor, closest.length + results);
  }

  #walk(nowMs: InstantMs, target: NodeId, options: ResolvedQueryOptions): Walk {
    const { table } = this.#options;
    table.onLookup(nowMs, target);
    const seeds = table.closest(target, Math.max(this.#options.limits.bucketSize, options.results));
    const walk =
      options.paths === 1
        ? this.#lookup(nowMs, target, options)
        : new DisjointLookup(this.#lookupOptions(nowMs, target, options), options.paths);
    walk.addSeeds(seeds);
    return walk;
  }

  #lookup(nowMs: InstantMs, target: NodeId, options: ResolvedQueryOptions): Lookup {
    return new Lookup(this.#lookupOptions(nowMs, target, options));
  }

  #lookupOptions(
    nowMs: InstantMs,
    target: NodeId,
    { results, parallelism, trace }: ResolvedQueryOptions,
  ): ConstructorParameters<typeof Lookup>[0] {
    const { self, table } = this.#options;
    trace?.begin(nowMs, target);
    const { stalledParallelism, maxCandidates, maxPerSubnetInLookup } = this.#options.limits;
    return {
      target,
      self,
      results,
      parallelism,
      stalledParallelism,
      maxCandidates,
      maxPerSubnet: maxPerSubnetInLookup,
      groupOf: (address) => this.#options.groupOf(address),
      reserves: () => table.closest(target, maxCandidates),
      onSkip: trace === undefined ? undefined : (contact, reason) => trace.skipped(contact, reason),
    };
  }

  /** The first thing that every query does: a refusal leaves all as it was. */
  #resolve(options: QueryOptions, results: number): ResolvedQueryOptions {
    const resolved = resolveQueryOptions(this.#options.limits, options, results);
    this.#checkRoom();
    return resolved;
  }

  #checkRoom(): void {
    const { maxQueries } = this.#options.limits;
    if (this.#pool.full)
      throw new UsageError("tooMany", `queries: ${this.#pool.size}; allowed at once are ${maxQueries}`);
  }
}

function toWire(nowMs: InstantMs, record: StoredRecord | undefined): WireRecord | undefined {
  if (record === undefined) return undefined;
  const { typeCode, key, body, expiresAtMs } = record;
  return { typeCode, key, lifetimeMs: expiresAtMs - nowMs, body };
}
