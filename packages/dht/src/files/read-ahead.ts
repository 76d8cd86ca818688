/**
 * The parts of a file in their order, asked for before they are wanted.
 *
 * A walk over the tree, from the root down and from left to right, in constant space: the manifests between the root and
 * the chunk that is next, and for each of these the one that follows. So bytes can be given out from the first answer on,
 * and whoever reads slowly holds `limit` chunks and no more.
 */
import type { Manifest } from "./file-record.ts";
import { childrenOf, type TreePlace } from "./file-tree.ts";
import type { RecordLoader, TreeNode } from "./record-loader.ts";

/** A chunk, or (`node: undefined`) whatever nobody has. */
export interface Part {
  readonly place: TreePlace;
  readonly node: TreeNode | undefined;
}

export interface ReadAheadOptions {
  readonly loader: RecordLoader;
  readonly root: Manifest;
  /** Bytes wanted: from this offset, to just before that one. */
  readonly from: number;
  readonly to: number;
  /** Chunks that are asked for or wait. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

export class ReadAhead {
  readonly #options: ReadAheadOptions;
  readonly #queue: Promise<Part>[] = [];
  readonly #loading = new Set<Promise<unknown>>();
  #waiting: (() => void)[] = [];
  #hasEnded = false;
  #isStopped = false;

  constructor(options: ReadAheadOptions) {
    this.#options = options;
    void this.#track(this.#fill());
  }

  /** The next part; `undefined` after the last. @throws (rejects) what the loader throws; the reason of the signal */
  async next(): Promise<Part | undefined> {
    this.#options.signal.throwIfAborted();
    while (this.#queue.length === 0 && !this.#hasEnded) await this.#change();
    const part = this.#queue[0];
    if (part === undefined) return undefined;
    const settled = await part; // it stays in the queue until then: it takes its place in the limit
    void this.#queue.shift();
    this.#wake();
    return settled;
  }

  /** Asks for nothing more, and waits for what has been asked for: the parts that follow, as far as they are known. */
  async stop(): Promise<Part[]> {
    this.#isStopped = true;
    this.#wake();
    const parts: Part[] = [];
    for (const outcome of await Promise.allSettled(this.#queue.splice(0))) {
      if (outcome.status === "rejected") break;
      parts.push(outcome.value);
    }
    return parts;
  }

  /** Resolves when nothing is under way any more: after `stop`, or an abort of the signal. */
  async idle(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    while (this.#loading.size > 0) await Promise.allSettled([...this.#loading]);
  }

  async #fill(): Promise<void> {
    const { root, from, to, limit } = this.#options;
    try {
      for await (const { part } of this.#walk(root, 0, from, to)) {
        this.#queue.push(this.#track(part()));
        this.#wake();
        while (this.#queue.length >= limit && !this.#isStopped) await this.#change();
        if (this.#isStopped) return;
      }
    } catch (error) {
      this.#queue.push(this.#track(Promise.reject(error)));
    } finally {
      this.#hasEnded = true;
      this.#wake();
    }
  }

  async *#walk(manifest: Manifest, offset: number, from: number, to: number): AsyncGenerator<Wanted, void> {
    const children = childrenOf(manifest, offset, from, to);
    if (manifest.level === 1) {
      for (const place of children) yield { part: () => this.#load(place) };
      return;
    }
    let following: Promise<Part> | undefined;
    for (const [index, child] of children.entries()) {
      const { place, node } = await (following ?? this.#track(this.#load(child)));
      const sibling = children[index + 1];
      following = sibling === undefined ? undefined : this.#track(this.#load(sibling));
      if (node?.type === "manifest") yield* this.#walk(node, place.offset, from, to);
      else yield { part: () => Promise.resolve({ place, node }) };
    }
  }

  async #load(place: TreePlace): Promise<Part> {
    const { loader, signal } = this.#options;
    return { place, node: await loader.below(place, signal) };
  }

  #track<T>(loading: Promise<T>): Promise<T> {
    this.#loading.add(loading);
    const done = (): void => void this.#loading.delete(loading);
    loading.then(done, done);
    return loading;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** An async generator waits for promises that it yields, so this is a function. */
interface Wanted {
  readonly part: () => Promise<Part>;
}
