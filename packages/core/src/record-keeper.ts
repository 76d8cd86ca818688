/**
 * What a holder of records does: takes them within its caps, keeps the newer of two, passes them on, and lets them go.
 *
 * Kademlia §2.5. Between the wire and a {@link RecordStore}, which only keeps: all rules are here, so that a store can be
 * anything. An index beside the store, one entry for each record, knows when each expires and when it is to be passed on,
 * so nothing is ever searched for. The rules:
 *
 * - A lifetime counts from when the record arrives and is at most `valueLifetimeMs`, or what the record says of itself. The same record stored again never
 *   shortens the life of the one that is held: holders pass on what remains and arrive a moment late, publishers start
 *   anew. (With lifetimes that nobody signs, anyone can keep a record alive by storing it; BEP 44 is no different.)
 * - Each hour, what nobody has stored here for an hour is passed on with the remaining lifetime. An eighth of the
 *   interval more, different for each key and node, keeps those who got it together from passing it on together.
 * - A record of our own, put without a lifetime, is renewed: it does not end while it is kept, unless it says of itself
 *   that it is over; it is passed on with the full lifetime each hour, or in the middle of a life that is shorter than two
 *   hours, whoever else stored it, and it is outside the caps for others. It is ours no longer when
 *   somebody stores a newer one. The store alone bounds how many of them there are.
 * - Of two types under one key the one with the smaller code is kept, so that replicas converge.
 * - Each source (a subnet; `undefined` is exempt) has at most `maxRecordsPerSource` records here. It pays for a record
 *   until that ends or somebody stores a newer one; storing the same one again costs nobody anything. Sources are not
 *   stored: what a store held before counts for none.
 * - A store that holds more than the caps allow when it is loaded is kept whole; nothing new is taken until it has shrunk.
 * - A store that throws is reported as a {@link HookError} and counts as full, or as having nothing.
 */
import { copyBytes } from "./bytes.ts";
import { HookError, UsageError } from "./errors.ts";
import type { Reporter } from "./hooks.ts";
import { LeanMap } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { RefusalReason, WireRecord } from "./protocol.ts";
import type { Cursor, DhtRecord, RecordKey, RecordStore, StoredRecord } from "./record.ts";
import type { RecordTypes } from "./record-types.ts";
import type { Gauge } from "./stats.ts";
import { CallbackTimer, type Timer, TimerQueue } from "./timers.ts";

export type RecordLimits = Pick<
  NodeLimits,
  "maxRecords" | "maxRecordBytes" | "maxRecordsPerSource" | "valueLifetimeMs" | "republishIntervalMs"
>;

export interface RecordKeeperOptions extends Reporter {
  /** Our own id: what makes the hour of passing on different from other holders'. */
  readonly id: NodeId;
  /** Its values are taken over at construction; records of other kinds or of unknown types stay untouched in it. */
  readonly store: RecordStore;
  readonly types: RecordTypes;
  readonly limits: RecordLimits;
}

export type AcceptOutcome =
  /** `changed` is false when the same record was held already. */
  | { readonly type: "stored"; readonly changed: boolean }
  | { readonly type: "refused"; readonly reason: RefusalReason };

export class RecordKeeper {
  readonly types: RecordTypes;
  readonly #options: RecordKeeperOptions;
  readonly #held = new LeanMap<string, Held>();
  readonly #expiries = new TimerQueue();
  readonly #republishes = new TimerQueue();
  readonly #bySource = new LeanMap<string, number>();
  /** What {@link republishDue} is about to return. */
  #handOut: StoredRecord[] = [];
  #others = 0;
  #othersBytes = 0;

  constructor(options: RecordKeeperOptions) {
    this.types = options.types;
    this.#options = options;
    this.#load();
  }

