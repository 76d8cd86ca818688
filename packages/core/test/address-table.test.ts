import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AddressKind, AddressTable, addressKinds, noLink } from "../src/address-table.ts";
import { UsageError } from "../src/errors.ts";
import type { SocketAddress } from "../src/socket-address.ts";
import { xorshift } from "./wire/random-bytes.ts";
import { type AddressVectors, fromHex, readVectors, toHex } from "./wire/vector.ts";

const vectors = readVectors<AddressVectors>("addresses");

/** What the call throws, which must be a UsageError. */
function usageError(call: () => unknown): UsageError {
  try {
    call();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("the text and the bytes of an address", () => {
  it.each(vectors.addresses)("$text is written and read both ways", ({ text, hex }) => {
    const fromText = new AddressTable().parse(text);
    expect(toHex(fromText.wire)).toBe(hex);
    const into = new Uint8Array(2 + hex.length / 2).fill(0xaa);
    expect([fromText.writeWire(into, 1), toHex(into)]).toEqual([into.length - 1, `aa${hex}aa`]);
    expect(fromText.key).toBe(text);
    expect(fromText.url).toBe(text);
    expect(String(fromText)).toBe(text);
    const bytes = fromHex(hex);
    expect(new AddressTable().decode(bytes, 0, bytes.length)?.key).toBe(text);
  });

  it.each(vectors.addresses)(
    "$text cut anywhere is no address, and what follows it is left alone",
    ({ hex }) => {
      const table = new AddressTable();
      const bytes = fromHex(`ff${hex}ff`);
      const length = bytes.length - 2;
      expect(table.decode(bytes, 1, length + 1)?.wire).toEqual(fromHex(hex));
      for (let cut = 0; cut < length; cut++) expect(table.decode(bytes, 1, cut)).toBeUndefined();
    },
  );

  it.each(vectors.canonicalized)("$text is made $canonical", ({ text, canonical }) => {
    const table = new AddressTable();
    expect(table.parse(text).key).toBe(canonical);
    expect(table.parse(text)).toBe(table.parse(canonical));
  });

  it.each(vectors.refusedTexts)("the text %j is refused by name", (text) => {
    const error = usageError(() => new AddressTable().parse(text));
    expect(error.code).toBe("invalidAddress");
    expect(error.message).toContain(`"${text.slice(0, 200)}"`);
  });

  it("says what is wrong with a text", () => {
    const why = (text: string): string => usageError(() => new AddressTable().parse(text)).message;
    expect(why("udp://node.example:4100")).toBe(
      'address "udp://node.example:4100": the host is a name: resolve it first',
    );
    expect(why("udp://[fe80::1%eth0]:4100")).toContain("zone id");
    expect(why("udp://1.2.3.4")).toContain("the port is missing");
    expect(why("udp://1.2.3.4:65536")).toContain("the port is over 65535");
    expect(why("udp://1.2.3.4:4100/x")).toContain("udp has no path");
    expect(why("udp://::1:4100")).toContain("brackets");
    expect(why("http://node.example")).toContain("udp://ip:port");
    expect(why("udp://224.0.0.1:1")).toContain("multicast");
    expect(usageError(() => new AddressTable().parse(undefined as unknown as string)).code).toBe(
      "invalidAddress",
    );
  });

  it.each(vectors.refusedBytes)("$name is malformed", ({ hex }) => {
    const bytes = fromHex(hex);
    expect(new AddressTable().decode(bytes, 0, bytes.length)).toBeUndefined();
  });

  it("takes an address to listen on apart from one to dial", () => {
    const table = new AddressTable();
    expect(table.parse("udp://0.0.0.0:0", { listening: true }).port).toBe(0);
    expect(table.parse("tcp://[::]:4100", { listening: true }).host).toBe("::");
    expect(usageError(() => table.parse("udp://224.0.0.1:0", { listening: true })).code).toBe(
      "invalidAddress",
    );
    expect(usageError(() => table.parse("udp://0.0.0.0:0")).code).toBe("invalidAddress");
    const { wire } = table.parse("udp://0.0.0.0:4100", { listening: true });
    expect(table.decode(wire, 0, wire.length)).toBeUndefined();
  });

  it.each([
    { text: "udp://1.2.3.4:4100", parts: ["udp", "1.2.3.4", 4100, 4], kind: 1 },
    { text: "udp://[::1]:4100", parts: ["udp", "::1", 4100, 6], kind: 2 },
    { text: "tcp://1.2.3.4:1", parts: ["tcp", "1.2.3.4", 1, 4], kind: 4 },
    { text: "tcp://[::1]:1", parts: ["tcp", "::1", 1, 6], kind: 8 },
    { text: "ws://node.example/kad", parts: ["ws", "node.example", 80, undefined], kind: 16 },
    { text: "wss://[::1]", parts: ["wss", "::1", 443, 6], kind: 32 },
  ])("$text comes apart", ({ text, parts, kind }) => {
    const address = new AddressTable().parse(text);
    expect([address.scheme, address.host, address.port, address.family]).toEqual(parts);
    expect(address.kind).toBe(kind);
  });

  it("reads any IPv6 address that it writes, and writes it as short as RFC 5952 says", () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    const property = fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      fc.pre(groups[0] !== 0 && (groups[0] as number) < 0xff00);
      const full = groups.map((value) => value.toString(16).padStart(4, "0")).join(":");
      const address = new AddressTable().parse(`udp://[${full}]:1`);
      // The platform's own URL is the judge of the canonical form.
      expect(`[${address.host}]`).toBe(new URL(`http://[${full}]:1`).hostname);
      expect(new AddressTable().parse(address.key).wire).toEqual(address.wire);
    });
    fc.assert(property, { seed: 1, numRuns: 500 });
  });

  it("never throws anything but a UsageError on text, and reads its own text again", () => {
    const piece = fc.constantFrom(
      "udp",
      "ws",
      "wss",
      "://",
      "[",
      "]",
      "::",
      ":",
      "1",
      "ffff",
      ".",
      "1.2.3.4",
      "/",
      "?",
      "a",
      "é",
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    );
    const property = fc.property(text, fc.boolean(), (given, listening) => {
      const table = new AddressTable();
      let address: SocketAddress;
      try {
        address = table.parse(given, { listening });
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
        return;
      }
      expect(table.parse(address.key, { listening })).toBe(address);
    });
    fc.assert(property, { seed: 2, numRuns: 5_000 });
  });
});

