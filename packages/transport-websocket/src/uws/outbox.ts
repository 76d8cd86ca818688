/**
 * Where messages stand from `send` to `flush`, of all sockets of a server: uWebSockets.js copies when it sends.
 *
 * Memory and views of it are used again: making a view costs as much as the rest of sending a short message.
 */

const chunkBytes = 65_536;
/** Kept while nothing stands in them: 1 MiB. A turn that says more takes memory of its own. */
const maxKeptChunks = 16;
/** So many messages that are shorter than 64 bytes fill a chunk; more of them get views that are not kept. */
const maxKeptViews = 1_024;

class Chunk {
  readonly #bytes: Uint8Array;
  #used = 0;
  /** In their order, made anew where a message of another length stands: most are as long as the one before. */
  readonly #views: Uint8Array[] = [];
  #count = 0;

  constructor(bytes: number) {
    this.#bytes = new Uint8Array(bytes);
  }

  /** `undefined`: no room. */
  add(message: Uint8Array): Uint8Array | undefined {
    const { length } = message;
    if (this.#used + length > this.#bytes.length) return undefined;
    const view = this.#view(length);
    view.set(message);
    this.#used += length;
    return view;
  }

  clear(): void {
    this.#used = 0;
    this.#count = 0;
  }

  #view(length: number): Uint8Array {
    const place = this.#count++;
    const known = this.#views[place];
    if (known?.length === length && known.byteOffset === this.#used) return known;
    const view = this.#bytes.subarray(this.#used, this.#used + length);
    if (place < maxKeptViews) this.#views[place] = view;
    return view;
  }
}

export class Outbox {
  readonly #chunks: Chunk[] = [new Chunk(chunkBytes)];
  /** The one that is being filled. */
  #place = 0;
  #lent = 0;

  /** A copy, until it is given back. */
  add(message: Uint8Array): Uint8Array {
    this.#lent++;
    const chunk = this.#chunks[this.#place] as Chunk;
    return chunk.add(message) ?? this.#addToNext(message);
  }

  /** So many of them are of no use any more. */
  giveBack(messages: number): void {
    this.#lent -= messages;
    if (this.#lent > 0) return;
    this.#chunks.length = Math.min(this.#chunks.length, maxKeptChunks);
    for (const chunk of this.#chunks) chunk.clear();
    this.#place = 0;
  }

  #addToNext(message: Uint8Array): Uint8Array {
    if (message.length > chunkBytes) return Uint8Array.from(message);
    this.#place++;
    if (this.#place === this.#chunks.length) this.#chunks.push(new Chunk(chunkBytes));
    return (this.#chunks[this.#place] as Chunk).add(message) as Uint8Array;
  }
}
