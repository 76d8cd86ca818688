import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Address, maxAddresses, maxAddressesBytes } from "../../src/address.ts";
import { AddressTable } from "../../src/address-table.ts";
import { boundAddresses, type Contact } from "../../src/contact.ts";
import { UsageError } from "../../src/errors.ts";
import { NodeId } from "../../src/node-id.ts";
import {
  type Malformed,
  type Message,
  type Protocol,
  type Request,
  type RequestMessage,
  type Response,
  type ResponseMessage,
  refusalReasons,
} from "../../src/protocol.ts";
import type { Provider } from "../../src/provider.ts";
import { nativeProtocol } from "../../src/wire/native-protocol.ts";
import { fromHex, type MessageVectors, readVectors, toHex, toMessage } from "./vector.ts";

const vectors = readVectors<MessageVectors>("messages");
const headerBytes = 43;
const table = new AddressTable();
const protocol = nativeProtocol({ addresses: table });
const scratch = new Uint8Array(70_000);

function id(byte: number, length = 32): NodeId {
  return NodeId.fromBytes(new Uint8Array(length).fill(byte));
}

function request(body: Request, rest: Partial<RequestMessage> = {}): RequestMessage {
  const requestId = { high: 1, low: 2 };
  return { kind: "request", requestId, sender: id(1), client: false, addresses: [], want: 1, body, ...rest };
}

function response(body: Response, rest: Partial<ResponseMessage> = {}): ResponseMessage {
  const requestId = { high: 1, low: 2 };
  return { kind: "response", requestId, sender: id(1), client: false, addresses: [], body, ...rest };
}

/** The message's bytes, in a copy; `undefined` when it does not fit. */
function encode(
  message: Message,
  room = scratch.length,
  padded = false,
  by: Protocol = protocol,
): Uint8Array | undefined {
  scratch.fill(0xaa);
  const length = by.encode(message, scratch, room, padded);
  if (length === undefined) return undefined;
  expect(length).toBeLessThanOrEqual(room);
  expect(scratch.subarray(room).every((byte) => byte === 0xaa)).toBe(true);
  return Uint8Array.from(scratch.subarray(0, length));
}

function mustEncode(message: Message, room?: number, padded?: boolean): Uint8Array {
  const bytes = encode(message, room, padded);
  if (bytes === undefined) throw new Error("the message does not fit");
  return bytes;
}

function contactsOf(count: number, ...addresses: readonly string[]): Contact[] {
  const parsed = addresses.map((text) => table.parse(text));
  return Array.from({ length: count }, (_, i) => ({ id: id(i), addresses: parsed }));
}

function nodesIn(bytes: Uint8Array): readonly Contact[] {
  const message = protocol.decode(bytes);
  if (message.kind !== "response" || message.body.type !== "nodes") throw new Error("no nodes response");
  return message.body.contacts;
}

/** A URL of exactly so many bytes on the wire, the tag and the length among them. */
function urlOf(wireBytes: number, mark: string): string {
  const url = `ws://h.example/${mark}`;
  return url.padEnd(wireBytes - 2, "x");
}

