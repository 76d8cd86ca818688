/**
 * A first-in first-out queue of bounded length. `array.shift()` moves every entry; this moves none.
 */
export class Fifo<T> {
  #entries: T[] = [];
  #head = 0;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** `false` when full: the entry was not taken. */
  push(entry: T): boolean {
    if (this.length >= this.limit) return false;
    this.#entries.push(entry);
    return true;
  }

  peek(): T | undefined {
    return this.#entries[this.#head];
  }

  shift(): T | undefined {
    if (this.#head === this.#entries.length) return undefined;
    const entry = this.#entries[this.#head];
    this.#entries[this.#head++] = undefined as T;
    if (this.#head === this.#entries.length) {
      this.#entries.length = 0;
      this.#head = 0;
    } else if (this.#head >= 64 && 2 * this.#head >= this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    return entry;
  }
}
