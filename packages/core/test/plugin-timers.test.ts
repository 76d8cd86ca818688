import { describe, expect, it } from "vitest";
import { Stage } from "./stage.ts";

describe("the timers of plugins", () => {
  it("fire once, in order of their instants, as events that name the timer and its plugin", () => {
    const stage = new Stage();
    const late = stage.node.setTimer(stage.nowMs, 300, 1);
    const early = stage.node.setTimer(stage.nowMs, 100, 2);
    const now = stage.node.setTimer(stage.nowMs, 0, 1);
    stage.pass(0);
    expect(stage.of("timer").map(({ timer }) => timer)).toEqual([now]);
    stage.pass(1_000);
    expect(stage.of("timer")).toEqual([
      { type: "timer", timer: now, plugin: 1 },
      { type: "timer", timer: early, plugin: 2 },
      { type: "timer", timer: late, plugin: 1 },
    ]);
    stage.pass(10_000);
    expect(stage.of("timer")).toHaveLength(3);
  });

  it("stand in the node's own queue: the earliest is its deadline", () => {
    const stage = new Stage();
    stage.node.setTimer(stage.nowMs, 7, 1);
    expect(stage.node.nextDeadline()).toEqual({ atMs: stage.nowMs + 7, reason: "plugin" });
  });

  it("can be cleared, once, and then do not fire", () => {
    const stage = new Stage();
    const timer = stage.node.setTimer(stage.nowMs, 100, 1);
    expect(stage.node.clearTimer(timer)).toBe(true);
    expect(stage.node.clearTimer(timer)).toBe(false);
    expect(stage.node.clearTimer(999)).toBe(false);
    stage.pass(1_000);
    expect(stage.of("timer")).toEqual([]);
    const other = stage.node.setTimer(stage.nowMs, 0, 1);
    stage.pass(0);
    expect(stage.node.clearTimer(other)).toBe(false);
  });

  it("are at most so many for each plugin; one that fires or is cleared makes room", () => {
    const stage = new Stage({ limits: { maxTimersPerPlugin: 2 } });
    const { node } = stage;
    const first = node.setTimer(stage.nowMs, 10, 1);
    node.setTimer(stage.nowMs, 500, 1);
    expect(() => node.setTimer(stage.nowMs, 10, 1)).toThrow(
      expect.objectContaining({
        code: "tooMany",
        message: expect.stringMatching(/plugin 1: 2; allowed are 2/),
      }),
    );
    expect(() => node.setTimer(stage.nowMs, 10, 2)).not.toThrow();
    expect(node.stats().gauges.pluginTimers).toEqual({ used: 2, limit: 2 });
    expect(node.clearTimer(first)).toBe(true);
    expect(() => node.setTimer(stage.nowMs, 10, 1)).not.toThrow();
    stage.pass(100);
    expect(node.stats().gauges.pluginTimers.used).toBe(1);
    expect(() => node.setTimer(stage.nowMs, 10, 1)).not.toThrow();
    stage.pass(1_000);
    expect(node.stats().gauges.pluginTimers.used).toBe(0);
  });

  it("are gone with the node", () => {
    const stage = new Stage();
    const timer = stage.node.setTimer(stage.nowMs, 100, 1);
    stage.node.close(stage.nowMs);
    expect(stage.node.stats().gauges.pluginTimers.used).toBe(0);
    expect(stage.node.nextDeadline()).toBeUndefined();
    expect(stage.node.clearTimer(timer)).toBe(false);
    stage.pass(1_000);
    expect(stage.of("timer")).toEqual([]);
  });
});