describe("decoding whatever comes", () => {
  it("reads 300,000 random and mutated addresses without a throw, and only in their own form", () => {
    const random = xorshift(0x5eed);
    const table = new AddressTable({ maxInterned: 64 });
    const corpus = vectors.addresses.map(({ hex }) => fromHex(hex));
    const bytes = new Uint8Array(140);
    let read = 0;
    for (let round = 0; round < 300_000; round++) {
      const base = corpus[random() % corpus.length] as Uint8Array;
      bytes.set(base);
      for (let flips = random() % 4; flips > 0; flips--) bytes[random() % (base.length + 2)] = random();
      const length = random() % (bytes.length + 1);
      const address = table.decode(bytes, 0, length);
      if (address === undefined) continue;
      read++;
      if (address.wire.length > length) throw new Error("read past the end");
      if ((round & 63) === 0) expect(new AddressTable().parse(address.key).wire).toEqual(address.wire);
    }
    expect(read).toBeGreaterThan(50_000);
    expect(table.interned.used).toBeLessThanOrEqual(table.interned.limit);
  });
});

describe("fromSocket", () => {
  it.each([
    { kind: "udp4", host: "192.0.2.1", key: "udp://192.0.2.1:4100" },
    { kind: "tcp4", host: "192.0.2.1", key: "tcp://192.0.2.1:4100" },
    { kind: "udp6", host: "2001:db8::1", key: "udp://[2001:db8::1]:4100" },
    { kind: "tcp6", host: "::1", key: "tcp://[::1]:4100" },
    { kind: "udp6", host: "::ffff:192.0.2.1", key: "udp://192.0.2.1:4100" },
    { kind: "tcp6", host: "::ffff:192.0.2.1", key: "tcp://192.0.2.1:4100" },
    { kind: "udp6", host: "192.0.2.1", key: "udp://192.0.2.1:4100" },
  ] as const)("$host on a $kind socket is $key", ({ kind, host, key }) => {
    const table = new AddressTable();
    const address = table.fromSocket(kind, host, 4_100);
    expect(address?.key).toBe(key);
    expect(table.fromSocket(kind, host, 4_100)).toBe(address);
    expect(table.parse(key)).toBe(address);
  });

  it.each([
    ["udp4", "localhost", 1],
    ["udp4", "", 1],
    ["udp4", "0.0.0.0", 1],
    ["udp4", "1.2.3.4", 0],
    ["udp4", "1.2.3.4", 65_536],
    ["udp4", "1.2.3.4", Number.NaN],
    ["udp6", "fe80::1%eth0", 1],
    ["udp6", "::", 1],
    ["udp6", "::ffff:0.0.0.0", 1],
    ["udp6", "ff02::1", 1],
  ] as const)("of %s %j %d there is none to dial", (kind, host, port) => {
    expect(new AddressTable().fromSocket(kind, host, port)).toBeUndefined();
  });

  it("is the address that its bytes in a message are", () => {
    const table = new AddressTable();
    const bytes = Uint8Array.of(9, 1, 192, 0, 2, 1, 0x10, 4, 9);
    expect(table.decode(bytes, 1, 8)).toBe(table.fromSocket("udp4", "192.0.2.1", 4_100));
  });

  it("keeps nothing of the buffer it read from", () => {
    const table = new AddressTable();
    const bytes = Uint8Array.of(1, 192, 0, 2, 1, 0x10, 4);
    const address = table.decode(bytes, 0, 7);
    bytes.fill(0xaa);
    expect(address?.wire).toEqual(Uint8Array.of(1, 192, 0, 2, 1, 0x10, 4));
  });
});

