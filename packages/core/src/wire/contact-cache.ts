/**
 * The contacts met lately beside their bytes, so that one met again costs a comparison or a copy of those bytes and no
 * allocation.
 *
 * A hash table with two to four places for each id (linear probing): the place only says where to look; the bytes (when
 * reading) or the object (when writing) decide, so a stale or colliding entry is never used, and whoever aims many ids
 * at one place costs nothing but hits. Entries lie one after another in a slab of bytes: a `Uint8Array` for each contact
 * takes six times the room. The cache has no room at first, grows with what is met, and starts over when its size is
 * reached.
 *
 *     entry = length u8 | the contact as it stands in messages
 */
import type { Address } from "../address.ts";
import type { Contact } from "../contact.ts";
import { NodeId } from "../node-id.ts";
import { type Reader, readU32 } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** Places looked at for one id. */
const probes = 4;
const headerBytes = 1;
/** Numbers of a place: where its entry begins in the slab, 0 when it has none, and the number of its contact. */
const placeSize = 2;
const fewestContacts = 16;
const firstPlaceBits = 5;
const firstSlabBytes = 512;
/** Where the first entry begins: at 0 there can be none. */
const firstEntry = 1;
/** Addresses that fit an entry: four of IPv4, or one of IPv6. A contact with longer ones is not kept. */
const maxKeptAddressBytes = 31;

const noContacts: Contact[] = [];
const noBytes = new Uint8Array(0);
/** Two places, and three to probe past the end; shared by all empty caches, and never written to. */
const noPlaces = new Int32Array(placeSize * (2 + probes - 1));

export class ContactCache {
  readonly #idBytes: number;
  readonly #maxContacts: number;
  /** A power of two of them, and three to probe past the end. */
  #places: Int32Array = noPlaces;
  #placeBits = 1;
  #slab: Uint8Array = noBytes;
  #slabUsed = firstEntry;
  /** What reading gives, by the number of its entry. */
  #heard: Contact[] = noContacts;
  /** What was written: the same contacts, some with other objects for their addresses; `undefined` while none has. */
  #told: Contact[] | undefined = undefined;

  /** At most `size` contacts, rounded up to a power of two from 16 to 2^20. */
  constructor(idBytes: number, size: number) {
    this.#idBytes = idBytes;
    this.#maxContacts = Math.max(fewestContacts, 1 << Math.ceil(Math.log2(Math.min(size, 2 ** 20))));
  }

  /** Contacts that are kept. */
  get count(): number {
    return this.#heard.length;
  }

  /** The contact that begins at `at`, where all bytes of an id are; the reader then stands behind it. */
  read(reader: Reader, at: number): Contact | undefined {
    const place = this.#placeRead(reader.bytes, at, readPrefix(reader.bytes, at, this.#idBytes));
    if (place === undefined) return undefined;
    reader.offset = at + this.#lengthAt(place);
    return this.#heard[this.#places[place + 1] as number];
  }

