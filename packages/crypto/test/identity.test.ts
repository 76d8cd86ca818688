import { inspect } from "node:util";
import { UsageError } from "@kad/core";
import { describe, expect, it } from "vitest";
import { nodeIdOf, puzzleDifficulty, SeedIdentity } from "../src/identity.ts";
import { hex, unhex } from "./support/hex.ts";
import { native, noble, providers } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

/** RFC 8032 §7.1, test 1. */
const seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
const publicKey = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const id = "a82ff3a77448d3218dfe58e5ac352d1c9907bbbb13f7092989ca039010949710";

describe.each(providers)("an identity by %s", (_name, provider) => {
  it("follows from its seed, and its id from its public key", () => {
    const identity = SeedIdentity.fromSeed(provider, seed);
    expect(hex(identity.publicKey)).toBe(publicKey);
    expect(identity.id.toHex()).toBe(id);
    expect(nodeIdOf(provider, identity.publicKey).toHex()).toBe(id);
    const message = Uint8Array.of(1, 2, 3);
    expect(provider.verify(identity.publicKey, message, identity.sign(message))).toBe(true);
  });

  it("is another one each time that it is generated", () => {
    const random = new SeededRandom(1);
    const [one, two] = [SeedIdentity.generate(provider, random), SeedIdentity.generate(provider, random)];
    expect(one.id.equals(two.id)).toBe(false);
    expect(SeedIdentity.fromSeed(provider, one.exportSeed()).id.equals(one.id)).toBe(true);
  });
});

it("shows its seed in no log, and gives only copies of it", () => {
  const identity = SeedIdentity.fromSeed(noble, seed);
  for (const shown of [
    String(identity),
    JSON.stringify(identity),
    inspect(identity, { depth: 9, showHidden: true }),
  ]) {
    expect(shown).not.toContain("9d61b1");
    expect(shown).not.toContain("157, 97, 177");
  }
  expect(JSON.stringify(identity)).toBe(`{"id":"${id}"}`);
  identity.exportSeed().fill(0);
  expect(hex(identity.exportSeed())).toBe(hex(seed));
});

describe("the puzzle", () => {
  it("counts leading zero bits of a hash of the id", () => {
    const { id } = SeedIdentity.fromSeed(noble, seed);
    // SHA-256(label("kad/1/puzzle") ‖ id) = b848f96c…
    expect(puzzleDifficulty(noble, id)).toBe(0);
    for (const [first, zeros] of [
      [[0x80], 0],
      [[0x01], 7],
      [[0, 0x40], 9],
      [[0, 0, 0xff], 16],
      [[], 256],
    ] as const) {
      const sha256 = () => Uint8Array.from({ length: 32 }, (_, i) => first[i] ?? 0);
      expect(puzzleDifficulty({ ...noble, sha256 }, id)).toBe(zeros);
    }
  });

  it("is solved by trying", () => {
    const identity = SeedIdentity.generate(native, new SeededRandom(2), 6);
    expect(puzzleDifficulty(native, identity.id)).toBeGreaterThanOrEqual(6);
  });

  it.each([-1, 1.5, 25, "9"])("refuses a difficulty of %s", (difficulty) => {
    const generate = () => SeedIdentity.generate(noble, new SeededRandom(1), difficulty as number);
    expect(generate).toThrow(UsageError);
    expect(generate).toThrow(`difficulty: ${difficulty}; allowed is a whole number from 0 to 24`);
  });
});
