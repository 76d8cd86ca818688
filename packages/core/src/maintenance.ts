/**
 * What a node does on its own: asks whether contacts are alive, refreshes buckets, expires and republishes records.
 *
 * Kademlia §2.3 and §2.5. Every wish is a timer in the node's one queue; nothing is polled for. Phases are random, so that
 * nodes started together do not act together.
 */
import type { Contact } from "./contact.ts";
import type { QueryFinished } from "./events.ts";
import type { InstantMs } from "./machine.ts";
import type { NetworkHealth } from "./network-health.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { RandomSource } from "./random-source.ts";
import type { StoredRecord } from "./record.ts";
import type { RecordKeeper } from "./record-keeper.ts";
import type { RoutingTable } from "./routing-table.ts";
import { PartTimer, type Timer, type TimerQueue } from "./timers.ts";

export interface MaintenanceOptions {
  readonly limits: NodeLimits;
  readonly timers: TimerQueue;
  readonly table: RoutingTable;
  readonly keeper: RecordKeeper;
  readonly random: Pick<RandomSource, "fill" | "share">;
  readonly self: NodeId;
  readonly neighbours: { pingAll(contacts: readonly Contact[]): void; pingLost(count: number): void };
  readonly health: Pick<NetworkHealth, "state">;
  readonly queries: MaintenanceQueries;
  readonly rates: { forgetIdle(nowMs: InstantMs): void };
}

/** What is needed of the node's queries. */
interface MaintenanceQueries {
  /** No further walk of the node's own may begin. */
  readonly full: boolean;
  /** Begins a walk of the node's own, where there is room; `onEnd` is called when it is over. */
  refresh(nowMs: InstantMs, target: NodeId, onEnd: (nowMs: InstantMs) => void): unknown;
  republish(
    nowMs: InstantMs,
    record: StoredRecord,
    onEnd: (nowMs: InstantMs, finished: QueryFinished) => void,
  ): unknown;
}

/** When something could not begin for want of room, it is tried again after this. */
const retryMs = 1_000;
/**
 * While the table is small our own id is looked up again after this pause, then after twice as long, and so on up to
 * `selfLookupIntervalMs`: many nodes that join at the same moment know only the seed at first.
 */
const firstSelfLookupPauseMs = 250;
/**
 * After a move, after sleep, or when somebody is back whom we had lost, others may not know where we are, and whoever has come
 * nearer to us meanwhile is unknown: for so long our own id is looked up with growing pauses whatever the table's size.
 */
const restlessMs = 3 * 60_000;
/** Pause between the refreshes of two buckets, at most: a joining node does not shout. */
const refreshGapMs = 1_000;

export class Maintenance {
  readonly #options: MaintenanceOptions;
  #isRefreshing = false;
  #selfLookupPauseMs = firstSelfLookupPauseMs;
  #restlessUntilMs: InstantMs = Number.NEGATIVE_INFINITY;
  /** Somebody of our own neighbourhood has left since it was last looked up. */
  #isNeighbourMissing = false;
  /** Turns in a row that found the table empty. */
  #lonelyTurns = 0;
  /** Buckets to refresh whether or not their time has come, farthest from us first. */
  #sweep: number[] = [];
  #republishing = 0;
  /** Records are due, and the table is empty. */
  #isWaitingForContacts = false;

  readonly #liveness = new PartTimer("liveness", this);
  readonly #refresh = new PartTimer("refresh", this);
  readonly #selfLookup = new PartTimer("selfLookup", this);
  /** Made with the first record. */
  #expiry: Timer | undefined = undefined;
  #republish: Timer | undefined = undefined;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /** Values that are being passed on. */
  get republishing(): number {
    return this.#republishing;
  }

  /** Called once, with the first input. */
  start(nowMs: InstantMs): void {
    const { livenessIntervalMs, selfLookupIntervalMs, refreshIntervalMs } = this.#options.limits;
    this.#options.timers.set(this.#liveness, nowMs + this.#jitter(livenessIntervalMs));
    this.#options.timers.set(this.#selfLookup, nowMs + this.#jitter(selfLookupIntervalMs));
    this.#options.timers.set(this.#refresh, nowMs + this.#jitter(refreshIntervalMs));
    this.onRecordsChanged(nowMs);
  }

