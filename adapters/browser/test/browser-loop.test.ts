import type { NetworkEvent } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BrowserLoop, type LoopDriver } from "../src/index.ts";

const opened: BrowserLoop[] = [];

afterEach(() => {
  for (const loop of opened.splice(0)) loop.close();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A loop whose driver writes down what it is called. */
function start(): { loop: BrowserLoop; calls: string[]; delivered: NetworkEvent[]; driver: LoopDriver } {
  const calls: string[] = [];
  const delivered: NetworkEvent[] = [];
  const driver: LoopDriver = {
    deliver: (event) => void delivered.push(event),
    wake: () => void calls.push("wake"),
    pump: () => void calls.push("pump"),
  };
  const loop = new BrowserLoop();
  opened.push(loop);
  loop.start(driver);
  calls.length = 0;
  return { loop, calls, delivered, driver };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe("a page's loop", () => {
  it("tells the wall clock at the start, and pumps", () => {
    const { delivered } = start();
    expect(delivered).toEqual([{ type: "wallClock", unixMs: expect.closeTo(Date.now(), -5) as number }]);
  });

  it("wakes the driver at a deadline, and at the last that it was told", async () => {
    const { loop, calls } = start();
    loop.arm({ atMs: loop.nowMs() + 60_000, reason: "test" });
    loop.arm({ atMs: loop.nowMs() + 10, reason: "test" });
    await vi.waitUntil(() => calls.length > 0, { timeout: 30_000 });
    expect(calls).toEqual(["wake"]);
    loop.arm({ atMs: loop.nowMs() + 10, reason: "test" });
    loop.arm(undefined);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(calls).toEqual(["wake"]);
  });

  it("pumps once for all that has arrived", async () => {
    const { loop, calls } = start();
    for (let i = 0; i < 3; i++) loop.pumpBatch();
    await turn();
    expect(calls).toEqual(["pump"]);
    loop.pumpBatch();
    await turn();
    expect(calls).toEqual(["pump", "pump"]);
  });

  it("runs what is scheduled once each, also where the page is hidden and timers are slow", async () => {
    const { loop } = start();
    const ran: number[] = [];
    loop.schedule(() => void ran.push(1));
    await vi.waitUntil(() => ran.length === 1, { timeout: 30_000 });
    vi.stubGlobal("document", { visibilityState: "hidden" });
    const timers = vi.spyOn(globalThis, "setTimeout");
    loop.schedule(() => void ran.push(2));
    loop.schedule(() => void ran.push(3));
    expect(timers).not.toHaveBeenCalled();
    await vi.waitUntil(() => ran.length === 3, { timeout: 30_000 });
    expect(ran).toEqual([1, 2, 3]);
  });

  it("notices by both clocks that the computer has slept", async () => {
    const { loop, calls, delivered } = start();
    loop.wakeUp();
    expect([calls, delivered.length]).toEqual([[], 1]);
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + 3_600_000);
    loop.wakeUp();
    expect(delivered[1]).toEqual({ type: "wallClock", unixMs: now + 3_600_000 });
    expect(calls).toEqual(["pump"]);
  });

  it("tells the wall clock once an hour", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
    const { delivered } = start();
    vi.advanceTimersByTime(3_600_000 * 2.5);
    expect(delivered).toHaveLength(3);
  });

  it("does nothing once it is closed", async () => {
    const { loop, calls } = start();
    loop.arm({ atMs: loop.nowMs() + 5, reason: "test" });
    loop.pumpBatch();
    loop.close();
    loop.pumpBatch();
    loop.arm({ atMs: loop.nowMs(), reason: "test" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toEqual([]);
  });

  it("hands errors to the platform, or to who asks for them", () => {
    const shown: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => void shown.push(error));
    start().loop.report("one");
    new BrowserLoop({ report: (error) => void shown.push(error) }).report("two");
    expect(shown).toEqual(["one", "two"]);
  });
});
