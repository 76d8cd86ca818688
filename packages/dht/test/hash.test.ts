import { describe, expect, it } from "vitest";
import { RandomPool, sha256, sha256ByObject } from "../src/hash.ts";
import { utf8 } from "./support/network.ts";

describe("the hash", () => {
  it.each([
    ["with crypto.hash", sha256],
    ["with a Hash object", sha256ByObject],
  ])("is SHA-256 in a plain Uint8Array, %s (FIPS 180-2, B.1)", (_name, hash) => {
    const digest = hash(utf8("abc"));
    expect(digest.constructor).toBe(Uint8Array);
    expect(Buffer.from(digest).toString("hex")).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});

describe("the pool of random bytes", () => {
  it.each([1, 8, 32, 1_000, 1_024, 1_025, 5_000])("fills %i bytes, each time others", (length) => {
    const pool = new RandomPool();
    const draws = Array.from({ length: 4 }, () => {
      const bytes = new Uint8Array(length);
      pool.fill(bytes);
      return Buffer.from(bytes).toString("hex");
    });
    if (length >= 8) expect(new Set(draws).size).toBe(4);
    expect(draws.every((draw) => draw.length === 2 * length)).toBe(true);
  });

  it("leaves no bytes that were handed out before the caller's range", () => {
    const pool = new RandomPool();
    const seen = new Set<string>();
    for (let i = 0; i < 1_000; i++) {
      const bytes = new Uint8Array(16);
      pool.fill(bytes);
      seen.add(Buffer.from(bytes).toString("hex"));
    }
    expect(seen.size).toBe(1_000);
  });

  it("fills nothing without harm", () => {
    const empty = new Uint8Array(0);
    new RandomPool().fill(empty);
    expect(empty.length).toBe(0);
  });
});
