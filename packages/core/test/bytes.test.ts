import { describe, expect, it } from "vitest";
import { compareBytes, copyBytes, equalBytes } from "../src/bytes.ts";

describe("copyBytes", () => {
  it("copies what a Buffer would only have viewed", () => {
    const buffer = Buffer.from([1, 2, 3, 4]);
    const copy = copyBytes(buffer, 1, 3);
    buffer.fill(0);
    expect(copy).toEqual(Uint8Array.of(2, 3));
    expect(Buffer.isBuffer(copy)).toBe(false);
  });

  it("copies everything when no range is given", () => {
    const bytes = Uint8Array.of(7, 8);
    const copy = copyBytes(bytes);
    expect(copy).toEqual(bytes);
    expect(copy).not.toBe(bytes);
  });
});

describe("equalBytes and compareBytes", () => {
  const ordered = [[], [0], [0, 0], [0, 255], [1], [1, 0], [255]].map((bytes) => Uint8Array.from(bytes));

  it("agree on which of two sorts first, bytewise, a prefix before what it begins", () => {
    for (const [i, a] of ordered.entries()) {
      for (const [j, b] of ordered.entries()) {
        expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(i - j));
        expect(equalBytes(a, b)).toBe(i === j);
      }
    }
  });
});