describe("interning", () => {
  it("gives one object for one address, of whatever way it came", () => {
    const table = new AddressTable();
    for (const { text, hex } of vectors.addresses) {
      const bytes = fromHex(hex);
      expect(table.decode(bytes, 0, bytes.length)).toBe(table.parse(text));
    }
    expect(table.interned.used).toBe(vectors.addresses.length);
  });

  it("keeps eight that hash alike and lets go of the one used longest ago", () => {
    const table = new AddressTable({ maxInterned: 8 });
    const at = (port: number): SocketAddress => table.parse(`udp://192.0.2.1:${port}`);
    const first = at(1);
    const second = at(2);
    for (let port = 3; port <= 8; port++) at(port);
    expect(at(1)).toBe(first);
    at(9);
    expect(table.interned).toEqual({ used: 8, limit: 8 });
    expect(at(1)).toBe(first);
    expect(at(2)).not.toBe(second);
    expect(at(2).key).toBe(second.key);
  });

  it("never holds more than its limit", () => {
    const table = new AddressTable({ maxInterned: 100 });
    expect(table.interned).toEqual({ used: 0, limit: 64 });
    for (let i = 1; i < 5_000; i++) table.fromSocket("udp4", "192.0.2.1", i);
    expect(table.interned).toEqual({ used: 64, limit: 64 });
  });

  it.each([0, 7, -1, 1.5, Number.NaN, 2 ** 25])("refuses maxInterned %d", (maxInterned) => {
    expect(usageError(() => new AddressTable({ maxInterned })).code).toBe("invalidOption");
  });
});

