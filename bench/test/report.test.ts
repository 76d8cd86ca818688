import { describe, expect, it } from "vitest";
import { tableBenchmark } from "../src/benchmarks/table.ts";
import { replaceSection } from "../src/document.ts";
import { markdownOf, shown, tablesOf } from "../src/report.ts";

describe("tables", () => {
  const rows = [
    { table: "32-byte ids", row: "ours", values: { closest20: 3, exact20: 100 } },
    { table: "32-byte ids", row: "theirs", values: { closest20: 1, exact20: undefined } },
    { table: "32-byte ids", row: "ours", values: { closest20: 5, exact20: 90 } },
  ];

  it("show the median and the range of what was repeated, the worst of what must hold, and a dash for nothing", () => {
    expect(markdownOf(tableBenchmark, tablesOf(rows)).split("\n")).toEqual([
      "| 32-byte ids | closest(20), k/s | exact 20, % |",
      "|-------------|-----------------:|------------:|",
      "| ours        | 4 (3-5)          | 90.0        |",
      "| theirs      | 1                | -           |",
    ]);
  });

  it.each([
    [1_234_567, 0, "1 234 567"],
    [999.96, 1, "1 000.0"],
    [0.126, 2, "0.13"],
    [-12_345, 0, "-12 345"],
  ])("group the digits of %d", (value, digits, text) => {
    expect(shown(value, digits)).toBe(text);
  });

  it("replace one section of a document and leave the words around it", () => {
    const document = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb";
    expect(replaceSection(document, "x", "new")).toBe("a\n<!-- bench:x -->\n\nnew\n\n<!-- /bench:x -->\nb");
    expect(() => replaceSection(document, "y", "new")).toThrow("no section");
  });
});
