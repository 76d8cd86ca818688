/**
 * A generator that is cheap enough for a million datagrams: Marsaglia, "Xorshift RNGs" (2003), 32 bits.
 */
export function xorshift(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
