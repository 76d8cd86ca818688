/**
 * Secret-grade randomness of the system, through Web Crypto, which browsers and Node have alike.
 */
import type { RandomSource } from "./provider.ts";

/** What one call gives at most. */
const maxBytes = 65_536;

/** For identities, keys and `random` alike, outside of simulations. */
export const systemRandom: RandomSource = Object.freeze<RandomSource>({
  fill(into) {
    for (let at = 0; at < into.length; at += maxBytes) {
      const part = into.subarray(at, Math.min(at + maxBytes, into.length));
      globalThis.crypto.getRandomValues(part as Uint8Array<ArrayBuffer>); // memory that is shared it refuses
    }
  },
});
