/**
 * The estimate of a peer's round trip as one number: a node remembers thousands, and an object for each takes three times
 * the room.
 *
 * RFC 6298 §2: the smoothed mean and the mean deviation, each in 64ths of a millisecond and up to 2^20 ms (17 minutes);
 * whatever is longer counts as that. Together they take 52 bits of a number.
 */
export type RoundTrip = number & { readonly __brand?: "RoundTrip" };

const unitsPerMs = 64;
const range = 2 ** 26;

export function firstRoundTrip(rttMs: number): RoundTrip {
  return packed(rttMs, rttMs / 2);
}

export function nextRoundTrip(before: RoundTrip, rttMs: number): RoundTrip {
  const smoothed = smoothedMs(before);
  const deviation = deviationMs(before);
  return packed(smoothed + (rttMs - smoothed) / 8, deviation + (Math.abs(smoothed - rttMs) - deviation) / 4);
}

export function smoothedMs(roundTrip: RoundTrip): number {
  return Math.floor(roundTrip / range) / unitsPerMs;
}

export function deviationMs(roundTrip: RoundTrip): number {
  return (roundTrip % range) / unitsPerMs;
}

function packed(smoothed: number, deviation: number): RoundTrip {
  return unitsOf(smoothed) * range + unitsOf(deviation);
}

function unitsOf(ms: number): number {
  return Math.min(range - 1, Math.max(0, Math.round(ms * unitsPerMs)));
}
