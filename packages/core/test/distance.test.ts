import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bitAt, commonPrefixLength, compareDistance, distanceShare } from "../src/distance.ts";
import { NodeId } from "../src/node-id.ts";
import { tinyId } from "./tiny-id.ts";

const seed = 0xd1;

/** The distance as the paper writes it: a whole number. */
function distance(a: NodeId, b: NodeId): bigint {
  return BigInt(`0x${a.toHex()}`) ^ BigInt(`0x${b.toHex()}`);
}

/** Ids that often share a long prefix, so that the bytes after the first four get to decide. */
function someId(length: number): fc.Arbitrary<NodeId> {
  const random = fc.uint8Array({ minLength: length, maxLength: length });
  const near = fc
    .tuple(fc.nat(length - 1), fc.nat(255))
    .map(([at, byte]) => new Uint8Array(length).fill(byte, at));
  return fc.oneof(random, near).map((bytes) => NodeId.fromBytes(bytes));
}

describe("the XOR metric on 8 bits", () => {
  it.each([
    [0b0000_0000, 0b0000_0001, 0b0000_0010, -1],
    [0b0000_0000, 0b1000_0000, 0b0111_1111, 1],
    [0b1111_1111, 0b1000_0000, 0b0111_1111, -1],
    [0b0101_0101, 0b0101_0101, 0b0101_0100, -1],
    [0b0101_0101, 0b1100_0011, 0b1100_0011, 0],
  ])("from %i, the order of %i and %i is %i", (target, a, b, order) => {
    expect(Math.sign(compareDistance(tinyId(target), tinyId(a), tinyId(b)))).toBe(order);
  });

  it.each([
    [0b0000_0000, 0b1000_0000, 0],
    [0b0000_0000, 0b0000_0000, 8],
    [0b1010_1010, 0b1010_1011, 7],
    [0b1010_1010, 0b1011_1010, 3],
  ])("%i and %i share a prefix of %i bits", (a, b, bits) => {
    expect(commonPrefixLength(tinyId(a), tinyId(b))).toBe(bits);
  });

  it("counts bits from the left", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((i) => bitAt(tinyId(0b1001_0110), i))).toEqual([
      1, 0, 0, 1, 0, 1, 1, 0,
    ]);
  });

  it("gives a distance as a share of the space", () => {
    expect(distanceShare(tinyId(0b0000_0000), tinyId(0b0000_0000))).toBe(0);
    expect(distanceShare(tinyId(0b0000_0000), tinyId(0b1000_0000))).toBe(0.5);
    expect(distanceShare(tinyId(0b1111_1111), tinyId(0b1011_1110))).toBe(65 / 256);
  });
});

describe.each([1, 20, 32])("the XOR metric on ids of %i bytes", (length) => {
  const id = someId(length);

  it("is zero for the same id and for no other (identity)", () => {
    fc.assert(
      fc.property(id, id, id, (target, a, b) => {
        expect(compareDistance(target, a, a)).toBe(0);
        expect(compareDistance(target, a, b) === 0).toBe(a.equals(b));
        expect(compareDistance(a, a, b) < 0).toBe(!a.equals(b));
      }),
      { seed },
    );
  });

  it("is the same both ways (symmetry)", () => {
    fc.assert(
      fc.property(id, id, id, (a, b, c) => {
        expect(commonPrefixLength(a, b)).toBe(commonPrefixLength(b, a));
        expect(distanceShare(a, b)).toBe(distanceShare(b, a));
        expect(Math.sign(compareDistance(a, b, c)) + Math.sign(compareDistance(a, c, b))).toBe(0);
      }),
      { seed },
    );
  });

  it("is never longer straight than by way of a third (triangle inequality)", () => {
    fc.assert(
      fc.property(id, id, id, (a, b, c) => {
        expect(distance(a, c) <= distance(a, b) + distance(b, c)).toBe(true);
        expect(commonPrefixLength(a, c)).toBeGreaterThanOrEqual(
          Math.min(commonPrefixLength(a, b), commonPrefixLength(b, c)),
        );
      }),
      { seed },
    );
  });

  it("gives every distance from a target to one id only (unidirectionality)", () => {
    fc.assert(
      fc.property(id, id, (target, a) => {
        const hex = (distance(target, a) ^ BigInt(`0x${target.toHex()}`))
          .toString(16)
          .padStart(2 * length, "0");
        expect(compareDistance(target, a, NodeId.fromHex(hex))).toBe(0);
      }),
      { seed },
    );
  });

  it("orders as the numbers do, and so does the share of the space", () => {
    fc.assert(
      fc.property(id, id, id, (target, a, b) => {
        const [near, far] = [distance(target, a), distance(target, b)];
        expect(Math.sign(compareDistance(target, a, b))).toBe(near < far ? -1 : near > far ? 1 : 0);
        if (near <= far) expect(distanceShare(target, a)).toBeLessThanOrEqual(distanceShare(target, b));
        expect(distanceShare(target, a)).toBeLessThan(1);
      }),
      { seed },
    );
  });

  it("shares a prefix up to the first bit that differs", () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        const bits = commonPrefixLength(a, b);
        for (let i = 0; i < bits; i++) expect(bitAt(a, i)).toBe(bitAt(b, i));
        if (bits < 8 * length) expect(bitAt(a, bits)).not.toBe(bitAt(b, bits));
        expect(bits === 8 * length).toBe(a.equals(b));
      }),
      { seed },
    );
  });

  it("keeps the farthest share below the whole", () => {
    const zero = NodeId.fromBytes(new Uint8Array(length));
    const ones = NodeId.fromBytes(new Uint8Array(length).fill(255));
    expect(distanceShare(zero, ones)).toBe(1 - 2 ** -Math.min(48, 8 * length));
  });
});