  /** Records held for others. */
  get records(): Gauge {
    return { used: this.#others, limit: this.#options.limits.maxRecords };
  }

  /** Bytes of their bodies. */
  get recordBytes(): Gauge {
    return { used: this.#othersBytes, limit: this.#options.limits.maxRecordBytes };
  }

  /** Records of our own that are renewed. */
  get ownRecords(): number {
    return this.#held.size - this.#others;
  }

  /** Sources that have a record here; at most as many as there are records. */
  get sources(): number {
    return this.#bySource.size;
  }

  /**
   * A peer asks us to store `record`; its bytes are borrowed. Refused for `unsupported`, `tooLarge`, `invalidRecord`,
   * `expired`, `superseded` or `full`; nothing has changed then.
   * @param source the subnet that pays for it, `undefined` when exempt
   * @param expectedSeq compare-and-swap: what stands here is replaced only if its sequence number is not larger; refused
   * for `unsupported` where the type has no sequence numbers
   */
  accept(
    nowMs: InstantMs,
    record: WireRecord,
    source: string | undefined,
    expectedSeq?: number,
  ): AcceptOutcome {
    this.expire(nowMs);
    const refusal = this.types.refusalOf(record);
    if (refusal !== undefined) return refused(refusal);
    if (!(record.lifetimeMs > 0)) return refused("invalidRecord");
    const longestMs = this.types.longestMs(record.typeCode, record.body);
    if (!(longestMs > 0)) return refused("expired");
    const expiresAtMs = nowMs + Math.min(record.lifetimeMs, longestMs);
    const held = this.#held.get(record.key.key);
    const current = held === undefined ? undefined : this.#read(held);
    if (current === "failed") return refused("full");
    const choice = current === undefined ? 1 : this.#compare(record, current);
    if (choice === undefined) return refused("invalidRecord");
    if (choice < 0) return refused("superseded");
    // Not `choice === 0`: a validator may answer NaN.
    if (current !== undefined && !(choice > 0)) {
      return this.#refresh(nowMs, expiresAtMs, current, held?.source);
    }
    const { typeCode, key } = record;
    if (expectedSeq !== undefined) {
      if (this.types.seqOf(typeCode, record.body) === undefined) return refused("unsupported");
      if (this.#isAhead(record, current, expectedSeq)) return refused("superseded");
    }
    if (!this.#hasRoom(key, record.body.length, source)) return refused("full");
    const body = copyBytes(record.body);
    const stored: StoredRecord = { kind: "value", typeCode, key, body, expiresAtMs, storedAtMs: nowMs };
    return this.#write(stored, source) ? { type: "stored", changed: true } : refused("full");
  }

  /** What is held under `key` and not expired; its body is the store's and must not be changed. */
  get(nowMs: InstantMs, key: RecordKey): StoredRecord | undefined {
    this.expire(nowMs);
    const held = this.#held.get(key.key);
    const record = held === undefined ? undefined : this.#read(held);
    return record === "failed" ? undefined : record;
  }

  /**
   * Whether another record stands here with a larger sequence number than a compare-and-swap expects. Whoever expects
   * more than we have knows more than we do.
   */
  isAhead(nowMs: InstantMs, offered: WireRecord, expectedSeq: number): boolean {
    const current = this.get(nowMs, offered.key);
    const isSame = current !== undefined && this.#compare(offered, current) === 0;
    return !isSame && this.#isAhead(offered, current, expectedSeq);
  }

  /**
   * Keeps what our own node publishes, and copies its body. The caller has checked it with `types.toWire`.
   * Without `lifetimeMs` it is renewed until {@link forget}; with it, it is kept like a record of others. A second call
   * with the same record replaces the first one's terms. `superseded`: a newer record is held; `full`: no room;
   * `expired`: it says of itself that it is over.
   * @throws UsageError `invalidRecord` when the type is unknown
   */
  keepOwn(nowMs: InstantMs, record: DhtRecord): "stored" | "superseded" | "full" | "expired" {
    const typeCode = this.types.codeOf(record.type);
    if (typeCode === undefined) throw new UsageError("invalidRecord", `type: "${record.type}" is unknown`);
    this.expire(nowMs);
    const { key } = record;
    const held = this.#held.get(key.key);
    const current = held === undefined ? undefined : this.#read(held);
    if (current === "failed") return "full";
    const body = copyBytes(record.body);
    const choice = current === undefined ? 1 : this.#compare({ typeCode, body }, current);
    if (choice === undefined || choice < 0) return "superseded";
    const longestMs = this.types.longestMs(typeCode, body);
    if (!(longestMs > 0)) return "expired";
    let expiresAtMs = nowMs + Math.min(record.lifetimeMs ?? longestMs, longestMs);
    const stored = { kind: "value", typeCode, key, body, expiresAtMs, storedAtMs: nowMs } as const;
    if (record.lifetimeMs === undefined) {
      return this.#write({ ...stored, own: true }, undefined) ? "stored" : "full";
    }
    if (!this.#hasRoom(key, body.length, undefined)) return "full";
    const isOthers = current !== undefined && !(choice > 0) && current.own !== true;
    if (isOthers) expiresAtMs = Math.max(expiresAtMs, current.expiresAtMs);
    return this.#write({ ...stored, expiresAtMs }, isOthers ? held?.source : undefined) ? "stored" : "full";
  }

  /** Lets go of a record, ours or not; one of ours is no longer renewed. `false`: none was held. */
  forget(key: RecordKey): boolean {
    const held = this.#held.get(key.key);
    if (held === undefined) return false;
    this.#remove(held);
    return true;
  }

  /** The next instant for {@link expire}. */
  nextExpiryAtMs(): InstantMs | undefined {
    return this.#expiries.earliest?.atMs;
  }

  /** Removes what has expired and returns how many; our own are renewed instead. Early and repeated calls do nothing. */
  expire(nowMs: InstantMs): number {
    const before = this.#held.size;
    this.#expiries.run(nowMs);
    return before - this.#held.size;
  }

  /** The next instant for {@link republishDue}. */
  nextRepublishAtMs(): InstantMs | undefined {
    return this.#republishes.earliest?.atMs;
  }

  /**
   * Up to `limit` records that are to be passed on now, those due longest first; more are left when there are `limit`.
   * Each is handed out once in an interval, whether or not {@link onRepublished} follows. Records of our own are renewed
   * by it. The lifetime to send is `expiresAtMs - nowMs`.
   */
  republishDue(nowMs: InstantMs, limit: number): StoredRecord[] {
    this.expire(nowMs);
    const due: StoredRecord[] = [];
    this.#handOut = due;
    for (;;) {
      const timer = this.#republishes.earliest;
      if (timer === undefined || timer.atMs > nowMs || due.length >= limit) return due;
      this.#republishes.clear(timer);
      timer.onDue(nowMs);
    }
  }

  /** The closest nodes have it again: the next interval counts from now, also after a restart. Unknown keys do nothing. */
  onRepublished(nowMs: InstantMs, key: RecordKey): void {
    this.expire(nowMs);
    const held = this.#held.get(key.key);
    if (held === undefined || held.own) return;
    const record = this.#read(held);
    if (record === undefined || record === "failed") return;
    this.#write({ ...record, storedAtMs: nowMs }, held.source);
  }

  #load(): void {
    let cursor: Cursor | undefined;
    for (;;) {
      const page = this.#guard(() => this.#options.store.entries(cursor, loadPageSize));
      for (const record of page?.records ?? []) {
        const isKnown = record.kind === "value" && this.types.nameOf(record.typeCode) !== undefined;
        if (isKnown && !this.#held.has(record.key.key)) this.#index(record, undefined);
      }
      // A store that gives empty pages, or the same one for ever, must not keep the node from starting.
      if (page?.next === undefined || page.next === cursor || page.records.length === 0) return;
      cursor = page.next;
    }
  }

  /** `undefined` when the store has lost it, which ends its entry here too. */
  #read(held: Held): StoredRecord | undefined | "failed" {
    const found = this.#guard(() => ({ record: this.#options.store.get(held.key) }));
    if (found === undefined) return "failed";
    if (found.record === undefined) this.#unindex(held);
    return found.record;
  }

  /** Above zero: `offered` is to be kept. Below: `current`. Zero: the same record. */
  #compare(offered: Pick<WireRecord, "typeCode" | "body">, current: StoredRecord): number | undefined {
    if (offered.typeCode !== current.typeCode) return current.typeCode - offered.typeCode;
    return this.types.better(offered.typeCode, offered.body, current.body);
  }

  #isAhead(offered: WireRecord, current: StoredRecord | undefined, expectedSeq: number): boolean {
    if (current?.typeCode !== offered.typeCode) return false;
    return (this.types.seqOf(current.typeCode, current.body) ?? 0) > expectedSeq;
  }

  #refresh(
    nowMs: InstantMs,
    expiresAtMs: InstantMs,
    current: StoredRecord,
    source: string | undefined,
  ): AcceptOutcome {
    const unchanged: AcceptOutcome = { type: "stored", changed: false };
    if (current.own === true) return unchanged;
    const latestMs = Math.max(expiresAtMs, current.expiresAtMs);
    return this.#write({ ...current, expiresAtMs: latestMs, storedAtMs: nowMs }, source)
      ? unchanged
      : refused("full");
  }

  #onExpiry(nowMs: InstantMs, held: Held): void {
    const current = held.own ? this.#read(held) : undefined;
    // Only after more than a lifetime without a turn; when it was last passed on is left as it was: it is due now.
    const isRenewed =
      current !== undefined && current !== "failed" && this.#renew(nowMs, current) !== undefined;
    if (!isRenewed) this.#remove(held);
  }