describe("the vectors", () => {
  it.each(vectors.messages)("$name: its bytes are read", ({ hex, message }) => {
    expect(protocol.decode(fromHex(hex))).toEqual(toMessage(message, table));
  });

  it.each(vectors.messages)("$name: its bytes are written", ({ hex, message }) => {
    expect(toHex(mustEncode(toMessage(message, table)))).toBe(hex);
  });

  it.each(vectors.messages)("$name: what follows it is ignored", ({ hex, message }) => {
    expect(protocol.decode(fromHex(`${hex}00ff`))).toEqual(toMessage(message, table));
  });

  it.each(vectors.messages)(
    "$name: cut at any byte it is malformed for the right reason, but for options that are left out",
    ({ hex, message }) => {
      const bytes = fromHex(hex);
      const { addresses } = toMessage(message, table);
      const declared = addresses.length === 0 ? 0 : addresses.reduce((sum, { wire }) => sum + wire.length, 1);
      const nodes = message.body.type === "nodes" || message.body.type === "providers";
      const { expectedSeq, ...plainBody } = message.body;
      const withoutOptions = expectedSeq === undefined ? undefined : bytes.length - 9;
      for (let cut = 0; cut < bytes.length; cut++) {
        const result = protocol.decode(bytes.subarray(0, cut)) as Malformed;
        if (cut === withoutOptions) {
          expect(result).toEqual(toMessage({ ...message, body: plainBody }, table));
          continue;
        }
        expect(result.kind).toBe("malformed");
        const allowed =
          cut < headerBytes
            ? ["tooShort"]
            : cut < headerBytes + declared
              ? ["badAddress"]
              : nodes
                ? ["badBody", "badAddress"]
                : ["badBody"];
        expect(allowed).toContain(result.reason);
        expect(result.requestId !== undefined).toBe(cut >= headerBytes && message.kind === "request");
      }
    },
  );

  it.each(vectors.malformed)("$name is malformed: $reason", ({ hex, reason, requestId }) => {
    const result = protocol.decode(fromHex(hex)) as Malformed;
    expect(result.kind).toBe("malformed");
    expect(result.reason).toBe(reason);
    const { high, low } = result.requestId ?? {};
    const digits = (half: number | undefined): string => half?.toString(16).padStart(8, "0") ?? "";
    expect(digits(high) + digits(low)).toBe(requestId ?? "");
  });
});

describe("the layout, byte by byte", () => {
  it("starts with version, kind, flags, request id and sender", () => {
    const bytes = mustEncode(
      request(
        { type: "ping" },
        { requestId: { high: 0x01020304, low: 0xfffefdfc }, client: true, want: 0b100001 },
      ),
    );
    expect(toHex(bytes)).toBe(`0401a101020304fffefdfc${"01".repeat(32)}`);
  });

  it("writes no bits of want above the sixth, and none in a response", () => {
    expect(mustEncode(request({ type: "ping" }, { want: 0xff }))[2]).toBe(0x3f);
    expect(mustEncode(response({ type: "pong" }, { want: 0xff } as Partial<ResponseMessage>))[2]).toBe(0);
  });

  it("ignores bits of want in a response", () => {
    const bytes = mustEncode(response({ type: "pong" }));
    bytes[2] = 0x3f;
    expect(protocol.decode(bytes)).toEqual(response({ type: "pong" }));
  });

  it("ignores options of findNode that it does not know", () => {
    const bytes = mustEncode(request({ type: "findNode", target: id(7), wantToken: false }));
    bytes[bytes.length - 1] = 0xfe;
    expect(protocol.decode(bytes)).toEqual(request({ type: "findNode", target: id(7), wantToken: false }));
  });

  it("takes an unknown reason of a refusal for `unsupported`", () => {
    const bytes = mustEncode(response({ type: "refused", reason: "busy" }));
    bytes[bytes.length - 1] = refusalReasons.length + 1;
    expect(protocol.decode(bytes)).toEqual(response({ type: "refused", reason: "unsupported" }));
  });

  it("hands out views of the message's bytes, and nothing else that is borrowed", () => {
    const record = { typeCode: 1, key: id(9), lifetimeMs: 1_000, body: Uint8Array.of(1, 2, 3) };
    const bytes = mustEncode(request({ type: "putValue", token: new Uint8Array(8).fill(5), record }));
    const message = protocol.decode(bytes) as RequestMessage;
    if (message.body.type !== "putValue") throw new Error("another type");
    expect(message.body.record.body.buffer).toBe(bytes.buffer);
    expect(message.body.token?.buffer).toBe(bytes.buffer);
    bytes.fill(0xee);
    expect(message.sender).toEqual(id(1));
    expect(message.body.record.key).toEqual(id(9));
  });

  it("lists the seven requests, and 32 bytes an id", () => {
    expect([...protocol.requests].toSorted()).toEqual([
      "addProvider",
      "application",
      "findNode",
      "getProviders",
      "getValue",
      "ping",
      "putValue",
    ]);
    expect(protocol.idBytes).toBe(32);
  });
});

