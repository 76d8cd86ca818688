import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../src/index.ts";

describe("hexadecimal text", () => {
  it("has two lower case digits for each byte, and is read in either case", () => {
    expect(toHex(Uint8Array.of(0, 10, 255))).toBe("000aff");
    expect(fromHex("000aFF")).toEqual(Uint8Array.of(0, 10, 255));
  });

  it("is read as it was written, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each(["0", "0g", "0x00", " 00", "00 "])('is not "%s"', (text) => {
    expect(fromHex(text)).toBeUndefined();
  });
});
