/**
 * The contacts met lately beside their bytes, so that one met again costs a comparison or a copy of those bytes and no
 * allocation.
 *
 * A hash table with four places for each id (linear probing): the place only says where to look; the bytes (when
 * reading) or the object (when writing) decide, so a stale or colliding entry is never used, and whoever aims many ids
 * at one place costs nothing but hits. Bytes lie in one slab: a `Uint8Array` for each contact takes six times the room.
 * The cache starts small, doubles when half full, and starts over when its size is reached.
 */
import type { Contact } from "../contact.ts";
import { NodeId } from "../node-id.ts";
import { type Reader, readU32 } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** Places looked at for one id. */
const probes = 4;
const firstEntries = 16;
/** Addresses that fit an entry: four of IPv4, or one of IPv6. A contact with longer ones is not kept. */
const maxKeptAddressBytes = 31;

export class ContactCache {
  readonly #idBytes: number;
  readonly #entryBytes: number;
  readonly #maxEntries: number;
  #count = 0;
  #capacity = 0;
  /** For each place the entry, counted from 1; 0 is empty. Twice as many as entries, a power of two, and three to probe past the end. */
  #places: Uint32Array = new Uint32Array(0);
  #placeBits = 0;
  /** Prefix of each entry's id, as a signed number. */
  #prefixes: Int32Array = new Int32Array(0);
  #lengths: Uint8Array = new Uint8Array(0);
  #slab: Uint8Array = new Uint8Array(0);
  /** What reading gives. */
  #heard: Contact[] = [];
  /** What was written: the same contact perhaps, as another object. */
  #told: Contact[] = [];

  /** At most `size` contacts, rounded up to a power of two from 16 to 2^20. */
  constructor(idBytes: number, size: number) {
    this.#idBytes = idBytes;
    this.#entryBytes = idBytes + 1 + maxKeptAddressBytes;
    this.#maxEntries = Math.max(firstEntries, 2 ** Math.ceil(Math.log2(Math.min(size, 2 ** 20))));
    this.#clear(firstEntries);
  }

  /** Contacts that are kept. */
  get count(): number {
    return this.#count;
  }

  /** The contact that begins at `at`, where all bytes of an id are; the reader then stands behind it. */
  read(reader: Reader, at: number): Contact | undefined {
    const entry = this.#entryRead(reader.bytes, at, readPrefix(reader.bytes, at, this.#idBytes));
    if (entry === undefined) return undefined;
    reader.offset = at + (this.#lengths[entry] as number);
    return this.#heard[entry];
  }

  /** The id that `bytes` holds at `at`, where all its bytes are: that of a kept contact, or a new one. */
  readId(bytes: Uint8Array, at: number): NodeId {
    const prefix = readPrefix(bytes, at, this.#idBytes);
    const first = placeOf(prefix, this.#placeBits);
    for (let place = first; place < first + probes; place++) {
      const entry = (this.#places[place] as number) - 1;
      if (entry < 0 || this.#prefixes[entry] !== prefix) continue;
      const { id } = this.#heard[entry] as Contact;
      if (id.equalsBytes(bytes, at)) return id;
    }
    return NodeId.fromBytes(bytes, at, this.#idBytes);
  }

  /** Writes the bytes of this very contact. `false`: it is not kept; a writer without room has failed. */
  write(contact: Contact, writer: Writer): boolean {
    const prefix = contact.id.prefixBits;
    const first = placeOf(prefix, this.#placeBits);
    for (let place = first; place < first + probes; place++) {
      const entry = (this.#places[place] as number) - 1;
      if (entry < 0 || (this.#told[entry] !== contact && this.#heard[entry] !== contact)) continue;
      writer.bytesFrom(this.#slab, entry * this.#entryBytes, this.#lengths[entry] as number);
      return true;
    }
    return false;
  }

  /** Keeps the contact with a copy of its bytes `bytes[start..end)`, if they are few enough. */
  keep(contact: Contact, bytes: Uint8Array, start: number, end: number): void {
    if (end - start > this.#entryBytes) return;
    const prefix = contact.id.prefixBits;
    const known = this.#entryRead(bytes, start, prefix);
    if (known !== undefined && this.#lengths[known] === end - start) {
      this.#told[known] = contact;
      return;
    }
    if (this.#count === this.#capacity) this.#makeRoom();
    const entry = this.#count++;
    this.#prefixes[entry] = prefix;
    this.#lengths[entry] = end - start;
    const offset = entry * this.#entryBytes - start;
    for (let i = start; i < end; i++) this.#slab[offset + i] = bytes[i] as number;
    this.#heard[entry] = contact;
    this.#told[entry] = contact;
    this.#place(entry, prefix);
  }

  #entryRead(bytes: Uint8Array, at: number, prefix: number): number | undefined {
    const slab = this.#slab;
    const first = placeOf(prefix, this.#placeBits);
    for (let place = first; place < first + probes; place++) {
      const entry = (this.#places[place] as number) - 1;
      if (entry < 0 || this.#prefixes[entry] !== prefix) continue;
      const length = this.#lengths[entry] as number;
      if (length > bytes.length - at) continue;
      const offset = entry * this.#entryBytes;
      let i = 0;
      while (i < length && slab[offset + i] === bytes[at + i]) i++;
      if (i === length) return entry;
    }
    return undefined;
  }

  /** Into the first empty place, or over the entry in the last one that is looked at. */
  #place(entry: number, prefix: number): void {
    const first = placeOf(prefix, this.#placeBits);
    let place = first;
    while (place < first + probes - 1 && this.#places[place] !== 0) place++;
    this.#places[place] = entry + 1;
  }

  #makeRoom(): void {
    if (this.#capacity === this.#maxEntries) {
      this.#clear(firstEntries);
      return;
    }
    const [prefixes, lengths, slab] = [this.#prefixes, this.#lengths, this.#slab];
    this.#allot(this.#capacity * 2);
    this.#prefixes.set(prefixes);
    this.#lengths.set(lengths);
    this.#slab.set(slab);
    for (let entry = 0; entry < this.#count; entry++) this.#place(entry, prefixes[entry] as number);
  }

  #clear(capacity: number): void {
    this.#allot(capacity);
    this.#count = 0;
    this.#heard = [];
    this.#told = [];
  }

  #allot(capacity: number): void {
    this.#capacity = capacity;
    this.#placeBits = Math.log2(capacity) + 1;
    this.#places = new Uint32Array(2 * capacity + probes - 1);
    this.#prefixes = new Int32Array(capacity);
    this.#lengths = new Uint8Array(capacity);
    this.#slab = new Uint8Array(capacity * this.#entryBytes);
  }
}

/** Mixed as in MurmurHash3's finalizer: ids of strangers, short ids and those near our own all spread. */
function placeOf(prefix: number, bits: number): number {
  let hash = Math.imul(prefix ^ (prefix >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> (32 - bits);
}

/** As {@link NodeId.prefixBits}. */
function readPrefix(bytes: Uint8Array, at: number, idBytes: number): number {
  if (idBytes >= 4) return readU32(bytes, at) | 0;
  let prefix = 0;
  for (let i = 0; i < 4; i++) prefix = (prefix << 8) | (i < idBytes ? (bytes[at + i] as number) : 0);
  return prefix;
}
