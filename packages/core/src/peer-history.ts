/**
 * How each peer has answered us: its round-trip estimate and the failures in a row, by address.
 *
 * The estimate is that of RFC 6298 §2 (`round-trip.ts`); the soft timeout is mean + 2 × deviation within bounds, as in the
 * npm package adaptive-timeout. A peer never measured gets the estimate over all peers, or a second before there is one
 * (libtorrent's short timeout). Samples come only from answers that name their attempt, so Karn's ambiguity does not
 * arise. Round trips and failures are kept apart, since hardly a peer has both. When there are too many of them together,
 * the oldest of those that are more goes first: so peers that never answer do not push out all that did.
 */
import { LeanMap } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeLimits } from "./options.ts";
import { deviationMs, firstRoundTrip, nextRoundTrip, type RoundTrip, smoothedMs } from "./round-trip.ts";

interface Failures {
  inRow: number;
  lastAtMs: InstantMs;
}

export class PeerHistory {
  readonly #limits: NodeLimits;
  readonly #roundTrips = new LeanMap<string, RoundTrip>();
  /** Of peers that have not answered since. */
  readonly #failures = new LeanMap<string, Failures>();
  /** Over all peers. */
  #overall: RoundTrip | undefined = undefined;

  constructor(limits: NodeLimits) {
    this.#limits = limits;
  }

  /** Round trips, and peers that fail. */
  get size(): number {
    return this.#roundTrips.size + this.#failures.size;
  }

  /** `rttMs` from an attempt to its own answer; `undefined` when the answer proves life but no time. */
  onAnswered(address: string, rttMs: number | undefined): void {
    this.#failures.delete(address);
    if (rttMs === undefined) return;
    const known = this.#roundTrips.get(address);
    if (known === undefined) this.#makeRoom();
    this.#roundTrips.set(address, sampled(known, rttMs));
    this.#overall = sampled(this.#overall, rttMs);
  }

  onFailed(nowMs: InstantMs, address: string): void {
    const known = this.#failures.get(address);
    if (known !== undefined) {
      known.inRow++;
      known.lastAtMs = nowMs;
      return;
    }
    this.#makeRoom();
    this.#failures.set(address, { inRow: 1, lastAtMs: nowMs });
  }

  /** Whether it failed so lately and so often that waiting for it is a waste. */
  isSuspect(nowMs: InstantMs, address: string): boolean {
    const failures = this.#failures.get(address);
    if (failures === undefined) return false;
    const { suspectAfterFailures, suspectMs } = this.#limits;
    return failures.inRow >= suspectAfterFailures && nowMs - failures.lastAtMs < suspectMs;
  }

  /** Whether it is suspect, and failed so lately that asking it once more would only repeat the last time. */
  hasJustFailed(nowMs: InstantMs, address: string): boolean {
    const failedAtMs = this.#failures.get(address)?.lastAtMs ?? Number.NEGATIVE_INFINITY;
    return this.isSuspect(nowMs, address) && nowMs - failedAtMs < this.#limits.hardTimeoutMs;
  }

  /** When to free the slot of a request to this address, without jitter. */
  softTimeoutMs(address: string): number {
    const { softTimeoutMinMs, softTimeoutMaxMs, softTimeoutFirstMs } = this.#limits;
    const known = this.#roundTrips.get(address);
    if (known !== undefined)
      return clamp(smoothedMs(known) + 2 * deviationMs(known), softTimeoutMinMs, softTimeoutMaxMs);
    if (this.#overall === undefined) return softTimeoutFirstMs;
    const guess = smoothedMs(this.#overall) + 4 * deviationMs(this.#overall);
    return clamp(guess, softTimeoutMinMs, Math.max(softTimeoutMinMs, softTimeoutFirstMs));
  }

  /** The estimate for this address, where there is one. */
  smoothedRttMs(address: string): number | undefined {
    const known = this.#roundTrips.get(address);
    return known === undefined ? undefined : smoothedMs(known);
  }

  /** After sleep, or when the network is back: earlier failures say nothing. */
  forgive(): void {
    this.#failures.clear();
  }

  #makeRoom(): void {
    if (this.size < this.#limits.maxPeerHistories) return;
    const larger = this.#failures.size >= this.#roundTrips.size ? this.#failures : this.#roundTrips;
    const oldest = larger.keys().next().value;
    if (oldest !== undefined) larger.delete(oldest);
  }
}

function sampled(before: RoundTrip | undefined, rttMs: number): RoundTrip {
  return before === undefined ? firstRoundTrip(rttMs) : nextRoundTrip(before, rttMs);
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
