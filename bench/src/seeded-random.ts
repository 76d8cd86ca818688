/**
 * The same numbers in every run and for every contestant: xoshiro128** (Blackman & Vigna 2018) from a seed.
 */
export class SeededRandom {
  readonly #state: Uint32Array = new Uint32Array(4);

  constructor(seed: number) {
    let word = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      word = (word + 0x9e3779b9) >>> 0; // splitmix32, as its authors advise for filling the state
      let mixed = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      this.#state[i] = mixed ^ (mixed >>> 15);
    }
  }

  u32(): number {
    const s = this.#state as unknown as [number, number, number, number];
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /** 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.u32() / 2 ** 32) * bound);
  }

  bytes(length: number): Uint8Array {
    return this.fill(new Uint8Array(length));
  }

  fill(into: Uint8Array): Uint8Array {
    for (let i = 0; i < into.length; i++) into[i] = this.u32() >>> 24;
    return into;
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
