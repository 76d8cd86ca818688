import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Address } from "../src/address.ts";
import { NodeId } from "../src/node-id.ts";
import { WriteTokens } from "../src/write-token.ts";
import { sha256 } from "./sha256.ts";

function address(...wire: number[]): Address {
  return { key: wire.join("."), wire: Uint8Array.from(wire), kind: 1, link: 0, maxBytes: 1_200 };
}

/** 16 times 1, then 16 times 2, and so on. */
function counting(): { calls: number; fill(into: Uint8Array): void } {
  return {
    calls: 0,
    fill(into) {
      this.calls++;
      into.fill(this.calls);
    },
  };
}

const alice = address(1, 192, 0, 2, 1, 0x10, 0x04);
const target = NodeId.fromBytes(new Uint8Array(32).fill(3));
const rotationMs = 300_000;

describe("WriteTokens", () => {
  it("a token is the first 8 bytes of SHA-256(secret ‖ address ‖ target)", () => {
    const secrets: Uint8Array[] = [];
    const random = {
      fill(into: Uint8Array): void {
        into.set(into.map((_, i) => i + 100 * secrets.length));
        secrets.push(Uint8Array.from(into));
      },
    };
    const tokens = new WriteTokens(sha256, random, rotationMs);
    const token = tokens.issue(0, alice, target);
    // The first fill is for the secret before, which nobody has a token of.
    const secret = secrets[1] as Uint8Array;
    expect(secret).toHaveLength(16);
    expect(token).toEqual(
      sha256(Uint8Array.of(...secret, ...alice.wire, ...target.toBytes())).subarray(0, 8),
    );
  });

  it("writes into the given array and returns it", () => {
    const tokens = new WriteTokens(sha256, counting(), rotationMs);
    const into = new Uint8Array(8);
    expect(tokens.issue(0, alice, target, into)).toBe(into);
    expect(into).toEqual(tokens.issue(0, alice, target));
  });

  it.each([
    ["at once", 0, true],
    ["just before the first rotation", rotationMs - 1, true],
    ["at the first rotation", rotationMs, true],
    ["just before the second", 2 * rotationMs - 1, true],
    ["at the second", 2 * rotationMs, false],
    ["much later", 100 * rotationMs, false],
  ])("a token is checked %s: %s", (_, atMs, isValid) => {
    for (const stepMs of [1_000_000_000, 60_000, rotationMs]) {
      const tokens = new WriteTokens(sha256, counting(), rotationMs);
      const token = tokens.issue(0, alice, target);
      // Whether somebody came meanwhile or not must not matter.
      for (let nowMs = 0; nowMs < atMs; nowMs += stepMs) tokens.rotate(nowMs);
      expect(tokens.check(atMs, alice, target, token)).toBe(isValid);
    }
  });

  it("asks for randomness only when a secret is replaced", () => {
    const random = counting();
    const tokens = new WriteTokens(sha256, random, rotationMs);
    expect(random.calls).toBe(0);
    tokens.rotate(0);
    tokens.rotate(rotationMs - 1);
    expect(random.calls).toBe(2);
    tokens.rotate(rotationMs);
    expect(random.calls).toBe(3);
    tokens.rotate(10 * rotationMs);
    expect(random.calls).toBe(5);
  });

  it("a token is good for its address, port included, and its target alone", () => {
    const tokens = new WriteTokens(sha256, counting(), rotationMs);
    const token = tokens.issue(0, alice, target);
    const otherTarget = NodeId.fromBytes(new Uint8Array(32).fill(4));
    expect(tokens.check(0, alice, otherTarget, token)).toBe(false);
    expect(tokens.check(0, address(1, 192, 0, 2, 2, 0x10, 0x04), target, token)).toBe(false);
    expect(tokens.check(0, address(1, 192, 0, 2, 1, 0x10, 0x05), target, token)).toBe(false);
    expect(
      new WriteTokens(sha256, { fill: (into) => into.fill(99) }, rotationMs).check(0, alice, target, token),
    ).toBe(false);
  });

  it("a token with a changed bit, or of another length, is not accepted", () => {
    const tokens = new WriteTokens(sha256, counting(), rotationMs);
    const token = tokens.issue(0, alice, target);
    for (let bit = 0; bit < 64; bit++) {
      const changed = Uint8Array.from(token);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(tokens.check(0, alice, target, changed)).toBe(false);
    }
    expect(tokens.check(0, alice, target, token.subarray(0, 7))).toBe(false);
    expect(tokens.check(0, alice, target, Uint8Array.of(...token, 0))).toBe(false);
    expect(tokens.check(0, alice, target, Uint8Array.of())).toBe(false);
  });

  it("works for addresses and targets of any length", () => {
    const tokens = new WriteTokens(sha256, counting(), rotationMs);
    const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 1, maxLength: max });
    fc.assert(
      fc.property(bytes(300), bytes(64), (wire, id) => {
        const [to, about] = [address(...wire), NodeId.fromBytes(id)];
        expect(tokens.check(5, to, about, tokens.issue(5, to, about))).toBe(true);
      }),
      { seed: 4, numRuns: 200 },
    );
  });
});
