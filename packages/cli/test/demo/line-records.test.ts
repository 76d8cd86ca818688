import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maxLineBytes, readLineRecords } from "../../src/demo/line-records.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = (text: string): string[] =>
  readLineRecords(utf8(text)).records.map(({ value }) => new TextDecoder().decode(value));

describe("a file as records", () => {
  it.each([
    ["", []],
    ["\n", [""]],
    ["a", ["a"]],
    ["a\n", ["a"]],
    ["a\nb", ["a", "b"]],
    ["a\r\nb\n", ["a\r", "b"]],
    ["a\n\nb\n\na\n", ["a", "", "b"]],
  ])("makes of %j the records %j", (text, records) => {
    expect(texts(text)).toEqual(records);
  });

  it("counts what it shares and cuts", () => {
    const long = "x".repeat(maxLineBytes);
    const { records, ...counts } = readLineRecords(utf8(`${long}\n${long}y\n\n\nz\n`));
    expect(counts).toEqual({ lines: 5, blankLines: 2, repeatedLines: 2, cutLines: 1 });
    expect(records.map(({ line, value }) => [line, value.length])).toEqual([
      [1, maxLineBytes],
      [3, 0],
      [5, 1],
    ]);
  });

  it("keeps every byte of every line, each different line once", () => {
    const line = fc.uint8Array({ maxLength: 6, max: 12 }).filter((bytes) => !bytes.includes(10));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const bytes = Uint8Array.from(lines.flatMap((one) => [...one, 10]));
        const different = [...new Map(lines.map((one) => [one.join(), one])).values()];
        const { records, lines: count } = readLineRecords(bytes);
        expect(records.map(({ value }) => [...value])).toEqual(different.map((one) => [...one]));
        expect(count).toBe(lines.length);
      }),
      { seed: 20_260_102 },
    );
  });

  it("owns its bytes", () => {
    const bytes = utf8("abc\n");
    const { records } = readLineRecords(bytes);
    bytes.fill(0xaa);
    expect(records[0]?.value).toEqual(utf8("abc"));
  });
});
