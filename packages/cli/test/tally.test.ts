import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { percentile, Tally } from "../src/tally.ts";

describe("a tally", () => {
  it("averages what walks took, and ranks their times", () => {
    const tally = new Tally();
    expect(tally.summary()).toBeUndefined();
    tally.add({ requests: 3, rounds: 1, hops: 0, durationMs: 30 });
    tally.add({ requests: 6, rounds: 2, hops: 1, durationMs: 10 });
    tally.add({ requests: 9, rounds: 3, hops: 2, durationMs: 20 });
    expect(tally.summary()).toEqual({ operations: 3, requests: 6, rounds: 2, hops: 1, p50Ms: 20, p95Ms: 30 });
  });

  it("gives as a percentile the smallest value that so many do not exceed", () => {
    const values = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 40 });
    const share = fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100);
    fc.assert(
      fc.property(values, share, (list, part) => {
        const value = percentile(list, part) as number;
        const below = list.filter((one) => one < value).length;
        const upTo = list.filter((one) => one <= value).length;
        expect(list).toContain(value);
        expect(upTo).toBeGreaterThanOrEqual(part * list.length - 1e-9);
        expect(below).toBeLessThan(part * list.length + 1e-9);
      }),
      { seed: 20_260_101 },
    );
  });

  it("has no percentile of nothing", () => {
    expect(percentile([], 0.5)).toBeUndefined();
  });
});
