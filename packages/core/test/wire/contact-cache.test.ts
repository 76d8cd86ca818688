import { describe, expect, it } from "vitest";
import type { Address } from "../../src/address.ts";
import { AddressTable } from "../../src/address-table.ts";
import type { Contact } from "../../src/contact.ts";
import { NodeId } from "../../src/node-id.ts";
import { ContactCache } from "../../src/wire/contact-cache.ts";
import { Reader } from "../../src/wire/reader.ts";
import { Writer } from "../../src/wire/writer.ts";
import { xorshift } from "./random-bytes.ts";

/** A contact's bytes as in a message; an address here is two bytes. */
function bytesOf(contact: Contact): Uint8Array {
  return Uint8Array.from([
    ...contact.id.toBytes(),
    contact.addresses.length,
    ...contact.addresses.flatMap(({ wire }) => [...wire]),
  ]);
}

function contactOf(id: NodeId, ...numbers: readonly number[]): Contact {
  const addresses = numbers.map((number): Address => {
    return {
      key: String(number),
      wire: Uint8Array.of(number >> 8, number & 0xff),
      kind: 1,
      link: 1,
      maxBytes: 1_200,
    };
  });
  return { id, addresses };
}

/** What the cache has for `bytes` from `at` on; the reader must then stand right behind it. */
function findRead(cache: ContactCache, bytes: Uint8Array, at: number): Contact | undefined {
  const reader = new Reader();
  reader.open(bytes, at);
  const contact = cache.read(reader, at);
  if (contact !== undefined) expect(reader.offset).toBe(at + bytesOf(contact).length);
  return contact;
}

function findWritten(cache: ContactCache, contact: Contact): Uint8Array | undefined {
  const writer = new Writer();
  const into = new Uint8Array(300);
  writer.open(into, 300);
  return cache.write(contact, writer) ? into.subarray(0, writer.offset) : undefined;
}

function keep(cache: ContactCache, contact: Contact): void {
  const bytes = bytesOf(contact);
  cache.keep(contact, bytes, 0, bytes.length);
}

describe.each([1, 2, 3, 4, 20, 32])("a contact cache for ids of %d bytes", (idBytes) => {
  const id = (byte: number): NodeId => NodeId.fromBytes(new Uint8Array(idBytes).fill(byte));

  it("gives back the very contact, read at any offset or written", () => {
    const cache = new ContactCache(idBytes, 16);
    const contact = contactOf(id(7), 1, 2);
    keep(cache, contact);
    const bytes = Uint8Array.from([9, 9, ...bytesOf(contact), 9]);
    expect(findRead(cache, bytes, 2)).toBe(contact);
    expect(findWritten(cache, contact)).toEqual(bytesOf(contact));
  });

  it("gives nothing for bytes that differ anywhere, or end early", () => {
    const cache = new ContactCache(idBytes, 1);
    const contact = contactOf(id(7), 1, 2);
    keep(cache, contact);
    const bytes = bytesOf(contact);
    for (let i = 0; i < bytes.length; i++) {
      const changed = Uint8Array.from(bytes);
      changed[i] = (changed[i] as number) ^ 1;
      expect(findRead(cache, changed, 0)).toBeUndefined();
      if (i >= idBytes) expect(findRead(cache, bytes.subarray(0, i), 0)).toBeUndefined();
    }
  });

  it("gives no bytes for a contact that is equal but not the same", () => {
    const cache = new ContactCache(idBytes, 16);
    keep(cache, contactOf(id(7), 1));
    expect(findWritten(cache, contactOf(id(7), 1))).toBeUndefined();
    expect(findWritten(cache, contactOf(id(7), 2))).toBeUndefined();
  });

  it("copies the bytes that it is given", () => {
    const cache = new ContactCache(idBytes, 16);
    const contact = contactOf(id(7), 1);
    const bytes = bytesOf(contact);
    cache.keep(contact, bytes, 0, bytes.length);
    bytes.fill(0xaa);
    expect(findWritten(cache, contact)).toEqual(bytesOf(contact));
  });

  it("grows with the contacts that it meets, up to its size", () => {
    const random = xorshift(idBytes + 77);
    const crowd = Array.from({ length: 200 }, () =>
      contactOf(NodeId.fromBytes(Uint8Array.from({ length: idBytes }, () => random() & 255)), 1),
    );
    const found = (size: number): number => {
      const cache = new ContactCache(idBytes, size);
      for (const contact of crowd) keep(cache, contact);
      return crowd.filter((contact) => findRead(cache, bytesOf(contact), 0) !== undefined).length;
    };
    const distinct = new Set(crowd.map((contact) => contact.id.key)).size;
    expect(found(4)).toBeLessThanOrEqual(200 * (16 / distinct));
    expect(found(1_024)).toBeGreaterThan(200 * 0.95);
  });

  it("never gives a wrong contact, though nearly every place is fought over", () => {
    const random = xorshift(idBytes);
    const cache = new ContactCache(idBytes, 4);
    const crowd = Array.from({ length: 40 }, (_, i) => {
      const addresses = Array.from({ length: 1 + (random() % 4) }, () => random() % 3);
      const bytes = new Uint8Array(idBytes).fill(i % 13);
      bytes[idBytes - 1] = i % 5;
      return contactOf(NodeId.fromBytes(bytes), ...addresses);
    });
    let hits = 0;
    for (let round = 0; round < 20_000; round++) {
      const contact = crowd[random() % crowd.length] as Contact;
      const bytes = bytesOf(contact);
      const read = findRead(cache, bytes, 0);
      if (read !== undefined) {
        hits++;
        if (bytesOf(read).join() !== bytes.join()) throw new Error("a wrong contact was read");
      }
      const written = findWritten(cache, contact);
      if (written !== undefined && written.join() !== bytes.join())
        throw new Error("wrong bytes were written");
      if (random() % 2 === 0) keep(cache, contact);
    }
    expect(hits).toBeGreaterThan(100);
  });
});

