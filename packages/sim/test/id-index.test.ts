import { compareDistance, NodeId } from "@kad/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdIndex } from "../src/id-index.ts";

const idOf = (byte: number): NodeId => NodeId.fromBytes(Uint8Array.of(byte));

describe("an index of ids", () => {
  it("finds the closest that sorting all would find, whoever comes and goes", () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(
        fc.array(byte),
        fc.array(byte),
        byte,
        fc.integer({ min: 0, max: 30 }),
        (come, go, target, count) => {
          const index = new IdIndex<{ readonly id: NodeId }>();
          for (const one of come) index.add({ id: idOf(one) });
          for (const one of go) index.delete(idOf(one));
          const left = [...new Set(come)].filter((one) => !go.includes(one)).map(idOf);
          left.sort((a, b) => compareDistance(idOf(target), a, b));
          expect(index.size).toBe(left.length);
          expect(index.closest(idOf(target), count).map(({ id }) => id)).toEqual(left.slice(0, count));
        },
      ),
    );
  });

  it("has one of each id, the last that came", () => {
    const index = new IdIndex<{ readonly id: NodeId; readonly name: string }>();
    index.add({ id: idOf(5), name: "old" });
    index.add({ id: idOf(5), name: "new" });
    expect([index.size, index.get(idOf(5))?.name, index.get(idOf(6))]).toEqual([1, "new", undefined]);
    expect([index.delete(idOf(6)), index.delete(idOf(5)), index.size]).toEqual([false, true, 0]);
  });
});
