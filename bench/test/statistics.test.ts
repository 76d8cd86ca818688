import { describe, expect, it } from "vitest";
import { percentile, spreadOf } from "../src/statistics.ts";

describe("what is said of repeated measurements", () => {
  it.each([
    { values: [3], median: 3, min: 3, max: 3 },
    { values: [3, 1], median: 2, min: 1, max: 3 },
    { values: [100, 2, 1], median: 2, min: 1, max: 100 },
  ])("gives the middle and the range of $values", ({ values, ...spread }) => {
    expect(spreadOf(values)).toEqual(spread);
  });

  it("says nothing of nothing", () => {
    expect(spreadOf([])).toBeUndefined();
    expect(percentile([], 50)).toBeUndefined();
  });

  it("takes percentiles by nearest rank, in any order", () => {
    const values = [40, 10, 30, 20];
    expect([1, 25, 50, 95, 100].map((percent) => percentile(values, percent))).toEqual([10, 10, 20, 40, 40]);
  });
});
