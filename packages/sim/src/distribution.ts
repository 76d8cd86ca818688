/**
 * Distributions by tables: what is drawn is a quantile, found by arithmetic that every engine rounds alike.
 *
 * `Math.log`, `exp`, `pow` and `sin` may differ in the last digit between engines and versions, and a run must not. So a
 * distribution is a list of quantiles, with straight lines between them.
 */
import { UsageError } from "@kad/core";
import type { RandomStream } from "./random-stream.ts";

/** A share of all draws, 0 to 1, and the value that so many of them do not exceed. */
export type Quantile = readonly [share: number, value: number];

export class Distribution {
  readonly #quantiles: readonly Quantile[];

  /**
   * @param quantiles from share 0 (the least value) to share 1 (the greatest), both rising
   * @throws UsageError `invalidOption`
   */
  constructor(quantiles: readonly Quantile[]) {
    const isRising = quantiles.every(([share, value], i) => {
      const [shareBefore, valueBefore] = quantiles[i - 1] ?? [-1, Number.NEGATIVE_INFINITY];
      return share > shareBefore && value >= valueBefore && Number.isFinite(value);
    });
    if (!isRising || quantiles[0]?.[0] !== 0 || quantiles.at(-1)?.[0] !== 1) {
      throw new UsageError(
        "invalidOption",
        `quantiles: ${JSON.stringify(quantiles)}; allowed is a list of [share, value] from share 0 to 1, both rising`,
      );
    }
    this.#quantiles = quantiles;
  }

  /** Always the same value. */
  static constant(value: number): Distribution {
    return Distribution.uniform(value, value);
  }

  /** All values between the two alike. */
  static uniform(min: number, max: number): Distribution {
    return new Distribution([
      [0, min],
      [1, max],
    ]);
  }

  /** The same shape with every value multiplied. */
  scaled(factor: number): Distribution {
    return new Distribution(this.#quantiles.map(([share, value]) => [share, value * factor]));
  }

  /** The value that so large a share of all draws does not exceed. */
  quantile(share: number): number {
    const quantiles = this.#quantiles;
    let low = 0;
    let high = quantiles.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((quantiles[middle] as Quantile)[0] <= share) low = middle;
      else high = middle;
    }
    const [shareBefore, valueBefore] = quantiles[low] as Quantile;
    const [shareAfter, valueAfter] = quantiles[high] as Quantile;
    return valueBefore + ((share - shareBefore) / (shareAfter - shareBefore)) * (valueAfter - valueBefore);
  }

  draw(random: RandomStream): number {
    return this.quantile(random.fraction());
  }

  get mean(): number {
    let sum = 0;
    for (const piece of this.#pieces()) sum += piece.weight;
    return sum;
  }

  /**
   * What remains of something that is under way at a random moment, as the session of a node that is up when a simulation
   * begins: a long one is likelier to be met, and any part of it may be over. Two draws.
   */
  drawResidual(random: RandomStream): number {
    let weight = random.fraction() * this.mean;
    let met: Piece | undefined;
    for (const piece of this.#pieces()) {
      met = piece;
      if (weight < piece.weight) break;
      weight -= piece.weight;
    }
    if (met === undefined) return 0;
    const { from, to } = met;
    // Within a piece the density of a length x is proportional to x: its share up to x is (x² − from²)/(to² − from²).
    const part = met.weight === 0 ? 0 : Math.min(1, weight / met.weight);
    const whole = Math.sqrt(from * from + part * (to * to - from * from));
    return whole * random.fraction();
  }

  *#pieces(): Generator<Piece> {
    for (let i = 1; i < this.#quantiles.length; i++) {
      const [shareBefore, from] = this.#quantiles[i - 1] as Quantile;
      const [share, to] = this.#quantiles[i] as Quantile;
      yield { from, to, weight: ((share - shareBefore) * (from + to)) / 2 };
    }
  }
}

/** Values between two quantiles, and what they add to the mean. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
}
