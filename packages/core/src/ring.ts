/**
 * A first-in first-out queue in a circular array. `array.shift()` moves every entry; this moves none.
 */
export class Ring<T> {
  #slots: (T | undefined)[];
  #head = 0;
  #length = 0;
  readonly #limit: number;

  /** Grows as needed up to `limit` entries. */
  constructor(limit: number = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
    this.#slots = new Array(Math.min(16, nextPowerOfTwo(limit)));
  }

  get length(): number {
    return this.#length;
  }

  get full(): boolean {
    return this.#length >= this.#limit;
  }

  /** `false` when full: the entry was not taken. */
  push(entry: T): boolean {
    if (this.#length >= this.#limit) return false;
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = entry;
    this.#length++;
    return true;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const entry = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    return entry;
  }

  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  clear(): void {
    while (this.#length > 0) this.shift();
  }

  #grow(): void {
    const slots = new Array<T | undefined>(this.#slots.length * 2);
    for (let i = 0; i < this.#length; i++)
      slots[i] = this.#slots[(this.#head + i) & (this.#slots.length - 1)];
    this.#slots = slots;
    this.#head = 0;
  }
}

function nextPowerOfTwo(n: number): number {
  let power = 1;
  while (power < n && power < 16) power *= 2;
  return power;
}
