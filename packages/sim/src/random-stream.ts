/**
 * Random numbers from a seed, in streams: one for each host and purpose, so that one more draw in one place shifts nothing
 * anywhere else.
 *
 * The generator is xoshiro128** 1.1 (Blackman & Vigna 2018): 128 bits of state, 32-bit integers throughout, so that every
 * engine draws the same. It is no source of secrets.
 */
import { UsageError } from "@kad/core";

/** What a run is made from: any text, or any number. `7` and `"7"` are the same seed. */
export type Seed = number | string;

/** One sequence of random numbers. */
export class RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /**
   * The stream that has these names under a seed; the same names always give the same one. Text and numbers are told
   * apart, and so are `("ab", "c")` and `("a", "bc")`.
   */
  static of(seed: Seed, ...names: readonly (string | number)[]): RandomStream {
    const mixer = new Mixer();
    mixer.text(String(seed));
    for (const name of names) {
      if (typeof name === "number") mixer.number(name);
      else mixer.text(name);
    }
    return new RandomStream(mixer);
  }

  private constructor(mixer: Mixer) {
    [this.#a, this.#b, this.#c, this.#d] = mixer.words();
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#a = 1; // the one state that it never leaves
  }

  /** 32 random bits as an unsigned number. */
  u32(): number {
    const scrambled = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotate(this.#d, 11);
    return scrambled;
  }

  /**
   * A whole number from 0 to `bound - 1`, each as likely as the others.
   * @param bound 1 to 2^32
   */
  nextInt(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
      throw new UsageError(
        "invalidArgument",
        `bound: ${bound}; allowed is a whole number from 1 to ${2 ** 32}`,
      );
    }
    // Numbers beyond the last multiple of bound would make the small ones likelier: they are drawn again.
    const end = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const drawn = this.u32();
      if (drawn < end) return drawn % bound;
    }
  }

  /** From 0 to just under 1, in steps of 2^-32. */
  fraction(): number {
    return this.u32() / 2 ** 32;
  }

  /** `true` in so large a share of all calls: 0 never, 1 always. One draw in any case. */
  chance(share: number): boolean {
    return this.fraction() < share;
  }

  /** Fills with random bytes. Has the shape of a node's `random`. */
  fill(into: Uint8Array): void {
    let i = 0;
    for (; i + 4 <= into.length; i += 4) {
      const word = this.u32();
      into[i] = word;
      into[i + 1] = word >>> 8;
      into[i + 2] = word >>> 16;
      into[i + 3] = word >>> 24;
    }
    for (let word = i < into.length ? this.u32() : 0; i < into.length; i++, word >>>= 8) into[i] = word;
  }

  /** @throws UsageError `invalidArgument` when there is nothing to pick from */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0)
      throw new UsageError("invalidArgument", "items: an empty list; one at least is needed");
    return items[this.nextInt(items.length)] as T;
  }

  /** `count` of the items in random order, all of them when there are fewer; a new array (Fisher & Yates). */
  sample<T>(items: readonly T[], count: number = items.length): T[] {
    const rest = [...items];
    const size = Math.min(count, rest.length);
    for (let i = 0; i < size; i++) {
      const j = i + this.nextInt(rest.length - i);
      const drawn = rest[j] as T;
      rest[j] = rest[i] as T;
      rest[i] = drawn;
    }
    rest.length = size;
    return rest;
  }
}

/** From names to the state of a generator: four lanes that take in every 16 bits, each mixed into the next. */
class Mixer {
  #a = 0x243f6a88;
  #b = 0x85a308d3;
  #c = 0x13198a2e;
  #d = 0x03707344; // the first digits of π: numbers with nothing up their sleeve

  text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#take(text.charCodeAt(i));
    this.#take(0x1_0000 + text.length);
  }

  number(value: number): void {
    const whole = Math.floor(value);
    this.#take(whole | 0);
    this.#take(Math.floor(whole / 2 ** 32) | 0);
    this.#take(0x2_0000);
  }

  words(): [number, number, number, number] {
    for (let round = 0; round < 4; round++) this.#take(round);
    return [finish(this.#a), finish(this.#b), finish(this.#c), finish(this.#d)];
  }

  #take(word: number): void {
    this.#a = Math.imul(rotate(this.#a ^ word, 15), 0x9e3779b1) + this.#d;
    this.#b = Math.imul(rotate(this.#b ^ this.#a, 13), 0x85ebca77);
    this.#c = Math.imul(rotate(this.#c ^ this.#b, 17), 0xc2b2ae3d);
    this.#d = Math.imul(rotate(this.#d ^ this.#c, 11), 0x27d4eb2f);
  }
}

/** The finalizer of MurmurHash3. */
function finish(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
