/**
 * What we ourselves provide: announced, renewed until it is withdrawn, and taken back from those who hold it.
 *
 * An announcement is stored on the closest nodes like a value, and renewed at half of its lifetime, a fifth of that
 * earlier at most, drawn anew each time, so that what was announced together is not renewed together. When nobody took it
 * the next try comes sooner. Who was told is remembered while they may hold it, so a withdrawal needs no walk.
 *
 * One query at a time for each key: what is announced or withdrawn anew ends the one before.
 */
import { copyBytes } from "./bytes.ts";
import type { QueryOptions } from "./commands.ts";
import type { Contact } from "./contact.ts";
import { shown, UsageError } from "./errors.ts";
import type { QueryFinished, QueryId } from "./events.ts";
import { LeanMap, LeanSet } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { OwnAddresses } from "./own-addresses.ts";
import { type Announcement, maxProviderMetaBytes, minProviderLifetimeMs, type Provider } from "./provider.ts";
import type { ProviderRules } from "./provider-rules.ts";
import type { ResolvedQueryOptions } from "./query-settings.ts";
import type { RandomSource } from "./random-source.ts";
import type { RecordKey } from "./record.ts";
import type { Gauge } from "./stats.ts";
import type { StoreRequest } from "./store-round.ts";
import { CallbackTimer, type TimerQueue } from "./timers.ts";

/** Called once when a query is over; `told`: who holds it as far as we know. */
export type OnAnnounced = (nowMs: InstantMs, finished: QueryFinished, told: readonly Contact[]) => void;

/** What is needed of the node's queries. */
export interface AnnouncerQueries {
  /** @throws UsageError `invalidOption`, or `tooMany` when there is no room for another query */
  admit(options: QueryOptions): ResolvedQueryOptions;
  announce(
    nowMs: InstantMs,
    key: RecordKey,
    request: StoreRequest,
    options: ResolvedQueryOptions,
    onEnd: OnAnnounced,
  ): QueryId;
  /** The same without an event at its end; `undefined`: there is no room now, and `onEnd` is not called. */
  renew(nowMs: InstantMs, key: RecordKey, request: StoreRequest, onEnd: OnAnnounced): QueryId | undefined;
  withdraw(
    nowMs: InstantMs,
    key: RecordKey,
    holders: readonly Contact[],
    options: ResolvedQueryOptions,
    onEnd: (nowMs: InstantMs) => void,
  ): QueryId;
  cancel(nowMs: InstantMs, query: QueryId): boolean;
}

export interface AnnouncerOptions {
  readonly limits: Pick<NodeLimits, "providerLifetimeMs" | "maxOwnProviders" | "maxRepublishAtOnce">;
  readonly timers: TimerQueue;
  readonly random: Pick<RandomSource, "share">;
  readonly queries: AnnouncerQueries;
  /** Whether and where others reach us. */
  readonly own: Pick<OwnAddresses, "canProvide" | "contact">;
  readonly self: NodeId;
  readonly providerRules: Pick<ProviderRules, "faultOf" | "longestMs">;
}

/** A key that we provide. */
interface Own {
  readonly key: RecordKey;
  /** Owned. */
  readonly meta: Uint8Array;
  readonly lifetimeMs: number;
  readonly holders: Map<string, { readonly contact: Contact; readonly untilMs: InstantMs }>;
  /** Times in a row that nobody took it. */
  failures: number;
  /** What is being said under way is no longer right: it is renewed soon afterwards. */
  isStale: boolean;
  readonly renewal: CallbackTimer;
}

/** A query under way for a key. */
interface Run {
  query: QueryId | undefined;
  hasEnded: boolean;
}

