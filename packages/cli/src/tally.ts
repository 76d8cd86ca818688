/**
 * What one step of the demo took: figures gathered operation by operation, and their summary.
 */
export interface Effort {
  /** As the caller waited, in ms. */
  readonly durationMs: number;
  readonly rounds: number;
  readonly hops: number;
  readonly requests: number;
}

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
    if (operations === 0) return undefined;
    const sorted = this.#durationsMs.toSorted((a, b) => a - b);
    return {
      operations,
      rounds: this.#rounds / operations,
      hops: this.#hops / operations,
      requests: this.#requests / operations,
      p50Ms: percentile(sorted, 0.5),
      p95Ms: percentile(sorted, 0.95),
    };
  }
}

/** The smallest value that `share` of all do not exceed (nearest rank). `sorted` is not empty. */
export function percentile(sorted: readonly number[], share: number): number {
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1] as number;
}
