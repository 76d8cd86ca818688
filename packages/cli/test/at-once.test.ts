import { describe, expect, it } from "vitest";
import { atOnce } from "../src/at-once.ts";

describe("work on so many items at once", () => {
  it("begins every item in order, and never more than the limit together", async () => {
    const begun: number[] = [];
    let running = 0;
    let most = 0;
    await atOnce(3, [10, 11, 12, 13, 14, 15, 16], async (item, index) => {
      expect(item).toBe(10 + index);
      begun.push(index);
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
    });
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(most).toBe(3);
  });

  it("begins nothing after a rejection, and rejects when those under way have ended", async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const work = atOnce(2, [0, 1, 2, 3], async (item) => {
      begun.push(item);
      if (item === 0) throw new Error("the first");
      await new Promise((resolve) => setImmediate(resolve));
      ended.push(item);
    });
    await expect(work).rejects.toThrow("the first");
    expect([begun, ended]).toEqual([[0, 1], [1]]);
  });

  it("has nothing to do without items", async () => {
    await atOnce(2, [], () => expect.unreachable("there is none"));
  });
});
