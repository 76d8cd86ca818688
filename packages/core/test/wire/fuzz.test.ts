/**
 * A million datagrams from strangers: nothing throws, and whatever is read is bounded and can be written again.
 *
 * Not fast-check, which would spend its time on shrinking trees: a found case is named by its seed and number.
 */
import { describe, expect, it } from "vitest";
import { maxAddresses, maxAddressesBytes } from "../../src/address.ts";
import { AddressTable } from "../../src/address-table.ts";
import type { Contact } from "../../src/contact.ts";
import type { Malformed, Message, Protocol } from "../../src/protocol.ts";
import { maxProviderCursorBytes, maxProviderMetaBytes } from "../../src/provider.ts";
import { maxContacts } from "../../src/wire/messages.ts";
import { nativeProtocol } from "../../src/wire/native-protocol.ts";
import { xorshift } from "./random-bytes.ts";
import { fromHex, type MessageVectors, readVectors, toMessage } from "./vector.ts";

const datagrams = 1_000_000;
/** Above the longest vector, an answer of 65 providers. */
const largest = 3_200;
const kinds = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0x81, 0x82, 0x83, 0x84, 0x85, 0x87, 0xff);

const vectors = readVectors<MessageVectors>("messages");
const corpus = [...vectors.messages, ...vectors.malformed].map(({ hex }) => fromHex(hex));

/** Fills the start of `into` with the next datagram and returns its length. */
type Generator = (into: Uint8Array, random: () => number) => number;

const generators: Readonly<Record<string, Generator>> = {
  "random bytes": (into, random) => {
    const length = random() % 256;
    for (let i = 0; i < length; i++) into[i] = random();
    return length;
  },
  "a true header before random bytes": (into, random) => {
    const length = 3 + (random() % 200);
    for (let i = 0; i < length; i++) into[i] = random();
    into[0] = 4;
    into[1] = kinds[random() % kinds.length] as number;
    // Small counts and lengths, so that the layout is followed for a while.
    for (let i = 43; i < length; i++) if (random() % 3 === 0) into[i] = random() % 9;
    return length;
  },
  "messages with changed bytes": (into, random) => {
    const base = corpus[random() % corpus.length] as Uint8Array;
    into.set(base);
    for (let changes = 1 + (random() % 4); changes > 0; changes--) {
      into[random() % (base.length + 1)] = random() % 2 === 0 ? random() : random() % 10;
    }
    return base.length;
  },
  "messages that are cut, or run on": (into, random) => {
    const base = corpus[random() % corpus.length] as Uint8Array;
    into.set(base);
    const length = Math.min(largest, random() % (2 * base.length + 1));
    for (let i = base.length; i < length; i++) into[i] = random();
    return length;
  },
  "the start of one message before the end of another": (into, random) => {
    const front = corpus[random() % corpus.length] as Uint8Array;
    const back = corpus[random() % corpus.length] as Uint8Array;
    const kept = random() % (front.length + 1);
    const from = random() % (back.length + 1);
    into.set(front.subarray(0, kept));
    into.set(back.subarray(from, from + largest - kept), kept);
    return Math.min(largest, kept + back.length - from);
  },
};

function checkAddresses({ addresses }: Pick<Contact, "addresses">, least: number): void {
  let bytes = 0;
  for (const address of addresses) bytes += address.wire.length;
  if (addresses.length < least || addresses.length > maxAddresses || bytes > maxAddressesBytes) {
    throw new Error(`${addresses.length} addresses of ${bytes} bytes`);
  }
}

/** Throws where a message that was read is not bounded by the bytes that it was read from. */
function checkBounds(message: Message, length: number): void {
  checkAddresses(message, 0);
  const { body } = message;
  if (body.type === "nodes" || body.type === "providers") {
    if (body.contacts.length > maxContacts) throw new Error(`${body.contacts.length} contacts`);
    for (const contact of body.contacts) checkAddresses(contact, 1);
  }
  if (body.type === "providers") {
    if (body.providers.length > maxContacts) throw new Error(`${body.providers.length} providers`);
    for (const { contact, meta, lifetimeMs } of body.providers) {
      checkAddresses(contact, 1);
      if (meta.length > maxProviderMetaBytes) throw new Error(`${meta.length} bytes of metadata`);
      if (!(lifetimeMs >= 1_000)) throw new Error(`a lifetime of ${lifetimeMs} ms`);
    }
  }
  if ("meta" in body && body.meta.length > maxProviderMetaBytes) throw new Error("too much metadata");
  if ("cursor" in body && body.cursor.length > maxProviderCursorBytes) throw new Error("a long cursor");
  if ("body" in body && body.body.length > length) throw new Error("a body longer than its message");
  if ("record" in body && body.record.body.length > length) throw new Error("a body longer than its message");
}

function checkRewritten(protocol: Protocol, message: Message, into: Uint8Array): void {
  const length = protocol.encode(message, into, into.length, false);
  // More than four addresses cannot have been read; what can have been read but not written is an answer over 1,143 bytes.
  if (length === undefined) return;
  const again = protocol.decode(into.subarray(0, length));
  if (again.kind === "malformed") throw new Error(`what was written is malformed: ${again.reason}`);
  expect({ ...again, addresses: [] }).toEqual({ ...message, addresses: [] });
}

describe("a million datagrams", () => {
  const names = Object.keys(generators);
  it.each(
    names.flatMap((name, index) => [
      { name, idBytes: 32, seed: 0xc0ffee + index },
      { name, idBytes: 1, seed: 0xbeef + index },
    ]),
  )(
    "of $name, ids of $idBytes bytes, are read without a throw and within bounds",
    ({ name, idBytes, seed }) => {
      const random = xorshift(seed);
      const generate = generators[name] as Generator;
      const table = new AddressTable({ maxInterned: 256 });
      const protocol = nativeProtocol({ addresses: table, idBytes, contactCacheSize: 64 });
      const buffer = new Uint8Array(largest + 200);
      const rewritten = new Uint8Array(largest);
      const counts: Record<(Message | Malformed)["kind"], number> = { request: 0, response: 0, malformed: 0 };
      const rounds = datagrams / (2 * names.length);
      for (let round = 0; round < rounds; round++) {
        const length = generate(buffer, random);
        try {
          const message = protocol.decode(buffer.subarray(0, length));
          counts[message.kind]++;
          if (message.kind === "malformed") continue;
          checkBounds(message, length);
          if ((round & 63) === 0) checkRewritten(protocol, message, rewritten);
        } catch (error) {
          throw new Error(`seed ${seed}, datagram ${round}`, { cause: error });
        }
      }
      expect(counts.request + counts.response + counts.malformed).toBe(rounds);
      expect(counts.malformed).toBeGreaterThan(0);
      if (name !== "random bytes")
        expect(Math.min(counts.request, counts.response)).toBeGreaterThan(rounds / 50);
      expect(table.interned.used).toBeLessThanOrEqual(table.interned.limit);
    },
  );

  it("begin where every vector is read", () => {
    const table = new AddressTable();
    const protocol = nativeProtocol({ addresses: table });
    for (const { hex, message } of vectors.messages) {
      expect(protocol.decode(fromHex(hex))).toEqual(toMessage(message, table));
    }
  });
});
