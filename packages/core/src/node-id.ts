/**
 * A point in the id space: the id of a node, the key of a record, or the target of a lookup.
 *
 * Kademlia (Maymounkov & Mazières 2002) §2 uses one space of 160 bits for ids and keys; ours has any length in whole
 * bytes, 32 for the native protocol. The bytes are kept as a string of char codes 0 to 255: it is immutable, it is the
 * `Map` key at no cost, and 32 bytes cost 48 on the heap where a `Uint8Array` costs about 150.
 */
import { UsageError } from "./errors.ts";

/** Longest id in bytes. Nothing in the paper needs more; a bound keeps every message's size computable. */
export const maxIdBytes = 64;

export class NodeId {
  /** One char code (0 to 255) for each byte: equality and `Map` key. Not for display, use {@link toHex}. */
  readonly key: string;
  /**
   * The first 32 bits as a signed number, padded with zero bits on the right: most comparisons end here. Signed, it is a
   * small integer to the engine, in the id itself. @internal
   */
  readonly prefixBits: number;

  private constructor(key: string) {
    this.key = key;
    let prefix = 0;
    for (let i = 0; i < 4; i++) prefix = (prefix << 8) | (i < key.length ? key.charCodeAt(i) : 0);
    this.prefixBits = prefix;
  }

  /** The first 32 bits as an unsigned number, padded with zero bits on the right. */
  get prefix(): number {
    return this.prefixBits >>> 0;
  }

  /**
   * Reads `length` bytes at `offset`; the bytes are copied, the buffer stays the caller's.
   * @throws UsageError `invalidId` when the range is outside `bytes` or not 1 to 64 bytes long
   */
  static fromBytes(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): NodeId {
    if (!(length >= 1 && length <= maxIdBytes && offset >= 0 && offset + length <= bytes.length)) {
      throw new UsageError(
        "invalidId",
        `id: ${length} bytes at offset ${offset} of ${bytes.length}; allowed are 1 to ${maxIdBytes} bytes`,
      );
    }
    // A plain array costs less here than a view on the bytes: engines spread only plain arrays fast.
    const codes = new Array<number>(length);
    for (let i = 0; i < length; i++) codes[i] = bytes[offset + i] as number;
    return new NodeId(String.fromCharCode.apply(undefined, codes));
  }

  /** @throws UsageError `invalidId` when `hex` is not 1 to 64 bytes of hexadecimal digits */
  static fromHex(hex: string): NodeId {
    if (
      hex.length % 2 !== 0 ||
      hex.length === 0 ||
      hex.length > 2 * maxIdBytes ||
      !/^[0-9a-fA-F]+$/.test(hex)
    ) {
      throw new UsageError(
        "invalidId",
        `id: "${hex.slice(0, 140)}"; allowed are 2 to ${2 * maxIdBytes} hexadecimal digits`,
      );
    }
    let key = "";
    for (let i = 0; i < hex.length; i += 2)
      key += String.fromCharCode(Number.parseInt(hex.slice(i, i + 2), 16));
    return new NodeId(key);
  }

  /** Length in bytes. */
  get length(): number {
    return this.key.length;
  }

  /** Whether both are the same id; ids of different lengths never are. */
  equals(other: NodeId): boolean {
    return this.key === other.key;
  }

  /** Whether `bytes` holds exactly this id at `offset`. */
  equalsBytes(bytes: Uint8Array, offset: number): boolean {
    const key = this.key;
    if (offset + key.length > bytes.length) return false;
    for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) !== bytes[offset + i]) return false;
    return true;
  }

  /** Writes the id at `offset` and returns the offset after it; the caller has made sure of the room. */
  writeTo(into: Uint8Array, offset: number): number {
    const key = this.key;
    for (let i = 0; i < key.length; i++) into[offset + i] = key.charCodeAt(i);
    return offset + key.length;
  }

  /** A fresh copy that the caller owns. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.key.length);
    this.writeTo(bytes, 0);
    return bytes;
  }

  /** Two lower case digits for each byte. For people and logs. */
  toHex(): string {
    let hex = "";
    for (let i = 0; i < this.key.length; i++) hex += this.key.charCodeAt(i).toString(16).padStart(2, "0");
    return hex;
  }

  toString(): string {
    return this.toHex();
  }

  /** Hexadecimal in JSON too. */
  toJSON(): string {
    return this.toHex();
  }
}
