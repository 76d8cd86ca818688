import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Health, NetworkHealth } from "../src/network-health.ts";

/** `+` is an answer, `-` a failure. */
function after(outcomes: string): NetworkHealth {
  const health = new NetworkHealth(15_000);
  for (const outcome of outcomes) {
    if (outcome === "+") health.onAnswered();
    else health.onFailed();
  }
  return health;
}

describe("NetworkHealth", () => {
  const table: [outcomes: string, state: Health][] = [
    ["", "online"],
    ["+", "online"],
    ["-------", "online"],
    ["--------", "offline"],
    ["--------+", "online"],
    [`${"+".repeat(16)}-------`, "online"],
    [`${"+".repeat(16)}--------`, "offline"],
    ["-+-+-+-+-+-+-+-+", "online"],
    ["--+-+-+-+-+-+-+-+", "online"],
    ["-+-+-+-+-+-+-+--", "degraded"],
    ["-------+-------+", "degraded"],
    [`${"-".repeat(100)}+`, "degraded"],
    [`${"-".repeat(100)}${"+".repeat(8)}`, "online"],
  ];
  it.each(table)("after %j is %s", (outcomes, state) => expect(after(outcomes).state).toBe(state));

  it("counts failures against contacts unless offline", () => {
    expect(after("-------").countsFailure()).toBe(true);
    expect(after("--------").countsFailure()).toBe(false);
    expect(after("--------+").countsFailure()).toBe(true);
    expect(after("-------+-------+").countsFailure()).toBe(true);
  });

  it("takes no silence for its own while others answer: failures of requests that began before the last answer", () => {
    const health = new NetworkHealth(15_000);
    health.onAnswered(100);
    for (let i = 0; i < 16; i++) health.onFailed(90);
    expect(health.state).toBe("degraded");
    expect(health.countsFailure()).toBe(true);
    for (let i = 0; i < 8; i++) health.onFailed(101);
    expect(health.state).toBe("offline");
  });

  it("takes no silence for its own while others ask: failures of requests that began before anything was heard", () => {
    const health = new NetworkHealth(15_000);
    for (let i = 0; i < 30; i++) {
      health.onInput(10 * i + 5);
      health.onFailed(10 * i);
    }
    expect(health.countsFailure()).toBe(true);
    for (let i = 0; i < 8; i++) health.onFailed(400);
    expect(health.state).toBe("offline");
    health.onInput(500);
    expect(health.countsFailure()).toBe(true);
  });

  it("starts over when the network is another one", () => {
    const health = after("-".repeat(20));
    health.reset();
    expect(health.state).toBe("online");
    for (let i = 0; i < 7; i++) health.onFailed();
    expect(health.state).toBe("online");
  });

  it("agrees with counting the last outcomes", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (outcomes) => {
        const health = after(outcomes.map((isAnswer) => (isAnswer ? "+" : "-")).join(""));
        const isOffline = outcomes.length >= 8 && outcomes.slice(-8).every((isAnswer) => !isAnswer);
        const failed = outcomes.slice(-16).filter((isAnswer) => !isAnswer).length;
        const isDegraded = outcomes.length >= 16 && failed > 8;
        expect(health.state).toBe(isOffline ? "offline" : isDegraded ? "degraded" : "online");
      }),
      { seed: 9, numRuns: 1_000 },
    );
  });
});

describe("sleep", () => {
  it("is a gain of the wall clock on the monotonic clock beyond the gap", () => {
    const health = new NetworkHealth(15_000);
    expect(health.sleptMs(1_000, 5_000_000)).toBeUndefined();
    expect(health.sleptMs(2_000, 5_016_000)).toBeUndefined();
    expect(health.sleptMs(3_000, 5_032_001)).toBe(15_001);
    expect(health.sleptMs(4_000, 5_033_001)).toBeUndefined();
  });

  it("is not a loop that was blocked: both clocks are late", () => {
    const health = new NetworkHealth(15_000);
    health.sleptMs(0, 0);
    expect(health.sleptMs(3_600_000, 3_600_000)).toBeUndefined();
  });

  it("is not a wall clock that was set back", () => {
    const health = new NetworkHealth(15_000);
    health.sleptMs(0, 1_000_000);
    expect(health.sleptMs(1, 0)).toBeUndefined();
  });

  it("is not a clock that was set while messages were waiting", () => {
    const health = new NetworkHealth(15_000);
    health.sleptMs(0, 0);
    health.onInput(10);
    expect(health.sleptMs(10, 3_600_000)).toBeUndefined();
    expect(health.sleptMs(20, 3_600_010)).toBeUndefined();
    expect(health.sleptMs(30, 7_200_000)).toBe(3_599_980);
  });
});