describe("links", () => {
  it("are none at first, with the size that every transport of the kind carries", () => {
    const table = new AddressTable();
    expect(table.dialable).toBe(0);
    const udp = table.parse("udp://192.0.2.1:1");
    expect([udp.link, udp.maxBytes]).toEqual([noLink, 1_200]);
    expect(table.parse("wss://node.example").maxBytes).toBe(2 ** 20);
  });

  it("reach addresses that were made before, until they are taken back", () => {
    const table = new AddressTable();
    const address = table.parse("udp://192.0.2.1:1");
    const other = table.parse("tcp://192.0.2.1:1");
    table.setLink("udp4", { link: 3, maxBytes: 1_174 });
    expect([address.link, address.maxBytes]).toEqual([3, 1_174]);
    expect(other.link).toBe(noLink);
    table.setLink("udp4", undefined);
    expect([address.link, address.maxBytes]).toEqual([noLink, 1_174]);
    expect(table.dialable).toBe(0);
  });

  it("carry less by what a secure channel adds to each message", () => {
    const table = new AddressTable({ overheadBytes: 26 });
    const [udp, tcp] = [table.parse("udp://192.0.2.1:1"), table.parse("tcp://192.0.2.1:1")];
    expect([udp.maxBytes, tcp.maxBytes]).toEqual([1_174, 2 ** 20 - 26]);
    table.setLink("udp4", { link: 3, maxBytes: 1_000 });
    table.setLink("tcp4", { link: 4, maxBytes: 20 });
    expect([udp.maxBytes, tcp.maxBytes]).toEqual([974, 0]);
  });

  it.each([-1, 0.5, 513, Number.NaN, "26"])("cannot carry less by %s", (overheadBytes) => {
    const error = usageError(() => new AddressTable({ overheadBytes: overheadBytes as number }));
    expect(error.code).toBe("invalidOption");
    expect(error.message).toContain(
      `overheadBytes: ${overheadBytes}; allowed is a whole number from 0 to 512`,
    );
  });

  it("make up what is dialable", () => {
    const table = new AddressTable();
    addressKinds.forEach((kind, index) => {
      table.setLink(kind, { link: index + 1, maxBytes: 1_200 });
      expect(table.dialable).toBe(2 ** (index + 1) - 1);
    });
    table.setLink("udp6", undefined);
    expect(table.dialable).toBe(0b111101);
  });

  it.each([
    ["udp5", { link: 1, maxBytes: 1 }],
    ["udp4", { link: 0, maxBytes: 1 }],
    ["udp4", { link: 1.5, maxBytes: 1 }],
    ["udp4", { link: 1, maxBytes: 0 }],
  ])("of %s cannot be %j", (kind, link) => {
    const table = new AddressTable();
    expect(usageError(() => table.setLink(kind as AddressKind, link)).code).toBe("invalidArgument");
    expect(table.dialable).toBe(0);
  });
});

