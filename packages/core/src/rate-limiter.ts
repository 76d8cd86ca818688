/**
 * How many requests one source may make: token buckets by source, and bans that end.
 *
 * Each source has `requestBurst` requests at hand, refilled at `requestsPerSecond`. What is beyond that is refused and
 * drawn from its patience: twice the burst, refilled at the same rate. So a burst costs nothing but the excess itself,
 * and only who keeps asking at more than twice the rate uses up the patience and is banned, for `banMs`, whatever it does
 * meanwhile. (cs-discv5 never takes a ban back; POLICIES §3.6.)
 *
 * Answers to our own requests never come here, and neither do exempt sources (loopback).
 *
 * A source that was silent for long enough to have all of both back is like one never heard of, and is forgotten: so as
 * many are tracked as have asked in the last seconds, and a node that nobody asks tracks none.
 *
 * On a plain wire sources can be forged, so what is forgotten when `maxSources` are tracked matters:
 * - ended bans first, then the source that was silent for longest. A source worth limiting is by nature among the last
 *   heard, so a flood of forged sources pushes out mostly itself; what the flooder gains is a fresh burst for every
 *   `maxSources` messages, less than forging alone gains.
 * - A ban is never pushed out by sources, only by bans: they may fill half of the table, then the oldest ends early. To
 *   push one out by forging takes `maxSources / 2` further bans, three bursts of messages each.
 */
import { LeanMap } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeLimits } from "./options.ts";

/** Counts down what may be done now, refilled by time. Starts full, with the first call; 40 bytes, no timer. */
export class TokenBucket {
  readonly perSecond: number;
  readonly burst: number;
  #tokens: number;
  #filledAtMs: InstantMs | undefined;

  /** @param burst how much may be taken at once, and the most that gathers; 1 or more */
  constructor(perSecond: number, burst: number) {
    this.perSecond = perSecond;
    this.burst = burst;
    this.#tokens = burst;
  }

  /** Takes one; `false`: there is none. */
  take(nowMs: InstantMs): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** The instant from which `take` succeeds: `nowMs` if it would now. */
  nextAtMs(nowMs: InstantMs): InstantMs {
    this.#refill(nowMs);
    return this.#tokens >= 1 ? nowMs : nowMs + ((1 - this.#tokens) / this.perSecond) * 1_000;
  }

  #refill(nowMs: InstantMs): void {
    const elapsedMs = nowMs - (this.#filledAtMs ?? nowMs);
    if (elapsedMs < 0) return;
    this.#tokens = Math.min(this.burst, this.#tokens + (elapsedMs * this.perSecond) / 1_000);
    this.#filledAtMs = nowMs;
  }
}

/** `newlyBanned`: this request began the ban, which is reported once; it is dropped like those that follow. */
export type RateVerdict = "allowed" | "limited" | "newlyBanned" | "banned";

export type RateLimits = Pick<NodeLimits, "requestsPerSecond" | "requestBurst" | "banMs" | "maxSources">;