describe("lifetimes", () => {
  it.each([
    [1, 1],
    [999, 1],
    [1_000, 1],
    [1_001, 2],
    [86_400_000, 86_400],
    [0, 1],
    [-5, 1],
    [Number.NaN, 1],
    [Number.POSITIVE_INFINITY, 0xffff_ffff],
    [2 ** 52, 0xffff_ffff],
  ])("of %d ms travel as %d s", (lifetimeMs, seconds) => {
    const record = { typeCode: 1, key: id(9), lifetimeMs, body: new Uint8Array(0) };
    const message = protocol.decode(mustEncode(response({ type: "value", record })));
    if (message.kind !== "response" || message.body.type !== "value") throw new Error("another type");
    expect(message.body.record.lifetimeMs).toBe(seconds * 1_000);
  });
});

describe("padding", () => {
  const find = request({ type: "findNode", target: id(7), wantToken: true });
  const get = request({ type: "getValue", key: id(7) });
  const getProviders = request({ type: "getProviders", key: id(7), cursor: Uint8Array.of(1, 2) });

  it.each([
    ["findNode", find],
    ["getValue", get],
    ["getProviders", getProviders],
  ])("fills %s with zeros to 400 bytes, which is a third of the largest answer", (_, message) => {
    const plain = mustEncode(message);
    const padded = mustEncode(message, 1_143, true);
    expect(padded.length).toBe(400);
    expect(padded.length * 3).toBeGreaterThanOrEqual(1_143);
    expect(padded.subarray(0, plain.length)).toEqual(plain);
    expect(padded.subarray(plain.length).every((byte) => byte === 0)).toBe(true);
    expect(protocol.decode(padded)).toEqual(message);
  });

  it("leaves out a request that cannot be padded", () => {
    expect(encode(find, 399, true)).toBeUndefined();
    expect(protocol.encode(find, new Uint8Array(399), 1_143, true)).toBeUndefined();
    expect(encode(find, 399, false)).toBeDefined();
  });

  it("leaves other messages as they are", () => {
    expect(mustEncode(request({ type: "ping" }), 1_143, true).length).toBe(headerBytes);
    const nodes = response({ type: "nodes", contacts: [], token: undefined });
    expect(mustEncode(nodes, 1_143, true).length).toBe(headerBytes + 2);
  });
});

