import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RandomStream } from "../src/index.ts";

const draws = (random: RandomStream, count = 8): number[] =>
  Array.from({ length: count }, () => random.u32());

describe("a random stream", () => {
  it("draws what it drew in every earlier version", () => {
    // A change here changes every run: then every recorded seed means another run.
    expect(draws(RandomStream.of(7, "host", 3, "packets"), 4)).toMatchInlineSnapshot(`
      [
        4077026562,
        680843610,
        971871159,
        1533149867,
      ]
    `);
    expect(draws(RandomStream.of("a seed"), 2)).toMatchInlineSnapshot(`
      [
        1775240624,
        4088928168,
      ]
    `);
  });

  it("is the same for the same names, and for a number and its digits as seed", () => {
    expect(draws(RandomStream.of(7, "a", 1))).toEqual(draws(RandomStream.of("7", "a", 1)));
  });

  it.each([
    ["another seed", [8, "a", 1]],
    ["another name", [7, "b", 1]],
    ["another number", [7, "a", 2]],
    ["a number as text", [7, "a", "1"]],
    ["a large number", [7, "a", 2 ** 40 + 1]],
    ["names cut elsewhere", [7, "a1"]],
    ["one name less", [7, "a"]],
  ] as const)("differs for %s", (_, [seed, ...names]) => {
    expect(draws(RandomStream.of(seed, ...names))).not.toEqual(draws(RandomStream.of(7, "a", 1)));
  });

  it("draws whole numbers below any bound, all of them", () => {
    const random = RandomStream.of(1);
    const drawn = Array.from({ length: 6_000 }, () => random.nextInt(6));
    // 1,000 are expected of each; 150 are five standard deviations.
    for (const side of [0, 1, 2, 3, 4, 5])
      expect(Math.abs(drawn.filter((one) => one === side).length - 1_000)).toBeLessThan(150);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), (bound) => {
        const drawn = random.nextInt(bound);
        expect(drawn).toBeGreaterThanOrEqual(0);
        expect(drawn).toBeLessThan(bound);
      }),
    );
  });

  it("favours no number where the bound does not divide 2^32", () => {
    // Of 3 × 2^30 values, a remainder alone would give the lower third twice as often as the others.
    const random = RandomStream.of(1);
    const bound = 3 * 2 ** 30;
    let low = 0;
    for (let i = 0; i < 3_000; i++) if (random.nextInt(bound) < bound / 3) low++;
    expect(Math.abs(low - 1_000)).toBeLessThan(130);
  });

  it.each([0, -1, 1.5, 2 ** 32 + 1, Number.NaN])("refuses %s as a bound", (bound) => {
    expect(() => RandomStream.of(1).nextInt(bound)).toThrow(/bound: .* allowed is a whole number from 1/);
  });

  it("has chances from never to always", () => {
    const random = RandomStream.of(1);
    const hits = (share: number) =>
      Array.from({ length: 2_000 }, () => random.chance(share)).filter(Boolean).length;
    expect(hits(0)).toBe(0);
    expect(hits(1)).toBe(2_000);
    expect(Math.abs(hits(0.25) - 500)).toBeLessThan(100);
  });

  it("fills any number of bytes", () => {
    for (const length of [0, 1, 2, 3, 4, 5, 32, 33]) {
      const bytes = new Uint8Array(length);
      RandomStream.of(1).fill(bytes);
      const again = new Uint8Array(length);
      RandomStream.of(1).fill(again);
      expect(again).toEqual(bytes);
      if (length >= 4) expect(bytes.every((byte) => byte === 0)).toBe(false);
    }
  });

  it("samples each item once, and refuses to pick from nothing", () => {
    const random = RandomStream.of(1);
    const items = [1, 2, 3, 4, 5];
    expect(random.sample(items).toSorted((a, b) => a - b)).toEqual(items);
    expect(new Set(random.sample(items, 3)).size).toBe(3);
    expect(random.sample(items, 9)).toHaveLength(5);
    expect(items).toContain(random.pick(items));
    expect(() => random.pick([])).toThrow(/an empty list/);
  });
});
