/**
 * Messages on their way out: each is copied once, behind its length, into chunks that are written in one piece.
 *
 * A turn's messages to one connection so become one write, which doubles what a socket carries. Chunks are small where
 * little is said, and large after a turn that said much.
 */
import { headerBytes, writeHeader } from "./framing.ts";

/** From Node's pool of small buffers. */
const smallChunkBytes = 2_048;
const largeChunkBytes = 65_536;
/** Written at once; more would only say later whether the other side takes any of it. */
const maxTakenBytes = 262_144;

export class FrameWriter {
  /** Chunks that have no more room. */
  #full: Buffer[] = [];
  #chunk: Buffer | undefined;
  #used = 0;
  #bytes = 0;
  /** The last turn's messages did not fit a small chunk. */
  #isBusy = false;

  /** Framed bytes that wait to be taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Copies the message. */
  add(message: Uint8Array): void {
    const { length } = message;
    const chunk = this.#room(headerBytes + length);
    const at = this.#used;
    writeHeader(chunk, at, length);
    chunk.set(message, at + headerBytes);
    this.#used = at + headerBytes + length;
    this.#bytes += headerBytes + length;
  }

  /** A message of no length. */
  addKeepAlive(): void {
    writeHeader(this.#room(headerBytes), this.#used, 0);
    this.#used += headerBytes;
    this.#bytes += headerBytes;
  }

  /**
   * What is to be written next, in order; the memory is the caller's now.
   * @param maxBytes no further chunk is taken once there are so many
   */
  take(maxBytes: number = maxTakenBytes): Buffer[] {
    this.#isBusy = this.#full.length > 0 || this.#used > smallChunkBytes;
    if (this.#bytes > maxBytes && this.#full.length > 0) return this.#takeSome(maxBytes);
    this.#closeChunk();
    const taken = this.#full;
    this.#full = [];
    this.#bytes = 0;
    return taken;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#full = [];
    this.#chunk = undefined;
    this.#used = 0;
    this.#bytes = 0;
  }

  #takeSome(maxBytes: number): Buffer[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#full.length && bytes < maxBytes) bytes += (this.#full[count++] as Buffer).length;
    this.#bytes -= bytes;
    return this.#full.splice(0, count);
  }

  /** A chunk with room for so many bytes at `#used`. */
  #room(bytes: number): Buffer {
    const chunk = this.#chunk;
    if (chunk !== undefined && chunk.length - this.#used >= bytes) return chunk;
    this.#closeChunk();
    const isLarge = this.#isBusy || this.#full.length > 0;
    const usual = isLarge ? largeChunkBytes : smallChunkBytes;
    const made =
      bytes > usual || isLarge ? Buffer.allocUnsafeSlow(Math.max(bytes, usual)) : Buffer.allocUnsafe(usual);
    this.#chunk = made;
    return made;
  }

  #closeChunk(): void {
    const chunk = this.#chunk;
    if (chunk !== undefined && this.#used > 0) this.#full.push(chunk.subarray(0, this.#used));
    this.#chunk = undefined;
    this.#used = 0;
  }
}
