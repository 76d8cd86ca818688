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
  it("is that of RFC 6298 within an eighth of a millisecond, from microseconds to minutes", () => {
    const rttMs = fc.oneof(
      fc.double({ min: 0, max: 5, noNaN: true }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(rttMs, { minLength: 1, maxLength: 60 }), (roundTripsMs) => {
        const { smoothed, deviation } = plain(roundTripsMs);
        expect(Math.abs(smoothedMs(packed(roundTripsMs)) - smoothed)).toBeLessThan(1 / 8);
        expect(Math.abs(deviationMs(packed(roundTripsMs)) - deviation)).toBeLessThan(1 / 8);
      }),
      { seed: 6_298, numRuns: 300 },
    );
  });

  it.each([
    ["longer than 17 minutes", 1e9, 2 ** 20],
    ["of a clock that ran backwards", -5, 0],
  ])("that is %s is the nearest that it can be", (_, rttMs, expectedMs) => {
    const roundTrip = nextRoundTrip(firstRoundTrip(rttMs), rttMs);
    expect(smoothedMs(roundTrip)).toBeCloseTo(expectedMs, 1);
    expect(deviationMs(roundTrip)).toBeLessThan(2 ** 20);
    expect(Number.isSafeInteger(roundTrip)).toBe(true);
  });
});
