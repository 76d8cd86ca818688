import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CallbackTimer, TimerQueue } from "../src/timers.ts";

const seed = 0x71e5;

function recorder(): { readonly fired: string[]; readonly timer: (name: string) => CallbackTimer } {
  const fired: string[] = [];
  return { fired, timer: (name) => new CallbackTimer(name, () => void fired.push(name)) };
}

describe("TimerQueue", () => {
  it("runs what is due in order of instant, then in the order in which they were set", () => {
    const queue = new TimerQueue();
    const { fired, timer } = recorder();
    queue.set(timer("late"), 30);
    queue.set(timer("first"), 10);
    queue.set(timer("second"), 10);
    queue.run(9);
    expect(fired).toEqual([]);
    queue.run(10);
    expect(fired).toEqual(["first", "second"]);
    expect(queue.earliest?.reason).toBe("late");
    queue.run(100);
    expect(fired).toEqual(["first", "second", "late"]);
    expect(queue.size).toBe(0);
    expect(queue.earliest).toBeUndefined();
  });

  it("tells the timer what time it is, and has it unset by then", () => {
    const queue = new TimerQueue();
    const seen: [number, boolean][] = [];
    const timer: CallbackTimer = new CallbackTimer("t", (nowMs) => seen.push([nowMs, timer.isSet]));
    queue.set(timer, 5);
    expect(timer.isSet).toBe(true);
    queue.run(7);
    queue.run(8);
    expect(seen).toEqual([[7, false]]);
  });

  it("moves a timer that is set again", () => {
    const queue = new TimerQueue();
    const { fired, timer } = recorder();
    const moved = timer("moved");
    queue.set(moved, 10);
    queue.set(timer("other"), 20);
    queue.set(moved, 30);
    expect(queue.size).toBe(2);
    queue.run(25);
    expect(fired).toEqual(["other"]);
    queue.set(moved, 5);
    queue.run(25);
    expect(fired).toEqual(["other", "moved"]);
  });

  it("brings a timer forward but never back when told to set it earlier", () => {
    const queue = new TimerQueue();
    const { timer } = recorder();
    const t = timer("t");
    queue.setEarlier(t, 20);
    queue.setEarlier(t, 30);
    expect(t.atMs).toBe(20);
    queue.setEarlier(t, 10);
    expect(t.atMs).toBe(10);
    expect(queue.size).toBe(1);
  });

  it("clears once, and says whether there was anything to clear", () => {
    const queue = new TimerQueue();
    const { fired, timer } = recorder();
    const t = timer("t");
    expect(queue.clear(t)).toBe(false);
    queue.set(t, 1);
    expect(queue.clear(t)).toBe(true);
    expect(queue.clear(t)).toBe(false);
    queue.run(1);
    expect(fired).toEqual([]);
  });

  it("clears all", () => {
    const queue = new TimerQueue();
    const { fired, timer } = recorder();
    const timers = ["a", "b", "c"].map(timer);
    for (const t of timers) queue.set(t, 1);
    queue.clearAll();
    expect(queue.size).toBe(0);
    expect(timers.every((t) => !t.isSet)).toBe(true);
    queue.run(10);
    expect(fired).toEqual([]);
    queue.set(timers[0] as CallbackTimer, 2);
    queue.run(10);
    expect(fired).toEqual(["a"]);
  });

  it("leaves what is set meanwhile for an instant already past to the next call, however often it sets itself", () => {
    const queue = new TimerQueue();
    const { fired, timer } = recorder();
    const again: CallbackTimer = new CallbackTimer("again", (nowMs) => {
      fired.push("again");
      queue.set(again, nowMs);
    });
    queue.set(again, 10);
    queue.set(timer("other"), 20);
    queue.run(30);
    expect(fired).toEqual(["again", "other"]);
    queue.run(30);
    expect(fired).toEqual(["again", "other", "again"]);
  });

  it("still runs all that was due when one of them sets another for an earlier instant", () => {
    const queue = new TimerQueue();
    const { fired, timer } = recorder();
    const early = timer("early");
    queue.set(new CallbackTimer("setter", () => queue.set(early, 11)), 10);
    queue.set(timer("due"), 20);
    queue.run(30);
    expect(fired).toEqual(["due"]);
    expect(queue.earliest).toBe(early);
    queue.run(30);
    expect(fired).toEqual(["due", "early"]);
  });

  it("does not run what another timer has cleared or moved at the same instant", () => {
    const queue = new TimerQueue();
    const { fired, timer } = recorder();
    const [cleared, moved] = [timer("cleared"), timer("moved")];
    queue.set(
      new CallbackTimer("first", () => {
        queue.clear(cleared);
        queue.set(moved, 50);
      }),
      10,
    );
    queue.set(cleared, 10);
    queue.set(moved, 10);
    queue.run(40);
    expect(fired).toEqual([]);
    queue.run(50);
    expect(fired).toEqual(["moved"]);
  });

  it("goes on with the rest at the next call when a timer throws", () => {
    const queue = new TimerQueue();
    const { fired, timer } = recorder();
    queue.set(
      new CallbackTimer("thrower", () => {
        throw new Error("broken");
      }),
      1,
    );
    queue.set(timer("next"), 2);
    expect(() => queue.run(5)).toThrow("broken");
    queue.set(timer("earlier"), 1);
    queue.run(5);
    expect(fired).toEqual(["earlier", "next"]);
  });

  it("does what a sorted list does, whatever is set, moved, cleared and run", () => {
    const step = fc.oneof(
      fc.record({
        type: fc.constant("set" as const),
        timer: fc.nat(15),
        atMs: fc.integer({ min: 0, max: 50 }),
      }),
      fc.record({
        type: fc.constant("earlier" as const),
        timer: fc.nat(15),
        atMs: fc.integer({ min: 0, max: 50 }),
      }),
      fc.record({ type: fc.constant("clear" as const), timer: fc.nat(15), atMs: fc.constant(0) }),
      fc.record({
        type: fc.constant("run" as const),
        timer: fc.constant(0),
        atMs: fc.integer({ min: 0, max: 50 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const queue = new TimerQueue();
        const { fired, timer } = recorder();
        const timers = Array.from({ length: 16 }, (_, i) => timer(String(i)));
        let list: { name: string; atMs: number; order: number }[] = [];
        const expected: string[] = [];
        const set = (name: string, atMs: number, order: number) => {
          list = list.filter((entry) => entry.name !== name);
          list.push({ name, atMs, order });
          list.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
        };
        for (const [order, { type, timer: index, atMs }] of steps.entries()) {
          const t = timers[index] as CallbackTimer;
          const name = String(index);
          const known = list.find((entry) => entry.name === name);
          if (type === "set") {
            queue.set(t, atMs);
            set(name, atMs, order);
          } else if (type === "earlier") {
            queue.setEarlier(t, atMs);
            if (known === undefined || atMs < known.atMs) set(name, atMs, order);
          } else if (type === "clear") {
            expect(queue.clear(t)).toBe(known !== undefined);
            list = list.filter((entry) => entry !== known);
          } else {
            queue.run(atMs);
            expected.push(...list.filter((entry) => entry.atMs <= atMs).map((entry) => entry.name));
            list = list.filter((entry) => entry.atMs > atMs);
          }
          expect(fired).toEqual(expected);
          expect(queue.size).toBe(list.length);
          expect(queue.earliest?.reason).toBe(list[0]?.name);
          expect(timers.filter(({ isSet }) => isSet)).toHaveLength(list.length);
        }
      }),
      { seed, numRuns: 500 },
    );
  });
});
