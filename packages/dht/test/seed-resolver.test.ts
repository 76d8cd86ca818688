import { AddressTable, NodeId } from "@kad/core";
import { describe, expect, it } from "vitest";
import { UnresolvableHost } from "../src/errors.ts";
import { type Lookup, SeedResolver } from "../src/seed-resolver.ts";
import { rejection } from "./support/network.ts";

const id = NodeId.fromBytes(new Uint8Array(32).fill(7));

function resolver(...kinds: ("udp4" | "udp6")[]): SeedResolver {
  return new SeedResolver(tableOf(kinds));
}

function tableOf(kinds: readonly ("udp4" | "udp6")[]): AddressTable {
  const addresses = new AddressTable();
  for (const kind of kinds) addresses.setLink(kind, { link: 1, maxBytes: 1_200 });
  return addresses;
}

/** As a resolver of names would answer: a test has no say in those of the machine. */
const lookup: Lookup = async (host) => {
  if (host === "both.example") {
    return ["192.0.2.1", "2001:db8::1", "0.0.0.0", "fe80::1%eth0", ...five].map(withFamily);
  }
  throw Object.assign(new Error(`queryA ENOTFOUND ${host}`), { code: "ENOTFOUND" });
};
const five = ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"];
const withFamily = (address: string) => ({ address, family: address.includes(":") ? 6 : 4 });

const keys = (seed: { readonly addresses: readonly { readonly key: string }[] }): string[] =>
  seed.addresses.map(({ key }) => key);

describe("reading seeds", () => {
  it("an address stands for itself, with its id where one is given", async () => {
    const seeds = resolver("udp4");
    const bare = await seeds.resolve(seeds.parse("seed", "udp://192.0.2.1:4100"));
    expect(keys(bare)).toEqual(["udp://192.0.2.1:4100"]);
    expect(bare.id).toBeUndefined();
    const known = await seeds.resolve(seeds.parse("seed", { address: "udp://192.0.2.1:4100", id }));
    expect(known.id).toBe(id);
  });

  it("a contact passes as it is", async () => {
    const seeds = resolver("udp4");
    const contact = await seeds.resolvePeer("to", { address: "udp://192.0.2.1:4100", id });
    expect(await seeds.resolvePeer("to", contact)).toBe(contact);
  });

  it.each([
    ["192.0.2.1:4100", "allowed are udp://ip:port"],
    ["udp://192.0.2.1", "the port is missing"],
    ["udp://192.0.2.1:99999", "the port is over 65535"],
    ["udp://localhost:0", "port 0; allowed are 1 to 65535"],
    ["udp://localhost:70000", "port 70000; allowed are 1 to 65535"],
    ["udp://999.0.2.1:4100", "the IPv4 address cannot be read"],
    ["http://192.0.2.1:4100", "allowed are udp://ip:port"],
    ["udp://0.0.0.0:4100", "cannot be dialled"],
  ])("%s is refused: %s", (text, why) => {
    const parse = () => resolver("udp4").parse("bootstrap[0]", text);
    expect(parse).toThrow(expect.objectContaining({ code: "invalidAddress" }));
    expect(parse).toThrow(text);
    expect(parse).toThrow(why);
  });

  it.each([
    ["udp://[::1]:4100", "udp4"],
    ["tcp://192.0.2.1:4100", "udp4"],
    ["tcp://localhost:4100", "udp4"],
    ["ws://seed.example/kad", "udp4"],
  ])("%s is of the wrong family for a node that has %s only", (text, kinds) => {
    const parse = () => resolver("udp4").parse("bootstrap[2]", text);
    expect(parse).toThrow(
      `bootstrap[2]: ${text}: this node has no socket for it; allowed are ${kinds} addresses`,
    );
  });

  it.each([
    [7, "to: 7; allowed are a URL"],
    [null, "to: null; allowed are a URL"],
    [{ address: 7 }, "to: Object; allowed are a URL"],
  ])("%j names no peer", async (input, message) => {
    expect(await rejection(resolver("udp4").resolvePeer("to", input as never))).toMatchObject({
      code: "invalidArgument",
      message: expect.stringContaining(message),
    });
  });

  it("an id of the wrong length is refused by field", () => {
    const short = { address: "udp://192.0.2.1:4100", id: NodeId.fromHex("00") };
    expect(() => resolver("udp4").parse("bootstrap[1]", short)).toThrow("bootstrap[1].id: 1 bytes (00)");
  });
});

describe("resolving host names", () => {
  it("the system's own names are known", async () => {
    const seeds = resolver("udp4");
    const seed = await seeds.resolve(seeds.parse("seed", "udp://localhost:4100"));
    expect(keys(seed)).toEqual(["udp://127.0.0.1:4100"]);
  });

  it("a name becomes the addresses that this node can dial, at most four", async () => {
    const seeds = new SeedResolver(tableOf(["udp4", "udp6"]), lookup);
    const seed = await seeds.resolve(seeds.parse("seed", "UDP://both.example:4100"));
    expect(keys(seed)).toEqual([
      "udp://192.0.2.1:4100",
      "udp://[2001:db8::1]:4100",
      "udp://192.0.2.2:4100",
      "udp://192.0.2.3:4100",
    ]);
    const narrow = new SeedResolver(tableOf(["udp6"]), lookup);
    expect(keys(await narrow.resolve(narrow.parse("seed", "udp://both.example:4100")))).toEqual([
      "udp://[2001:db8::1]:4100",
    ]);
  });

  it("a name without an address that this node can dial is an error that names both", async () => {
    const onlyIpv4: Lookup = async () => [withFamily("192.0.2.1")];
    const seeds = new SeedResolver(tableOf(["udp6"]), onlyIpv4);
    const error = await rejection(seeds.resolve(seeds.parse("seed", "udp://four.example:4100")));
    expect(error).toBeInstanceOf(UnresolvableHost);
    expect(error).toMatchObject({ code: "unresolvableHost", host: "four.example", isFinal: true });
    expect(String(error)).toContain("resolves to 192.0.2.1, but this node dials udp6 only");
  });

  it("a name that does not exist is an error that names it", async () => {
    const seeds = new SeedResolver(tableOf(["udp4"]), lookup);
    const error = await rejection(seeds.resolve(seeds.parse("seed", "udp://nowhere.example:4100")));
    expect(error).toMatchObject({ code: "unresolvableHost", host: "nowhere.example", isFinal: true });
    expect(String(error)).toContain(
      'udp://nowhere.example:4100: the host "nowhere.example" cannot be resolved (ENOTFOUND)',
    );
  });

  it("an abort rejects with its reason, before or during", async () => {
    const seeds = resolver("udp4");
    const parsed = seeds.parse("seed", "udp://localhost:4100");
    expect(await rejection(seeds.resolve(parsed, AbortSignal.abort("early")))).toBe("early");
    const controller = new AbortController();
    const resolving = rejection(seeds.resolve(parsed, controller.signal));
    controller.abort("late");
    expect(await resolving).toBe("late");
  });
});
