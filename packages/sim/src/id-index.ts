/**
 * Everybody in order of their ids, so that the truly closest to a target are found without asking all: what a lookup should
 * have found, and what Sybils answer.
 */
import { bitAt, compareDistance, type NodeId } from "@kad/core";

export class IdIndex<T extends { readonly id: NodeId }> {
  /** In order of their ids. */
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Replaces whoever has the same id. */
  add(item: T): void {
    const place = this.#placeOf(item.id);
    const isKnown = this.#items[place]?.id.equals(item.id) === true;
    this.#items.splice(place, isKnown ? 1 : 0, item);
  }

  /** `false`: there is nobody with this id. */
  delete(id: NodeId): boolean {
    const place = this.#placeOf(id);
    if (this.#items[place]?.id.equals(id) !== true) return false;
    this.#items.splice(place, 1);
    return true;
  }

  get(id: NodeId): T | undefined {
    const item = this.#items[this.#placeOf(id)];
    return item?.id.equals(id) ? item : undefined;
  }

  /** Up to `count`, closest first; an array of the caller's. */
  closest(target: NodeId, count: number): T[] {
    const found: T[] = [];
    this.#gather(target, 0, this.#items.length, 0, count, found);
    return found.sort((a, b) => compareDistance(target, a.id, b.id)).slice(0, count); // slice: an array
  }

  /** Those in `[from, to)` share `bit` bits: the half that agrees with the target in the next one is nearer to it as a whole. */
  #gather(target: NodeId, from: number, to: number, bit: number, count: number, found: T[]): void {
    const room = count - found.length;
    if (room <= 0 || from >= to) return;
    if (to - from <= room || bit === target.length * 8) {
      for (let i = from; i < to; i++) found.push(this.#items[i] as T);
      return;
    }
    const middle = this.#firstWith(from, to, bit);
    const isUpper = bitAt(target, bit) === 1;
    const [nearFrom, nearTo] = isUpper ? [middle, to] : [from, middle];
    const [farFrom, farTo] = isUpper ? [from, middle] : [middle, to];
    this.#gather(target, nearFrom, nearTo, bit + 1, count, found);
    this.#gather(target, farFrom, farTo, bit + 1, count, found);
  }

  /** The first in `[from, to)` whose bit is set. */
  #firstWith(from: number, to: number, bit: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bitAt((this.#items[middle] as T).id, bit) === 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #placeOf(id: NodeId): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      // Char codes are the bytes, so text sorts as ids do.
      if ((this.#items[middle] as T).id.key < id.key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
