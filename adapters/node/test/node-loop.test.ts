import { createSocket, type Socket } from "node:dgram";
import type { NetworkEvent } from "@kad/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type LoopDriver, NodeLoop } from "../src/node-loop.ts";

/** Writes down what the loop does with its driver, and when. */
class RecordingDriver implements LoopDriver {
  readonly calls: string[] = [];
  readonly events: NetworkEvent[] = [];
  onWake: () => void = () => {};

  deliver(event: NetworkEvent): void {
    this.events.push(event);
    this.calls.push(event.type);
  }
  wake(): void {
    this.calls.push(`wake@${performance.now()}`);
    this.onWake();
  }
  pump(): void {
    this.calls.push("pump");
  }
}

const loops: NodeLoop[] = [];

function start(options?: ConstructorParameters<typeof NodeLoop>[0]) {
  const loop = new NodeLoop(options);
  loops.push(loop);
  const driver = new RecordingDriver();
  loop.start(driver);
  const at = (atMs: number | undefined): void =>
    loop.arm(atMs === undefined ? undefined : { atMs, reason: "test" });
  return { loop, driver, at };
}

afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

const hour = 3_600_000;
const startUnixMs = Date.UTC(2026, 0, 1);

describe("in virtual time", () => {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "Date", "performance"],
      now: startUnixMs,
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  it("tells the node the wall clock at the start, and pumps", () => {
    const { driver } = start();
    expect(driver.events).toEqual([{ type: "wallClock", unixMs: startUnixMs }]);
    expect(driver.calls).toEqual(["wallClock", "pump"]);
  });

  it.each([
    ["a whole number of milliseconds", 10, 10],
    ["a fraction, rounded up", 10.2, 11],
    ["an instant that has passed", -5, 1],
  ])("wakes the driver once at a deadline that is %s", (_title, atMs, expected) => {
    const { driver, at } = start();
    driver.calls.length = 0;
    at(atMs);
    vi.advanceTimersByTime(100);
    expect(driver.calls).toEqual([`wake@${expected}`]);
  });

  it("wakes at the last deadline that was asked for, whichever way it moved", () => {
    const { driver, at } = start();
    driver.calls.length = 0;
    at(50);
    at(20);
    vi.advanceTimersByTime(19);
    at(70);
    vi.advanceTimersByTime(50);
    expect(driver.calls).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(driver.calls).toEqual(["wake@70"]);
    at(90);
    at(undefined);
    vi.advanceTimersByTime(1_000);
    expect(driver.calls).toEqual(["wake@70"]);
  });

  it("keeps one timer, and none that is set anew while a deadline moves back", () => {
    const { at } = start();
    const set = vi.spyOn(globalThis, "setTimeout");
    for (let atMs = 100; atMs < 200; atMs++) {
      at(atMs);
      vi.advanceTimersByTime(1);
    }
    expect(set).toHaveBeenCalledTimes(2); // for 100, and for 199 once that had come
    expect(vi.getTimerCount()).toBe(1);
  });

  it("wakes at deadlines at equal distances, whose timer is used again", () => {
    const { driver, at } = start();
    driver.calls.length = 0;
    driver.onWake = () => at(performance.now() + 10);
    at(10);
    const set = vi.spyOn(globalThis, "setTimeout");
    vi.advanceTimersByTime(50);
    expect(driver.calls).toEqual([10, 20, 30, 40, 50].map((atMs) => `wake@${atMs}`));
    expect(set).not.toHaveBeenCalled();
  });

  it("waits in steps for a deadline that is further away than a timer reaches", () => {
    const { driver, at } = start();
    const set = vi.spyOn(globalThis, "setTimeout");
    const month = 30 * 24 * hour;
    at(month);
    vi.advanceTimersByTime(month - 1);
    expect(driver.calls.some((call) => call.startsWith("wake"))).toBe(false);
    vi.advanceTimersByTime(1);
    expect(driver.calls.at(-1)).toBe(`wake@${month}`);
    expect(set.mock.calls.every(([, delayMs]) => (delayMs ?? 0) < 2 ** 31)).toBe(true);
  });

  it("tells the wall clock every hour", () => {
    const { driver } = start();
    vi.advanceTimersByTime(3 * hour);
    expect(driver.events).toEqual(
      [0, 1, 2, 3].map((hours) => ({ type: "wallClock", unixMs: startUnixMs + hours * hour })),
    );
    expect(driver.calls.slice(-2)).toEqual(["wallClock", "pump"]);
  });

  it.each([
    ["forward, as after sleep", 20_000],
    ["back", -5_000],
  ])("tells the wall clock before the deadline, when it has jumped %s", (_title, jumpMs) => {
    const { driver, at } = start();
    driver.calls.length = 0;
    at(100);
    vi.setSystemTime(startUnixMs + jumpMs);
    vi.advanceTimersByTime(100);
    expect(driver.calls).toEqual(["wallClock", "wake@100"]);
    expect(driver.events[1]).toEqual({ type: "wallClock", unixMs: startUnixMs + jumpMs + 100 });
    at(200);
    vi.advanceTimersByTime(100);
    expect(driver.events.length).toBe(2);
  });

  it("says nothing of a clock that is being slewed", () => {
    const { driver, at } = start();
    at(100);
    vi.setSystemTime(startUnixMs + 500);
    vi.advanceTimersByTime(100);
    expect(driver.events.length).toBe(1);
  });

  it("pumps once for all that one poll has brought", () => {
    const { loop, driver } = start();
    driver.calls.length = 0;
    for (let i = 0; i < 5; i++) loop.pumpBatch();
    expect(driver.calls).toEqual([]);
    vi.runAllTicks();
    vi.advanceTimersByTime(0);
    expect(driver.calls).toEqual(["pump"]);
    loop.pumpBatch();
    vi.advanceTimersByTime(0);
    expect(driver.calls).toEqual(["pump", "pump"]);
  });

  it("has no timer left once it is closed, and sets none", () => {
    const { loop, driver, at } = start();
    at(10);
    loop.pumpBatch();
    loop.close();
    at(20);
    driver.calls.length = 0;
    vi.advanceTimersByTime(hour);
    expect(vi.getTimerCount()).toBe(0);
    expect(driver.calls).toEqual([]);
  });

  it("sets no timer before it is started", () => {
    const loop = new NodeLoop();
    loop.arm({ atMs: 5, reason: "test" });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("in Node's own loop", () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close();
  });

  /** A socket, and a function that makes the kernel hold a datagram for it before it returns. */
  async function receiver(onMessage: () => void): Promise<() => void> {
    const [from, to] = [0, 1].map(() =>
      createSocket({ type: "udp4", lookup: (host, _options, callback) => callback(null, host, 4) }),
    ) as [Socket, Socket];
    sockets.push(from, to);
    await Promise.all(
      [from, to].map((socket) => new Promise<void>((resolve) => void socket.bind(0, "127.0.0.1", resolve))),
    );
    to.on("message", onMessage);
    return () => from.send("x", to.address().port, "127.0.0.1");
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("a scheduled turn comes after a poll, when asked for by the timer", async () => {
    const { loop, driver, at } = start();
    const order: string[] = [];
    const arrive = await receiver(() => void order.push("message"));
    const done = new Promise<void>((resolve) => {
      driver.onWake = () => {
        arrive();
        loop.schedule(() => {
          order.push("turn");
          resolve();
        });
      };
    });
    at(performance.now());
    await done;
    expect(order).toEqual(["message", "turn"]);
  });

  it("a scheduled turn comes after a poll, when asked for by another turn", async () => {
    const { loop } = start();
    const order: string[] = [];
    const arrive = await receiver(() => void order.push("message"));
    await new Promise<void>((resolve) => {
      loop.schedule(() => {
        arrive();
        loop.schedule(() => {
          order.push("turn");
          resolve();
        });
      });
    });
    expect(order).toEqual(["message", "turn"]);
  });

  it("a scheduled turn comes after a poll, when asked for by somebody who was just polled", async () => {
    const { loop } = start();
    const order: string[] = [];
    const arrive = await receiver(() => void order.push("message"));
    await new Promise<void>((resolve) => {
      void receiver(() => {
        arrive();
        loop.schedule(() => {
          order.push("turn");
          resolve();
        });
      }).then((trigger) => trigger());
    });
    expect(order).toEqual(["message", "turn"]);
  });

  it("keeps the process alive for a deadline, and not for the wall clock alone", async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const { loop, at } = start();
    expect(timers()).toBe(before);
    at(performance.now() + 60_000);
    expect(timers()).toBe(before + 1);
    loop.unref();
    expect(timers()).toBe(before);
    loop.ref();
    expect(timers()).toBe(before + 1);
    at(undefined);
    await turn();
    expect(timers()).toBeLessThanOrEqual(before); // one of the test runner's may have ended meanwhile
  });
});

describe("errors that nobody else takes", () => {
  it("become warnings of the process", async () => {
    const { loop } = start();
    const warnings: Error[] = [];
    const done = new Promise<void>((resolve) => {
      process.on("warning", function listen(warning) {
        warnings.push(warning);
        if (warnings.length < 2) return;
        process.off("warning", listen);
        resolve();
      });
    });
    const error = new Error("mine");
    loop.report(error);
    loop.report("text");
    await done;
    expect(warnings[0]).toBe(error);
    expect(warnings[1]?.message).toBe("text");
  });

  it("go to the host's own function, if it has one", () => {
    const reports: unknown[] = [];
    const { loop } = start({ report: (error) => void reports.push(error) });
    loop.report("mine");
    expect(reports).toEqual(["mine"]);
  });
});
