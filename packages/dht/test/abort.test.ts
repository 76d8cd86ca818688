import { getEventListeners } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { abortable, onAbort } from "../src/abort.ts";
import { rejection } from "./support/network.ts";

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

describe("listening to a signal", () => {
  it("puts one listener on a signal that many share, and none when all are released", () => {
    const { signal } = new AbortController();
    const releases = Array.from({ length: 100 }, () => onAbort(signal, () => undefined));
    expect(listeners(signal)).toBe(1);
    for (const release of releases) release();
    expect(listeners(signal)).toBe(0);
  });

  it("calls everyone once, and nobody who was released, also when one releases another meanwhile", () => {
    const controller = new AbortController();
    const [second, third] = [vi.fn(), vi.fn()];
    const first = vi.fn(() => releaseSecond());
    onAbort(controller.signal, first);
    const releaseSecond = onAbort(controller.signal, second);
    onAbort(controller.signal, third);
    controller.abort();
    controller.abort();
    expect([first, second, third].map(({ mock }) => mock.calls.length)).toEqual([1, 0, 1]);
    expect(listeners(controller.signal)).toBe(0);
  });

  it("begins anew after the last release", () => {
    const controller = new AbortController();
    onAbort(controller.signal, () => undefined)();
    const callback = vi.fn();
    onAbort(controller.signal, callback);
    controller.abort();
    expect(callback).toHaveBeenCalledTimes(1);
  });
});

describe("an abortable promise", () => {
  it("settles like the promise without a signal, or when nothing aborts", async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), undefined)).toBe(1);
    expect(await abortable(Promise.resolve(2), signal)).toBe(2);
    expect(await rejection(abortable(Promise.reject(new Error("three")), signal))).toMatchObject({
      message: "three",
    });
    expect(listeners(signal)).toBe(0);
  });

  it("rejects with the reason, before or during", async () => {
    const controller = new AbortController();
    const never = new Promise<never>(() => undefined);
    const during = rejection(abortable(never, controller.signal));
    controller.abort("reason");
    expect(await during).toBe("reason");
    expect(await rejection(abortable(never, controller.signal))).toBe("reason");
  });
});
