import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeadlineTimer } from "../src/deadline-timer.ts";

describe("the timer of a transport", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  function start(): { timer: DeadlineTimer; due: number[] } {
    const due: number[] = [];
    return { timer: new DeadlineTimer((nowMs) => void due.push(nowMs)), due };
  }

  it("fires at a deadline, and no earlier", () => {
    const { timer, due } = start();
    timer.arm(10.3);
    vi.advanceTimersByTime(10);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual([11]);
  });

  it("is set once for a deadline that it is told again and again, or that moves back", () => {
    const { timer, due } = start();
    const set = vi.spyOn(globalThis, "setTimeout");
    for (let i = 0; i < 100; i++) timer.arm(50.5 + i);
    for (let i = 0; i < 100; i++) timer.arm(50.5);
    expect(set).toHaveBeenCalledTimes(1);
    timer.arm(20.5);
    expect(set).toHaveBeenCalledTimes(2);
    timer.arm(80.5); // the timer comes too early, and is set for the rest
    vi.advanceTimersByTime(70);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(20);
    expect(due.length).toBe(1);
  });

  it("waits for nothing once there is no deadline, or it is closed", () => {
    const { timer, due } = start();
    timer.arm(5);
    timer.arm(undefined);
    vi.advanceTimersByTime(10);
    timer.arm(20);
    timer.close();
    vi.advanceTimersByTime(100);
    expect(due).toEqual([]);
  });

  it("waits for longer than a timer of Node can", () => {
    const { timer, due } = start();
    timer.arm(2 ** 31 + 1_000);
    vi.advanceTimersByTime(2 ** 31 - 1);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1_001);
    expect(due.length).toBe(1);
  });
});
