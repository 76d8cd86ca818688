import { describe, expect, it } from "vitest";
import type { Address } from "../../src/address.ts";
import type { Contact } from "../../src/contact.ts";
import { NodeId } from "../../src/node-id.ts";
import { ContactCache, IdCache } from "../../src/wire/contact-cache.ts";
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
    expect(cache.findRead(bytes, 2)).toBe(contact);
    expect(cache.findWritten(contact)).toEqual(bytesOf(contact));
  });

  it("gives nothing for bytes that differ anywhere, or end early", () => {
    const cache = new ContactCache(idBytes, 1);
    const contact = contactOf(id(7), 1, 2);
    keep(cache, contact);
    const bytes = bytesOf(contact);
    for (let i = 0; i < bytes.length; i++) {
      const changed = Uint8Array.from(bytes);
      changed[i] = (changed[i] as number) ^ 1;
      expect(cache.findRead(changed, 0)).toBeUndefined();
      if (i >= idBytes) expect(cache.findRead(bytes.subarray(0, i), 0)).toBeUndefined();
    }
  });

  it("gives no bytes for a contact that is equal but not the same", () => {
    const cache = new ContactCache(idBytes, 16);
    keep(cache, contactOf(id(7), 1));
    expect(cache.findWritten(contactOf(id(7), 1))).toBeUndefined();
    expect(cache.findWritten(contactOf(id(7), 2))).toBeUndefined();
  });

  it("copies the bytes that it is given", () => {
    const cache = new ContactCache(idBytes, 16);
    const contact = contactOf(id(7), 1);
    const bytes = bytesOf(contact);
    cache.keep(contact, bytes, 0, bytes.length);
    bytes.fill(0xaa);
    expect(cache.findWritten(contact)).toEqual(bytesOf(contact));
  });

  it("grows with the contacts that it meets, up to its size", () => {
    const random = xorshift(idBytes + 77);
    const crowd = Array.from({ length: 200 }, () =>
      contactOf(NodeId.fromBytes(Uint8Array.from({ length: idBytes }, () => random() & 255)), 1),
    );
    const found = (size: number): number => {
      const cache = new ContactCache(idBytes, size);
      for (const contact of crowd) keep(cache, contact);
      return crowd.filter((contact) => cache.findRead(bytesOf(contact), 0) !== undefined).length;
    };
    const distinct = new Set(crowd.map((contact) => contact.id.key)).size;
    expect(found(4)).toBeLessThanOrEqual(10);
    expect(found(1_024)).toBeGreaterThan(distinct * 0.6);
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
      const read = cache.findRead(bytes, 0);
      if (read !== undefined) {
        hits++;
        if (bytesOf(read).join() !== bytes.join()) throw new Error("a wrong contact was read");
      }
      const written = cache.findWritten(contact);
      if (written !== undefined && written.join() !== bytes.join())
        throw new Error("wrong bytes were written");
      if (random() % 2 === 0) keep(cache, contact);
    }
    expect(hits).toBeGreaterThan(100);
  });
});

describe.each([1, 4, 32])("an id cache for ids of %d bytes", (idBytes) => {
  it("gives the same object for the same bytes, and always the right id", () => {
    const random = xorshift(idBytes);
    const cache = new IdCache(idBytes, 4);
    let same = 0;
    let before: NodeId | undefined;
    for (let round = 0; round < 5_000; round++) {
      const bytes = new Uint8Array(idBytes + 1).fill(random() % 6);
      bytes[idBytes] = random() % 2;
      const id = cache.read(bytes, 1);
      expect(id.equalsBytes(bytes, 1)).toBe(true);
      expect(cache.read(bytes, 1)).toBe(id);
      if (before?.key === id.key && before === id) same++;
      before = id;
    }
    expect(same).toBeGreaterThan(100);
  });
});
