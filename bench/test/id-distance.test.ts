import { describe, expect, it } from "vitest";
import { distanceOf, score } from "../src/id-distance.ts";

const target = Uint8Array.of(0, 0, 0, 0, 0, 0);
const [near, middle, far] = [1, 2, 4].map((byte) => Uint8Array.of(0, 0, 0, 0, 0, byte)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

describe("judging what a lookup found", () => {
  it("measures distances over all of the 48 bits", () => {
    expect(distanceOf(target, Uint8Array.of(0x80, 0, 0, 0, 0, 1))).toBe(2 ** 47 + 1);
  });

  it.each([
    { name: "the nearest, nearest first", found: [near, middle], exact: true, sorted: true, recall: 1 },
    { name: "the nearest, out of order", found: [middle, near], exact: true, sorted: false, recall: 1 },
    { name: "one of them", found: [near], exact: false, sorted: true, recall: 0.5 },
    { name: "one of them and another", found: [near, far], exact: false, sorted: true, recall: 0.5 },
    { name: "all and more", found: [near, middle, far], exact: false, sorted: true, recall: 1 },
    { name: "one of them twice", found: [near, near], exact: false, sorted: false, recall: 0.5 },
  ])("knows $name", ({ found, exact, sorted, recall }) => {
    expect(score(target, found, [far, near, middle], 2)).toEqual({ exact, sorted, recall });
  });
});
