import { expect, it } from "vitest";
import { checkDeterminism } from "../src/determinism.ts";
import { parseSource } from "../src/source.ts";

const findings = (code: string) => checkDeterminism(parseSource("packages/core/src/a.ts", code));

it.each([
  ["the clock", "export const f = () => Date.now();"],
  ["a new date", "export const f = () => new Date();"],
  ["randomness", "export const f = () => Math.random();"],
  ["randomness by name", 'export const f = () => Math["random"]();'],
  ["the collector", "export const f = (x: object) => new WeakRef(x);"],
  ["a way around", "export const f = () => globalThis;"],
])("core may not use %s", (_, code) => {
  expect(findings(code)).toMatchObject([{ file: "packages/core/src/a.ts", line: 1 }]);
});

it("arithmetic and words in comments pass", () => {
  expect(findings("export const f = (x: number) => Math.floor(x); // Date.now(), Math.random()")).toEqual([]);
});
