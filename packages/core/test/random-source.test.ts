import { describe, expect, it } from "vitest";
import { HookError } from "../src/errors.ts";
import { RandomSource } from "../src/random-source.ts";

/** Bytes that count up, and how often they were asked for. */
function counting(): { fill(into: Uint8Array): void; calls: number } {
  let next = 0;
  return {
    calls: 0,
    fill(into) {
      this.calls++;
      for (let i = 0; i < into.length; i++) into[i] = next++;
    },
  };
}

const unreported = {
  report(error: unknown): never {
    throw error;
  },
};

describe("RandomSource", () => {
  it("uses each byte of the host's once, and asks for many at a time", () => {
    const random = counting();
    const source = new RandomSource(random, unreported);
    expect(random.calls).toBe(0);
    for (let at = 0; at < 128; at += 4)
      expect(source.u32()).toBe(((at << 24) | ((at + 1) << 16) | ((at + 2) << 8) | (at + 3)) >>> 0);
    expect(random.calls).toBe(1);
    expect(source.u32()).toBe(0x80_81_82_83);
    expect(random.calls).toBe(2);
  });

  it("gives shares from 0 to just under 1", () => {
    const of = (byte: number): number =>
      new RandomSource({ fill: (into) => void into.fill(byte) }, unreported).share();
    expect(of(0)).toBe(0);
    expect(of(128)).toBeCloseTo(0.502, 3);
    expect(of(255)).toBeLessThan(1);
  });

  it("reports a hook that throws, gives nothing of it, and goes on when it works again", () => {
    const cause = new Error("no entropy");
    let isBroken = true;
    const reported: unknown[] = [];
    const hook = {
      fill(into: Uint8Array) {
        into.fill(7);
        if (isBroken) throw cause;
      },
    };
    const source = new RandomSource(hook, { report: (error) => void reported.push(error) });
    expect([source.u32(), source.share(), source.fill(new Uint8Array(4))]).toEqual([undefined, 0, false]);
    expect(reported).toEqual([1, 2, 3].map(() => new HookError("random", cause)));
    isBroken = false;
    expect(source.u32()).toBe(0x07_07_07_07);
  });
});
