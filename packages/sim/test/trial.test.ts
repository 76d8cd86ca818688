import { resolveLimits } from "@kad/core";
import { describe, expect, it } from "vitest";
import {
  faultEvents,
  NoProgress,
  RandomStream,
  runTrial,
  SimulationError,
  Trace,
  TrialError,
} from "../src/index.ts";
import { demand } from "../src/trials/demand.ts";
import { describePlan, drawFaultPlan, type FaultPlan } from "../src/trials/fault-plan.ts";
import type { ProgressReport } from "../src/trials/progress.ts";

const quiet: Partial<FaultPlan> = {
  nodes: 10,
  growthMs: 0,
  chaosMs: 5_000,
  clients: 0,
  behindNat: 0,
  rogues: 0,
  loss: 0,
  limits: {},
  events: {},
  slowness: 1,
};

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("a trial", () => {
  it("is the same for the same seed, line for line, and another for another", () => {
    const hashOf = (seed: number): string => {
      const trace = new Trace({ seed });
      runTrial({ seed, plan: { chaosMs: 20_000 }, observers: [trace] });
      return trace.hash;
    };
    const hash = hashOf(4);
    expect(hashOf(4)).toBe(hash);
    expect(hashOf(5)).not.toBe(hash);
  });

  it("tells what was done to the network, and what that can do now", () => {
    const report = runTrial({ seed: 7, plan: { ...quiet, events: { move: 500 }, loss: 0.2 } });
    expect(report.events.move).toBeGreaterThan(3);
    expect(report.faults).toContain("loss 0.2");
    expect(report.faults).toContain("move every 0.5 s");
    expect(report.progress).toMatchObject({ hosts: 10, alone: 0, recall: 1, gets: 5, found: 5 });
    expect(report.commands).toBeGreaterThan(0);
    expect(report.packets).toBeGreaterThan(500);
    expect(report.happenings).toBeGreaterThan(report.packets);
    expect(report.simulatedMs).toBeGreaterThan(435_000);
  });

  it("fails when a rule is broken, with the seed, the faults and the command that shows it again", () => {
    const observer = {
      onDelivery(nowUs: number) {
        if (nowUs > 3_000_000) throw new Error("a rule is broken");
      },
    };
    const error = thrown(() => runTrial({ seed: 77, plan: quiet, observers: [observer] }));
    expect(error).toBeInstanceOf(TrialError);
    expect(error).toMatchObject({ seed: 77, faults: expect.stringContaining("nodes 10") });
    expect((error as TrialError).cause).toBeInstanceOf(SimulationError);
    const lines = (error as TrialError).message.split("\n");
    expect(lines[0]).toMatch(/^seed 77, at 3\d+\.\d+ ms: a rule is broken$/);
    expect(lines[1]).toMatch(/^faults: nodes 10, /);
    expect(lines[2]).toBe("to see it again: npx kad sim --trial 77");
  });

  it("fails when the network makes no progress", () => {
    const error = thrown(() => runTrial({ seed: 1, plan: { ...quiet, chaosMs: 1 }, recoveryMs: 1 }));
    expect(error).toBeInstanceOf(TrialError);
    expect((error as TrialError).cause).toBeInstanceOf(NoProgress);
    expect((error as TrialError).message).toContain("hosts know nobody");
  });
});

describe("progress", () => {
  const good: ProgressReport = {
    hosts: 30,
    alone: 0,
    recall: 1,
    lookups: 10,
    accepted: 1,
    gets: 5,
    found: 5,
    oldGets: 3,
    oldFound: 3,
  };
  const plan = drawFaultPlan(RandomStream.of(1, "plan"));

  it.each([
    [{ alone: 2 }, {}, "2 of 30 hosts know nobody"],
    [{ recall: 0.96 }, {}, "lookups find 96 % of those they should"],
    [{ recall: 0.7 }, { bucketSize: 3 }, "lookups find 70 % of those they should"],
    [{ accepted: 0.9 }, {}, "90 % of the nodes nearest to a key take a record"],
    [{ found: 4 }, {}, "4 of 5 new records are found"],
    [{ oldFound: 2 }, {}, "2 of 3 records from before are found"],
  ])("that %j is not enough with the limits %j", (less, limits, message) => {
    expect(() => demand({ ...good, ...less }, { ...plan, limits })).toThrow(message);
  });

  it.each([
    [{}, {}],
    [{ recall: 0.98 }, {}],
    [{ recall: 0.8 }, { bucketSize: 3 }],
    [{ accepted: 0.1, found: 2 }, { maxRecords: 4 }],
  ])("that %j is enough with the limits %j", (less, limits) => {
    expect(() => demand({ ...good, ...less }, { ...plan, limits })).not.toThrow();
  });
});

describe("what a network suffers", () => {
  const plans = Array.from({ length: 400 }, (_, seed) => drawFaultPlan(RandomStream.of(seed, "plan")));

  it("is drawn from the seed, swarm style: each fault is off in many networks, and in some comes at every weight", () => {
    for (const name of [
      "loss",
      "duplication",
      "reordering",
      "clients",
      "behindNat",
      "rogues",
      "slowLines",
    ] as const) {
      const values = plans.map((plan) => plan[name]);
      const off = values.filter((value) => value === 0).length;
      expect(off).toBeGreaterThan(150);
      expect(off).toBeLessThan(250);
      expect(Math.max(...values)).toBeGreaterThan(0.4);
    }
    for (const event of faultEvents) {
      const pauses = plans.flatMap(({ events }) => events[event] ?? []);
      expect(pauses.length).toBeGreaterThan(60);
      expect(pauses.length).toBeLessThan(300);
      expect(Math.min(...pauses)).toBeLessThan(8_000);
    }
    for (const { nodes } of plans) expect(nodes >= 30 && nodes <= 200).toBe(true);
  });

  it("has limits that a node takes", () => {
    const limited = plans.filter(({ limits }) => Object.keys(limits).length > 0);
    expect(limited.length).toBeGreaterThan(80);
    for (const { limits } of limited) expect(() => resolveLimits(limits)).not.toThrow();
  });

  it("is told in one line, without what is off", () => {
    const text = describePlan({
      ...(plans[0] as FaultPlan),
      ...quiet,
      loss: 0.25,
      rogues: 0.1,
      rogueKinds: ["liar", "stale"],
    });
    expect(text).toContain("nodes 10");
    expect(text).toContain("loss 0.25");
    expect(text).toContain("liar+stale");
    expect(text).not.toMatch(/clients|growthMs|undefined|\n/);
  });
});
