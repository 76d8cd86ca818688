import { describe, expect, it } from "vitest";
import { compareDistance } from "../src/distance.ts";
import { NetworkSize } from "../src/network-size.ts";
import { NodeId } from "../src/node-id.ts";

/** Ids of 8 bytes from a small generator (mulberry32), so that every run draws the same network. */
function idsFrom(seed: number): () => NodeId {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 24;
  };
  return () => NodeId.fromBytes(Uint8Array.from({ length: 8 }, next));
}

class Network {
  readonly draw: () => NodeId;
  readonly nodes: NodeId[];

  constructor(size: number, seed: number) {
    this.draw = idsFrom(seed);
    this.nodes = Array.from({ length: size }, this.draw);
  }

  closest(target: NodeId, count: number): NodeId[] {
    return [...this.nodes].sort((a, b) => compareDistance(target, a, b)).slice(0, count);
  }
}

function observed(
  network: Network,
  lookups: number,
  count = 20,
  size: NetworkSize = new NetworkSize(),
  gapMs = 0,
): NetworkSize {
  for (let i = 0; i < lookups; i++) {
    const target = network.draw();
    size.onLookup(gapMs * (i + 1), target, network.closest(target, count));
  }
  return size;
}

const twoHoursMs = 7_200_000;
const id = (...bytes: number[]): NodeId =>
  NodeId.fromBytes(Uint8Array.from([...bytes, ...new Array(8 - bytes.length).fill(0)]));

describe("NetworkSize", () => {
  it.each([
    [30, 20],
    [100, 20],
    [1_000, 20],
    [5_000, 20],
    [1_000, 8],
  ])("finds a network of %i nodes from walks that end with %i, within a quarter", (nodes, count) => {
    for (const seed of [1, 2, 3]) {
      const estimate = observed(new Network(nodes, seed), 40, count).estimate(0) as number;
      expect(estimate / nodes).toBeGreaterThan(0.75);
      expect(estimate / nodes).toBeLessThan(1.25);
    }
  });

  it("says nothing before five lookups, and forgets them after two hours", () => {
    const network = new Network(100, 4);
    const size = observed(network, 4);
    expect(size.estimate(0)).toBeUndefined();
    const target = network.draw();
    size.onLookup(1_000, target, network.closest(target, 20));
    expect(size.estimate(1_000)).toBeGreaterThan(50);
    expect(size.estimate(twoHoursMs - 1)).toBeGreaterThan(50);
    expect(size.estimate(twoHoursMs)).toBeUndefined();
    expect(size.samples).toEqual({ used: 1, limit: 64 });
  });

  it("remembers the last 64 lookups, one a second once there are so many", () => {
    const size = observed(new Network(100, 5), 100);
    expect(size.samples).toEqual({ used: 64, limit: 64 });
    observed(new Network(1_000, 6), 1_000, 20, size, 0);
    expect(size.estimate(0)).toBeLessThan(150);
    observed(new Network(1_000, 6), 64, 20, size, 1_000);
    expect(size.estimate(64_000)).toBeGreaterThan(750);
  });

  it("is the middle of what the lookups say: (k - 1/3) / distance of the k-th", () => {
    const size = new NetworkSize();
    // The farthest of two at 2^-n: (2 - 1/3) * 2^n.
    for (const [n, byte] of [
      [1, 0x80],
      [2, 0x40],
      [3, 0x20],
      [4, 0x10],
      [5, 0x08],
    ] as const) {
      size.onLookup(0, id(0, n), [id(byte, n), id(0, n, 1)]);
    }
    expect(size.estimate(0)).toBeCloseTo((2 - 1 / 3) * 8, 10);
    size.onLookup(0, id(0, 6), [id(0, 6, 1), id(4, 6)]);
    expect(size.estimate(0)).toBeCloseTo((2 - 1 / 3) * 12, 10);
  });

  it("counts a second walk to the same target instead of the first", () => {
    const size = new NetworkSize();
    for (let i = 0; i < 10; i++) size.onLookup(0, id(1), [id(0x81)]);
    expect(size.samples.used).toBe(1);
  });

  it("does not count the target itself, nor a walk that found nobody else", () => {
    const size = new NetworkSize();
    size.onLookup(0, id(1), []);
    size.onLookup(0, id(2), [id(2)]);
    expect(size.samples.used).toBe(0);
    size.onLookup(0, id(3), [id(3), id(3, 0x80)]);
    for (const n of [4, 5, 6, 7]) size.onLookup(0, id(n), [id(n, 0x80)]);
    expect(size.estimate(0)).toBeCloseTo((2 / 3) * 512, 8);
  });

  it("is hardly moved by lookups that ran into liars", () => {
    const network = new Network(1_000, 7);
    const size = observed(network, 30);
    const honest = size.estimate(0) as number;
    for (let i = 0; i < 10; i++) {
      const target = network.draw();
      const liars = Array.from({ length: 20 }, (_, n) => {
        const bytes = target.toBytes();
        bytes[7] = (bytes[7] as number) ^ (n + 1);
        return NodeId.fromBytes(bytes);
      });
      size.onLookup(0, target, liars);
    }
    expect((size.estimate(0) as number) / honest).toBeLessThan(1.35);
  });

  it("expects the count closest within count / size of the space", () => {
    const size = new NetworkSize();
    expect(size.expectedDistanceShare(0, 20)).toBeUndefined();
    for (const n of [1, 2, 3, 4, 5]) size.onLookup(0, id(n), [id(n, 0x80)]);
    const estimate = (2 / 3) * 512;
    expect(size.expectedDistanceShare(0, 20)).toBeCloseTo(20 / estimate, 10);
    expect(size.expectedDistanceShare(0, 1_000)).toBe(1);
  });
});

