import { AddressTable, labelled, type ProviderValidator, type ValidationContext } from "@kad/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeedIdentity } from "../../src/identity.ts";
import { Network } from "../../src/network.ts";
import {
  maxSignedMetaBytes,
  type ProviderStatement,
  SignedProviders,
} from "../../src/records/signed-providers.ts";
import { hex, unhex } from "../support/hex.ts";
import { native, providers } from "../support/providers.ts";
import { SeededRandom } from "../support/random.ts";

const seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
const network = new Network(native, "kad");
const addresses = new AddressTable();
const statements = new SignedProviders({ provider: native, network, addresses });
const validator: ProviderValidator = statements.validator;
const identity = SeedIdentity.fromSeed(native, seed);
const other = SeedIdentity.generate(native, new SeededRandom("another"));
const key = other.id;
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

const at = (unixMs: number | undefined): ValidationContext => ({
  sha256: (bytes) => native.sha256(bytes),
  unixMs,
});

function signed(statement: Partial<ProviderStatement> = {}, by = identity): Uint8Array {
  return statements.sign(by, key, { unixMs: 1_000_000, ...statement }) as Uint8Array;
}

describe.each(providers)("what a provider says, by %s", (_name, provider) => {
  const by = new SignedProviders({ provider, network, addresses });

  it("is laid out and signed as the format says", () => {
    const own = SeedIdentity.fromSeed(provider, seed);
    const udp = addresses.parse("udp://192.0.2.1:4100");
    const bytes = by.sign(own, key, {
      unixMs: 0x0102030405,
      ttlSeconds: 3_600,
      meta: text("hello"),
      addresses: [udp],
    }) as Uint8Array;
    const content = `000000010203040500000e10${"07"}${hex(udp.wire)}000568656c6c6f`;
    const signature = native
      .ed25519(seed)
      .sign(labelled("kad/1/provider", network.tag, key.toBytes(), unhex(content)));
    expect(udp.wire.length).toBe(7);
    expect(hex(bytes)).toBe(hex(identity.publicKey) + content + hex(signature));
    expect(by.validator.validate(key, own.id, bytes, at(0))).toBeUndefined();
  });
});

describe("what a provider says", () => {
  it("is read as it was said", () => {
    const said = {
      unixMs: 2 ** 53 - 1,
      ttlSeconds: 0xffff_ffff,
      meta: text("meta"),
      addresses: [addresses.parse("udp://192.0.2.1:4100"), addresses.parse("wss://n1.example/kad")],
    };
    expect(statements.read(signed(said))).toEqual({ publicKey: identity.publicKey, ...said });
    expect(statements.read(signed())).toEqual({
      publicKey: identity.publicKey,
      unixMs: 1_000_000,
      ttlSeconds: 86_400,
      meta: new Uint8Array(0),
      addresses: [],
    });
  });

  it("has room for 401 bytes of its own, less those of addresses", () => {
    expect(maxSignedMetaBytes).toBe(401);
    expect(signed({ meta: new Uint8Array(401) }).length).toBe(512);
    const udp = addresses.parse("udp://192.0.2.1:4100");
    expect(signed({ meta: new Uint8Array(394), addresses: [udp] }).length).toBe(512);
    expect(() => signed({ meta: new Uint8Array(395), addresses: [udp] })).toThrow(
      expect.objectContaining({
        code: "invalidRecord",
        message: "meta: 395 bytes; allowed are 0 to 394 bytes beside addresses of 7",
      }),
    );
  });

  it("names as many addresses as a contact may have", () => {
    const many = [1, 2, 3, 4, 5].map((i) => addresses.parse(`udp://192.0.2.${i}:4100`));
    expect(statements.read(signed({ addresses: many }))?.addresses).toEqual(many.slice(0, 4));
  });

  it.each<[Partial<ProviderStatement>, string]>([
    [{ unixMs: -1 }, "unixMs: -1; allowed are whole numbers from 0 to 2^53 - 1"],
    [{ unixMs: 2 ** 53 }, "unixMs: 9007199254740992"],
    [{ ttlSeconds: 0 }, "ttlSeconds: 0; allowed are whole numbers from 1 to 2^32 - 1"],
    [{ ttlSeconds: 1.5 }, "ttlSeconds: 1.5"],
    [{ meta: "text" as never }, "meta: string; allowed are 0 to 401 bytes"],
  ])("is not signed with %o, and the error says what is allowed", (statement, message) => {
    expect(() => signed(statement)).toThrow(
      expect.objectContaining({ code: "invalidRecord", message: expect.stringContaining(message) }),
    );
  });

  it("is signed by whoever takes its time as by whoever does not", async () => {
    const slow = {
      publicKey: identity.publicKey,
      sign: (message: Uint8Array) => Promise.resolve(identity.sign(message)),
    };
    const promised = statements.sign(slow, key, { unixMs: 1_000_000 });
    expect(promised).toBeInstanceOf(Promise);
    expect(await promised).toEqual(signed());
    const broken = { publicKey: identity.publicKey, sign: () => new Uint8Array(1) };
    expect(() => statements.sign(broken, key, { unixMs: 1 })).toThrow(
      "the identity signed with something other than 64 bytes",
    );
  });

  it("ends a ttl after it was said, where there is a wall clock", () => {
    const meta = signed({ ttlSeconds: 60 });
    const lifetimes = [1_000_000, 1_059_000, 1_060_000, undefined].map((unixMs) =>
      validator.lifetimeMs?.(meta, at(unixMs)),
    );
    expect(lifetimes).toEqual([60_000, 1_000, 0, 60_000]);
  });

  it("is overruled by what it says later", () => {
    const [earlier, later] = [signed(), signed({ unixMs: 1_000_001 })];
    expect(validator.select?.(later, earlier)).toBeGreaterThan(0);
    expect(validator.select?.(earlier, later)).toBeLessThan(0);
    expect(validator.select?.(later, later)).toBe(0);
  });
});