describe("room", () => {
  it.each(vectors.messages)(
    "$name: is written into exactly its length, and not into less",
    ({ hex, message }) => {
      const length = hex.length / 2;
      expect(mustEncode(toMessage(message, table), length).length).toBe(length);
      const small = new Uint8Array(length);
      expect(protocol.encode(toMessage(message, table), small, 1_143, false)).toBe(length);
      const without = { ...toMessage(message, table), addresses: [] };
      const bare = mustEncode(without).length;
      if (message.body.type === "nodes" || message.body.type === "providers") return;
      expect(encode(without, bare - 1)).toBeUndefined();
      expect(protocol.encode(without, new Uint8Array(bare - 1), 1_143, false)).toBeUndefined();
    },
  );

  it("is 1,143 bytes at most, however long the buffer, but for application messages", () => {
    const record = (bytes: number) => ({
      typeCode: 1,
      key: id(9),
      lifetimeMs: 1_000,
      body: new Uint8Array(bytes),
    });
    const put = (bytes: number): Message =>
      request({ type: "putValue", token: new Uint8Array(8), record: record(bytes) });
    expect(mustEncode(put(1_143 - 91)).length).toBe(1_143);
    expect(encode(put(1_144 - 91))).toBeUndefined();
    expect(
      mustEncode(request({ type: "application", protocol: "p", body: new Uint8Array(65_536) })).length,
    ).toBe(headerBytes + 2 + 4 + 65_536);
    expect(
      encode(request({ type: "application", protocol: "p", body: new Uint8Array(65_537) })),
    ).toBeUndefined();
    expect(encode(response({ type: "application", body: new Uint8Array(65_537) }))).toBeUndefined();
  });

  it("carries the largest record as compare-and-swap, beside a token", () => {
    const record = { typeCode: 2, key: id(9), lifetimeMs: 1_000, body: new Uint8Array(1_040) };
    const put = request({ type: "putValue", token: new Uint8Array(8), record, expectedSeq: 5 });
    expect(protocol.decode(mustEncode(put, 1_143))).toEqual(put);
  });

  it("carries a value of 1,000 bytes even where declared addresses then have to stay behind", () => {
    const addresses = [table.parse("udp://192.0.2.1:1"), table.parse(urlOf(130, "a"))];
    const record = { typeCode: 1, key: id(9), lifetimeMs: 1_000, body: new Uint8Array(1_000) };
    const put = request({ type: "putValue", token: new Uint8Array(8), record }, { addresses });
    expect(protocol.decode(mustEncode(put, 1_143))).toEqual({ ...put, addresses: [] });
    const short = {
      ...put,
      body: { ...put.body, record: { ...record, body: new Uint8Array(900) } },
    } as Message;
    expect(protocol.decode(mustEncode(short, 1_143))).toEqual(short);
  });
});