describe("the eclipse alarm", () => {
  const network = new Network(1_000, 8);
  const size = observed(network, 40);

  /** An id that shares `bits` bits with the target, then differs, then is random. */
  function near(target: NodeId, bits: number): NodeId {
    const drawn = network.draw().toBytes();
    const bytes = target.toBytes();
    for (let bit = bits; bit < 64; bit++) {
      const mask = 0x80 >> (bit & 7);
      const from = bit === bits ? ~(bytes[bit >> 3] as number) : (drawn[bit >> 3] as number);
      bytes[bit >> 3] = ((bytes[bit >> 3] as number) & ~mask) | (from & mask);
    }
    return NodeId.fromBytes(bytes);
  }

  it("is silent in an honest network, wherever one looks", () => {
    for (let i = 0; i < 1_000; i++) {
      const target = network.draw();
      expect(size.isTooDense(0, target, network.closest(target, 20))).toBe(false);
    }
  });

  it("is raised when 20 strangers surround a key, and when 8 do among honest nodes", () => {
    for (const strangers of [20, 8]) {
      const target = network.draw();
      const ring = Array.from({ length: strangers }, () => near(target, 20));
      const closest = [...ring, ...network.closest(target, 20)].slice(0, 20);
      expect(size.isTooDense(0, target, closest)).toBe(true);
    }
  });

  it("is raised by ids that cannot be told from the target as far as distances are measured", () => {
    const target = network.draw();
    const ring = Array.from({ length: 8 }, (_, n) => near(target, 56 + n));
    expect(size.isTooDense(0, target, ring)).toBe(true);
    const fresh = new NetworkSize();
    fresh.onLookup(0, target, ring);
    expect(fresh.samples.used).toBe(0);
  });

  it("is not raised by three close nodes: so few hold no reader's quorum", () => {
    const target = network.draw();
    const ring = Array.from({ length: 3 }, () => near(target, 40));
    expect(size.isTooDense(0, target, [...ring, ...network.closest(target, 17)])).toBe(false);
  });

  it("is silent while there is no estimate", () => {
    expect(new NetworkSize().isTooDense(0, id(1), [id(1, 1), id(1, 2), id(1, 3), id(1, 4)])).toBe(false);
  });

  it("looks at the 20 closest only", () => {
    const target = network.draw();
    expect(size.isTooDense(0, target, network.closest(target, 200))).toBe(false);
  });

  it("is raised at one chance in a million: the thresholds are those of the Poisson distribution", () => {
    const tail = (mean: number, count: number): number => {
      let term = Math.exp(-mean);
      for (let i = 1; i <= count; i++) term *= mean / i;
      let sum = 0;
      for (let i = count + 1; term > 1e-18; i++) {
        sum += term;
        term *= mean / i;
      }
      return sum;
    };
    // 5 lookups of one node at 2^-16 make 2/3 * 2^16 the estimate; then `count` nodes stand at the same distance.
    const fixed = new NetworkSize();
    for (const n of [1, 2, 3, 4, 5]) fixed.onLookup(0, id(n), [id(n, 1)]);
    const estimate = fixed.estimate(0) as number;
    for (let count = 4; count <= 20; count++) {
      const isAlarmAt = (mean: number): boolean => {
        const distance = BigInt(Math.round((mean / estimate) * 2 ** 48)) << 16n;
        const bytes = Uint8Array.from({ length: 8 }, (_, i) =>
          Number((distance >> BigInt(56 - 8 * i)) & 0xffn),
        );
        return fixed.isTooDense(0, id(0), new Array(count).fill(NodeId.fromBytes(bytes)));
      };
      let [low, high] = [0, 20];
      for (let i = 0; i < 40; i++) {
        const middle = (low + high) / 2;
        if (isAlarmAt(middle)) low = middle;
        else high = middle;
      }
      // Fewer nodes at the same place are more probable: the alarm is that of all `count`.
      expect(tail(low, count) * 1e6).toBeCloseTo(1, 2);
    }
  });
});
