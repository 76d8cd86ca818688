/**
 * How each peer has answered us: its round-trip estimate and the failures in a row, by address.
 *
 * The estimate is that of RFC 6298 §2 (smoothed mean and mean deviation); the soft timeout is mean + 2 × deviation within
 * bounds, as in the npm package adaptive-timeout. A peer never measured gets the estimate over all peers, or a second
 * before there is one (libtorrent's short timeout). Samples come only from answers that name their attempt, so Karn's
 * ambiguity does not arise. When there are too many, the one first heard of goes first.
 */
import type { InstantMs } from "./machine.ts";
import type { NodeLimits } from "./options.ts";

interface History {
  smoothedMs: number;
  deviationMs: number;
  measured: boolean;
  failuresInRow: number;
  failedAtMs: InstantMs;
}

export class PeerHistory {
  readonly #limits: NodeLimits;
  readonly #histories = new Map<string, History>();
  readonly #overall: History = fresh();

  constructor(limits: NodeLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#histories.size;
  }

  /** `rttMs` from an attempt to its own answer; `undefined` when the answer proves life but no time. */
  onAnswered(address: string, rttMs: number | undefined): void {
    const history = this.#touch(address);
    history.failuresInRow = 0;
    if (rttMs === undefined) return;
    sample(history, rttMs);
    sample(this.#overall, rttMs);
  }

  onFailed(nowMs: InstantMs, address: string): void {
    const history = this.#touch(address);
    history.failuresInRow++;
    history.failedAtMs = nowMs;
  }

  /** Whether it failed so lately and so often that waiting for it is a waste. */
  isSuspect(nowMs: InstantMs, address: string): boolean {
    const history = this.#histories.get(address);
    if (history === undefined) return false;
    const { suspectAfterFailures, suspectMs } = this.#limits;
    return history.failuresInRow >= suspectAfterFailures && nowMs - history.failedAtMs < suspectMs;
  }

  /** When to free the slot of a request to this address, without jitter. */
  softTimeoutMs(address: string): number {
    const { softTimeoutMinMs, softTimeoutMaxMs, softTimeoutFirstMs } = this.#limits;
    const history = this.#histories.get(address);
    if (history?.measured) {
      return clamp(history.smoothedMs + 2 * history.deviationMs, softTimeoutMinMs, softTimeoutMaxMs);
    }
    if (!this.#overall.measured) return softTimeoutFirstMs;
    const guess = this.#overall.smoothedMs + 4 * this.#overall.deviationMs;
    return clamp(guess, softTimeoutMinMs, Math.max(softTimeoutMinMs, softTimeoutFirstMs));
  }

  /** The estimate for this address, where there is one. */
  smoothedRttMs(address: string): number | undefined {
    const history = this.#histories.get(address);
    return history?.measured ? history.smoothedMs : undefined;
  }

  /** After sleep, or when the network is back: earlier failures say nothing. */
  forgive(): void {
    for (const history of this.#histories.values()) history.failuresInRow = 0;
  }

  #touch(address: string): History {
    const known = this.#histories.get(address);
    if (known !== undefined) return known;
    if (this.#histories.size >= this.#limits.maxPeerHistories) {
      const oldest = this.#histories.keys().next().value;
      if (oldest !== undefined) this.#histories.delete(oldest);
    }
    const history = fresh();
    this.#histories.set(address, history);
    return history;
  }
}

function fresh(): History {
  return { smoothedMs: 0, deviationMs: 0, measured: false, failuresInRow: 0, failedAtMs: 0 };
}

function sample(history: History, rttMs: number): void {
  if (!history.measured) {
    history.measured = true;
    history.smoothedMs = rttMs;
    history.deviationMs = rttMs / 2;
    return;
  }
  history.deviationMs += (Math.abs(history.smoothedMs - rttMs) - history.deviationMs) / 4;
  history.smoothedMs += (rttMs - history.smoothedMs) / 8;
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
