import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ring } from "../src/ring.ts";

const seed = 0x41b6;

describe("Ring", () => {
  it("hands out what was put in, in the same order", () => {
    const ring = new Ring<number>();
    for (let i = 0; i < 100; i++) ring.push(i);
    for (let i = 0; i < 100; i++) expect(ring.shift()).toBe(i);
    expect(ring.shift()).toBeUndefined();
  });

  it("has no room of its own before its first entry, and gives back what it grew by once it is empty", () => {
    const ring = new Ring<number>();
    expect(ring.capacity).toBe(0);
    for (let i = 0; i < 1_000; i++) ring.push(i);
    expect(ring.capacity).toBe(1_024);
    for (let i = 0; i < 999; i++) ring.shift();
    expect(ring.capacity).toBe(1_024);
    ring.shift();
    expect(ring.capacity).toBe(0);
    for (let i = 0; i < 1_000; i++) ring.push(i);
    ring.clear();
    expect([ring.capacity, ring.length, ring.peek()]).toEqual([0, 0, undefined]);
  });

  it("keeps its slots from one entry to the next where few wait at a time", () => {
    const ring = new Ring<number>();
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < 4; j++) ring.push(j);
      expect(ring.capacity).toBe(4);
      for (let j = 0; j < 4; j++) expect(ring.shift()).toBe(j);
      expect(ring.capacity).toBe(4);
    }
  });

  it("does what an array does, whatever the order of calls", () => {
    const call = fc.oneof(
      { weight: 4, arbitrary: fc.constant("push" as const) },
      { weight: 3, arbitrary: fc.constantFrom("shift" as const, "peek" as const) },
      { weight: 1, arbitrary: fc.constantFrom("clear" as const) },
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
        const ring = new Ring<number>();
        const array: number[] = [];
        for (const [i, name] of calls.entries()) {
          if (name === "push") {
            ring.push(i);
            array.push(i);
          } else if (name === "shift") expect(ring.shift()).toBe(array.shift());
          else if (name === "peek") expect(ring.peek()).toBe(array[0]);
          else {
            ring.clear();
            array.length = 0;
          }
          expect(ring.length).toBe(array.length);
        }
        while (array.length > 0) expect(ring.shift()).toBe(array.shift());
      }),
      { seed, numRuns: 500 },
    );
  });
});
