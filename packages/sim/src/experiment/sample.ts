/** Figures of one kind, gathered one by one, and what is said of all of them. */

/** Percentiles are values that occurred: the smallest that so large a share of all does not exceed (nearest rank). */
export interface Summary {
  /** How many. Where there are none, the other figures are 0. */
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly least: number;
  readonly most: number;
}

const nothing: Summary = Object.freeze({ count: 0, mean: 0, p50: 0, p99: 0, least: 0, most: 0 });

export class Sample {
  readonly #values: number[] = [];

  static of(values: readonly number[]): Sample {
    const sample = new Sample();
    for (const value of values) sample.add(value);
    return sample;
  }

  add(value: number): void {
    this.#values.push(value);
  }

  get count(): number {
    return this.#values.length;
  }

  summary(): Summary {
    const count = this.#values.length;
    if (count === 0) return nothing;
    const sorted = Float64Array.from(this.#values).sort();
    const rank = (share: number): number => sorted[Math.max(1, Math.ceil(share * count)) - 1] as number;
    return {
      count,
      mean: this.#values.reduce((sum, value) => sum + value, 0) / count,
      p50: rank(0.5),
      p99: rank(0.99),
      least: rank(0),
      most: rank(1),
    };
  }
}
