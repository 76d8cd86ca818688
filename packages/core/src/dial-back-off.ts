/**
 * Addresses whose last dial failed: each is left alone for a while, for longer with every failure.
 */
import type { InstantMs } from "./machine.ts";

export interface DialBackOffLimits {
  readonly backOffMinMs: number;
  readonly backOffMaxMs: number;
  readonly maxBackOffs: number;
}

interface Failures {
  count: number;
  untilMs: InstantMs;
}

/** Forgets the address that failed longest ago when it is full. */
export class DialBackOff {
  readonly #limits: DialBackOffLimits;
  /** By the address's key, the latest failure last. */
  readonly #failures = new Map<string, Failures>();

  constructor(limits: DialBackOffLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#failures.size;
  }

  /** Whether it is too early to dial this address again. */
  has(nowMs: InstantMs, key: string): boolean {
    const failures = this.#failures.get(key);
    return failures !== undefined && nowMs < failures.untilMs;
  }

  onFailed(nowMs: InstantMs, key: string): void {
    const { backOffMinMs, backOffMaxMs, maxBackOffs } = this.#limits;
    const before = this.#failures.get(key);
    // Left alone for the longest pause again since: that it failed before says little now.
    const count = before === undefined || nowMs >= before.untilMs + backOffMaxMs ? 1 : before.count + 1;
    const pauseMs = Math.min(backOffMaxMs, backOffMinMs * 2 ** Math.min(30, count - 1));
    this.#failures.delete(key);
    this.#failures.set(key, { count, untilMs: nowMs + pauseMs });
    if (this.#failures.size <= maxBackOffs) return;
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest);
      return;
    }
  }

  onOpened(key: string): void {
    this.#failures.delete(key);
  }
}
