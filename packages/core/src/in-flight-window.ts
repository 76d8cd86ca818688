/**
 * How much is unanswered among what was sent lately: the brake on bursts into a network that does not answer.
 *
 * After dht-rpc's congestion window: at most so many unanswered within the window, answered ones do not count. The window
 * is kept in quarters, each with a count, so it needs no queue of what was sent.
 */
import type { InstantMs } from "./machine.ts";

const quarters = 4;

export class InFlightWindow {
  readonly #quarterMs: number;
  readonly #limit: number;
  readonly #unanswered: number[] = new Array<number>(quarters).fill(0);
  #total = 0;
  #current = 0;
  #startedAtMs: InstantMs | undefined = undefined;

  constructor(windowMs: number, limit: number) {
    this.#quarterMs = windowMs / quarters;
    this.#limit = limit;
  }

  room(nowMs: InstantMs): { readonly free: boolean; readonly freeAtMs?: InstantMs } {
    this.#turn(nowMs);
    if (this.#total < this.#limit) return free;
    return { free: false, freeAtMs: (this.#startedAtMs as number) + this.#quarterMs };
  }

  /** The quarter that counts it; hand it to `onAnswered`. */
  onSent(nowMs: InstantMs): number {
    this.#turn(nowMs);
    this.#unanswered[this.#current % quarters] = (this.#unanswered[this.#current % quarters] as number) + 1;
    this.#total++;
    return this.#current;
  }

  onAnswered(quarter: number): void {
    if (quarter <= this.#current - quarters) return;
    this.#unanswered[quarter % quarters] = (this.#unanswered[quarter % quarters] as number) - 1;
    this.#total--;
  }

  /** Sums, not quotients: the instant that `room` names must be one at which it turns, whatever is rounded. */
  #turn(nowMs: InstantMs): void {
    this.#startedAtMs ??= nowMs;
    if (nowMs - this.#startedAtMs >= 2 * quarters * this.#quarterMs) {
      this.#unanswered.fill(0);
      this.#total = 0;
      this.#current += quarters;
      this.#startedAtMs = nowMs;
      return;
    }
    while (nowMs >= this.#startedAtMs + this.#quarterMs) {
      this.#startedAtMs += this.#quarterMs;
      this.#current++;
      const oldest = this.#current % quarters;
      this.#total -= this.#unanswered[oldest] as number;
      this.#unanswered[oldest] = 0;
    }
  }
}

const free = { free: true } as const;