describe("a nodes answer", () => {
  it("holds 20 contacts with an IPv4 address beside a token", () => {
    const contacts = contactsOf(20, "udp://192.0.2.1:4100");
    const bytes = mustEncode(response({ type: "nodes", contacts, token: new Uint8Array(8) }), 1_143);
    expect(bytes.length).toBe(headerBytes + 9 + 1 + 20 * 40);
    expect(nodesIn(bytes)).toEqual(contacts);
  });

  it("is cut to the closest contacts that fit", () => {
    const contacts = contactsOf(30, "udp://192.0.2.1:4100");
    const whole = headerBytes + 2 + 40 * 30;
    for (const room of [whole, 1_143, 1_142, 600, headerBytes + 2 + 40 * 4]) {
      const fitting = Math.min(30, Math.floor((Math.min(room, 1_143) - headerBytes - 2) / 40));
      const bytes = mustEncode(response({ type: "nodes", contacts, token: undefined }), room);
      expect(nodesIn(bytes)).toEqual(contacts.slice(0, fitting));
    }
  });

  it("is not written for fewer than four contacts, or for fewer than all of less than four", () => {
    for (const count of [0, 1, 2, 3, 4, 5]) {
      const message = response({
        type: "nodes",
        contacts: contactsOf(count, "udp://192.0.2.1:4100"),
        token: undefined,
      });
      const needed = headerBytes + 2 + 40 * Math.min(count, 4);
      expect(nodesIn(mustEncode(message, needed)).length).toBe(Math.min(count, 4));
      expect(encode(message, needed - 1)).toBeUndefined();
    }
  });

  it("holds four contacts at their largest, for which declared addresses stay behind", () => {
    const addresses = boundAddresses([table.parse(urlOf(130, "a")), table.parse(urlOf(62, "b"))]);
    const contacts = Array.from({ length: 8 }, (_, i) => ({ id: id(i), addresses }));
    const message = response({ type: "nodes", contacts, token: new Uint8Array(8) }, { addresses });
    const read = protocol.decode(mustEncode(message, 1_143)) as ResponseMessage;
    expect(read.addresses).toEqual([]);
    expect(read.body).toEqual({ ...message.body, contacts: contacts.slice(0, 4) });
  });

  it("holds 64 contacts at most", () => {
    const wide = nativeProtocol({ addresses: table, idBytes: 1 });
    const contacts = Array.from({ length: 70 }, (_, i) => ({
      id: id(i, 1),
      addresses: [table.parse("udp://192.0.2.1:1")],
    }));
    const bytes = encode(
      response({ type: "nodes", contacts, token: undefined }, { sender: id(1, 1) }),
      1_143,
      false,
      wide,
    );
    const read = wide.decode(bytes as Uint8Array) as ResponseMessage;
    expect(read.body).toEqual({ type: "nodes", contacts: contacts.slice(0, 64), token: undefined });
  });

  it("passes over contacts that no message can carry", () => {
    const [first, second] = contactsOf(2, "udp://192.0.2.1:4100") as [Contact, Contact];
    const tooLong: Address = { key: "long", wire: new Uint8Array(193), kind: 1, link: 1, maxBytes: 1_200 };
    const contacts = [
      { id: id(5), addresses: [] },
      first,
      { id: id(6), addresses: [tooLong] },
      { id: id(7, 20), addresses: first.addresses },
      second,
    ];
    const bytes = mustEncode(response({ type: "nodes", contacts, token: undefined }));
    expect(nodesIn(bytes)).toEqual([first, second]);
  });

  it("carries of each contact what `boundAddresses` would keep", () => {
    const texts = [
      urlOf(130, "a"),
      urlOf(100, "b"),
      urlOf(30, "c"),
      "udp://192.0.2.1:1",
      "udp://192.0.2.1:2",
      "udp://192.0.2.1:3",
    ];
    const addresses = texts.map((text) => table.parse(text));
    const kept = nodesIn(
      mustEncode(response({ type: "nodes", contacts: [{ id: id(5), addresses }], token: undefined })),
    );
    expect(kept).toEqual([{ id: id(5), addresses: boundAddresses(addresses) }]);
    expect(kept[0]?.addresses.length).toBe(maxAddresses);
    const declared = protocol.decode(mustEncode(request({ type: "ping" }, { addresses }))) as RequestMessage;
    expect(declared.addresses).toEqual(boundAddresses(addresses));
    expect(declared.addresses.reduce((sum, { wire }) => sum + wire.length, 0)).toBeLessThanOrEqual(
      maxAddressesBytes,
    );
  });

  it("gives nearly all the same contact objects when it is heard again, as few share a place", () => {
    const bytes = mustEncode(
      response({ type: "nodes", contacts: contactsOf(20, "udp://192.0.2.1:4100"), token: undefined }),
    );
    const first = nodesIn(bytes);
    const same = nodesIn(bytes).filter((contact, i) => contact === first[i]);
    expect(same.length).toBeGreaterThanOrEqual(16);
    expect(nodesIn(bytes)).toEqual(first);
  });
});

describe("what the layout has no form for", () => {
  const record = { typeCode: 1, key: id(9), lifetimeMs: 1_000, body: new Uint8Array(0) };
  const put = { type: "putValue", token: undefined, record } as const;
  it.each<[string, Message]>([
    ["a sender of another length", request({ type: "ping" }, { sender: id(1, 20) })],
    ["a target of another length", request({ type: "findNode", target: id(1, 20), wantToken: false })],
    ["a key of another length", request({ type: "getValue", key: id(1, 33) })],
    ["a record's key of another length", response({ type: "value", record: { ...record, key: id(1, 20) } })],
    ["a token of 7 bytes", request({ type: "putValue", token: new Uint8Array(7), record })],
    ["an expected sequence number of 2^53", request({ ...put, expectedSeq: 2 ** 53 })],
    ["an expected sequence number below zero", request({ ...put, expectedSeq: -1 })],
    ["an empty token", response({ type: "nodes", contacts: [], token: new Uint8Array(0) })],
    ["a type code of 0", response({ type: "value", record: { ...record, typeCode: 0 } })],
    ["a type code over 255", response({ type: "value", record: { ...record, typeCode: 256 } })],
    ["an empty protocol name", request({ type: "application", protocol: "", body: record.body })],
    [
      "a protocol name of 65 characters",
      request({ type: "application", protocol: "a".repeat(65), body: record.body }),
    ],
    ["a protocol name outside ASCII", request({ type: "application", protocol: "é", body: record.body })],
    [
      "a protocol name with a control character",
      request({ type: "application", protocol: "a\n", body: record.body }),
    ],
  ])("%s is not written", (_, message) => {
    expect(encode(message)).toBeUndefined();
  });

  it.each([
    { idBytes: 0 },
    { idBytes: 65 },
    { idBytes: 1.5 },
    { contactCacheSize: 0 },
    { contactCacheSize: 2 ** 21 },
  ])("the option %j is refused", (options) => {
    expect(() => nativeProtocol({ addresses: table, ...options })).toThrow(UsageError);
  });
});

