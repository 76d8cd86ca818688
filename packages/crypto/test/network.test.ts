import { inspect } from "node:util";
import { UsageError } from "@kad/core";
import { describe, expect, it } from "vitest";
import { Network, NetworkKey } from "../src/network.ts";
import { hex } from "./support/hex.ts";
import { noble, providers } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

const secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

describe("a network key", () => {
  it("goes in and out as bytes and as text", () => {
    const key = NetworkKey.fromHex(secret);
    expect(hex(key.exportBytes())).toBe(secret);
    expect(NetworkKey.fromBytes(key.exportBytes()).exportHex()).toBe(secret);
    expect(NetworkKey.fromHex(secret.toUpperCase()).exportHex()).toBe(secret);
    expect(NetworkKey.generate(new SeededRandom(1)).exportBytes().length).toBe(32);
  });

  it("is not changed through the arrays that came in or went out", () => {
    const bytes = new Uint8Array(32).fill(7);
    const key = NetworkKey.fromBytes(bytes);
    bytes.fill(0);
    key.exportBytes().fill(0);
    expect(key.exportHex()).toBe("07".repeat(32));
  });

  it("shows itself in no log", () => {
    const key = NetworkKey.fromHex(secret);
    for (const shown of [String(key), JSON.stringify({ key }), inspect(key, { depth: 9, showHidden: true })])
      expect(shown).not.toContain("0a0b");
  });

  it.each([
    ["31 bytes", () => NetworkKey.fromBytes(new Uint8Array(31)), "31 bytes; allowed are 32 bytes"],
    ["zeros", () => NetworkKey.fromBytes(new Uint8Array(32)), "all zero; allowed are 32 random bytes"],
    ["no bytes", () => NetworkKey.fromBytes("x" as never), "string; allowed are 32 bytes"],
    ["a short text", () => NetworkKey.fromHex("00"), "a text of 2 characters; allowed are 64"],
    ["other letters", () => NetworkKey.fromHex("z".repeat(64)), "a text of 64 characters; allowed are 64"],
    ["no text", () => NetworkKey.fromHex(5 as never), "number; allowed are 64"],
  ])("refuses %s without repeating it", (_what, make, message) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
    expect(make).not.toThrow("zz");
  });
});

describe.each(providers)("the keys of a network, by %s", (_name, provider) => {
  it("follow from its name alone where it is public", () => {
    const { tag, helloKey, psk, isPrivate } = new Network(provider, "kad");
    expect(hex(tag)).toBe("258966614dbeae16f568b766bd2c5997961357608ed5921b55f269ac3504f8b7");
    expect(hex(helloKey)).toBe("af43ab306ed410f2d139f33b2ffb2fc663a16ddd0f785944feadd13b3b6fc91d");
    expect([psk, isPrivate]).toEqual([undefined, false]);
  });

  it("follow from name and key where it is private", () => {
    const { tag, helloKey, psk, isPrivate } = new Network(provider, "kad", NetworkKey.fromHex(secret));
    expect(tag).toEqual(new Network(provider, "kad").tag);
    expect(hex(helloKey)).toBe("4d0383cf312b459be3e200352fd0709cd0cb5d63f835cbe3fb8e2c0c5823fd85");
    expect(hex(psk)).toBe("97a5d92b7e9a84c3a2e0b69d8095757053b395d8c8beb91434c682a4c0f9d098");
    expect(isPrivate).toBe(true);
  });
});

it("each of a network's keys differs from those of every other network", () => {
  const other = NetworkKey.fromBytes(new Uint8Array(32).fill(1));
  const networks = [
    new Network(noble, "a"),
    new Network(noble, "b"),
    new Network(noble, "a", NetworkKey.fromHex(secret)),
    new Network(noble, "a", other),
  ];
  expect(new Set(networks.map(({ helloKey }) => hex(helloKey))).size).toBe(4);
});

it.each(["", "x".repeat(256), "é".repeat(128)])("refuses a name of %s", (name) => {
  expect(() => new Network(noble, name)).toThrow("allowed are 1 to 255 bytes");
});
