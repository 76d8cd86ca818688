import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromUtf8, utf8 } from "../src/utf8.ts";

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function strictly(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

describe("utf8", () => {
  it.each([
    "",
    "a",
    "\0",
    "\x7f",
    "\x80",
    "\u07ff",
    "\u0800",
    "\ufeffa",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
    "für Ωμέγα 日本 🙂",
  ])("encodes %j as TextEncoder does", (text) => expect(utf8(text)).toEqual(encoder.encode(text)));

  it.each(["\ud800", "\udc00", "a\ud83d", "\ude42\ud83d", "\ud800\ud800\udc00"])(
    "encodes the lone surrogates of %j as U+FFFD",
    (text) => expect(utf8(text)).toEqual(encoder.encode(text)),
  );

  it("encodes any text as TextEncoder does, lone surrogates included, and reads its own bytes back", () => {
    const units = fc.array(
      fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe00f })),
    );
    fc.assert(
      fc.property(units, (codes) => {
        const text = String.fromCharCode(...codes);
        const bytes = utf8(text);
        expect(bytes).toEqual(encoder.encode(text));
        expect(fromUtf8(bytes)).toBe(strict.decode(encoder.encode(text)));
      }),
      { seed: 8, numRuns: 300 },
    );
  });
});

describe("fromUtf8", () => {
  it.each([
    ["a continuation byte alone", [0x80]],
    ["a sequence cut short", [0xe2, 0x82]],
    ["a lead byte followed by a letter", [0xc3, 0x41]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["an overlong sequence of three", [0xe0, 0x80, 0xaf]],
    ["an overlong sequence of four", [0xf0, 0x8f, 0xbf, 0xbf]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["a point beyond the last", [0xf4, 0x90, 0x80, 0x80]],
    ["a lead byte that exists no more", [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ["a byte that never occurs", [0xff]],
  ])("knows %s as malformed", (_, bytes) => {
    expect(fromUtf8(Uint8Array.from(bytes))).toBeUndefined();
    expect(strictly(Uint8Array.from(bytes))).toBeUndefined();
  });

  it("agrees with a strict TextDecoder on any bytes", () => {
    // Random bytes are almost never well-formed, so sequences are built from the edges of the ranges in RFC 3629 §4.
    const byte = fc.constantFrom(
      ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec],
      ...[0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
    );
    const point = fc
      .integer({ min: 0, max: 0x10ffff })
      .map((p) => [...encoder.encode(String.fromCodePoint(p))]);
    const pieces = fc.array(fc.oneof(point, fc.array(byte, { maxLength: 4 })), { maxLength: 4 });
    fc.assert(
      fc.property(pieces, (parts) => {
        const bytes = Uint8Array.from(parts.flat());
        expect(fromUtf8(bytes)).toBe(strictly(bytes));
      }),
      { seed: 8, numRuns: 3_000 },
    );
  });
});
