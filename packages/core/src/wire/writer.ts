/**
 * Writes a message into a buffer of the caller's. What does not fit sets `failed` and writes nothing, so that a layout
 * is written down as a list of writes and checked once. Big-endian; allocates nothing.
 */
import type { NodeId } from "../node-id.ts";

const noBytes = new Uint8Array(0);

export class Writer {
  bytes: Uint8Array = noBytes;
  offset = 0;
  end = 0;
  failed = false;

  /** Starts at the front of `into[0..room)`, which is the caller's. */
  open(into: Uint8Array, room: number): void {
    this.bytes = into;
    this.offset = 0;
    this.end = Math.min(room, into.length);
    this.failed = false;
  }

  /** Lets go of the caller's buffer. */
  close(): void {
    this.bytes = noBytes;
  }

  /** Moves past `length` bytes and returns where to write them; `undefined` when there is no room. */
  take(length: number): number | undefined {
    const start = this.offset;
    if (this.failed || length > this.end - start) {
      this.failed = true;
      return undefined;
    }
    this.offset = start + length;
    return start;
  }

  /** Forgets what was written from `offset` on, and that it did not fit. */
  rewind(offset: number): void {
    this.offset = offset;
    this.failed = false;
  }

  u8(value: number): void {
    const at = this.take(1);
    if (at !== undefined) this.bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.take(2);
    if (at === undefined) return;
    this.bytes[at] = value >>> 8;
    this.bytes[at + 1] = value;
  }

  u32(value: number): void {
    const at = this.take(4);
    if (at === undefined) return;
    this.bytes[at] = value >>> 24;
    this.bytes[at + 1] = value >>> 16;
    this.bytes[at + 2] = value >>> 8;
    this.bytes[at + 3] = value;
  }

  bytesOf(bytes: Uint8Array): void {
    const at = this.take(bytes.length);
    if (at === undefined) return;
    // Addresses are a few bytes, for which the call of `set` costs more than the bytes.
    if (bytes.length > 32) this.bytes.set(bytes, at);
    else for (let i = 0; i < bytes.length; i++) this.bytes[at + i] = bytes[i] as number;
  }

  /** `from[start..start + length)`. */
  bytesFrom(from: Uint8Array, start: number, length: number): void {
    const at = this.take(length);
    if (at === undefined) return;
    for (let i = 0; i < length; i++) this.bytes[at + i] = from[start + i] as number;
  }

  id(id: NodeId): void {
    const at = this.take(id.length);
    if (at !== undefined) id.writeTo(this.bytes, at);
  }

  ascii(text: string): void {
    const at = this.take(text.length);
    if (at === undefined) return;
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i);
  }
}