describe.each([1, 3, 20, 32, 64])("with ids of %d bytes", (idBytes) => {
  const own = nativeProtocol({ addresses: table, idBytes, contactCacheSize: 8 });
  const ids = fc
    .uint8Array({ minLength: idBytes, maxLength: idBytes })
    .map((bytes) => NodeId.fromBytes(bytes));
  const byte = fc.integer({ min: 1, max: 223 });
  const address = fc.oneof(
    fc
      .tuple(byte, byte, fc.integer({ min: 1, max: 65_535 }))
      .map(([a, b, port]) => table.parse(`udp://${a}.0.${b}.1:${port}`)),
    fc.tuple(byte, byte).map(([a, port]) => table.parse(`tcp://[2001:db8::${a}]:${port}`)),
    fc.tuple(byte, byte).map(([a, b]) => table.parse(`wss://n${a}.example/${"p".repeat(b % 60)}`)),
  );
  const addresses = fc.array(address, { maxLength: 4 }).map(boundAddresses);
  const someAddresses = fc.array(address, { minLength: 1, maxLength: 4 }).map(boundAddresses);
  const token = fc.option(fc.uint8Array({ minLength: 8, maxLength: 8 }), { nil: undefined });
  const body = fc.uint8Array({ maxLength: 300 });
  const record = fc.record({
    typeCode: fc.integer({ min: 1, max: 255 }),
    key: ids,
    lifetimeMs: fc.integer({ min: 1, max: 0xffff_ffff }).map((seconds) => seconds * 1_000),
    body,
  });
  const cursor = fc.uint8Array({ maxLength: 8 });
  const lifetime = fc.integer({ min: 0, max: 0xffff_ffff }).map((seconds) => seconds * 1_000);
  const meta = fc.uint8Array({ maxLength: 512 });
  const name = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 64 });
  const requests: fc.Arbitrary<Request> = fc.oneof(
    fc.constant({ type: "ping" as const }),
    fc.record({ type: fc.constant("findNode" as const), target: ids, wantToken: fc.boolean() }),
    fc.record({ type: fc.constant("getValue" as const), key: ids }),
    fc.record({ type: fc.constant("putValue" as const), token, record }),
    fc.record({ type: fc.constant("putValue" as const), token, record, expectedSeq: fc.maxSafeNat() }),
    fc.record({ type: fc.constant("getProviders" as const), key: ids, cursor }),
    fc.record({ type: fc.constant("addProvider" as const), token, key: ids, lifetimeMs: lifetime, meta }),
    fc.record({ type: fc.constant("application" as const), protocol: name, body }),
  );
  const contacts = fc.array(fc.record({ id: ids, addresses: someAddresses }), { maxLength: 4 });
  const aliveFor = fc.integer({ min: 1, max: 0xffff_ffff }).map((seconds) => seconds * 1_000);
  const contact = fc.record({ id: ids, addresses: someAddresses });
  const provider = fc.record({ contact, meta: fc.uint8Array({ maxLength: 60 }), lifetimeMs: aliveFor });
  const providers = fc.array(provider, { maxLength: 2 });
  const responses: fc.Arbitrary<Response> = fc.oneof(
    fc.constant({ type: "pong" as const }),
    fc.constant({ type: "stored" as const }),
    fc.record({ type: fc.constant("nodes" as const), contacts, token }),
    fc.record({ type: fc.constant("value" as const), record }),
    fc.record({ type: fc.constant("providers" as const), providers, cursor, contacts }),
    fc.record({ type: fc.constant("application" as const), body }),
    fc.record({ type: fc.constant("refused" as const), reason: fc.constantFrom(...refusalReasons) }),
  );
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  const envelope = {
    requestId: fc.record({ high: word, low: word }),
    sender: ids,
    client: fc.boolean(),
    addresses,
  };
  const messages: fc.Arbitrary<Message> = fc.oneof(
    fc.record({
      kind: fc.constant("request" as const),
      ...envelope,
      want: fc.integer({ min: 0, max: 63 }),
      body: requests,
    }),
    fc.record({ kind: fc.constant("response" as const), ...envelope, body: responses }),
  );

  it("what was written is read as it was, whatever the caches hold", () => {
    const property = fc.property(messages, fc.boolean(), (message, padded) => {
      const bytes = encode(message, 2_000, padded, own);
      if (bytes === undefined) throw new Error("the message does not fit");
      const read = own.decode(bytes);
      // Where a body is large, declared addresses stay behind.
      const expected =
        read.kind !== "malformed" && read.addresses.length === 0 ? { ...message, addresses: [] } : message;
      if (bytes.length < 600) expect(read).toEqual(message);
      else expect(read).toEqual(expected);
    });
    fc.assert(property, { seed: idBytes, numRuns: 400 });
  });

  it("reading never throws, whatever the bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const head = fc.tuple(
      fc.constant(4),
      fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 0x81, 0x82, 0x83, 0x84, 0x85, 0x87, 0xff),
      fc.nat(255),
    );
    const property = fc.property(fc.option(head, { nil: undefined }), bytes, (start, rest) => {
      const message = own.decode(Uint8Array.from([...(start ?? []), ...rest]));
      expect(["request", "response", "malformed"]).toContain(message.kind);
    });
    fc.assert(property, { seed: idBytes, numRuns: 1_000 });
  });
});

