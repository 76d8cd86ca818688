/**
 * The contacts and ids met lately beside their bytes, so that one met again costs a comparison or a copy of those bytes
 * and no allocation.
 *
 * Direct-mapped: each id has one place, the newest takes it. The place only says where to look; the bytes (when reading)
 * or the object (when writing) decide, so a stale or colliding entry is never used, and whoever aims many ids at one
 * place costs nothing but hits.
 */
import type { Contact } from "../contact.ts";
import { NodeId } from "../node-id.ts";
import { readU32 } from "./reader.ts";

interface Entry {
  contact: Contact; // an entry is reused where the lengths agree
  /** The contact as it stands in messages: id, count, addresses. */
  readonly bytes: Uint8Array;
}

export class ContactCache {
  readonly #idBytes: number;
  readonly #shift: number;
  readonly #entries: (Entry | undefined)[];

  /** `size` places, rounded up to a power of two, 2^20 at most. */
  constructor(idBytes: number, size: number) {
    const bits = placeBits(size);
    this.#idBytes = idBytes;
    this.#shift = 32 - bits;
    this.#entries = new Array<Entry | undefined>(2 ** bits).fill(undefined);
  }

  /** The contact that `bytes` holds at `at`, where all bytes of an id are. */
  findRead(bytes: Uint8Array, at: number): Contact | undefined {
    const entry = this.#entries[placeOf(readPrefix(bytes, at, this.#idBytes), this.#shift)];
    if (entry === undefined) return undefined;
    const known = entry.bytes;
    if (known.length > bytes.length - at) return undefined;
    for (let i = 0; i < known.length; i++) if (known[i] !== bytes[at + i]) return undefined;
    return entry.contact;
  }

  /** The bytes of this very contact, to be copied at once. */
  findWritten(contact: Contact): Uint8Array | undefined {
    const entry = this.#entries[placeOf(contact.id.prefix, this.#shift)];
    return entry !== undefined && entry.contact === contact ? entry.bytes : undefined;
  }

  /** Keeps the contact with a copy of its bytes `bytes[start..end)`, in the place of what stood there. */
  keep(contact: Contact, bytes: Uint8Array, start: number, end: number): void {
    const place = placeOf(contact.id.prefix, this.#shift);
    let entry = this.#entries[place];
    if (entry === undefined || entry.bytes.length !== end - start) {
      entry = { contact, bytes: new Uint8Array(end - start) };
      this.#entries[place] = entry;
    }
    entry.contact = contact;
    for (let i = start; i < end; i++) entry.bytes[i - start] = bytes[i] as number;
  }
}

export class IdCache {
  readonly #idBytes: number;
  readonly #shift: number;
  readonly #ids: (NodeId | undefined)[];

  /** `size` places, rounded up to a power of two, 2^20 at most. */
  constructor(idBytes: number, size: number) {
    const bits = placeBits(size);
    this.#idBytes = idBytes;
    this.#shift = 32 - bits;
    this.#ids = new Array<NodeId | undefined>(2 ** bits).fill(undefined);
  }

  /** The id that `bytes` holds at `at`, where all its bytes are. */
  read(bytes: Uint8Array, at: number): NodeId {
    const place = placeOf(readPrefix(bytes, at, this.#idBytes), this.#shift);
    const known = this.#ids[place];
    if (known?.equalsBytes(bytes, at)) return known;
    const id = NodeId.fromBytes(bytes, at, this.#idBytes);
    this.#ids[place] = id;
    return id;
  }
}

function placeBits(size: number): number {
  return Math.max(1, Math.ceil(Math.log2(Math.min(size, 2 ** 20))));
}

/** The golden ratio in 32 bits (Knuth, TAOCP 3, §6.4): short ids, and those near our own, share their first bits. */
function placeOf(prefix: number, shift: number): number {
  return Math.imul(prefix, 0x9e3779b1) >>> shift;
}

/** As `NodeId.prefix`. */
function readPrefix(bytes: Uint8Array, at: number, idBytes: number): number {
  if (idBytes >= 4) return readU32(bytes, at);
  let prefix = 0;
  for (let i = 0; i < 4; i++) prefix = (prefix << 8) | (i < idBytes ? (bytes[at + i] as number) : 0);
  return prefix >>> 0;
}