export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #sources = new LeanMap<string, Source>();
  /** Not banned; the one heard last at the end. */
  readonly #active = new SourceList();
  /** All bans last equally long, so the order of their beginnings is that of their ends. */
  readonly #banned = new SourceList();

  constructor(limits: RateLimits) {
    this.#limits = limits;
  }

  /** Sources tracked, at most `maxSources`. */
  get size(): number {
    return this.#sources.size;
  }

  /** Bans that have not been taken back; some may have ended. At most half of `maxSources`. */
  get bans(): number {
    return this.#banned.size;
  }

  /** Counts one request of `source`. */
  take(nowMs: InstantMs, source: string): RateVerdict {
    const known = this.#sources.get(source) ?? this.#track(nowMs, source);
    if (known.bannedUntilMs !== undefined) {
      if (nowMs < known.bannedUntilMs) return "banned";
      this.#banned.remove(known);
      known.bannedUntilMs = undefined;
    } else {
      this.#active.remove(known);
    }
    this.#active.append(known);
    const verdict = known.take(nowMs, this.#limits);
    // Two, where one may have come: so they grow fewer when fewer ask.
    for (let i = 0; i < 2; i++) this.#forgetIdle(nowMs, this.#active);
    if (verdict !== "exhausted") return verdict;
    this.#ban(nowMs, known);
    return "newlyBanned";
  }

  /** Forgets all that are as if never heard of. */
  forgetIdle(nowMs: InstantMs): void {
    for (const list of [this.#active, this.#banned]) while (this.#forgetIdle(nowMs, list));
  }

  /** The oldest of the list, if it is as if never heard of. */
  #forgetIdle(nowMs: InstantMs, list: SourceList): boolean {
    const { oldest } = list;
    if (oldest === undefined || !oldest.isIdle(nowMs, this.#limits)) return false;
    this.#forget(list, oldest);
    return true;
  }

  #track(nowMs: InstantMs, name: string): Source {
    if (this.#sources.size >= this.#limits.maxSources) this.#forgetOne(nowMs);
    const source = new Source(nowMs, name, this.#limits);
    this.#sources.set(name, source);
    this.#active.append(source);
    return source;
  }

  #forgetOne(nowMs: InstantMs): void {
    const ban = this.#banned.oldest;
    if (ban?.bannedUntilMs !== undefined && ban.bannedUntilMs <= nowMs) this.#forget(this.#banned, ban);
    else if (this.#active.oldest !== undefined) this.#forget(this.#active, this.#active.oldest);
  }

  #ban(nowMs: InstantMs, source: Source): void {
    const oldest = this.#banned.oldest;
    if (oldest !== undefined && this.#banned.size >= this.#limits.maxSources >> 1)
      this.#forget(this.#banned, oldest);
    this.#active.remove(source);
    this.#banned.append(source);
    source.bannedUntilMs = nowMs + this.#limits.banMs;
  }

  #forget(list: SourceList, source: Source): void {
    list.remove(source);
    this.#sources.delete(source.name);
  }
}

/** Twice the burst: see the head of this file. */
const patienceInBursts = 2;

/** One source: two {@link TokenBucket}s that are refilled together, without an object for each. */
class Source {
  readonly name: string;
  #allowance: number;
  #patience: number;
  /** When both were last refilled. */
  #filledAtMs: InstantMs;
  bannedUntilMs: InstantMs | undefined = undefined;
  older: Source | undefined = undefined;
  newer: Source | undefined = undefined;

  constructor(nowMs: InstantMs, name: string, { requestBurst }: RateLimits) {
    this.name = name;
    this.#allowance = requestBurst;
    this.#patience = requestBurst * patienceInBursts;
    this.#filledAtMs = nowMs;
  }

  take(
    nowMs: InstantMs,
    { requestsPerSecond, requestBurst }: RateLimits,
  ): "allowed" | "limited" | "exhausted" {
    const gained = (Math.max(0, nowMs - this.#filledAtMs) * requestsPerSecond) / 1_000;
    this.#allowance = Math.min(requestBurst, this.#allowance + gained);
    this.#patience = Math.min(requestBurst * patienceInBursts, this.#patience + gained);
    this.#filledAtMs = Math.max(nowMs, this.#filledAtMs);
    if (this.#allowance >= 1) {
      this.#allowance--;
      return "allowed";
    }
    if (this.#patience < 1) return "exhausted";
    this.#patience--;
    return "limited";
  }

  /** No ban is under way, and both would be full again however empty they were. */
  isIdle(nowMs: InstantMs, { requestsPerSecond, requestBurst }: RateLimits): boolean {
    if (this.bannedUntilMs !== undefined && nowMs < this.bannedUntilMs) return false;
    return ((nowMs - this.#filledAtMs) * requestsPerSecond) / 1_000 >= requestBurst * patienceInBursts;
  }
}

/** Doubly linked through the sources themselves: a `Map` used as a queue walks over what was deleted at its head. */
class SourceList {
  oldest: Source | undefined = undefined;
  newest: Source | undefined = undefined;
  size = 0;

  append(source: Source): void {
    source.older = this.newest;
    source.newer = undefined;
    if (this.newest === undefined) this.oldest = source;
    else this.newest.newer = source;
    this.newest = source;
    this.size++;
  }

  remove(source: Source): void {
    if (source.older === undefined) this.oldest = source.newer;
    else source.older.newer = source.newer;
    if (source.newer === undefined) this.newest = source.older;
    else source.newer.older = source.older;
    this.size--;
  }
}
