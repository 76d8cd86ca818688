/**
 * Figures gathered operation by operation, and their summary.
 */
import type { Effort } from "./walk.ts";

/** Averages, and percentiles of the time. */
export interface Summary {
  readonly operations: number;
  readonly rounds: number;
  readonly hops: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

export class Tally {
  readonly #durationsMs: number[] = [];
  #rounds = 0;
  #hops = 0;
  #requests = 0;

  add({ durationMs, rounds, hops, requests }: Effort): void {
    this.#durationsMs.push(durationMs);
    this.#rounds += rounds;
    this.#hops += hops;
    this.#requests += requests;
  }

  /** `undefined` before the first operation. */
  summary(): Summary | undefined {
    const operations = this.#durationsMs.length;
    const [p50Ms, p95Ms] = [percentile(this.#durationsMs, 0.5), percentile(this.#durationsMs, 0.95)];
    if (p50Ms === undefined || p95Ms === undefined) return undefined;
    return {
      operations,
      rounds: this.#rounds / operations,
      hops: this.#hops / operations,
      requests: this.#requests / operations,
      p50Ms,
      p95Ms,
    };
  }
}

/** The smallest value that `share` (0 to 1) of all do not exceed: nearest rank. `undefined` where there are none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const rank = Math.max(1, Math.ceil(share * values.length));
  return values.toSorted((a, b) => a - b)[rank - 1];
}
