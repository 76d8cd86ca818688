/**
 * Which counters have been seen: a ring of bits (RFC 6479), 16 words of which the newest may be in part ahead. So 480
 * packets may overtake each other; what is older is refused, whether seen or not.
 *
 * Asked before a packet is opened and written to only after: what is forged changes nothing.
 */
const words = 16;

/** Packets that may overtake each other. */
export const windowPackets: number = (words - 1) * 32;

export class ReplayWindow {
  readonly #bits: Uint32Array = new Uint32Array(words);
  /** One more than the largest counter seen. */
  #next = 0;

  /** Whether `counter` would be the largest so far. */
  isNewest(counter: number): boolean {
    return counter >= this.#next;
  }

  /** @param counter u32 */
  verdict(counter: number): "new" | "seen" | "tooOld" {
    if (counter >= this.#next) return "new";
    if (counter + windowPackets < this.#next) return "tooOld";
    const word = this.#bits[(counter >>> 5) & (words - 1)] as number;
    return (word & (1 << (counter & 31))) === 0 ? "new" : "seen";
  }

  /** To be called for `new` counters, once their packet has been opened. */
  add(counter: number): void {
    const word = counter >>> 5;
    if (counter >= this.#next) {
      const newest = this.#next === 0 ? -1 : (this.#next - 1) >>> 5;
      const first = Math.max(newest + 1, word - words + 1);
      for (let i = first; i <= word; i++) this.#bits[i & (words - 1)] = 0;
      this.#next = counter + 1;
    }
    const at = word & (words - 1);
    this.#bits[at] = (this.#bits[at] as number) | (1 << (counter & 31));
  }
}