/** Who is remembered as a holder of one key, the newest kept: a put asks at most 255 and as many again where they lie densely. */
const maxHolders = 512;
/** Nobody took it: tried again after this, then after twice as long, and so on up to a quarter of the lifetime. */
const firstRetryMs = 10_000;
/** No room for a query: tried again after this. */
const noRoomRetryMs = 1_000;
/** After a change of our addresses, or sleep, everything is renewed within this time. */
const renewSoonMs = 10_000;
/** What nobody holds is announced within this time after we have joined. */
const joinedRetryMs = 1_000;

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #own = new LeanMap<string, Own>();
  /** By key; at most one for each own key, and the withdrawals under way. */
  readonly #running = new LeanMap<string, Run>();
  /** Due, but too many are being renewed. */
  readonly #waiting = new LeanSet<Own>();
  #renewing = 0;
  #isRenewingNext = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** Keys that we provide. */
  get ownProviders(): Gauge {
    return { used: this.#own.size, limit: this.#options.limits.maxOwnProviders };
  }

  /** Ourselves as a provider of `key`, if we are one and can say where we are. */
  provider(key: RecordKey): Provider | undefined {
    const own = this.#own.get(key.key);
    const contact = own === undefined ? undefined : this.#options.own.contact;
    return own === undefined || contact === undefined
      ? undefined
      : { contact, meta: own.meta, lifetimeMs: own.lifetimeMs };
  }

  /**
   * Announces `key` and renews it from then on. A second call replaces what was said, and ends an announcement under way.
   * @throws UsageError `noAddress`, `invalidRecord`, `invalidOption`, `tooMany`; nothing has changed then
   */
  announce(nowMs: InstantMs, key: RecordKey, announcement: Announcement, options: QueryOptions): QueryId {
    const { queries, own: ourselves } = this.#options;
    if (!ourselves.canProvide)
      throw new UsageError(
        "noAddress",
        "a client without addresses: others could not reach what it provides",
      );
    const meta = checkedMeta(announcement.meta);
    const lifetimeMs = this.#checkedLifetime(announcement.lifetimeMs);
    this.#checkRules(key, meta);
    const before = this.#own.get(key.key);
    if (before === undefined) this.#checkRoom();
    const resolved = queries.admit(options);
    this.#endRun(nowMs, key);
    if (before !== undefined) this.#forget(before);
    const own: Own = {
      key,
      meta,
      lifetimeMs,
      holders: before?.holders ?? new Map<string, { contact: Contact; untilMs: InstantMs }>(),
      failures: 0,
      isStale: false,
      renewal: new CallbackTimer("provider is renewed", (dueMs) => this.#onDue(dueMs, own)),
    };
    this.#own.set(key.key, own);
    const run = this.#newRun(key);
    run.query = queries.announce(nowMs, key, requestOf(own), resolved, this.#onEnd(own, run));
    return run.query;
  }

  /**
   * Stops providing `key` and tells its holders. Where nothing is announced, nobody is asked and the query has converged.
   * @throws UsageError `invalidOption`, `tooMany`; nothing has changed then
   */
  withdraw(nowMs: InstantMs, key: RecordKey, options: QueryOptions): QueryId {
    const { queries } = this.#options;
    const resolved = queries.admit(options);
    const own = this.#own.get(key.key);
    if (own === undefined) return queries.withdraw(nowMs, key, [], resolved, () => undefined);
    this.#endRun(nowMs, key);
    this.#forget(own);
    const holders = holdersAt(nowMs, own);
    const run = this.#newRun(key);
    run.query = queries.withdraw(nowMs, key, holders, resolved, () => this.#onRunEnded(key, run));
    return run.query;
  }

  /** We are part of the network now: what nobody holds is announced. */
  onJoined(nowMs: InstantMs): void {
    for (const own of this.#own.values())
      if (holdersAt(nowMs, own).length === 0) this.#setEarlier(nowMs, own, joinedRetryMs);
  }

  /** Holders may have forgotten us, or know us where we no longer are. */
  renewAll(nowMs: InstantMs): void {
    for (const own of this.#own.values()) {
      own.isStale = this.#isRunning(own);
      this.#setEarlier(nowMs, own, renewSoonMs);
    }
  }

  #setEarlier(nowMs: InstantMs, own: Own, withinMs: number): void {
    if (!this.#isRunning(own))
      this.#options.timers.setEarlier(own.renewal, nowMs + withinMs * this.#options.random.share());
  }

  #isRunning(own: Own): boolean {
    return this.#running.has(own.key.key) || this.#waiting.has(own);
  }

  #onDue(nowMs: InstantMs, own: Own): void {
    if (this.#renewing >= this.#options.limits.maxRepublishAtOnce) this.#waiting.add(own);
    else this.#renew(nowMs, own);
  }

  #renew(nowMs: InstantMs, own: Own): void {
    const { queries, timers } = this.#options;
    own.isStale = false;
    const run = this.#newRun(own.key);
    const onEnd = this.#onEnd(own, run);
    this.#renewing++;
    run.query = queries.renew(nowMs, own.key, requestOf(own), (endMs, finished, told) => {
      this.#renewing--;
      onEnd(endMs, finished, told);
      this.#renewNext(endMs);
    });
    if (run.query !== undefined) return;
    this.#renewing--;
    this.#onRunEnded(own.key, run);
    timers.set(own.renewal, nowMs + noRoomRetryMs);
  }

  /** A renewal that ends at once calls this from inside: the loop goes on then, and nothing nests. */
  #renewNext(nowMs: InstantMs): void {
    if (this.#isRenewingNext) return;
    this.#isRenewingNext = true;
    for (const own of this.#waiting) {
      if (this.#renewing >= this.#options.limits.maxRepublishAtOnce) break;
      this.#waiting.delete(own);
      this.#renew(nowMs, own);
    }
    this.#isRenewingNext = false;
  }

  #onEnd(own: Own, run: Run): OnAnnounced {
    return (nowMs, { result }, told) => {
      this.#onRunEnded(own.key, run);
      remember(nowMs, own, told);
      if (this.#own.get(own.key.key) !== own) return;
      const isHeld = result.type === "stored" && result.accepted > 0;
      own.failures = isHeld ? 0 : own.failures + 1;
      this.#options.timers.set(own.renewal, nowMs + this.#pauseMs(own));
    };
  }

  #pauseMs({ lifetimeMs, failures, isStale }: Own): number {
    if (isStale) return renewSoonMs * this.#options.random.share();
    if (failures === 0) return (lifetimeMs / 2) * (1 - this.#options.random.share() / 5);
    return (
      Math.min(firstRetryMs * 2 ** (failures - 1), lifetimeMs / 4) * (1 - this.#options.random.share() / 5)
    );
  }

  /** A query may end before its id is known, so its end is not told by the id. */
  #newRun(key: RecordKey): Run {
    const run: Run = { query: undefined, hasEnded: false };
    this.#running.set(key.key, run);
    return run;
  }

  #onRunEnded(key: RecordKey, run: Run): void {
    run.hasEnded = true;
    if (this.#running.get(key.key) === run) this.#running.delete(key.key);
  }

  #endRun(nowMs: InstantMs, key: RecordKey): void {
    const run = this.#running.get(key.key);
    if (run?.query !== undefined) this.#options.queries.cancel(nowMs, run.query);
  }

  #forget(own: Own): void {
    this.#own.delete(own.key.key);
    this.#waiting.delete(own);
    this.#options.timers.clear(own.renewal);
  }

  #checkRoom(): void {
    const { maxOwnProviders } = this.#options.limits;
    if (this.#own.size >= maxOwnProviders)
      throw new UsageError(
        "tooMany",
        `announced keys: ${this.#own.size}; allowed at once are ${maxOwnProviders}`,
      );
  }

  #checkRules(key: RecordKey, meta: Uint8Array): void {
    const { providerRules, self } = this.#options;
    const fault = providerRules.faultOf(key, self, meta);
    if (fault !== undefined) throw new UsageError("invalidRecord", `meta: ${fault}`);
    if (!(providerRules.longestMs(meta) > 0))
      throw new UsageError("invalidRecord", "meta: they say of themselves that they are over");
  }

  #checkedLifetime(lifetimeMs: number | undefined): number {
    const longestMs = this.#options.limits.providerLifetimeMs;
    if (lifetimeMs === undefined) return longestMs;
    const shortestMs = Math.min(minProviderLifetimeMs, longestMs);
    if (typeof lifetimeMs === "number" && lifetimeMs >= shortestMs && lifetimeMs <= longestMs)
      return lifetimeMs;
    throw new UsageError(
      "invalidRecord",
      `lifetimeMs: ${shown(lifetimeMs)}; allowed are ${shortestMs} to ${longestMs} ms`,
    );
  }
}

