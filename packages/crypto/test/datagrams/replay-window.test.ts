import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReplayWindow, windowPackets } from "../../src/datagrams/replay-window.ts";

/** What the ring does in a few words, with a set. */
class SimpleWindow {
  readonly #seen = new Set<number>();
  #largest = -1;

  verdict(counter: number): string {
    if (counter <= this.#largest - windowPackets) return "tooOld";
    return this.#seen.has(counter) ? "seen" : "new";
  }

  add(counter: number): void {
    this.#seen.add(counter);
    this.#largest = Math.max(this.#largest, counter);
  }
}

const limit = 2 ** 32 - 1;
/** Steps from the largest counter so far: near ones mostly, some at the window's edge, some far ahead. */
const steps = fc.array(
  fc.oneof(
    fc.integer({ min: -40, max: 40 }),
    fc.integer({ min: -windowPackets - 40, max: -windowPackets + 40 }),
    fc.integer({ min: 0, max: 2_000 }),
    fc.constantFrom(0, -31, -32, -33, -windowPackets, 1 - windowPackets, 511, 512, 513),
  ),
  { maxLength: 300 },
);

/** In the middle of others' memory, which it must leave alone. */
function emptyWindow(): ReplayWindow {
  return new ReplayWindow(memory.fill(0, 32, 48), 32);
}

const memory = new Uint32Array(64).fill(0xaaaaaaaa);

describe("the replay window", () => {
  it("takes each counter once, and none that is too old, as a simple one does", () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 1_000, 2 ** 31 - 200, limit - 5_000), (run, start) => {
        const [ring, simple] = [emptyWindow(), new SimpleWindow()];
        let largest = start;
        for (const step of run) {
          const counter = Math.min(Math.max(0, largest + step), limit);
          const verdict = simple.verdict(counter);
          expect(ring.verdict(counter)).toBe(verdict);
          if (verdict !== "new") continue;
          ring.add(counter);
          simple.add(counter);
          largest = Math.max(largest, counter);
        }
      }),
    );
  });

  it("keeps 480 packets, the newest included", () => {
    const window = emptyWindow();
    window.add(1_000);
    expect(window.verdict(1_000 - 479)).toBe("new");
    expect(window.verdict(1_000 - 480)).toBe("tooOld");
  });

  it("knows which counter is the newest", () => {
    const window = emptyWindow();
    expect(window.isNewest(0)).toBe(true);
    window.add(5);
    expect([5, 6, 4].map((counter) => window.isNewest(counter))).toEqual([false, true, false]);
  });

  it("leaves the memory of others alone", () => {
    const window = emptyWindow();
    for (let counter = 0; counter < 5_000; counter += 7) window.add(counter);
    expect([...memory.subarray(0, 32), ...memory.subarray(48)].every((word) => word === 0xaaaaaaaa)).toBe(
      true,
    );
  });
});
