import { describe, expect, it } from "vitest";
import { giveBackScratch, takeScratch } from "../src/scratch.ts";

describe("a scratch", () => {
  it("is used again when it has been given back, by whoever wants one of its length, and by nobody before", () => {
    const [first, second, long] = [takeScratch(100), takeScratch(100), takeScratch(200)];
    expect([first.length, second.length, long.length]).toEqual([100, 100, 200]);
    expect(first).not.toBe(second);
    for (const scratch of [first, long, second]) giveBackScratch(scratch);
    expect(takeScratch(200)).toBe(long);
    expect([takeScratch(100), takeScratch(100)]).toEqual([second, first]);
    expect(takeScratch(100)).not.toBe(first);
  });

  it("is kept in small numbers only: those given back first go first", () => {
    const scratches = Array.from({ length: 9 }, () => takeScratch(300));
    for (const scratch of scratches) giveBackScratch(scratch);
    const again = Array.from({ length: 9 }, () => takeScratch(300));
    expect(again.filter((scratch) => scratches.includes(scratch))).toEqual(scratches.slice(5).reverse());
  });
});
