/**
 * Whether the network answers us at all: while nearly nothing does, silence says nothing about a contact.
 *
 * The idea is that of dht-rpc (`lib/health.js`), which compares answers and timeouts over its last ticks. We look at the
 * last requests instead, so that it works as well for a node that asks once in five minutes. A laptop without a network
 * would otherwise throw its whole table away within three rounds of pings.
 */
import type { InstantMs } from "./machine.ts";

/** `offline`: 8 requests in a row were not answered, and nothing else was heard while we waited for them. `degraded`: of the last 16, fewer than half were. */
export type Health = "online" | "degraded" | "offline";

/**
 * With a third of all contacts dead, 8 failures in a row happen by chance once in 6,500 requests, and cost nothing but
 * some patience; and a table takes 3 failures to drop a contact, so few are lost before it shows.
 */
const offlineAfterFailures = 8;
/** Short enough to follow, long enough that one walk through a bad bucket is not the whole picture. */
const windowSize = 16;

export class NetworkHealth {
  readonly #sleepGapMs: number;
  /** One bit for each of the last requests, the newest lowest: 1 is a failure. */
  #outcomes = 0;
  #count = 0;
  #failuresInRow = 0;
  #lastInputAtMs: InstantMs | undefined;
  #lastAnswerAtMs: InstantMs = Number.NEGATIVE_INFINITY;
  #clocks: { readonly nowMs: InstantMs; readonly unixMs: number } | undefined;

  /** @param sleepGapMs gain of the wall clock over the monotonic one that means the host slept */
  constructor(sleepGapMs: number) {
    this.#sleepGapMs = sleepGapMs;
  }

  get state(): Health {
    if (this.#failuresInRow >= offlineAfterFailures) return "offline";
    if (this.#count < windowSize) return "online";
    return bitsOf(this.#outcomes) * 2 > windowSize ? "degraded" : "online";
  }

  /** Whether a failure counts against the contact that was asked: not while we seem to be offline. */
  countsFailure(): boolean {
    return this.state !== "offline";
  }

  /** A request of ours was answered: one answer ends `offline`. */
  onAnswered(nowMs: InstantMs = this.#lastAnswerAtMs): void {
    this.#lastAnswerAtMs = nowMs;
    this.#failuresInRow = 0;
    this.#note(0);
  }

  /**
   * A request of ours was given up that began at `beganAtMs`. Ask {@link countsFailure} afterwards, so that the eighth in
   * a row is spared too. Silence shows later than answers do: where others have answered since the request began, a walk
   * among many dead contacts would otherwise end with all its failures in a row.
   */
  onFailed(beganAtMs: InstantMs = Number.POSITIVE_INFINITY): void {
    const heardAtMs = Math.max(this.#lastAnswerAtMs, this.#lastInputAtMs ?? Number.NEGATIVE_INFINITY);
    if (beganAtMs > heardAtMs) this.#failuresInRow++;
    this.#note(1);
  }

  /** The host has changed its addresses, or woken: what was seen before says nothing about the network we are in now. */
  reset(): void {
    this.#outcomes = 0;
    this.#count = 0;
    this.#failuresInRow = 0;
    this.#lastAnswerAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Any message has arrived. Whom others ask is not offline: it may be that all of its contacts are gone. */
  onInput(nowMs: InstantMs): void {
    this.#lastInputAtMs = nowMs;
    this.#failuresInRow = 0;
  }

  /**
   * How long the host slept, to be called with each `wallClock` event; `undefined` when it did not.
   *
   * It slept when the wall clock gained more than `sleepGapMs` on the monotonic one, which stands still meanwhile (as
   * with dht-rpc's SLEEPING_INTERVAL, but a loop that was merely blocked delays both clocks alike). A message handled at
   * this very instant says that messages were waiting: then the clock was set rather than the host asleep.
   */
  sleptMs(nowMs: InstantMs, unixMs: number): number | undefined {
    const before = this.#clocks;
    this.#clocks = { nowMs, unixMs };
    if (before === undefined || this.#lastInputAtMs === nowMs) return undefined;
    const gainMs = unixMs - before.unixMs - (nowMs - before.nowMs);
    return gainMs > this.#sleepGapMs ? gainMs : undefined;
  }

  #note(outcome: 0 | 1): void {
    this.#outcomes = ((this.#outcomes << 1) | outcome) & (2 ** windowSize - 1);
    if (this.#count < windowSize) this.#count++;
  }
}

function bitsOf(outcomes: number): number {
  let bits = 0;
  for (let rest = outcomes; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}