  /**
   * The table has been filled for the first time: the buckets beyond our neighbourhood come next (paper §2.3), and the
   * records that waited for somebody to be passed on to.
   */
  onJoined(nowMs: InstantMs): void {
    this.#sweep = Array.from(
      { length: Math.max(0, this.#options.table.bucketCount - 1) },
      (_, index) => index,
    );
    this.#options.timers.setEarlier(this.#refresh, nowMs + this.#jitter(refreshGapMs));
    this.#selfLookupPauseMs = firstSelfLookupPauseMs;
    this.#options.timers.setEarlier(this.#selfLookup, nowMs + firstSelfLookupPauseMs);
    if (this.#isWaitingForContacts) this.#republishBy(nowMs);
  }

  /** After sleep: nothing that we know of others is certain any more. */
  onWoken(nowMs: InstantMs): void {
    this.#options.table.markAllStale(nowMs);
    this.#options.timers.setEarlier(this.#liveness, nowMs);
    this.#restlessUntilMs = nowMs + restlessMs;
    this.onJoined(nowMs);
  }

  /** Our addresses have changed: nobody finds us where we were. */
  onMoved(nowMs: InstantMs): void {
    this.#beRestless(nowMs);
  }

  onContactFailing(nowMs: InstantMs): void {
    if (this.#options.health.state === "offline") return;
    const { contactRetryMs } = this.#options.limits;
    this.#options.timers.setEarlier(this.#liveness, nowMs + contactRetryMs);
  }

  onContactLost(nowMs: InstantMs, id: NodeId): void {
    if (this.#options.table.isNeighbour(id)) this.#isNeighbourMissing = true;
    if (this.#options.table.size > 0) return;
    this.#lonelyTurns = 0;
    this.#options.timers.setEarlier(this.#liveness, nowMs + this.#options.limits.contactRetryMs);
  }

  onContactBack(nowMs: InstantMs): void {
    this.#beRestless(nowMs);
  }

  /** @internal one of its timers has come due */
  onDue(nowMs: InstantMs, reason: "liveness" | "refresh" | "selfLookup" | "expiry" | "republish"): void {
    switch (reason) {
      case "liveness":
        this.#checkLiveness(nowMs);
        return;
      case "refresh":
        this.#refreshBucket(nowMs);
        return;
      case "selfLookup":
        this.#lookUpSelf(nowMs);
        return;
      case "expiry":
        this.#expire(nowMs);
        return;
      case "republish":
        this.#republishDue(nowMs);
    }
  }

  onRecordsChanged(nowMs: InstantMs): void {
    const expiryMs = this.#options.keeper.nextExpiryAtMs();
    if (expiryMs !== undefined) {
      this.#expiry ??= new PartTimer("expiry", this);
      this.#options.timers.setEarlier(this.#expiry, expiryMs);
    }
    this.#republishNext(nowMs);
  }

  /**
   * Who has not answered is asked again soon, until it answers or leaves: with three failures, each in a turn of its own, the
   * dead would stand in the table for a quarter of an hour, and many of them for hours. Where nobody is left, those who have
   * left are asked, with growing pauses.
   */
  #checkLiveness(nowMs: InstantMs): void {
    const { table, neighbours, health, timers, rates } = this.#options;
    rates.forgetIdle(nowMs);
    const { contactStaleMs, livenessPingsPerInterval: pings } = this.#options.limits;
    const { livenessIntervalMs, contactRetryMs } = this.#options.limits;
    const failing = health.state === "offline" ? [] : table.failing(pings);
    this.#lonelyTurns = table.size === 0 ? this.#lonelyTurns + 1 : 0;
    if (failing.length > 0) {
      neighbours.pingAll(failing);
      timers.set(this.#liveness, nowMs + contactRetryMs);
      return;
    }
    neighbours.pingAll(table.stalest(nowMs - contactStaleMs, pings));
    neighbours.pingLost(table.size === 0 ? pings : 1);
    const pauseMs =
      table.size === 0 ? contactRetryMs * 2 ** Math.min(30, this.#lonelyTurns) : livenessIntervalMs;
    timers.set(this.#liveness, nowMs + Math.min(pauseMs, livenessIntervalMs));
  }

  #beRestless(nowMs: InstantMs): void {
    if (this.#options.table.size === 0) return;
    const isAlready = nowMs < this.#restlessUntilMs;
    this.#restlessUntilMs = nowMs + restlessMs;
    if (isAlready) return;
    this.#selfLookupPauseMs = firstSelfLookupPauseMs;
    this.#options.timers.setEarlier(this.#selfLookup, nowMs + firstSelfLookupPauseMs);
  }

  #lookUpSelf(nowMs: InstantMs): void {
    const { table, self, queries } = this.#options;
    const { smallTableSize, selfLookupIntervalMs } = this.#options.limits;
    const isUncertain = this.#isNeighbourMissing || nowMs < this.#restlessUntilMs;
    if (table.size > 0 && (table.size < smallTableSize || isUncertain)) {
      this.#isNeighbourMissing = false;
      queries.refresh(nowMs, self, () => undefined);
    }
    this.#options.timers.set(
      this.#selfLookup,
      nowMs + this.#selfLookupPauseMs + this.#jitter(this.#selfLookupPauseMs / 4),
    );
    this.#selfLookupPauseMs = Math.min(2 * this.#selfLookupPauseMs, selfLookupIntervalMs);
  }

  /** One bucket at a time; the next when its walk is over. */
  #refreshBucket(nowMs: InstantMs): void {
    if (this.#isRefreshing) return;
    const { table, random, queries } = this.#options;
    if (queries.full) {
      this.#options.timers.set(this.#refresh, nowMs + retryMs);
      return;
    }
    const index = this.#bucketToRefresh(nowMs);
    if (index === undefined) {
      this.#options.timers.set(this.#refresh, this.#nextRefreshMs(nowMs));
      return;
    }
    this.#isRefreshing = true;
    queries.refresh(nowMs, table.randomIdInBucket(index, random), (endMs) => {
      this.#isRefreshing = false;
      this.#options.timers.set(this.#refresh, endMs + this.#jitter(refreshGapMs));
    });
  }

  #bucketToRefresh(nowMs: InstantMs): number | undefined {
    const { table } = this.#options;
    if (table.size === 0) return undefined;
    const next = this.#sweep.shift();
    if (next !== undefined && next < table.bucketCount) return next;
    return table.staleBucket(nowMs - this.#options.limits.refreshIntervalMs)?.index;
  }

  #nextRefreshMs(nowMs: InstantMs): InstantMs {
    const { refreshIntervalMs } = this.#options.limits;
    const oldestMs = this.#options.table.size === 0 ? undefined : this.#options.table.oldestLookupMs();
    const dueMs = (oldestMs ?? nowMs) + refreshIntervalMs + 1;
    return Math.max(dueMs, nowMs + retryMs) + this.#jitter(refreshIntervalMs / 10);
  }

  #expire(nowMs: InstantMs): void {
    this.#options.keeper.expire(nowMs);
    this.onRecordsChanged(nowMs);
  }

  #republishDue(nowMs: InstantMs): void {
    const { keeper, queries, table } = this.#options;
    const { maxRepublishAtOnce } = this.#options.limits;
    this.#isWaitingForContacts = table.size === 0;
    if (this.#isWaitingForContacts) return;
    // One by one: the turn of what the keeper hands out is over, whether or not somebody passes it on.
    while (this.#republishing < maxRepublishAtOnce && !queries.full) {
      const [record] = keeper.republishDue(nowMs, 1);
      if (record === undefined) break;
      this.#republishing++;
      queries.republish(nowMs, record, (endMs, { result }) => {
        this.#republishing--;
        if (result.type === "stored" && result.accepted > 0) keeper.onRepublished(endMs, record.key);
        this.#republishNext(endMs);
      });
    }
    if (this.#republishing === 0) this.#republishNext(nowMs + retryMs);
  }

  #republishNext(nowMs: InstantMs): void {
    const dueMs = this.#options.keeper.nextRepublishAtMs();
    if (dueMs !== undefined) this.#republishBy(Math.max(nowMs, dueMs));
  }

  #republishBy(atMs: InstantMs): void {
    this.#republish ??= new PartTimer("republish", this);
    this.#options.timers.setEarlier(this.#republish, atMs);
  }

  /** A random duration from 0 to `ms`. */
  #jitter(ms: number): number {
    return Math.floor(ms * this.#options.random.share());
  }
}