describe("what nobody said", () => {
  const good = signed({ meta: text("meta") });

  it("is refused: every bit of it counts", () => {
    for (let i = 0; i < good.length; i++) {
      for (let bit = 0; bit < 8; bit++) {
        const forged = Uint8Array.from(good);
        forged[i] = (forged[i] as number) ^ (1 << bit);
        expect(validator.validate(key, identity.id, forged, at(0))).toBeTypeOf("string");
      }
    }
  });

  it("is refused as another's, under another key, and in another network", () => {
    expect(validator.validate(key, other.id, good, at(0))).toBe("the public key is another's");
    const fault = "the signature is not the provider's for this key in this network";
    expect(validator.validate(identity.id, identity.id, good, at(0))).toBe(fault);
    const elsewhere = new SignedProviders({
      provider: native,
      network: new Network(native, "elsewhere"),
      addresses,
    });
    expect(elsewhere.validator.validate(key, identity.id, good, at(0))).toBe(fault);
  });

  const put = (index: number, ...bytes: number[]): Uint8Array => {
    const copy = Uint8Array.from(good);
    copy.set(bytes, index);
    return copy;
  };
  it.each([
    ["nothing", new Uint8Array(0), "shorter than a statement that says nothing"],
    ["a cut one", good.subarray(0, good.length - 1), "not as long as it says"],
    ["one with a byte more", Uint8Array.of(...good, 0), "not as long as it says"],
    ["one of a number of 2^53", put(32, 0, 0x20, 0, 0, 0, 0, 0, 0), "a sequence number of 2^53 or more"],
    ["one without a ttl", put(40, 0, 0, 0, 0), "a ttl of 0"],
    ["one of addresses longer than itself", put(44, 192), "shorter than its addresses"],
  ])("has no form: %s", (_what, meta, fault) => {
    expect(validator.validate(key, identity.id, meta, at(0))).toBe(fault);
    expect(statements.read(meta)).toBeUndefined();
  });

  it("never throws, whatever it is", () => {
    const metas = fc.oneof(
      fc.uint8Array({ maxLength: 512 }),
      fc
        .tuple(fc.nat(good.length - 9), fc.uint8Array({ minLength: 1, maxLength: 9 }))
        .map(([index, bytes]) => put(index, ...bytes)),
    );
    fc.assert(
      fc.property(metas, (meta) => {
        const fault = validator.validate(key, identity.id, meta, at(0));
        expect(fault === undefined).toBe(hex(meta) === hex(good));
        statements.read(meta);
      }),
      { numRuns: 2_000 },
    );
  });

  it("has no addresses where they cannot be read", () => {
    const udp = addresses.parse("udp://192.0.2.1:4100");
    const meta = signed({ addresses: [udp, udp] });
    meta[45] = 0xee;
    expect(statements.read(meta)?.addresses).toEqual([]);
  });
});
