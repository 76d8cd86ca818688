import { createHash, sign as nodeSign } from "node:crypto";
import {
  compareBytes,
  type DhtRecord,
  labelled,
  type NodeId,
  type RecordValidator,
  type ValidationContext,
} from "@kad/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeedIdentity } from "../../src/identity.ts";
import { Network, NetworkKey } from "../../src/network.ts";
import { type MutableContent, MutableRecords } from "../../src/records/mutable-records.ts";
import { hex, unhex } from "../support/hex.ts";
import { native, providers } from "../support/providers.ts";
import { SeededRandom } from "../support/random.ts";

const seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
const network = new Network(native, "kad");
const records = new MutableRecords({ provider: native, network });
const validator: RecordValidator = records.validators.mutable;
const owner = SeedIdentity.fromSeed(native, seed);
const other = SeedIdentity.generate(native, new SeededRandom("another owner"));
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

const at = (unixMs: number | undefined): ValidationContext => ({
  sha256: (bytes) => native.sha256(bytes),
  unixMs,
});

function signed(content: Partial<MutableContent> = {}, by = owner, within = records): DhtRecord {
  return within.sign(by, { value: text("value"), seq: 1, ...content }) as DhtRecord;
}

function changed(body: Uint8Array, index: number, bit: number): Uint8Array {
  const copy = Uint8Array.from(body);
  copy[index] = (copy[index] as number) ^ (1 << bit);
  return copy;
}

const hash = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hasher = createHash("sha256");
  for (const part of parts) hasher.update(part);
  return Uint8Array.from(hasher.digest());
};

describe.each(providers)("a mutable record by %s", (_name, provider) => {
  const by = new MutableRecords({ provider, network });

  it("is laid out, signed and found as the format says", () => {
    const record = signed(
      { value: text("hello"), seq: 0x0102030405, salt: text("salt"), ttlSeconds: 3_600, seqIsTime: true },
      SeedIdentity.fromSeed(provider, seed),
      by,
    );
    const content = "01" + "0000000102030405" + "00000e10" + "04" + "73616c74" + "0005" + "68656c6c6f";
    const text1 = labelled("kad/1/record", network.tag, unhex(content));
    const key = {
      key: Buffer.from(`302e020100300506032b657004220420${hex(seed)}`, "hex"),
      format: "der",
      type: "pkcs8",
    } as const;
    const signature = hex(Uint8Array.from(nodeSign(null, text1, key)));
    expect(hex(record.body)).toBe(hex(owner.publicKey) + content + signature);
    expect(hex(record.key.toBytes())).toBe(
      hex(hash(Uint8Array.of(13), text("kad/1/mutable"), owner.publicKey, text("salt"))),
    );
    expect(record.type).toBe("mutable");
    expect(record.lifetimeMs).toBeUndefined();
  });

  it("is valid under its key, and says what was signed", () => {
    const content = {
      value: text("hello"),
      seq: 2 ** 53 - 1,
      salt: text("s"),
      ttlSeconds: 9,
      seqIsTime: true,
    };
    const { key, body } = signed(content);
    expect(by.validators.mutable.validate(key, body, at(0))).toBeUndefined();
    expect(by.read(body)).toEqual({ publicKey: owner.publicKey, ...content });
    expect(by.keyOf(owner.publicKey, text("s")).equals(key)).toBe(true);
  });

  it("that anybody has changed, in any bit, is refused", () => {
    const { key, body } = signed({ salt: text("salt") });
    const length = provider === native ? body.length : 0;
    for (let i = 0; i < length; i++) {
      for (let bit = 0; bit < 8; bit++)
        expect(by.validators.mutable.validate(key, changed(body, i, bit), at(0))).toBeTypeOf("string");
    }
    expect(by.validators.mutable.validate(key, changed(body, 60, 3), at(0))).toBeTypeOf("string");
  });
});

