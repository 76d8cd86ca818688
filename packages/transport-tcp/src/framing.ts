/**
 * Messages in a stream of bytes: a length of four bytes, big-endian, then so many bytes. No I/O.
 *
 * A length of zero is a keep-alive and no message (docs/wire-format.md). What a length claims is never believed: memory
 * grows with the bytes that have come, to twice as much at most. A message that lies whole in one chunk is a view of it.
 */

/** Length in front of each message. */
export const headerBytes = 4;

/** Longest message, by default; the limit of the wire format. */
export const maxFrameBytes: number = 2 ** 20;

/** What ends a stream: a length over the limit. Nothing after it can be understood. */
export type FrameFault = "tooLarge";

/** A half message is given this much room at first, if it is that long. */
const firstBodyBytes = 512;

/** Writes the length of a message in front of where its bytes go. */
export function writeHeader(into: Uint8Array, at: number, length: number): void {
  into[at] = length >>> 24;
  into[at + 1] = length >>> 16;
  into[at + 2] = length >>> 8;
  into[at + 3] = length;
}

/** Whole messages from chunks, wherever these are cut. */
export class FrameReader {
  readonly maxBytes: number;
  /** The bytes of a header that have come, as a number, and how many. */
  #header = 0;
  #headerBytes = 0;
  /** Length of the message that is under way; `undefined` between messages. */
  #length: number | undefined;
  /** Its bytes that have come, where they did not come in one piece. */
  #body: Uint8Array | undefined;
  #bodyBytes = 0;
  #keepAlives = 0;
  #isEnded = false;

  /** @param maxBytes longest message taken, in bytes */
  constructor(maxBytes: number = maxFrameBytes) {
    this.maxBytes = maxBytes;
  }

  /** Whether a message has begun and is not whole. */
  get isPartial(): boolean {
    return this.#length !== undefined || this.#headerBytes > 0;
  }

  /** Memory that a half message takes, in bytes. */
  get heldBytes(): number {
    return this.#body === undefined ? 0 : this.#body.length;
  }

  /** Messages of no length that have come. */
  get keepAlives(): number {
    return this.#keepAlives;
  }

  /**
   * Takes the next bytes of the stream and hands out the messages that are whole now, in order. Both the chunk and the
   * messages are borrowed: they hold until the call, or the callback, returns. Messages are plain `Uint8Array`s.
   * After a fault, and after `end`, what comes is ignored.
   */
  push(chunk: Uint8Array, onMessage: (bytes: Uint8Array) => void): FrameFault | undefined {
    let at = this.#pushWhole(chunk, onMessage);
    while (!this.#isEnded) {
      const left = chunk.length - at;
      let length = this.#length;
      if (length === undefined) {
        if (this.#headerBytes === 0 && left >= headerBytes) {
          length = readHeader(chunk, at);
          at += headerBytes;
        } else {
          if (left === 0) return undefined;
          this.#header = this.#header * 256 + (chunk[at++] as number);
          if (++this.#headerBytes < headerBytes) continue;
          length = this.#header;
          this.#header = 0;
          this.#headerBytes = 0;
        }
        if (length === 0) {
          this.#keepAlives++;
          continue;
        }
        if (length > this.maxBytes) {
          this.end();
          return "tooLarge";
        }
        this.#length = length;
        continue;
      }
      if (this.#bodyBytes === 0 && left >= length) {
        this.#length = undefined;
        onMessage(new Uint8Array(chunk.buffer, chunk.byteOffset + at, length));
        at += length;
        continue;
      }
      if (left === 0) return undefined;
      const taken = Math.min(left, length - this.#bodyBytes);
      const body = this.#append(chunk, at, taken, length);
      at += taken;
      if (this.#bodyBytes < length) return undefined;
      this.#forget();
      onMessage(body.length === length ? body : body.subarray(0, length));
    }
    return undefined;
  }

  /** The messages that lie whole at the start of a chunk: mostly all of it. Returns where the rest begins. */
  #pushWhole(chunk: Uint8Array, onMessage: (bytes: Uint8Array) => void): number {
    if (this.#length !== undefined || this.#headerBytes > 0) return 0;
    const { buffer, byteOffset, length: end } = chunk;
    const { maxBytes } = this;
    let at = 0;
    while (end - at >= headerBytes && !this.#isEnded) {
      const length = readHeader(chunk, at);
      const next = at + headerBytes + length;
      if (length === 0 || length > maxBytes || next > end) break;
      onMessage(new Uint8Array(buffer, byteOffset + at + headerBytes, length));
      at = next;
    }
    return at;
  }

  /** Gives back the memory; nothing is handed out any more. May be called from inside a callback. */
  end(): void {
    this.#isEnded = true;
    this.#forget();
    this.#header = 0;
    this.#headerBytes = 0;
  }

  #append(chunk: Uint8Array, at: number, bytes: number, length: number): Uint8Array {
    const needed = this.#bodyBytes + bytes;
    let body = this.#body;
    if (body === undefined || body.length < needed) {
      const larger = new Uint8Array(Math.min(length, Math.max(firstBodyBytes, 2 * needed)));
      if (body !== undefined) larger.set(body.subarray(0, this.#bodyBytes));
      this.#body = body = larger;
    }
    body.set(chunk.subarray(at, at + bytes), this.#bodyBytes);
    this.#bodyBytes = needed;
    return body;
  }

  #forget(): void {
    this.#length = undefined;
    this.#body = undefined;
    this.#bodyBytes = 0;
  }
}

/** Four bytes, so up to 2^32 - 1. */
function readHeader(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) * 0x1_00_00_00 +
    (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
  );
}
