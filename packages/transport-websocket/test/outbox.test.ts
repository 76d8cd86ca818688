import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Outbox } from "../src/uws/outbox.ts";
import { numbered } from "./endpoint.ts";

describe("what waits for the end of a turn", () => {
  it("is a copy that nothing else is written to until it is given back", () => {
    const lengths = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 200_000 })),
      {
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(fc.array(lengths, { maxLength: 4 }), (turns) => {
        const outbox = new Outbox();
        for (const turn of turns) {
          const copies = turn.map((length, number) => {
            const message = numbered(number + 1, length);
            const copy = outbox.add(message);
            message.fill(0xaa);
            return copy;
          });
          for (const [number, copy] of copies.entries()) {
            expect(copy.length).toBe(turn[number]);
            expect(copy.every((byte) => byte === number + 1)).toBe(true);
          }
          outbox.giveBack(copies.length);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("takes the same memory and the same views in each turn", () => {
    const outbox = new Outbox();
    const turn = (): Uint8Array[] =>
      Array.from({ length: 700 }, (_, i) => outbox.add(numbered(i % 256, 200)));
    const first = turn();
    outbox.giveBack(first.length);
    const second = turn();
    expect(new Set(first.map(({ buffer }) => buffer)).size).toBe(3); // of 64 KiB each
    for (const [i, view] of second.entries()) expect(view).toBe(first[i]);
  });

  it("is kept as long as anybody has some of it", () => {
    const outbox = new Outbox();
    const [a, b] = [outbox.add(numbered(1, 100)), outbox.add(numbered(2, 100))];
    outbox.giveBack(1);
    const c = outbox.add(numbered(3, 100));
    expect([a[0], b[0], c[0]]).toEqual([1, 2, 3]);
    outbox.giveBack(2);
    expect(outbox.add(numbered(4, 100))).toBe(a);
  });

  it("keeps a mebibyte of what a large turn has taken", () => {
    const outbox = new Outbox();
    const turn = (): ArrayBufferLike[] =>
      Array.from({ length: 40 }, (_, i) => outbox.add(numbered(i, 65_536)).buffer);
    const first = turn();
    outbox.giveBack(first.length);
    const again = turn();
    expect(again.filter((buffer, i) => buffer === first[i])).toHaveLength(16);
  });
});