describe("a mutable record", () => {
  it("has a value, a salt, a number and a ttl of any size that is allowed", () => {
    for (const content of [
      { value: new Uint8Array(0), seq: 0 },
      { value: new Uint8Array(896).fill(7), seq: 1, salt: new Uint8Array(32).fill(9) },
      { ttlSeconds: 1 },
      { ttlSeconds: 0xffff_ffff, seq: 2 ** 53 - 1 },
    ]) {
      const { key, body } = signed(content);
      expect(body.length).toBeLessThanOrEqual(validator.maxBodyBytes);
      expect(validator.validate(key, body, at(0))).toBeUndefined();
      expect(records.read(body)).toMatchObject(content);
    }
    const { body } = signed({ value: new Uint8Array(896), salt: new Uint8Array(32) });
    expect(body.length).toBe(validator.maxBodyBytes);
    expect(records.read(signed().body)).toMatchObject({ ttlSeconds: 86_400, seqIsTime: false });
  });

  it.each<[string, Partial<MutableContent>, string]>([
    ["value", { value: new Uint8Array(897) }, "value: 897 bytes; allowed are 0 to 896 bytes"],
    ["value", { value: "text" as never }, "value: string; allowed are 0 to 896 bytes"],
    ["salt", { salt: new Uint8Array(33) }, "salt: 33 bytes; allowed are 0 to 32 bytes"],
    ["seq", { seq: -1 }, "seq: -1; allowed are whole numbers from 0 to 2^53 - 1"],
    ["seq", { seq: 2 ** 53 }, "seq: 9007199254740992; allowed"],
    ["seq", { seq: 1.5 }, "seq: 1.5; allowed"],
    ["ttlSeconds", { ttlSeconds: 0 }, "ttlSeconds: 0; allowed are whole numbers from 1 to 2^32 - 1"],
    ["ttlSeconds", { ttlSeconds: 2 ** 32 }, "ttlSeconds: 4294967296; allowed"],
  ])("is not made of a bad %s, and the error says what is allowed", (_name, content, message) => {
    expect(() => signed(content)).toThrow(
      expect.objectContaining({ code: "invalidRecord", message: expect.stringContaining(message) }),
    );
  });

  it("has no key for a public key or salt of another length", () => {
    expect(() => records.keyOf(new Uint8Array(31))).toThrow("publicKey: 31 bytes; allowed are 32 bytes");
    expect(() => records.keyOf(owner.publicKey, new Uint8Array(33))).toThrow("salt: 33 bytes");
  });

  it("is another's under each owner and each salt", () => {
    const keys = [signed(), signed({ salt: text("a") }), signed({ salt: text("b") }), signed({}, other)];
    expect(new Set(keys.map(({ key }) => key.key)).size).toBe(4);
    const { key } = signed({ salt: text("a") });
    expect(validator.validate(key, signed({ salt: text("b") }).body, at(0))).toBe(
      "the key is not that of owner and salt",
    );
    expect(validator.validate(key, signed({ salt: text("a") }, other).body, at(0))).toBe(
      "the key is not that of owner and salt",
    );
  });

  it("counts in its own network only: the tag stands under the signature, the network key does not", () => {
    const { key, body } = signed();
    const elsewhere = new MutableRecords({ provider: native, network: new Network(native, "elsewhere") });
    expect(elsewhere.validators.mutable.validate(key, body, at(0))).toBe(
      "the signature is not the owner's in this network",
    );
    const secret = NetworkKey.generate(new SeededRandom("network key"));
    const keyed = new MutableRecords({ provider: native, network: new Network(native, "kad", secret) });
    expect(keyed.validators.mutable.validate(key, body, at(0))).toBeUndefined();
  });

  it("is signed by whoever takes its time as by whoever does not", async () => {
    const slow = {
      publicKey: owner.publicKey,
      sign: (message: Uint8Array) => Promise.resolve(owner.sign(message)),
    };
    const promised = records.sign(slow, { value: text("value"), seq: 1 });
    expect(promised).toBeInstanceOf(Promise);
    expect(await promised).toEqual(signed());
  });

  it("is not made of a signature that is none", async () => {
    const broken = { publicKey: owner.publicKey, sign: () => new Uint8Array(63) };
    const message = "the identity signed with something other than 64 bytes";
    expect(() => records.sign(broken, { value: text("v"), seq: 1 })).toThrow(message);
    const slow = { publicKey: owner.publicKey, sign: () => Promise.resolve("no" as never) };
    await expect(records.sign(slow, { value: text("v"), seq: 1 })).rejects.toThrow(message);
    const strange = { publicKey: new Uint8Array(33), sign: () => new Uint8Array(64) };
    expect(() => records.sign(strange, { value: text("v"), seq: 1 })).toThrow("publicKey: 33 bytes");
  });

  it("owns its bytes, as what is read of it does", () => {
    const value = text("value");
    const record = signed({ value });
    value.fill(0);
    const read = records.read(record.body);
    record.body.fill(0);
    expect(read).toMatchObject({ value: text("value"), publicKey: owner.publicKey });
  });
});

