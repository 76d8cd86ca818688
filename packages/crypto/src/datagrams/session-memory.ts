/**
 * Keys and windows of all sessions, in blocks: 128 bytes for each. Two typed arrays of its own would cost a session four
 * times as much.
 */

/** The window, then the keys: 64 bytes each. */
export const windowWords = 16;
const slotWords = 32;
const slotsPerBlock = 64;

/** A part of a block; given back by {@link SessionMemory.free}. */
export interface Slot {
  readonly words: Uint32Array;
  /** Of the same memory. */
  readonly bytes: Uint8Array;
  /** Where it starts, in words. */
  readonly at: number;
}

export class SessionMemory {
  readonly #free: Slot[] = [];

  /** All zero. */
  take(): Slot {
    if (this.#free.length === 0) this.#addBlock();
    return this.#free.pop() as Slot;
  }

  /** Erases it; whoever had it must not use it any more. */
  free(slot: Slot): void {
    slot.words.fill(0, slot.at, slot.at + slotWords);
    this.#free.push(slot);
  }

  #addBlock(): void {
    const words = new Uint32Array(slotsPerBlock * slotWords);
    const bytes = new Uint8Array(words.buffer);
    for (let i = slotsPerBlock - 1; i >= 0; i--) this.#free.push({ words, bytes, at: i * slotWords });
  }
}
