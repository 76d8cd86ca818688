/**
 * Reads a message from its start to its end. What lies past the end reads as zero and sets `failed`, so that a layout is
 * written down as a list of reads and checked once. Big-endian. Nothing is copied: `view` borrows.
 */
const noBytes = new Uint8Array(0);

export class Reader {
  bytes: Uint8Array = noBytes;
  offset = 0;
  failed = false;

  /** Starts on `bytes`, which are borrowed until `close`. */
  open(bytes: Uint8Array, offset: number): void {
    this.bytes = bytes;
    this.offset = offset;
    this.failed = false;
  }

  /** Lets go of the borrowed bytes. */
  close(): void {
    this.bytes = noBytes;
  }

  get left(): number {
    return this.bytes.length - this.offset;
  }

  /** Moves past `length` bytes and returns where they start; `undefined` when there are not so many. */
  take(length: number): number | undefined {
    const start = this.offset;
    if (length > this.bytes.length - start) {
      this.failed = true;
      this.offset = this.bytes.length;
      return undefined;
    }
    this.offset = start + length;
    return start;
  }

  u8(): number {
    const at = this.take(1);
    return at === undefined ? 0 : (this.bytes[at] as number);
  }

  u16(): number {
    const at = this.take(2);
    return at === undefined ? 0 : ((this.bytes[at] as number) << 8) | (this.bytes[at + 1] as number);
  }

  u32(): number {
    const at = this.take(4);
    return at === undefined ? 0 : readU32(this.bytes, at);
  }

  view(length: number): Uint8Array {
    const at = this.take(length);
    return at === undefined ? noBytes : this.bytes.subarray(at, at + length);
  }
}

/** The caller has made sure that four bytes are there. */
export function readU32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 65_536 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}
