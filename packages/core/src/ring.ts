/**
 * A first-in first-out queue in a circular array. `array.shift()` moves every entry; this moves none. It has no bound of
 * its own: whoever puts something in says how much may wait.
 *
 * A node has several, most of them empty most of the time: one that was never used has no array, and one that grew gives
 * its array back when it is empty again.
 */
const noSlots: undefined[] = [];
/** So many are kept when the ring is empty, so that one through which entries pass one by one makes no array. */
const firstSlots = 4;

export class Ring<T> {
  /** A power of two of them, or none. */
  #slots: (T | undefined)[] = noSlots;
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(entry: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = entry;
    this.#length++;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const entry = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    if (this.#length === 0 && this.#slots.length > firstSlots) this.#release();
    return entry;
  }

  /** Slots that stand ready, in use or not. */
  get capacity(): number {
    return this.#slots.length;
  }

  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  clear(): void {
    this.#length = 0;
    this.#release();
  }

  #grow(): void {
    const slots = new Array<T | undefined>(Math.max(firstSlots, this.#slots.length * 2));
    for (let i = 0; i < this.#length; i++)
      slots[i] = this.#slots[(this.#head + i) & (this.#slots.length - 1)];
    this.#slots = slots;
    this.#head = 0;
  }

  #release(): void {
    this.#slots = noSlots;
    this.#head = 0;
  }
}
