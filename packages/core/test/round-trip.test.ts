import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deviationMs, firstRoundTrip, nextRoundTrip, type RoundTrip, smoothedMs } from "../src/round-trip.ts";

/** RFC 6298 §2 as it stands there. */
function plain(roundTripsMs: readonly number[]): { smoothed: number; deviation: number } {
  const [first = 0, ...others] = roundTripsMs;
  let [smoothed, deviation] = [first, first / 2];
  for (const rttMs of others) {
    deviation = 0.75 * deviation + 0.25 * Math.abs(smoothed - rttMs);
    smoothed = 0.875 * smoothed + 0.125 * rttMs;
  }
  return { smoothed, deviation };
}

function packed([first = 0, ...others]: readonly number[]): RoundTrip {
  return others.reduce(nextRoundTrip, firstRoundTrip(first));
}

describe("a round trip in one number", () => {
  it("is that of RFC 6298 within a hundredth, from microseconds to minutes", () => {
    const rttMs = fc.oneof(
      fc.double({ min: 0, max: 5, noNaN: true }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(rttMs, { minLength: 1, maxLength: 60 }), (roundTripsMs) => {
        const { smoothed, deviation } = plain(roundTripsMs);
        const longest = Math.max(...roundTripsMs);
        const roundTrip = packed(roundTripsMs);
        expect(Math.abs(smoothedMs(roundTrip) - smoothed)).toBeLessThan(longest / 100 + 1 / 8);
        expect(Math.abs(deviationMs(roundTrip) - deviation)).toBeLessThan(longest / 100 + 1 / 8);
      }),
      { seed: 6_298, numRuns: 300 },
    );
  });

  it("follows a round trip that stays, from above and from below", () => {
    for (const rttMs of [0.1, 3, 31, 33, 150, 2_000, 40_000]) {
      for (const from of [0, 10 * rttMs]) {
        const roundTrip = packed([from, ...Array.from({ length: 100 }, () => rttMs)]);
        expect(Math.abs(smoothedMs(roundTrip) - rttMs)).toBeLessThanOrEqual(Math.max(rttMs / 100, 1 / 8));
        expect(deviationMs(roundTrip)).toBeLessThanOrEqual(Math.max(rttMs / 100, 1 / 8));
      }
    }
  });

  it("is exact for whole milliseconds up to 2,048, and within half a thousandth for all others", () => {
    for (let ms = 0; ms <= 2_048; ms++) expect(smoothedMs(firstRoundTrip(ms))).toBe(ms);
    fc.assert(
      fc.property(fc.double({ min: 2_048, max: 2 ** 20, noNaN: true }), (ms) => {
        expect(Math.abs(smoothedMs(firstRoundTrip(ms)) / ms - 1)).toBeLessThan(0.0005);
      }),
      { seed: 2_048, numRuns: 300 },
    );
  });

  it.each([
    ["longer than 17 minutes", 1e9, 2 ** 20],
    ["of a clock that ran backwards", -5, 0],
  ])("that is %s is the nearest that it can be, and a small integer", (_, rttMs, expectedMs) => {
    const roundTrip = nextRoundTrip(firstRoundTrip(rttMs), rttMs);
    expect(smoothedMs(roundTrip)).toBeCloseTo(expectedMs, -3);
    expect(deviationMs(roundTrip)).toBeLessThanOrEqual(2 ** 20);
    expect(Number.isInteger(roundTrip) && roundTrip >= 0 && roundTrip < 2 ** 30).toBe(true);
  });
});