  /** The id that `bytes` holds at `at`, where all its bytes are: that of a kept contact, or a new one. */
  readId(bytes: Uint8Array, at: number): NodeId {
    const places = this.#places;
    const first = placeOf(readPrefix(bytes, at, this.#idBytes), this.#placeBits);
    for (let place = first; place < first + probes * placeSize; place += placeSize) {
      const entry = places[place] as number;
      if (entry === 0 || !this.#isAt(entry, bytes, at, this.#idBytes)) continue;
      return (this.#heard[places[place + 1] as number] as Contact).id;
    }
    return NodeId.fromBytes(bytes, at, this.#idBytes);
  }

  /** The contact with this id and this address alone. */
  find(id: NodeId, address: Address): Contact | undefined {
    const places = this.#places;
    const first = placeOf(id.prefixBits, this.#placeBits);
    for (let place = first; place < first + probes * placeSize; place += placeSize) {
      if (places[place] === 0) continue;
      const contact = this.#heard[places[place + 1] as number] as Contact;
      const { addresses } = contact;
      if (addresses.length === 1 && addresses[0] === address && contact.id.key === id.key) return contact;
    }
    return undefined;
  }

  /** Writes the bytes of this very contact. `false`: it is not kept; a writer without room has failed. */
  write(contact: Contact, writer: Writer): boolean {
    const places = this.#places;
    const first = placeOf(contact.id.prefixBits, this.#placeBits);
    for (let place = first; place < first + probes * placeSize; place += placeSize) {
      const entry = places[place] as number;
      if (entry === 0) continue;
      const number = places[place + 1] as number;
      if (this.#heard[number] !== contact && this.#told?.[number] !== contact) continue;
      writer.bytesFrom(this.#slab, entry + headerBytes, this.#slab[entry] as number);
      return true;
    }
    return false;
  }

  /** Keeps the contact with a copy of its bytes `bytes[start..end)`, if they are few enough. */
  keep(contact: Contact, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > this.#idBytes + 1 + maxKeptAddressBytes) return;
    const known = this.#placeRead(bytes, start, contact.id.prefixBits);
    if (known !== undefined && this.#lengthAt(known) === length) {
      this.#keepAnother(this.#places[known + 1] as number, contact);
      return;
    }
    this.#makeRoom(length);
    const entry = this.#slabUsed;
    const slab = this.#slab;
    slab[entry] = length;
    for (let i = 0; i < length; i++) slab[entry + headerBytes + i] = bytes[start + i] as number;
    this.#slabUsed += headerBytes + length;
    this.#place(entry, this.#heard.length, contact.id.prefixBits);
    this.#heard.push(contact);
    this.#told?.push(contact);
  }

  /**
   * The contact of this number as another object, which takes the place of the first: it is in a table, while the first
   * may be nowhere else. But with other objects for addresses, those of another node's table perhaps, it is not given to
   * readers.
   */
  #keepAnother(number: number, contact: Contact): void {
    const { addresses } = this.#heard[number] as Contact;
    if (addresses.every((address, i) => address === contact.addresses[i])) this.#heard[number] = contact;
    else {
      this.#told ??= [...this.#heard];
      this.#told[number] = contact;
    }
  }

  /** The place of the contact whose bytes are at `at`. */
  #placeRead(bytes: Uint8Array, at: number, prefix: number): number | undefined {
    const places = this.#places;
    const first = placeOf(prefix, this.#placeBits);
    for (let place = first; place < first + probes * placeSize; place += placeSize) {
      const entry = places[place] as number;
      if (entry === 0) continue;
      const length = this.#slab[entry] as number;
      if (length <= bytes.length - at && this.#isAt(entry, bytes, at, length)) return place;
    }
    return undefined;
  }

  /** Bytes of the contact that has this place. */
  #lengthAt(place: number): number {
    return this.#slab[this.#places[place] as number] as number;
  }

  /** Whether the first bytes of an entry's contact are those at `at`. */
  #isAt(entry: number, bytes: Uint8Array, at: number, length: number): boolean {
    const slab = this.#slab;
    const offset = entry + headerBytes;
    let i = 0;
    while (i < length && slab[offset + i] === bytes[at + i]) i++;
    return i === length;
  }

  /** Into the first empty place, or over the entry in the last one that is looked at. */
  #place(entry: number, number: number, prefix: number): void {
    const places = this.#places;
    let place = placeOf(prefix, this.#placeBits);
    const last = place + (probes - 1) * placeSize;
    while (place < last && places[place] !== 0) place += placeSize;
    places[place] = entry;
    places[place + 1] = number;
  }

  /** For one contact more. There are at least two places for each, before it comes. */
  #makeRoom(contactBytes: number): void {
    if (this.#heard.length === this.#maxContacts) this.#startOver();
    if (this.#heard === noContacts) this.#heard = [];
    const isCrowded = 2 * this.#heard.length >= 1 << this.#placeBits;
    if (isCrowded || this.#places === noPlaces) this.#growPlaces();
    const neededBytes = this.#slabUsed + headerBytes + contactBytes;
    if (neededBytes <= this.#slab.length) return;
    const slab = new Uint8Array(Math.max(firstSlabBytes, neededBytes, (3 * this.#slab.length) >> 1));
    slab.set(this.#slab);
    this.#slab = slab;
  }

  #startOver(): void {
    this.#heard = noContacts;
    this.#told = undefined;
    this.#slab = noBytes;
    this.#slabUsed = firstEntry;
    this.#places = noPlaces;
    this.#placeBits = 1;
  }

  #growPlaces(): void {
    this.#placeBits = this.#places === noPlaces ? firstPlaceBits : this.#placeBits + 1;
    this.#places = new Int32Array(placeSize * ((1 << this.#placeBits) + probes - 1));
    let entry = firstEntry;
    for (const [number, { id }] of this.#heard.entries()) {
      this.#place(entry, number, id.prefixBits);
      entry += headerBytes + (this.#slab[entry] as number);
    }
  }
}

/** The first place to look at. Mixed as in MurmurHash3's finalizer: ids of strangers, short ids and those near our own all spread. */
function placeOf(prefix: number, bits: number): number {
  let hash = Math.imul(prefix ^ (prefix >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> (32 - bits)) * placeSize;
}

/** As {@link NodeId.prefixBits}. */
function readPrefix(bytes: Uint8Array, at: number, idBytes: number): number {
  if (idBytes >= 4) return readU32(bytes, at) | 0;
  let prefix = 0;
  for (let i = 0; i < 4; i++) prefix = (prefix << 8) | (i < idBytes ? (bytes[at + i] as number) : 0);
  return prefix;
}