describe("groups", () => {
  it.each([
    ["udp://192.0.2.77:1", "192.0.2.0/24"],
    ["tcp://192.0.2.78:9", "192.0.2.0/24"],
    ["ws://192.0.2.79/kad", "192.0.2.0/24"],
    ["udp://10.1.2.3:1", "10.1.2.0/24"],
    ["udp://[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"],
    ["wss://[2001:db8::1]", "2001:db8::/64"],
    ["ws://a.b.node.example", "node.example"],
    ["ws://node.example", "node.example"],
    ["ws://node", "node"],
    ["udp://127.0.0.1:1", undefined],
    ["udp://127.255.0.9:1", undefined],
    ["udp://[::1]:1", undefined],
    ["ws://localhost:8080", undefined],
    ["ws://a.localhost", undefined],
    ["ws://mylocalhost", "mylocalhost"],
  ])("of %s is %s", (text, group) => {
    const table = new AddressTable();
    expect(table.group(table.parse(text))).toBe(group);
    expect(table.group(table.parse(text))).toBe(group);
  });

  it.each([
    ["private", "10.255.0.1 172.16.0.1 172.31.255.1 192.168.9.9 169.254.1.1 [fd00::1] [fc00::1] [fe80::1]"],
    ["10.0.0.0/8", "10.0.0.1 10.255.255.255"],
    ["198.51.100.0/25", "198.51.100.0 198.51.100.127"],
    ["0.0.0.0/0", "1.2.3.4 223.1.1.1"],
    ["192.0.2.1/32", "192.0.2.1"],
    ["2001:db8::/33", "[2001:db8::1] [2001:db8:7fff::1]"],
    ["*.Example", "node.example a.b.example"],
  ])("are not made of what %s exempts", (entry, hosts) => {
    const table = new AddressTable({ exempt: [entry] });
    for (const host of hosts.split(" ")) expect(table.group(table.parse(`ws://${host}`))).toBeUndefined();
  });

  it.each([
    ["private", "11.0.0.1 172.15.0.1 172.32.0.1 192.169.0.1 169.253.0.1 [fb00::1] [fe00::1] [fec0::1]"],
    ["198.51.100.0/25", "198.51.100.128 198.51.101.0 [2001:db8::1]"],
    ["2001:db8::/33", "[2001:db8:8000::1] 32.1.13.184"],
    ["*.example", "example notexample node.example.org"],
  ])("are made of what %s does not exempt", (entry, hosts) => {
    const table = new AddressTable({ exempt: [entry] });
    for (const host of hosts.split(" ")) expect(table.group(table.parse(`ws://${host}`))).toBeDefined();
  });

  it.each([
    "",
    "public",
    "10.0.0.0",
    "10.0.0/8",
    "10.0.0.0/33",
    "::/129",
    "fd00::1",
    "example",
    "*.",
    "*.a b",
    "*.*.a",
    "*.1.2.3.4",
    7,
  ])("cannot be exempted by %j", (entry) => {
    const error = usageError(() => new AddressTable({ exempt: [entry as string] }));
    expect(error.code).toBe("invalidOption");
    expect(error.message).toContain(`exempt: "${entry}"`);
  });

  it("are the host's own where it says so, but not of what is exempt", () => {
    const table = new AddressTable({
      group: ({ host }) => (host.startsWith("192.") ? host.slice(0, 5) : undefined),
    });
    expect(table.group(table.parse("udp://192.0.2.1:1"))).toBe("192.0");
    expect(table.group(table.parse("udp://193.0.2.1:1"))).toBeUndefined();
    expect(table.group(table.parse("udp://127.0.0.1:1"))).toBeUndefined();
  });

  it("follow the rules of the table that is asked, and not of the one that made the address", () => {
    const strict = new AddressTable();
    const lenient = new AddressTable({ exempt: ["192.0.2.0/24"] });
    const address = lenient.parse("udp://192.0.2.1:1");
    expect(lenient.group(address)).toBeUndefined();
    expect(strict.group(address)).toBe("192.0.2.0/24");
  });

  it("of an address that the table cannot read are the address itself", () => {
    const foreign = { key: "carrier-pigeon", wire: Uint8Array.of(99), kind: 64, link: 1, maxBytes: 10 };
    expect(new AddressTable().group(foreign)).toBe("carrier-pigeon");
  });
});

describe("sources", () => {
  it.each([
    ["udp://192.0.2.77:1", "192.0.2.77"],
    ["tcp://192.0.2.77:9", "192.0.2.77"],
    ["udp://[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"],
    ["wss://a.node.example:8443/kad", "a.node.example"],
    ["udp://127.0.0.1:1", undefined],
    ["udp://10.0.0.1:1", undefined],
  ])("of %s is %s", (text, source) => {
    const table = new AddressTable({ exempt: ["10.0.0.0/8"] });
    expect(table.source(table.parse(text))).toBe(source);
    expect(table.source(new AddressTable().parse(text))).toBe(source);
  });

  it("of an address that the table cannot read is the address itself", () => {
    const foreign = { key: "carrier-pigeon", wire: Uint8Array.of(99), kind: 64, link: 1, maxBytes: 10 };
    expect(new AddressTable().source(foreign)).toBe("carrier-pigeon");
  });
});
