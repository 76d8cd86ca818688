import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cursorBytes,
  maxOrdered,
  type ProviderOrder,
  readCursor,
  visitPlaces,
  writeCursor,
} from "../src/provider-order.ts";

const seeds = fc.integer({ min: 0, max: 0xffff_ffff });
const counts = fc.integer({ min: 1, max: 700 });

function placesOf(order: ProviderOrder): number[] {
  const places: number[] = [];
  visitPlaces(order, (place) => {
    places.push(place);
    return true;
  });
  return places;
}

describe("an order", () => {
  it("meets every place once, whatever the seed and the number", () => {
    const property = fc.property(seeds, counts, (seed, count) => {
      const places = placesOf({ seed, count, offset: 0 });
      expect(places.length).toBe(count);
      expect(new Set(places).size).toBe(count);
      expect(places.every((place) => Number.isInteger(place) && place >= 0 && place < count)).toBe(true);
    });
    fc.assert(property, { seed: 1, numRuns: 300 });
  });

  it("does so for the largest number too, and for those with the most divisors", () => {
    for (const count of [1, 2, 30_030, 60_060, maxOrdered]) {
      for (const seed of [0, 1, 0xffff_ffff, 0x7fff_8000]) {
        expect(new Set(placesOf({ seed, count, offset: 0 })).size).toBe(count);
      }
    }
  });

  it("cut into pages anywhere is the same order", () => {
    const property = fc.property(seeds, counts, fc.integer({ min: 1, max: 50 }), (seed, count, size) => {
      const paged: number[] = [];
      let order: ProviderOrder | undefined = { seed, count, offset: 0 };
      for (let pages = 0; order !== undefined; pages++) {
        expect(pages).toBeLessThanOrEqual(count);
        let room = size;
        const from: ProviderOrder = order;
        const offset = visitPlaces(from, (place) => {
          if (room-- === 0) return false;
          paged.push(place);
          return true;
        });
        order = readCursor(writeCursor({ ...from, offset }));
      }
      expect(paged).toEqual(placesOf({ seed, count, offset: 0 }));
    });
    fc.assert(property, { seed: 2, numRuns: 200 });
  });

  it("puts each place first about equally often", () => {
    const times = new Array<number>(20).fill(0);
    for (let i = 0; i < 4_000; i++) {
      const seed = Math.imul(i, 0x9e37_79b1) >>> 0;
      const [first] = placesOf({ seed, count: 20, offset: 0 }) as [number];
      times[first] = (times[first] as number) + 1;
    }
    expect(Math.min(...times)).toBeGreaterThan(130);
    expect(Math.max(...times)).toBeLessThan(270);
  });
});

describe("a cursor", () => {
  it("is read as it was written", () => {
    const orders = fc
      .record({
        seed: seeds,
        count: fc.integer({ min: 1, max: maxOrdered }),
        share: fc.double({ min: 0, max: 0.999, noNaN: true }),
      })
      .map(({ seed, count, share }) => ({ seed, count, offset: Math.floor(share * count) }));
    const property = fc.property(orders, (order) => {
      const bytes = writeCursor(order);
      expect(bytes.length).toBe(cursorBytes);
      expect(readCursor(bytes)).toEqual(order);
    });
    fc.assert(property, { seed: 3, numRuns: 300 });
  });

  it.each([
    ["of no bytes", []],
    ["of 7 bytes", [0, 0, 0, 1, 0, 9, 0]],
    ["of 9 bytes", [0, 0, 0, 1, 0, 9, 0, 1, 0]],
    ["at its end", [0, 0, 0, 1, 0, 9, 0, 9]],
    ["beyond its end", [0, 0, 0, 1, 0, 9, 255, 255]],
    ["of nobody", [0, 0, 0, 1, 0, 0, 0, 0]],
  ])("%s is none", (_, bytes) => {
    expect(readCursor(Uint8Array.from(bytes))).toBeUndefined();
  });

  it("has the layout that is documented", () => {
    expect([...writeCursor({ seed: 0xfedc_ba98, count: 0x0102, offset: 0x0034 })]).toEqual([
      0xfe, 0xdc, 0xba, 0x98, 1, 2, 0, 0x34,
    ]);
  });
});
