import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatUs, toMs, toUs } from "../src/virtual-time.ts";

describe("virtual time", () => {
  it.each([
    [0, "0.000"],
    [7, "0.007"],
    [42, "0.042"],
    [999, "0.999"],
    [1_000, "1.000"],
    [12_345_678, "12345.678"],
  ])("%s µs are written %s", (us, text) => {
    expect(formatUs(us)).toBe(text);
  });

  it("rounds up to the first microsecond at which an instant has come, whatever the fraction", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
        const us = toUs(ms);
        expect(Number.isInteger(us)).toBe(true);
        expect(toMs(us)).toBeGreaterThanOrEqual(ms);
        expect(toMs(us - 1)).toBeLessThan(ms);
      }),
    );
  });

  it("gives back every whole microsecond", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (us) => {
        expect(toUs(toMs(us))).toBe(us);
      }),
    );
  });
});
