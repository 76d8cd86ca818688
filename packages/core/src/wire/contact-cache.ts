/**
 * The contacts and ids heard lately, so that one heard again costs a comparison and no allocation.
 *
 * Direct-mapped: each id has one place, the newest takes it. The place only says where to look; the bytes decide, so a
 * stale or colliding entry is never returned, and whoever aims many ids at one place costs nothing but hits.
 */
import type { Address } from "../address.ts";
import type { Contact } from "../contact.ts";
import { NodeId } from "../node-id.ts";
import { readU32 } from "./reader.ts";

export class ContactCache {
  readonly #idBytes: number;
  readonly #shift: number;
  readonly #contacts: (Contact | undefined)[];
  readonly #ids: (NodeId | undefined)[];

  /** `size`: places for contacts, and as many for ids; rounded up to a power of two, 1 to 2^20. */
  constructor(idBytes: number, size: number) {
    const bits = Math.ceil(Math.log2(Math.min(Math.max(size, 1), 2 ** 20)));
    this.#idBytes = idBytes;
    this.#shift = 32 - bits;
    this.#contacts = new Array<Contact | undefined>(2 ** bits).fill(undefined);
    this.#ids = new Array<NodeId | undefined>(2 ** bits).fill(undefined);
  }

  /** The id at `at`; the caller has made sure that all its bytes are there. */
  id(bytes: Uint8Array, at: number): NodeId {
    const place = this.#place(bytes, at);
    const known = this.#ids[place];
    if (known?.equalsBytes(bytes, at)) return known;
    const id = NodeId.fromBytes(bytes, at, this.#idBytes);
    this.#ids[place] = id;
    return id;
  }

  /** The contact whose bytes (id, count, addresses) are exactly those from `at` on, however few they are. */
  find(bytes: Uint8Array, at: number): Contact | undefined {
    const contact = this.#contacts[this.#place(bytes, at)];
    if (contact === undefined || !contact.id.equalsBytes(bytes, at)) return undefined;
    const { addresses } = contact;
    let offset = at + this.#idBytes;
    if (bytes[offset++] !== addresses.length) return undefined;
    for (let i = 0; i < addresses.length; i++) {
      const { wire } = addresses[i] as Address;
      // Past the end the bytes read as undefined, which equals none.
      for (let j = 0; j < wire.length; j++) if (wire[j] !== bytes[offset + j]) return undefined;
      offset += wire.length;
    }
    return contact;
  }

  /** Takes the place of what stood there. */
  keep(bytes: Uint8Array, at: number, contact: Contact): void {
    this.#contacts[this.#place(bytes, at)] = contact;
  }

  /** From the first four bytes of the id: ids are hashes, but short ones and those near our own share their first bits. */
  #place(bytes: Uint8Array, at: number): number {
    const prefix = this.#idBytes >= 4 ? readU32(bytes, at) : (bytes[at] as number);
    // The golden ratio in 32 bits (Knuth, TAOCP 3, §6.4); a shift by 32 would be one by 0.
    return this.#shift === 32 ? 0 : Math.imul(prefix, 0x9e3779b1) >>> this.#shift;
  }
}
