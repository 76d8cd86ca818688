/**
 * Cuts the pieces of a source into the chunks of a file, whatever sizes they have.
 */
import { chunkBytes, chunkDataAt, emptyChunk } from "./file-record.ts";
import { type TreeRecord, treeRecord } from "./file-tree.ts";

/** Holds the bytes of one chunk at most. */
export class ChunkCutter {
  #body = emptyChunk(chunkBytes);
  #filled = 0;
  #bytes = 0;

  /** All bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The chunks that are complete with these bytes, each made when it is asked for; the bytes are copied. */
  *cut(piece: Uint8Array): Generator<TreeRecord, void, undefined> {
    for (let at = 0; at < piece.length; ) {
      const taken = Math.min(piece.length - at, chunkBytes - this.#filled);
      this.#body.set(piece.subarray(at, at + taken), chunkDataAt + this.#filled);
      this.#filled += taken;
      this.#bytes += taken;
      at += taken;
      if (this.#filled === chunkBytes) yield this.#take(this.#body);
    }
  }

  /** What is left; of a source without bytes, one chunk without bytes. */
  *finish(): Generator<TreeRecord, void, undefined> {
    if (this.#filled > 0 || this.#bytes === 0) {
      yield this.#take(this.#body.subarray(0, chunkDataAt + this.#filled));
    }
  }

  #take(body: Uint8Array): TreeRecord {
    const record = treeRecord(0, this.#filled, body);
    this.#body = emptyChunk(chunkBytes);
    this.#filled = 0;
    return record;
  }
}