function requestOf({ key, meta, lifetimeMs }: Own): StoreRequest {
  return (token) => ({ type: "addProvider", token, key, lifetimeMs, meta });
}

function remember(nowMs: InstantMs, { holders, lifetimeMs }: Own, told: readonly Contact[]): void {
  for (const [id, { untilMs }] of holders) if (untilMs <= nowMs) holders.delete(id);
  for (const contact of told) {
    holders.delete(contact.id.key);
    holders.set(contact.id.key, { contact, untilMs: nowMs + lifetimeMs });
  }
  for (const id of holders.keys()) {
    if (holders.size <= maxHolders) return;
    holders.delete(id);
  }
}

function holdersAt(nowMs: InstantMs, { holders }: Own): Contact[] {
  return [...holders.values()].filter(({ untilMs }) => untilMs > nowMs).map(({ contact }) => contact);
}

function checkedMeta(meta: Uint8Array | undefined): Uint8Array {
  if (meta === undefined) return new Uint8Array(0);
  if (!(meta instanceof Uint8Array))
    throw new UsageError("invalidRecord", `meta: ${shown(meta)}; allowed is a Uint8Array`);
  if (meta.length <= maxProviderMetaBytes) return copyBytes(meta);
  throw new UsageError(
    "invalidRecord",
    `meta: ${meta.length} bytes; allowed are 0 to ${maxProviderMetaBytes} bytes`,
  );
}
