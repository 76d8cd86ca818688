/**
 * Messages on their way out: each is copied once, behind its length, into chunks that are written in one piece.
 *
 * A turn's messages to one connection so become one write, which doubles what a socket carries. A chunk is as large as the
 * turn before needed.
 */
import { headerBytes, writeHeader } from "./framing.ts";

const minChunkBytes = 1_024;
const maxChunkBytes = 65_536;
/** From here on chunks have a memory of their own; smaller ones are cut from Node's pool. */
const minSpareBytes = 8_192;
/** So much of each size is kept for whoever needs some next: making a chunk costs more than filling it. */
const maxSpareBytes = 2 ** 20;
/** By size, the smallest first. */
const spare: readonly Buffer[][] = [[], [], [], []];

/** What we have made. Node's pool of small buffers is as long as one of our sizes, and everybody's. */
const own = new WeakSet<ArrayBufferLike>();

/** The system has copied them, and nobody looks at them any more. */
export function giveBack(chunks: readonly Buffer[]): void {
  for (const { buffer } of chunks) {
    const list = own.has(buffer) ? spareOf(buffer.byteLength) : undefined;
    if (list !== undefined && list.length * buffer.byteLength < maxSpareBytes) list.push(Buffer.from(buffer));
  }
}

/** `undefined` for a size of which none are kept. */
function spareOf(bytes: number): Buffer[] | undefined {
  const place = 31 - Math.clz32(bytes / minSpareBytes);
  return bytes === minSpareBytes << place ? spare[place] : undefined;
}

/** Written at once; more would only say later whether the other side takes any of it. */
const maxTakenBytes = 262_144;

export class FrameWriter {
  /** Chunks that have no more room. */
  #full: Buffer[] = [];
  #chunk: Buffer | undefined;
  #used = 0;
  #bytes = 0;
  /** What the next chunk is made for: as much as was taken last, or twice as much as did not fit. */
  #expectedBytes = minChunkBytes;

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
    this.#expectedBytes = sizeFor(this.#bytes);
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
    if (chunk !== undefined) {
      this.#closeChunk();
      this.#expectedBytes = Math.min(maxChunkBytes, 2 * chunk.length);
    }
    const size = Math.max(bytes, this.#expectedBytes);
    const made = spareOf(size)?.pop() ?? allocate(size);
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

/** A power of two, so that a turn that says a little more still fits. */
function sizeFor(bytes: number): number {
  if (bytes <= minChunkBytes) return minChunkBytes;
  return bytes >= maxChunkBytes ? maxChunkBytes : 2 ** (32 - Math.clz32(bytes - 1));
}

function allocate(bytes: number): Buffer {
  if (bytes < minSpareBytes) return Buffer.allocUnsafe(bytes);
  const made = Buffer.allocUnsafeSlow(bytes);
  own.add(made.buffer);
  return made;
}
