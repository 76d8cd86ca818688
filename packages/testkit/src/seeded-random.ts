/** Numbers and bytes that a test can draw again: the same seed gives the same ones on every engine. */
export interface SeededRandom {
  /** For `NodeOptions.random`. */
  fill(into: Uint8Array): void;
  /** A whole number from 0 to 2³² − 1. */
  next(): number;
  /** A whole number from 0 to `limit` − 1. */
  below(limit: number): number;
}

/** xorshift32 (Marsaglia 2003). Far from secret-grade. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return {
    next,
    below: (limit) => next() % limit,
    fill(into) {
      for (let i = 0; i < into.length; i++) into[i] = next() >>> 11;
    },
  };
}