describe("bytes that are no mutable record", () => {
  const good = signed({ salt: text("salt"), value: text("value") }).body;
  const put = (index: number, ...bytes: number[]): Uint8Array => {
    const copy = Uint8Array.from(good);
    copy.set(bytes, index);
    return copy;
  };
  it.each([
    ["of no length", new Uint8Array(0), "shorter than a record without salt and value"],
    ["cut", good.subarray(0, good.length - 1), "not as long as its value says"],
    ["with a byte more", Uint8Array.of(...good, 0), "not as long as its value says"],
    ["with unknown flags", put(32, 2), "unknown flags"],
    ["with a number of 2^53", put(33, 0, 0x20, 0, 0, 0, 0, 0, 0), "a sequence number of 2^53 or more"],
    [
      "with the largest number",
      put(33, ...new Array<number>(8).fill(255)),
      "a sequence number of 2^53 or more",
    ],
    ["without a ttl", put(41, 0, 0, 0, 0), "a ttl of 0"],
    ["with a salt too long", put(45, 33), "a salt of 33 bytes"],
    ["with a salt longer than themselves", put(45, 32), "shorter than its salt"],
    ["with a value too long", put(50, 3, 0x81), "a value of 897 bytes"],
    ["with another length of value", put(50, 0, 4), "not as long as its value says"],
  ])("are refused: %s", (_what, body, fault) => {
    expect(validator.validate(signed().key, body, at(0))).toBe(fault);
    expect(records.read(body)).toBeUndefined();
  });

  it("of any kind are refused without a throw", () => {
    const bodies = fc.oneof(
      fc.uint8Array({ maxLength: 1_040 }),
      fc
        .tuple(fc.nat(good.length - 1), fc.uint8Array({ minLength: 1, maxLength: 9 }))
        .map(([index, bytes]) => put(Math.min(index, good.length - bytes.length), ...bytes)),
    );
    fc.assert(
      fc.property(bodies, (body) => {
        const fault = validator.validate(signed({ salt: text("salt") }).key, body, at(0));
        if (hex(body) === hex(good)) expect(fault).toBeUndefined();
        else expect(fault).toBeTypeOf("string");
        records.read(body);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("of two records of one owner and salt", () => {
  const order = (a: Uint8Array, b: Uint8Array): number => Math.sign(validator.select(a, b, at(0)));

  it("the one with the larger number wins", () => {
    const [older, newer] = [signed({ seq: 5, value: text("z") }), signed({ seq: 6, value: text("a") })];
    expect([order(newer.body, older.body), order(older.body, newer.body)]).toEqual([1, -1]);
    expect(validator.seqOf?.(newer.body)).toBe(6);
    const largest = signed({ seq: 2 ** 53 - 1 });
    expect(validator.seqOf?.(largest.body)).toBe(2 ** 53 - 1);
    expect(order(largest.body, signed({ seq: 2 ** 53 - 2 }).body)).toBe(1);
  });

  it("equal ones are the same, whatever the signatures: who signs may add randomness", () => {
    const { body } = signed();
    const resigned = Uint8Array.from(body);
    resigned.fill(1, resigned.length - 64);
    expect(order(body, resigned)).toBe(0);
  });

  it("with one number the larger hash wins, so that all who hear of both agree", () => {
    const contents = fc.record({
      value: fc.uint8Array({ maxLength: 3 }),
      ttlSeconds: fc.integer({ min: 1, max: 3 }),
      seqIsTime: fc.boolean(),
    });
    fc.assert(
      fc.property(contents, contents, (one, two) => {
        const [a, b] = [signed({ ...one, seq: 7 }).body, signed({ ...two, seq: 7 }).body];
        const hashOf = (body: Uint8Array) =>
          hash(labelled("kad/1/record", network.tag, body.subarray(32, body.length - 64)));
        expect(order(a, b)).toBe(Math.sign(compareBytes(hashOf(a), hashOf(b))));
        expect(order(b, a)).toBe(-order(a, b) + 0);
      }),
      { numRuns: 200 },
    );
  });
});

describe("how long a record may be kept", () => {
  it.each([
    ["its ttl, from whenever it comes", {}, 5_000_000, 60_000],
    ["until its end, where its number is a time", { seqIsTime: true }, 1_000_000, 60_000],
    ["until its end, the later it comes the shorter", { seqIsTime: true }, 1_050_000, 10_000],
    ["no more, once it has ended", { seqIsTime: true }, 1_060_001, -1],
    ["its ttl, where there is no wall clock", { seqIsTime: true }, undefined, 60_000],
  ])("is %s", (_what, content, unixMs, lifetimeMs) => {
    const { key, body } = signed({ seq: 1_000_000, ttlSeconds: 60, ...content });
    expect(validator.lifetimeMs?.(body, at(unixMs))).toBe(lifetimeMs);
    // That it has ended is no fault of whoever sends it.
    expect(validator.validate(key, body, at(unixMs))).toBeUndefined();
  });
});

describe("signatures", () => {
  function counting(maxRemembered?: number): {
    rules: RecordValidator;
    counted: MutableRecords;
    checks: () => number;
  } {
    let checks = 0;
    const provider = new Proxy(native, {
      get(target, name: keyof typeof native) {
        const member = target[name];
        if (name === "verify") checks++;
        return typeof member === "function" ? (member as () => unknown).bind(target) : member;
      },
    });
    const counted = new MutableRecords({
      provider,
      network,
      ...(maxRemembered === undefined ? {} : { maxRemembered }),
    });
    return { rules: counted.validators.mutable, counted, checks: () => checks };
  }

  it("that were good are checked once, bad ones each time", () => {
    const { rules, counted, checks } = counting();
    const { key, body } = signed();
    for (let i = 0; i < 5; i++) expect(rules.validate(key, body, at(0))).toBeUndefined();
    expect([checks(), counted.remembered]).toEqual([1, 1]);
    for (let i = 0; i < 2; i++)
      expect(rules.validate(key, changed(body, body.length - 1, 0), at(0))).toBeTypeOf("string");
    expect([checks(), counted.remembered]).toEqual([3, 1]);
  });

  it("are remembered up to a bound", () => {
    const { rules, counted, checks } = counting(2);
    const made = [1, 2, 3].map((seq) => signed({ seq }));
    for (const { key, body } of made) rules.validate(key, body, at(0));
    expect([checks(), counted.remembered]).toEqual([3, 2]);
    expect(rules.validate(made[2]?.key as NodeId, made[2]?.body as Uint8Array, at(0))).toBeUndefined();
    expect(checks()).toBe(3);
    for (const maxRemembered of [0, 1.5, 65_537])
      expect(() => counting(maxRemembered)).toThrow(
        `maxRemembered: ${maxRemembered}; allowed is a whole number`,
      );
  });

  it("of small-order owners are refused: one of theirs fits every value", () => {
    // The neutral element as owner and as R, zero as s: a cofactored check would take it.
    const neutral = new Uint8Array(32);
    neutral[0] = 1;
    const { body } = signed();
    body.set(neutral);
    body.set(neutral, body.length - 64);
    body.fill(0, body.length - 32);
    expect(validator.validate(records.keyOf(neutral), body, at(0))).toBe(
      "the signature is not the owner's in this network",
    );
  });
});
