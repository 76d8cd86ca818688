import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Timeline } from "../src/timeline.ts";

describe("a timeline", () => {
  it("runs tasks by time, and those of one instant in the order in which they were planned", () => {
    const timeline = new Timeline();
    const ran: string[] = [];
    const plan = (atUs: number, name: string) =>
      timeline.add(atUs, { run: (nowUs) => void ran.push(`${nowUs} ${name}`) });
    plan(20, "c");
    plan(10, "a");
    plan(20, "d");
    plan(10, "b");
    while (timeline.runNext(15));
    expect(ran).toEqual(["10 a", "10 b"]);
    expect(timeline.nextAtUs).toBe(20);
    while (timeline.runNext(Number.POSITIVE_INFINITY));
    expect(ran).toEqual(["10 a", "10 b", "20 c", "20 d"]);
    expect([timeline.size, timeline.nextAtUs, timeline.nowUs, timeline.ran]).toEqual([0, undefined, 20, 4]);
  });

  it("does now what is planned for the past", () => {
    const timeline = new Timeline();
    const instants: number[] = [];
    timeline.add(10, { run: () => void timeline.add(5, { run: (nowUs) => void instants.push(nowUs) }) });
    while (timeline.runNext(100));
    expect(instants).toEqual([10]);
  });

  it("lets time pass no further than the next task, and never back", () => {
    const timeline = new Timeline();
    timeline.add(50, { run: () => undefined });
    timeline.passTo(80);
    expect(timeline.nowUs).toBe(50);
    timeline.runNext(50);
    timeline.passTo(80);
    timeline.passTo(60);
    expect(timeline.nowUs).toBe(80);
  });

  it("does what a sorted list would, whatever is added, moved and cancelled", () => {
    type Step = { type: "add" | "move" | "cancel" | "run"; at: number; which: number };
    const step = fc.record<Step>({
      type: fc.constantFrom("add", "add", "add", "move", "cancel", "run"),
      at: fc.integer({ min: 0, max: 50 }),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const timeline = new Timeline();
        let model: { at: number; order: number; name: number; handle: number }[] = [];
        const expected: string[] = [];
        const actual: string[] = [];
        let order = 0;
        const runOne = (): boolean => {
          model.sort((a, b) => a.at - b.at || a.order - b.order);
          const next = model.shift();
          if (next !== undefined) expected.push(`${next.at} ${next.name}`);
          return timeline.runNext(Number.POSITIVE_INFINITY);
        };
        for (const [name, { type, at, which }] of steps.entries()) {
          const atUs = Math.max(at, timeline.nowUs);
          const planned = model[which % Math.max(1, model.length)];
          if (type === "add") {
            const handle = timeline.add(at, { run: (nowUs) => void actual.push(`${nowUs} ${name}`) });
            model.push({ at: atUs, order: order++, name, handle });
          } else if (type === "run") runOne();
          else if (planned !== undefined && type === "move") {
            timeline.move(planned.handle, at);
            Object.assign(planned, { at: atUs, order: order++ });
          } else if (planned !== undefined) {
            timeline.cancel(planned.handle);
            model = model.filter((other) => other !== planned);
          }
          expect(timeline.size).toBe(model.length);
        }
        while (runOne());
        expect(actual).toEqual(expected);
      }),
    );
  });

  it("grows past its first capacity", () => {
    const timeline = new Timeline();
    const ran: number[] = [];
    for (let i = 0; i < 5_000; i++)
      timeline.add((i * 7_919) % 5_000, { run: (nowUs) => void ran.push(nowUs) });
    while (timeline.runNext(Number.POSITIVE_INFINITY));
    expect(ran).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
  });
});
