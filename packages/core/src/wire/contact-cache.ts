/**
 * The contacts and ids met lately beside their bytes, so that one met again costs a comparison or a copy of those bytes
 * and no allocation.
 *
 * Direct-mapped: each id has one place, the newest takes it. When a quarter of the places is taken their number doubles, up to
 * the cache's size, so a node with few contacts has few of them. The place only says where to look; the bytes (when reading)
 * or the object (when writing) decide, so a stale or colliding entry is never used, and whoever aims many ids at one
 * place costs nothing but hits.
 */
import { copyBytes } from "../bytes.ts";
import type { Contact } from "../contact.ts";
import { NodeId } from "../node-id.ts";
import { readU32 } from "./reader.ts";

interface Entry {
  readonly contact: Contact;
  /** The contact as it stands in messages: id, count, addresses. */
  readonly bytes: Uint8Array;
}

/** Values by the prefix of an id, in as many places as are needed, at most `size` rounded up to a power of two. */
class Places<T extends object> {
  readonly #maxBits: number;
  #bits: number;
  #values: (T | undefined)[];
  #taken = 0;
  readonly #prefixOf: (value: T) => number;

  constructor(size: number, prefixOf: (value: T) => number) {
    this.#maxBits = Math.max(1, Math.ceil(Math.log2(Math.min(size, 2 ** 20))));
    this.#bits = Math.min(firstBits, this.#maxBits);
    this.#values = new Array<T | undefined>(2 ** this.#bits).fill(undefined);
    this.#prefixOf = prefixOf;
  }

  get(prefix: number): T | undefined {
    return this.#values[placeOf(prefix, this.#bits)];
  }

  /** Takes the place of what stands there. */
  set(prefix: number, value: T): void {
    this.#put(prefix, value);
    if (this.#taken > this.#values.length / 4 && this.#bits < this.#maxBits) this.#grow();
  }

  #put(prefix: number, value: T): void {
    const place = placeOf(prefix, this.#bits);
    if (this.#values[place] === undefined) this.#taken++;
    this.#values[place] = value;
  }

  #grow(): void {
    const values = this.#values;
    this.#bits++;
    this.#taken = 0;
    this.#values = new Array<T | undefined>(2 ** this.#bits).fill(undefined);
    for (const value of values) if (value !== undefined) this.#put(this.#prefixOf(value), value);
  }
}

/** 128 places: half a KiB, enough for the first bucket. */
const firstBits = 7;

export class ContactCache {
  readonly #idBytes: number;
  readonly #entries: Places<Entry>;

  /** At most `size` places, rounded up to a power of two, 2^20 at most. */
  constructor(idBytes: number, size: number) {
    this.#idBytes = idBytes;
    this.#entries = new Places<Entry>(size, ({ contact }) => contact.id.prefix);
  }

  /** The contact that `bytes` holds at `at`, where all bytes of an id are. */
  findRead(bytes: Uint8Array, at: number): Contact | undefined {
    const entry = this.#entries.get(readPrefix(bytes, at, this.#idBytes));
    if (entry === undefined) return undefined;
    const known = entry.bytes;
    if (known.length > bytes.length - at) return undefined;
    for (let i = 0; i < known.length; i++) if (known[i] !== bytes[at + i]) return undefined;
    return entry.contact;
  }

  /** The bytes of this very contact, to be copied at once. */
  findWritten(contact: Contact): Uint8Array | undefined {
    const entry = this.#entries.get(contact.id.prefix);
    return entry !== undefined && entry.contact === contact ? entry.bytes : undefined;
  }

  /** Keeps the contact with a copy of its bytes `bytes[start..end)`, in the place of what stood there. */
  keep(contact: Contact, bytes: Uint8Array, start: number, end: number): void {
    this.#entries.set(contact.id.prefix, { contact, bytes: copyBytes(bytes, start, end) });
  }
}

export class IdCache {
  readonly #idBytes: number;
  readonly #ids: Places<NodeId>;

  /** At most `size` places, rounded up to a power of two, 2^20 at most. */
  constructor(idBytes: number, size: number) {
    this.#idBytes = idBytes;
    this.#ids = new Places<NodeId>(size, (id) => id.prefix);
  }

  /** The id that `bytes` holds at `at`, where all its bytes are. */
  read(bytes: Uint8Array, at: number): NodeId {
    const known = this.#ids.get(readPrefix(bytes, at, this.#idBytes));
    if (known?.equalsBytes(bytes, at)) return known;
    const id = NodeId.fromBytes(bytes, at, this.#idBytes);
    this.#ids.set(id.prefix, id);
    return id;
  }
}

/** Mixed as in MurmurHash3's finalizer: ids of strangers, short ids and those near our own all spread. */
function placeOf(prefix: number, bits: number): number {
  let hash = Math.imul(prefix ^ (prefix >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> (32 - bits);
}

/** As `NodeId.prefix`. */
function readPrefix(bytes: Uint8Array, at: number, idBytes: number): number {
  if (idBytes >= 4) return readU32(bytes, at);
  let prefix = 0;
  for (let i = 0; i < 4; i++) prefix = (prefix << 8) | (i < idBytes ? (bytes[at + i] as number) : 0);
  return prefix >>> 0;
}
