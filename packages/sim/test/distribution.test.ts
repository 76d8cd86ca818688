import { describe, expect, it } from "vitest";
import {
  Distribution,
  RandomStream,
  type SessionShape,
  sessionLengths,
  sessionShapes,
} from "../src/index.ts";

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe("a distribution", () => {
  it("draws between its quantiles, on straight lines", () => {
    const distribution = new Distribution([
      [0, 0],
      [0.5, 10],
      [1, 110],
    ]);
    expect([0, 0.25, 0.5, 0.75, 1].map((share) => distribution.quantile(share))).toEqual([0, 5, 10, 60, 110]);
    expect(distribution.mean).toBe(32.5);
    expect(distribution.scaled(2).quantile(0.75)).toBe(120);
    const random = RandomStream.of(1);
    const drawn = Array.from({ length: 20_000 }, () => distribution.draw(random));
    expect(Math.abs(meanOf(drawn) - 32.5)).toBeLessThan(1);
    expect(drawn.filter((value) => value <= 10).length / drawn.length).toBeCloseTo(0.5, 1);
  });

  it("may be one value, or all between two alike", () => {
    const random = RandomStream.of(1);
    expect(Distribution.constant(5).draw(random)).toBe(5);
    expect(Distribution.constant(5).drawResidual(random)).toBeLessThan(5);
    const drawn = Array.from({ length: 1_000 }, () => Distribution.uniform(10, 20).draw(random));
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...drawn)).toBeLessThan(20);
  });

  it("knows what is left of something that is met at a random moment", () => {
    // Renewal theory: the mean of what is left is E[x²] / (2 E[x]); for 0 to 1 that is 1/3.
    const random = RandomStream.of(1);
    const drawn = Array.from({ length: 20_000 }, () => Distribution.uniform(0, 1).drawResidual(random));
    expect(Math.abs(meanOf(drawn) - 1 / 3)).toBeLessThan(0.01);
    // Two kinds, 1 and 9 long, equally frequent: 9 of 10 moments fall into a long one.
    const mixed = new Distribution([
      [0, 1],
      [0.499999, 1],
      [0.5, 9],
      [1, 9],
    ]);
    const long = Array.from({ length: 5_000 }, () => mixed.drawResidual(random)).filter((left) => left > 1);
    expect(Math.abs(long.length / 5_000 - 0.8)).toBeLessThan(0.03);
  });

  it.each([
    [
      "no beginning",
      [
        [0.1, 0],
        [1, 1],
      ],
    ],
    [
      "no end",
      [
        [0, 0],
        [0.9, 1],
      ],
    ],
    [
      "shares that fall",
      [
        [0, 0],
        [0.5, 1],
        [0.4, 2],
        [1, 3],
      ],
    ],
    [
      "values that fall",
      [
        [0, 2],
        [1, 1],
      ],
    ],
    [
      "an endless value",
      [
        [0, 0],
        [1, Number.POSITIVE_INFINITY],
      ],
    ],
    ["nothing", []],
  ] as [string, [number, number][]][])("refuses %s", (_, quantiles) => {
    expect(() => new Distribution(quantiles)).toThrow(/quantiles: .* from share 0 to 1, both rising/);
  });
});

describe("session lengths", () => {
  const shapes: Readonly<Record<SessionShape, number>> = {
    weibull059: 0.59,
    weibull038: 0.38,
    exponential: 1,
  };

  it.each(sessionShapes)("of the shape %s are the quantiles of their Weibull distribution", (shape) => {
    const sessions = sessionLengths(shape, 60);
    for (const share of [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999]) {
      const exact = 60 * (Math.log(1 / (1 - share)) / Math.LN2) ** (1 / shapes[shape]);
      expect(sessions.quantile(share) / exact).toBeCloseTo(1, 2);
    }
    expect(sessions.quantile(0.5)).toBe(60);
  });

  it("are refused for unknown shapes and impossible medians", () => {
    expect(() => sessionLengths("pareto" as never, 1)).toThrow(/shape: pareto; allowed are weibull059/);
    expect(() => sessionLengths("toString" as never, 1)).toThrow(/shape: toString/);
    expect(() => sessionLengths("exponential", 0)).toThrow(/medianMs: 0/);
  });
});
