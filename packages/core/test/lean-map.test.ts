import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeanMap, LeanSet } from "../src/lean-map.ts";

const seed = 0x1ea9;

/** Calls in any order, on few keys, so that both run empty and fill again many times. */
const calls = fc.array(
  fc.tuple(
    fc.constantFrom("set" as const, "set" as const, "delete" as const, "delete" as const, "clear" as const),
    fc.integer({ min: 0, max: 4 }),
  ),
  { maxLength: 60 },
);

describe("LeanMap", () => {
  it("does what a Map does, whatever the order of calls", () => {
    fc.assert(
      fc.property(calls, (given) => {
        const lean = new LeanMap<number, string>();
        const map = new Map<number, string>();
        for (const [i, [name, key]] of given.entries()) {
          if (name === "set") {
            lean.set(key, `${i}`);
            map.set(key, `${i}`);
          } else if (name === "delete") expect(lean.delete(key)).toBe(map.delete(key));
          else {
            lean.clear();
            map.clear();
          }
          expect(lean.size).toBe(map.size);
          expect([...lean]).toEqual([...map]);
          expect([...lean.keys()]).toEqual([...map.keys()]);
          expect([...lean.values()]).toEqual([...map.values()]);
          for (let other = 0; other <= 4; other++) {
            expect(lean.has(other)).toBe(map.has(other));
            expect(lean.get(other)).toBe(map.get(other));
          }
        }
      }),
      { seed, numRuns: 300 },
    );
  });

  it("may be emptied while it is iterated over", () => {
    const lean = new LeanMap<number, string>();
    for (const key of [1, 2, 3]) lean.set(key, "");
    const seen: number[] = [];
    for (const [key] of lean) {
      seen.push(key);
      lean.delete(key);
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(lean.size).toBe(0);
  });
});

describe("LeanSet", () => {
  it("does what a Set does, whatever the order of calls", () => {
    fc.assert(
      fc.property(calls, (given) => {
        const lean = new LeanSet<number>();
        const set = new Set<number>();
        for (const [name, value] of given) {
          if (name === "set") {
            lean.add(value);
            set.add(value);
          } else if (name === "delete") expect(lean.delete(value)).toBe(set.delete(value));
          else {
            lean.clear();
            set.clear();
          }
          expect(lean.size).toBe(set.size);
          expect([...lean]).toEqual([...set]);
          for (let other = 0; other <= 4; other++) expect(lean.has(other)).toBe(set.has(other));
        }
      }),
      { seed, numRuns: 300 },
    );
  });
});
