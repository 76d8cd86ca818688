/**
 * The estimate of a peer's round trip as one small integer: a node remembers thousands, and an object for each takes five
 * times the room.
 *
 * RFC 6298 §2: the smoothed mean and the mean deviation, each in 15 bits, so that both together need no box in any engine.
 * Up to 32 ms they are 64ths of a millisecond; above that, floating: eleven bits, and how far they are shifted. That is
 * within half a thousandth, up to 2^20 ms (17 minutes); whatever is longer counts as that.
 */
export type RoundTrip = number & { readonly __brand?: "RoundTrip" };

const unitsPerMs = 64;
const longestUnits = 2 ** 26 - 1;
const fieldBits = 15;
const digits = 11;
const leadingDigit = 1 << (digits - 1);

export function firstRoundTrip(rttMs: number): RoundTrip {
  return packed(rttMs, rttMs / 2);
}

export function nextRoundTrip(before: RoundTrip, rttMs: number): RoundTrip {
  const smoothed = smoothedMs(before);
  const deviation = deviationMs(before);
  return packed(smoothed + (rttMs - smoothed) / 8, deviation + (Math.abs(smoothed - rttMs) - deviation) / 4);
}

export function smoothedMs(roundTrip: RoundTrip): number {
  return msOf(roundTrip >> fieldBits);
}

export function deviationMs(roundTrip: RoundTrip): number {
  return msOf(roundTrip & ((1 << fieldBits) - 1));
}

function packed(smoothed: number, deviation: number): RoundTrip {
  return (fieldOf(smoothed) << fieldBits) | fieldOf(deviation);
}

/** Units below 2^11 as they are; of longer ones the shift, and the digits less the leading one. */
function fieldOf(ms: number): number {
  const units = Math.min(longestUnits, Math.max(0, Math.round(ms * unitsPerMs)));
  const shift = Math.max(0, 32 - digits - Math.clz32(units));
  const shifted = Math.round(units / 2 ** shift); // rounded up to the next power of two, it is the next field
  return shift * leadingDigit + shifted;
}

function msOf(field: number): number {
  const shift = Math.max(0, Math.floor(field / leadingDigit) - 1);
  return ((field - shift * leadingDigit) * 2 ** shift) / unitsPerMs;
}
