import { describe, expect, it } from "vitest";
import { isExcerptOf, linksOf, pageOf } from "../src/markdown.ts";

const fence = "```";
const block = (info: string, ...lines: string[]) => [fence + info, ...lines, fence].join("\n");

describe("a page", () => {
  it("has a program for each block with an import, and those without go on with the one above", () => {
    const page = pageOf(
      [
        "# Title",
        block("ts", 'import { a } from "a";', "a();"),
        "and then",
        block("ts", "a(2);"),
        block("ts", 'import { b } from "b";'),
      ].join("\n"),
    );
    expect(page.programs.map(({ code, line }) => [code, line])).toEqual([
      ['import { a } from "a";\na();\na(2);\n', 3],
      ['import { b } from "b";\n', 11],
    ]);
  });

  it("has programs that are not run, which nothing continues that is", () => {
    const page = pageOf([block("ts no-run", 'import "a";'), block("ts", "b();")].join("\n"));
    expect(page.programs.map(({ code, isRun }) => [code, isRun])).toEqual([
      ['import "a";\n', false],
      ["b();\n", true],
    ]);
  });

  it("has programs for Linux alone, which nothing continues that is for all", () => {
    const page = pageOf([block("ts linux", 'import "a";'), block("ts", "b();")].join("\n"));
    expect(page.programs.map(({ isRun, isNative }) => [isRun, isNative])).toEqual([
      [true, true],
      [true, false],
    ]);
  });

  it("says what its programs print", () => {
    const { programs } = pageOf(block("ts", 'console.log("a"); // → a', "// a remark", "f(); // → b → c"));
    expect(programs[0]?.prints).toEqual(["a", "b → c"]);
  });

  it("has excerpts, and blocks of other languages that are nobody's business", () => {
    const page = pageOf([block("ts src/a.ts", "a();"), block("sh", "rm"), block("", "x")].join("\n"));
    expect(page).toEqual({ programs: [], excerpts: [{ file: "src/a.ts", code: "a();\n", line: 2 }] });
  });
});

describe("an excerpt", () => {
  const file = "class A {\n  f() {\n    g();\n\n    h();\n  }\n}\n";

  it.each([
    ["lines of the file as they stand there", "  f() {\n    g();\n", true],
    ["lines of the file, moved to the left together", "g();\n\nh();\n", true],
    ["lines with one left out", "g();\nh();\n", false],
    ["lines moved to the left one by one", "f() {\ng();\n", false],
    ["other lines", "i();\n", false],
  ])("may be %s: %#", (_what, code, isExcerpt) => {
    expect(isExcerptOf(code, file)).toBe(isExcerpt);
  });
});

describe("links", () => {
  it("are those to files, outside code, without their anchors", () => {
    const markdown = [
      "[a](a.md) [b](../b.md#part) [c](#here) [d](https://example.org/) ![e](e.png) `[f](f.md)`",
      block("md", "[g](g.md)"),
    ].join("\n");
    expect(linksOf(markdown)).toEqual(["a.md", "../b.md", "e.png"]);
  });
});
