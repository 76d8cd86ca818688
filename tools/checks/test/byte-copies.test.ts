import { describe, expect, it } from "vitest";
import { checkByteCopies } from "../src/byte-copies.ts";
import { parseSource } from "../src/source.ts";

const lines = (code: string) =>
  checkByteCopies(parseSource("packages/core/src/a.ts", code)).map(({ line }) => line);

describe("slices that may share memory", () => {
  it.each([
    ["a parameter of bytes", "export function f(bytes: Uint8Array) { return bytes.slice(1); }"],
    ["an optional receiver", "declare const bytes: Uint8Array | undefined; bytes?.slice(1);"],
    ["a receiver on the line above", "declare const bytes: Uint8Array; bytes\n.slice(1);"],
    ["a quoted property", 'declare const bytes: Uint8Array; bytes["slice"](1);'],
    ["a field", "class A { #key = new Uint8Array(32); copy() { return this.#key.slice(); } }"],
    ["a borrowed method", "declare const b: Uint8Array; Uint8Array.prototype.slice.call(b);"],
    ["the result of from", "Uint8Array.from([1]).slice();"],
    ["an element", "declare const all: Uint8Array[]; all[0]!.slice();"],
    ["a parameter without a type", "[new Uint8Array(1)].map((bytes) => bytes.slice());"],
    ["a destructured name", "export const f = ({ bytes }: { bytes: Uint8Array }) => bytes.slice();"],
    ["a caught name", "try {} catch (bytes) { (bytes as Uint8Array).slice(); }"],
    ["a union with bytes", "export const f = (x: string | Uint8Array) => x.slice();"],
    [
      "a name that is a list in another scope",
      "export const f = (x: string[]) => x; export const g = (x: Uint8Array) => x.slice();",
    ],
    ["an escape without a reason", "declare const bytes: Uint8Array;\n// slice:\nbytes.slice();"],
    ["an escape two lines above", "declare const b: Uint8Array;\n// slice: because\n\nb.slice();"],
  ])("%s is refused", (_, code) => {
    expect(lines(code)).toHaveLength(1);
  });

  it("names the line of the method", () => {
    expect(lines("declare const bytes: Uint8Array;\nbytes\n  .slice();")).toEqual([3]);
  });
});

describe("slices that are evidently of text or lists", () => {
  it.each([
    ["a literal", '"abc".slice(1); `a`.slice(1); [1, 2].slice(1);'],
    ["a call that yields text", 'declare const x: unknown; String(x).slice(1); "a".split("").slice(1);'],
    ["a call that yields an array", "Object.keys({}).slice(1); Array.from([1]).slice(1);"],
    ["a slice of such a slice", '"abc".slice(1).slice(1);'],
    [
      "a typed parameter",
      "export const f = (x: string, y: readonly number[]) => x.slice(y.slice(1).length);",
    ],
    ["a typed variable", "const x: Array<Uint8Array> = []; x.slice(1);"],
    ["an optional text", "export const f = (x?: string | undefined) => x?.slice(1);"],
    ["a rest parameter", "export const f = (...all: Uint8Array[]) => all.slice(1);"],
    ["a variable that starts as text", 'const x = "a".trim(); x.slice(1);'],
    ["a default", 'export const f = (x = "") => x.slice(1);'],
    ["a comment or a string", 'const x = "bytes.slice(1)"; // bytes.slice(1)'],
    ["another method", "declare const x: { sliced(): void }; x.sliced();"],
  ])("%s passes", (_, code) => {
    expect(lines(code)).toEqual([]);
  });

  it.each([
    ["on the same line", "declare const x: any; x.slice(1); // slice: a list of ours"],
    ["on the line above", "declare const x: any;\n// slice: a list of ours\nx.slice(1);"],
  ])("a reason %s passes", (_, code) => {
    expect(lines(code)).toEqual([]);
  });
});
