import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InFlightWindow } from "../src/in-flight-window.ts";

const seed = 0x1f1;

describe("InFlightWindow", () => {
  it("has room until its limit is unanswered, and says when it will have some again", () => {
    const window = new InFlightWindow(800, 2);
    expect(window.room(0)).toEqual({ free: true });
    window.onSent(0);
    expect(window.room(10).free).toBe(true);
    window.onSent(20);
    expect(window.room(30)).toEqual({ free: false, freeAtMs: 200 });
  });

  it("does not count what was answered", () => {
    const window = new InFlightWindow(800, 1);
    const quarter = window.onSent(0);
    expect(window.room(0).free).toBe(false);
    window.onAnswered(quarter);
    expect(window.room(0).free).toBe(true);
  });

  it("forgets what was sent before the window, a quarter at a time", () => {
    const window = new InFlightWindow(800, 2);
    window.onSent(0);
    window.onSent(250);
    expect(window.room(799).free).toBe(false);
    expect(window.room(800).free).toBe(true);
    window.onSent(800);
    expect(window.room(999)).toEqual({ free: false, freeAtMs: 1_000 });
    expect(window.room(1_000).free).toBe(true);
  });

  it("ignores an answer to what it has forgotten", () => {
    const window = new InFlightWindow(800, 1);
    const quarter = window.onSent(0);
    window.onSent(900);
    window.onAnswered(quarter);
    expect(window.room(900).free).toBe(false);
  });

  it("is empty after a long pause", () => {
    const window = new InFlightWindow(800, 1);
    window.onSent(0);
    expect(window.room(1_000_000).free).toBe(true);
    window.onSent(1_000_000);
    for (const nowMs of [1_000_000, 1_000_200, 1_000_400, 1_000_600])
      expect(window.room(nowMs).free).toBe(false);
    expect(window.room(1_000_800).free).toBe(true);
  });

  it("names an instant that lies ahead and at which it has turned, whatever the fractions of the clock", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        fc.integer({ min: 1, max: 5_000 }),
        (startMs, windowMs) => {
          const window = new InFlightWindow(windowMs, 1);
          window.onSent(startMs);
          let nowMs = startMs;
          for (let turns = 0; turns <= 5; turns++) {
            const room = window.room(nowMs);
            if (room.free) return;
            expect(room.freeAtMs).toBeGreaterThan(nowMs);
            nowMs = room.freeAtMs as number;
          }
          expect.unreachable("the window never had room again");
        },
      ),
      { seed, numRuns: 2_000 },
    );
  });

  it("counts as a list of what was sent would, to a quarter", () => {
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 300 }),
      type: fc.constantFrom("send" as const, "answer" as const),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.integer({ min: 1, max: 6 }), (steps, limit) => {
        const window = new InFlightWindow(400, limit);
        const sent: { readonly quarter: number; readonly atMs: number }[] = [];
        window.room(0);
        let nowMs = 0;
        for (const { afterMs, type } of steps) {
          nowMs += afterMs;
          if (type === "answer") {
            const answered = sent.shift();
            if (answered !== undefined) window.onAnswered(answered.quarter);
          } else if (window.room(nowMs).free) sent.push({ quarter: window.onSent(nowMs), atMs: nowMs });
          const since = (Math.floor(nowMs / 100) - 3) * 100;
          const unanswered = sent.filter(({ atMs }) => atMs >= since).length;
          expect(window.room(nowMs).free).toBe(unanswered < limit);
        }
      }),
      { seed, numRuns: 300 },
    );
  });
});
