/**
 * Contacts and lists of addresses as they stand in messages.
 *
 *     addresses = count u8 (1 to 4) | address …              the addresses at most 192 bytes together
 *     contact   = id | addresses
 *     contacts  = count u8 (0 to 64) | contact …
 */
import { type Address, type AddressCodec, maxAddresses, maxAddressesBytes } from "../address.ts";
import type { Contact } from "../contact.ts";
import type { NodeId } from "../node-id.ts";
import type { MalformedReason } from "../protocol.ts";
import { ContactCache } from "./contact-cache.ts";
import { maxContacts, minContacts } from "./messages.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** Shared by every message and contact without addresses. */
export const noAddresses: readonly Address[] = Object.freeze([]);

export class ContactCodec {
  readonly #known: ContactCache;
  readonly #idBytes: number;
  readonly #addresses: AddressCodec;

  constructor(idBytes: number, addresses: AddressCodec, cacheSize: number) {
    this.#known = new ContactCache(idBytes, cacheSize);
    this.#idBytes = idBytes;
    this.#addresses = addresses;
  }

  /** The id at `at`, where all its bytes are; the same object for one that is known. */
  readId(bytes: Uint8Array, at: number): NodeId {
    return this.#known.readId(bytes, at);
  }

  /** See `Protocol.knownContact`. */
  find(id: NodeId, address: Address): Contact | undefined {
    return this.#known.find(id, address);
  }

  /** `undefined` when malformed; the reader then stands anywhere. */
  readContact(reader: Reader): Contact | undefined {
    const at = reader.take(this.#idBytes);
    if (at === undefined) return undefined;
    const known = this.#known.read(reader, at);
    if (known !== undefined) return known;
    const addresses = this.readAddresses(reader);
    if (addresses === undefined) return undefined;
    const contact: Contact = { id: this.readId(reader.bytes, at), addresses };
    this.#known.keep(contact, reader.bytes, at, reader.offset);
    return contact;
  }

  /** Why they are malformed, else the contacts. */
  readContacts(reader: Reader): readonly Contact[] | MalformedReason {
    const count = reader.u8();
    if (reader.failed || count > maxContacts) return "badBody";
    const contacts: Contact[] = [];
    for (let i = 0; i < count; i++) {
      const contact = this.readContact(reader);
      if (contact === undefined) return reader.failed ? "badBody" : "badAddress";
      contacts.push(contact);
    }
    return contacts;
  }

  /** `undefined` when malformed; the reader then stands anywhere. */
  readAddresses(reader: Reader): readonly Address[] | undefined {
    const count = reader.u8();
    if (count < 1 || count > maxAddresses) return undefined;
    const addresses = new Array<Address>(count);
    let room = maxAddressesBytes;
    for (let i = 0; i < count; i++) {
      const length = Math.min(room, reader.left);
      const address = this.#addresses.decode(reader.bytes, reader.offset, length);
      const size = address?.wire.length ?? 0;
      if (address === undefined || size > length) return undefined;
      reader.offset += size;
      room -= size;
      addresses[i] = address;
    }
    return addresses;
  }

  /** Writes the contact if it has addresses that a message may carry; whether it did. Without room the writer fails. */
  writeContact(writer: Writer, contact: Contact): boolean {
    if (this.#known.write(contact, writer)) return !writer.failed;
    const count = writableCount(contact.addresses);
    if (contact.id.length !== this.#idBytes || count === 0) return false;
    const start = writer.offset;
    writer.id(contact.id);
    this.writeAddresses(writer, contact.addresses);
    if (writer.failed) return false;
    // With an address left out, the bytes mean another contact than this one.
    if (count === contact.addresses.length) this.#known.keep(contact, writer.bytes, start, writer.offset);
    return true;
  }

  /** Writes those that fit and that a message may carry. Without room for four of them, or for all, the writer fails. */
  writeContacts(contacts: readonly Contact[], writer: Writer): void {
    const countAt = writer.take(1);
    if (countAt === undefined) return;
    let count = 0;
    let skipped = 0;
    for (let i = 0; i < contacts.length && count < maxContacts; i++) {
      const start = writer.offset;
      if (this.writeContact(writer, contacts[i] as Contact)) count++;
      else if (writer.failed) {
        writer.rewind(start);
        break;
      } else skipped++;
    }
    writer.bytes[countAt] = count;
    if (count < Math.min(minContacts, contacts.length - skipped)) writer.failed = true;
  }

  /** Writes those addresses that a message may carry, of which there is at least one. */
  writeAddresses(writer: Writer, addresses: readonly Address[]): void {
    writer.u8(writableCount(addresses));
    let count = 0;
    let room = maxAddressesBytes;
    for (let i = 0; i < addresses.length && count < maxAddresses; i++) {
      const { wire } = addresses[i] as Address;
      if (wire.length > room) continue;
      writer.bytesOf(wire);
      room -= wire.length;
      count++;
    }
  }
}

/** How many of the addresses fit the bounds, taken in their order: the rule of `boundAddresses`. */
export function writableCount(addresses: readonly Address[]): number {
  let count = 0;
  let room = maxAddressesBytes;
  for (let i = 0; i < addresses.length && count < maxAddresses; i++) {
    const { wire } = addresses[i] as Address;
    if (wire.length > room) continue;
    room -= wire.length;
    count++;
  }
  return count;
}