describe("a page of providers", () => {
  const cursor = Uint8Array.of(1, 2, 3);
  const providersOf = (count: number, metaBytes: number, ...texts: readonly string[]): Provider[] =>
    contactsOf(count, ...texts).map((contact, i) => ({
      contact,
      meta: new Uint8Array(metaBytes).fill(i),
      lifetimeMs: 60_000,
    }));
  const page = (providers: readonly Provider[], contacts: readonly Contact[]): ResponseMessage =>
    response({ type: "providers", providers, cursor, contacts });

  it("is cut to the contacts that fit, at least four, and holds all providers or is not written", () => {
    const providers = providersOf(10, 4, "udp://192.0.2.1:4100");
    const contacts = contactsOf(20, "udp://192.0.2.2:4100");
    const fixed = headerBytes + 4 + 1 + 10 * (40 + 6 + 4) + 1;
    for (const room of [1_143, fixed + 40 * 20, fixed + 40 * 7 - 1, fixed + 40 * 4]) {
      const fitting = Math.min(20, Math.floor((Math.min(room, 1_143) - fixed) / 40));
      const read = protocol.decode(mustEncode(page(providers, contacts), room)) as ResponseMessage;
      expect(read.body).toEqual({
        type: "providers",
        providers,
        cursor,
        contacts: contacts.slice(0, fitting),
      });
    }
    expect(encode(page(providers, contacts), fixed + 40 * 4 - 1)).toBeUndefined();
    expect(encode(page(providers, []), fixed - 1)).toBeUndefined();
    expect(mustEncode(page(providers, []), fixed).length).toBe(fixed);
  });

  it("holds a provider of full size, and not one beyond", () => {
    const addresses = boundAddresses([table.parse(urlOf(130, "a")), table.parse(urlOf(62, "b"))]);
    const largest = { contact: { id: id(9), addresses }, meta: new Uint8Array(512), lifetimeMs: 60_000 };
    const bytes = mustEncode(page([largest], []), 1_143);
    expect(bytes.length).toBe(headerBytes + 4 + 1 + (33 + 192) + 6 + 512 + 1);
    expect((protocol.decode(bytes) as ResponseMessage).body).toMatchObject({ providers: [largest] });
    expect(encode(page([{ ...largest, meta: new Uint8Array(513) }], []))).toBeUndefined();
  });

  it("passes over providers that no message can carry, and holds 64 at most", () => {
    const [first, second] = providersOf(2, 1, "udp://192.0.2.1:1") as [Provider, Provider];
    const nowhere = { ...first, contact: { id: id(5), addresses: [] } };
    const read = protocol.decode(mustEncode(page([nowhere, first, nowhere, second], []))) as ResponseMessage;
    expect(read.body).toMatchObject({ providers: [first, second] });
    const wide = nativeProtocol({ addresses: table, idBytes: 1 });
    const many = (count: number): Provider[] =>
      Array.from({ length: count }, (_, i) => ({ ...first, contact: { ...first.contact, id: id(i, 1) } }));
    const sender = id(1, 1);
    expect(encode({ ...page(many(64), []), sender }, 1_143, false, wide)).toBeDefined();
    expect(encode({ ...page(many(65), []), sender }, 1_143, false, wide)).toBeUndefined();
  });

  it("does not write what the layout has no form for: long cursors, long metadata, keys of another length", () => {
    const long = new Uint8Array(9);
    expect(encode(request({ type: "getProviders", key: id(7), cursor: long }))).toBeUndefined();
    expect(encode(request({ type: "getProviders", key: id(7, 20), cursor }))).toBeUndefined();
    expect(
      encode(response({ type: "providers", providers: [], cursor: long, contacts: [] })),
    ).toBeUndefined();
    const add = { type: "addProvider", token: undefined, key: id(7), lifetimeMs: 1, meta: long } as const;
    expect(encode(request(add))).toBeDefined();
    expect(encode(request({ ...add, meta: new Uint8Array(513) }))).toBeUndefined();
    expect(encode(request({ ...add, token: long }))).toBeUndefined();
  });

  it.each([
    [0, 0],
    [1, 1_000],
    [1_001, 2_000],
    [-1, 1_000],
    [2 ** 52, 0xffff_ffff * 1_000],
  ])("an announcement for %d ms travels as one for %d ms: only 0 withdraws", (lifetimeMs, heardMs) => {
    const body = { type: "addProvider", token: undefined, key: id(7), lifetimeMs, meta: cursor } as const;
    expect((protocol.decode(mustEncode(request(body))) as RequestMessage).body).toEqual({
      ...body,
      lifetimeMs: heardMs,
    });
  });
});

describe("an address codec of the host's", () => {
  const decoded: Address = { key: "x", wire: new Uint8Array(300), kind: 1, link: 1, maxBytes: 1_200 };

  it("that claims more bytes than there are makes the message malformed", () => {
    const foreign = nativeProtocol({
      addresses: { dialable: 1, decode: () => decoded, source: () => undefined, group: () => undefined },
    });
    const bytes = mustEncode(request({ type: "ping" }, { addresses: [table.parse("udp://192.0.2.1:1")] }));
    expect((foreign.decode(bytes) as Malformed).reason).toBe("badAddress");
  });
});
