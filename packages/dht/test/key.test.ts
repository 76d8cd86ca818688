import { NodeId, UsageError } from "@kad/core";
import { describe, expect, it } from "vitest";
import { checkId, describe as describeValue, keyOfName, parseKey, resolveKey, toBytes } from "../src/key.ts";

const hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

describe("names and keys", () => {
  it("a key reads back from the text that toHex gives, in either case", () => {
    expect(parseKey(hex).toHex()).toBe(hex);
    expect(parseKey(hex.toUpperCase()).toHex()).toBe(hex);
  });

  it.each(["", "00", hex.slice(2), `${hex}00`, `${hex.slice(2)}zz`, 7 as unknown as string])(
    "%j is no key, and the error says what is",
    (text) => {
      expect(() => parseKey(text)).toThrow(UsageError);
      expect(() => parseKey(text)).toThrow(/^key: .*; allowed are 64 hexadecimal digits$/);
    },
  );

  it("a string of 64 hexadecimal digits is a name like any other, not a key", () => {
    expect(resolveKey(hex).toHex()).not.toBe(hex);
    expect(resolveKey(hex)).toEqual(keyOfName(hex));
    expect(resolveKey(parseKey(hex)).toHex()).toBe(hex);
  });

  it("a name is hashed under its label, so that the key of a name never changes", () => {
    // SHA-256 of the byte 10, "kad/1/open" and "name"
    expect(keyOfName("name").toHex()).toBe(
      "a37691238b2f3ed4bb603d62eead9fccfdfdad774d4f4da4c7c09209128ce096",
    );
  });

  it("a key of the wrong length is refused by field, value and what is allowed", () => {
    const short = NodeId.fromHex("0011");
    expect(() => checkId("target", short)).toThrow("target: 2 bytes (0011); allowed are 32 bytes");
    expect(() => resolveKey(short)).toThrow(expect.objectContaining({ code: "invalidId" }));
  });

  it.each([
    [undefined, "undefined"],
    [null, "null"],
    [7, "7"],
    ["text", '"text"'],
    [{}, "Object"],
    [[1], "Array"],
    [Object.create(null), "an object"],
  ])("%j is described as %s", (value, text) => {
    expect(describeValue(value)).toBe(text);
    expect(() => checkId("key", value as NodeId)).toThrow(`key: ${text}; allowed is a NodeId of 32 bytes`);
  });

  it("text becomes UTF-8 and bytes stay what they are", () => {
    const bytes = Uint8Array.of(1, 2);
    expect(toBytes("value", "é")).toEqual(Uint8Array.of(0xc3, 0xa9));
    expect(toBytes("value", bytes)).toBe(bytes);
    expect(() => toBytes("value", 7 as never)).toThrow("value: 7; allowed are a string and a Uint8Array");
  });
});
