/**
 * A Map and a Set that take hardly any room while they are empty: 32 bytes, where an engine's own take 180.
 *
 * A node keeps some twenty of them, and most are empty in most nodes: what is in them was announced, stored, or sent by
 * somebody. They come with their first entry and go with their last; in between they are the engine's own, which shrink
 * as they are emptied. An iteration goes on over what is added and deleted meanwhile, but ends when the last entry goes.
 */
export class LeanMap<K, V> implements Iterable<[K, V]> {
  #map: Map<K, V> | undefined = undefined;

  get size(): number {
    return this.#map?.size ?? 0;
  }

  has(key: K): boolean {
    return this.#map?.has(key) ?? false;
  }

  get(key: K): V | undefined {
    return this.#map?.get(key);
  }

  set(key: K, value: V): void {
    this.#map ??= new Map();
    this.#map.set(key, value);
  }

  /** `false`: there was none. */
  delete(key: K): boolean {
    const map = this.#map;
    if (map === undefined || !map.delete(key)) return false;
    if (map.size === 0) this.#map = undefined;
    return true;
  }

  clear(): void {
    this.#map = undefined;
  }

  keys(): IterableIterator<K> {
    return (this.#map ?? noEntries).keys() as IterableIterator<K>;
  }

  values(): IterableIterator<V> {
    return (this.#map ?? noEntries).values() as IterableIterator<V>;
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return (this.#map ?? noEntries)[Symbol.iterator]() as IterableIterator<[K, V]>;
  }
}

/** See {@link LeanMap}. */
export class LeanSet<T> implements Iterable<T> {
  #set: Set<T> | undefined = undefined;

  get size(): number {
    return this.#set?.size ?? 0;
  }

  has(value: T): boolean {
    return this.#set?.has(value) ?? false;
  }

  add(value: T): void {
    this.#set ??= new Set();
    this.#set.add(value);
  }

  /** `false`: it was not in. */
  delete(value: T): boolean {
    const set = this.#set;
    if (set === undefined || !set.delete(value)) return false;
    if (set.size === 0) this.#set = undefined;
    return true;
  }

  clear(): void {
    this.#set = undefined;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return (this.#set ?? noValues)[Symbol.iterator]() as IterableIterator<T>;
  }
}

/** What an empty one iterates over. */
const noEntries: ReadonlyMap<never, never> = new Map<never, never>();
const noValues: ReadonlySet<never> = new Set<never>();