describe.each([1, 4, 32])("the ids of %d bytes of a contact cache", (idBytes) => {
  it("are the same object for a contact that is kept, and always the right id", () => {
    const random = xorshift(idBytes);
    const cache = new ContactCache(idBytes, 16);
    let same = 0;
    for (let round = 0; round < 5_000; round++) {
      const bytes = new Uint8Array(idBytes + 1).fill(random() % 6);
      bytes[idBytes] = random() % 2;
      const id = cache.readId(bytes, 1);
      expect(id.equalsBytes(bytes, 1)).toBe(true);
      keep(cache, contactOf(id, random() % 3));
      const first = cache.readId(bytes, 1);
      if (first === cache.readId(bytes, 1)) same++;
    }
    expect(same).toBeGreaterThan(4_000);
  });
});

describe("a contact cache", () => {
  const id = (byte: number): NodeId => NodeId.fromBytes(new Uint8Array(32).fill(byte));

  it("keeps no contact whose bytes are too many", () => {
    const cache = new ContactCache(32, 16);
    const long = { id: id(1), addresses: [new AddressTable().parse(`wss://${"a".repeat(60)}.example/kad`)] };
    keep(cache, long);
    expect([cache.count, findWritten(cache, long)]).toEqual([0, undefined]);
  });

  it("gives one contact to readers though others were told of it as another object", () => {
    const cache = new ContactCache(32, 16);
    const [heard, told] = [contactOf(id(1), 1), contactOf(id(1), 1)];
    keep(cache, heard);
    keep(cache, told);
    expect(cache.count).toBe(1);
    expect(findRead(cache, bytesOf(heard), 0)).toBe(heard);
    expect(findWritten(cache, told)).toEqual(bytesOf(told));
    expect(findWritten(cache, heard)).toEqual(bytesOf(heard));
  });

  it("gives a contact that was told of to readers as well, where its addresses are the same objects", () => {
    const cache = new ContactCache(32, 16);
    const heard = contactOf(id(1), 1, 2);
    const told = { id: id(1), addresses: [...heard.addresses] };
    keep(cache, heard);
    keep(cache, told);
    expect(cache.count).toBe(1);
    expect(findRead(cache, bytesOf(heard), 0)).toBe(told);
    expect(cache.readId(bytesOf(heard), 0)).toBe(told.id);
    expect(findWritten(cache, told)).toEqual(bytesOf(told));
    expect(findWritten(cache, heard)).toBeUndefined();
  });

  it("finds a contact by its id where it has this address and no other", () => {
    const cache = new ContactCache(32, 16);
    const [one, two] = [contactOf(id(1), 1), contactOf(id(2), 1, 2)];
    keep(cache, one);
    keep(cache, two);
    expect(cache.find(NodeId.fromBytes(id(1).toBytes()), one.addresses[0] as Address)).toBe(one);
    expect(cache.find(id(1), two.addresses[1] as Address)).toBeUndefined();
    expect(cache.find(id(2), two.addresses[0] as Address)).toBeUndefined();
    expect(cache.find(id(3), one.addresses[0] as Address)).toBeUndefined();
    expect(new ContactCache(32, 16).find(id(1), one.addresses[0] as Address)).toBeUndefined();
  });

  it("starts over when it has reached its size", () => {
    const cache = new ContactCache(32, 16);
    for (let i = 0; i < 17; i++) keep(cache, contactOf(id(i), 1));
    expect(cache.count).toBe(1);
    expect(findRead(cache, bytesOf(contactOf(id(16), 1)), 0)).toBeDefined();
  });
});
