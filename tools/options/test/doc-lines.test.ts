import { describe, expect, it } from "vitest";
import { docLinesOf } from "../src/doc-lines.ts";

const source = `
export interface Other {
  readonly a: number;
}
export interface Mine extends Other {
  /** On one line. */
  readonly a: number;
  /**
   * On several, as
   * {@link Other} has it.
   */
  readonly b?: { readonly c: number };
}
`;

describe("the doc comments of an interface", () => {
  it("are told by field, each on one line, and links are code", () => {
    expect([...docLinesOf(source, "Mine")]).toEqual([
      ["a", "On one line."],
      ["b", "On several, as `Other` has it."],
    ]);
  });

  it("may not be missing", () => {
    expect(() => docLinesOf(source, "Other")).toThrow("Other: a without a doc comment");
  });

  it("are of an interface that is there", () => {
    expect(() => docLinesOf(source, "Third")).toThrow("there is no interface Third");
  });
});
