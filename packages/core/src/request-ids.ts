/**
 * Request ids: 64 random bits each. The low half is also the tag of the transmit.
 */
import type { RequestId } from "./protocol.ts";
import type { RandomSource } from "./random-source.ts";

/**
 * The next id. Its low half is neither 0 nor taken: it counts on from one that is, so that a broken source of random bytes
 * cannot hold the node up. `undefined`: there is no randomness.
 * @param isTaken whether a request with this low half is under way
 */
export function nextRequestId(
  random: Pick<RandomSource, "u32">,
  isTaken: { has(low: number): boolean },
): RequestId | undefined {
  const high = random.u32();
  const drawn = random.u32();
  if (high === undefined || drawn === undefined) return undefined;
  let low = drawn;
  while (low === 0 || isTaken.has(low)) low = (low + 1) >>> 0;
  return { high, low };
}
