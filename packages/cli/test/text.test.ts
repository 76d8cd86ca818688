import { describe, expect, it } from "vitest";
import { columns, cut, grouped, plural, shortId, shownBytes, shownMs, wrap } from "../src/text.ts";

describe("text for people", () => {
  it.each([
    [0, "0.00 ms"],
    [0.42, "0.42 ms"],
    [1.53, "1.5 ms"],
    [18.4, "18 ms"],
    [999.4, "999 ms"],
    [999.6, "1.00 s"],
    [61_234, "61.23 s"],
  ])("writes %d ms as %s", (ms, text) => {
    expect(shownMs(ms)).toBe(text);
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [999_949, "999.9 kB"],
    [999_950, "1.0 MB"],
    [12_345_678, "12.3 MB"],
  ])("writes %d bytes as %s", (bytes, text) => {
    expect(shownBytes(bytes)).toBe(text);
  });

  it("groups thousands and tells one from many", () => {
    expect(grouped(1_234_567)).toBe("1,234,567");
    expect([plural(1, "node"), plural(0, "node"), plural(1_000, "node")]).toEqual([
      "1 node",
      "0 nodes",
      "1,000 nodes",
    ]);
  });

  it("cuts text with an ellipsis, and no character in half", () => {
    expect(cut("four", 4)).toBe("four");
    expect(cut("fives", 4)).toBe("fiv…");
    expect(cut("ab😀cd", 4)).toBe("ab…");
  });

  it("shows the first digits of an id", () => {
    expect(shortId("0123456789abcdef")).toBe("01234567…");
    expect(shortId({ toHex: () => "fedcba9876543210" })).toBe("fedcba98…");
  });

  it("wraps at spaces, and leaves a word alone that is longer than the line", () => {
    expect(wrap("a bb ccc incomprehensible d", 6)).toBe("a bb\nccc\nincomprehensible\nd");
  });

  it("sets two columns, with a line of its own for what is too long for the left one", () => {
    const rows = [
      ["a", "one two"],
      ["an-option-that-is-far-too-long", "three"],
    ] as const;
    expect(columns(rows, 80)).toBe("  a  one two\n  an-option-that-is-far-too-long\n     three");
  });
});
