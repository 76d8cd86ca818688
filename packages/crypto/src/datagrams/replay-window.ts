/**
 * Which counters have been seen: a ring of bits (RFC 6479), 16 words of which the newest may be in part ahead. So 480
 * packets may overtake each other; what is older is refused, whether seen or not.
 *
 * Asked before a packet is opened and written to only after: what is forged changes nothing.
 */
import { windowWords } from "./session-memory.ts";

/** Packets that may overtake each other. */
export const windowPackets: number = (windowWords - 1) * 32;

export class ReplayWindow {
  readonly #bits: Uint32Array;
  readonly #at: number;
  /** One more than the largest counter seen. */
  #next = 0;

  /** Lives in 16 words from `at` on, all zero. */
  constructor(words: Uint32Array, at: number) {
    this.#bits = words;
    this.#at = at;
  }

  /** Whether `counter` would be the largest so far. */
  isNewest(counter: number): boolean {
    return counter >= this.#next;
  }

  /** @param counter u32 */
  verdict(counter: number): "new" | "seen" | "tooOld" {
    if (counter >= this.#next) return "new";
    if (counter + windowPackets < this.#next) return "tooOld";
    const word = this.#bits[this.#place(counter >>> 5)] as number;
    return (word & (1 << (counter & 31))) === 0 ? "new" : "seen";
  }

  /** To be called for `new` counters, once their packet has been opened. */
  add(counter: number): void {
    const word = counter >>> 5;
    if (counter >= this.#next) {
      const newest = this.#next === 0 ? -1 : (this.#next - 1) >>> 5;
      const first = Math.max(newest + 1, word - windowWords + 1);
      for (let i = first; i <= word; i++) this.#bits[this.#place(i)] = 0;
      this.#next = counter + 1;
    }
    const place = this.#place(word);
    this.#bits[place] = (this.#bits[place] as number) | (1 << (counter & 31));
  }

  #place(word: number): number {
    return this.#at + (word & (windowWords - 1));
  }
}