  #onRepublish(nowMs: InstantMs, held: Held): void {
    // A renewal has its own entry, and its own schedule.
    this.#scheduleRepublish(nowMs, held);
    const current = this.#read(held);
    if (current === undefined || current === "failed") return;
    const renewed = held.own ? this.#renew(nowMs, { ...current, storedAtMs: nowMs }) : undefined;
    this.#handOut.push(renewed ?? current);
  }

  /** `undefined`: it is over, or the store refused; all is as it was. */
  #renew(nowMs: InstantMs, own: StoredRecord): StoredRecord | undefined {
    const longestMs = this.types.longestMs(own.typeCode, own.body);
    if (!(longestMs > 0)) return undefined;
    const renewed = { ...own, expiresAtMs: nowMs + longestMs };
    return this.#write(renewed, undefined) ? renewed : undefined;
  }

  /** Whether others may have `bytes` under `key`: what stands there now makes room, and what does not grow fits. */
  #hasRoom(key: RecordKey, bytes: number, source: string | undefined): boolean {
    const { maxRecords, maxRecordBytes, maxRecordsPerSource } = this.#options.limits;
    const held = this.#held.get(key.key);
    const replaced = held === undefined || held.own ? undefined : held;
    if (replaced === undefined && this.#others >= maxRecords) return false;
    const growth = bytes - (replaced?.bytes ?? 0);
    if (growth > 0 && this.#othersBytes + growth > maxRecordBytes) return false;
    if (source === undefined || replaced?.source === source) return true;
    return (this.#bySource.get(source) ?? 0) < maxRecordsPerSource;
  }

  /** Hands the record to the store, and to the index only if that took it. */
  #write(record: StoredRecord, source: string | undefined): boolean {
    if (this.#guard(() => this.#options.store.put(record)) !== "stored") return false;
    const replaced = this.#held.get(record.key.key);
    if (replaced !== undefined) this.#unindex(replaced);
    this.#index(record, source);
    return true;
  }

  #remove(held: Held): void {
    this.#unindex(held);
    this.#guard(() => this.#options.store.delete(held.key));
  }

  #index(record: StoredRecord, source: string | undefined): void {
    const held: Held = {
      key: record.key,
      bytes: record.body.length,
      own: record.own === true,
      source,
      expiry: new CallbackTimer("record expires", (nowMs) => this.#onExpiry(nowMs, held)),
      republish: new CallbackTimer("record is passed on", (nowMs) => this.#onRepublish(nowMs, held)),
    };
    this.#held.set(held.key.key, held);
    if (!held.own) {
      this.#others++;
      this.#othersBytes += held.bytes;
    }
    if (source !== undefined) this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + 1);
    this.#expiries.set(held.expiry, record.expiresAtMs);
    this.#scheduleRepublish(record.storedAtMs, held);
  }

  #unindex(held: Held): void {
    if (this.#held.get(held.key.key) !== held) return;
    this.#held.delete(held.key.key);
    if (!held.own) {
      this.#others--;
      this.#othersBytes -= held.bytes;
    }
    if (held.source !== undefined) {
      const left = (this.#bySource.get(held.source) ?? 0) - 1;
      if (left > 0) this.#bySource.set(held.source, left);
      else this.#bySource.delete(held.source);
    }
    this.#expiries.clear(held.expiry);
    this.#republishes.clear(held.republish);
  }

  #scheduleRepublish(fromMs: InstantMs, held: Held): void {
    const intervalMs = held.own ? this.#ownIntervalMs(held.expiry.atMs - fromMs) : this.#intervalMs;
    const atMs = fromMs + intervalMs * (1 + spread(held.key, this.#options.id) / 8);
    if (held.own || atMs < held.expiry.atMs) this.#republishes.set(held.republish, atMs);
    else this.#republishes.clear(held.republish);
  }

  get #intervalMs(): number {
    return this.#options.limits.republishIntervalMs;
  }

  /** What lives shorter than two intervals is renewed in the middle of its life. */
  #ownIntervalMs(lifetimeMs: number): number {
    return Math.min(this.#intervalMs, Math.max(minRenewalMs, lifetimeMs / 2));
  }

  #guard<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#options.report(new HookError("store", error));
      return undefined;
    }
  }
}

/** Records read from the store at a time. */
const loadPageSize = 256;

/** Records that are to live shorter than twice this have gaps: renewals would come as fast as the walks that they take. */
const minRenewalMs = 10_000;

/** The index entry of one record; replaced whenever the record is. */
interface Held {
  readonly key: RecordKey;
  readonly bytes: number;
  readonly own: boolean;
  readonly source: string | undefined;
  readonly expiry: Timer;
  readonly republish: Timer;
}

/** 0 to just under 1, the same for one key and node; Knuth's multiplicative hash spreads the few bits that differ. */
function spread(key: RecordKey, id: NodeId): number {
  return (Math.imul(key.prefixBits ^ id.prefixBits, 0x9e37_79b1) >>> 0) / 2 ** 32;
}

function refused(reason: RefusalReason): AcceptOutcome {
  return { type: "refused", reason };
}
