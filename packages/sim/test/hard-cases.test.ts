import { describe, expect, it } from "vitest";
import { rogueHost, runExperiment, type SimHost } from "../src/index.ts";
import { finish, foundOf, minuteMs, network, progressOf, store, whole } from "./scenario.ts";

const { KAD_NIGHTLY }: { readonly KAD_NIGHTLY?: string } = process.env;

function halves<T>(all: readonly T[]): [T[], T[]] {
  return [all.filter((_, i) => i % 2 === 0), all.filter((_, i) => i % 2 === 1)];
}

describe("a partition that heals", () => {
  it.each(KAD_NIGHTLY === undefined ? [5, 60] : [5, 60, 600])(
    "after %i minutes: the parts become one network again within ten",
    (minutes) => {
      const scenario = network({ nodes: 40 });
      const { simulation, hosts } = scenario;
      const records = store(scenario, 20);
      const [one, other] = halves(hosts);
      const heal = simulation.network.partition([one, other]);
      simulation.runFor(minutes * minuteMs);
      // Each part is a network of its own meanwhile.
      expect(foundOf(scenario, records, one)).toBeGreaterThan(0.9);
      expect(foundOf(scenario, records, other)).toBeGreaterThan(0.9);
      heal();
      simulation.runFor(10 * minuteMs);
      expect(progressOf(scenario)).toMatchObject(whole);
      expect(foundOf(scenario, records, hosts)).toBe(1);
    },
  );

  it("in one direction only: whoever is not heard is not kept as a contact, and is back soon", () => {
    const scenario = network({ nodes: 40 });
    const { simulation, hosts } = scenario;
    const [one, other] = halves(hosts);
    const heal = simulation.network.cut(one, other);
    simulation.runFor(30 * minuteMs);
    heal();
    simulation.runFor(10 * minuteMs);
    expect(progressOf(scenario)).toMatchObject(whole);
  });
});

describe("a network that grows, one node after the other", () => {
  it("leaves no gaps where nodes know only who came to them: seed 7, 300 nodes", () => {
    const { phases } = runExperiment({ seed: 7, nodes: 300, hours: 0, lookups: 0 });
    // 0.93 when half of a bucket was the most for those who came unasked, near us too (decision 37).
    expect(phases[0]?.tables.neighbours).toBeGreaterThan(0.97);
  });
});

describe("half of the nodes die at once", () => {
  it.each([1, 2])(
    "everything that was stored is found at once, and the network is whole soon: seed %i",
    (seed) => {
      const scenario = network({ nodes: 100, seed });
      const { simulation, hosts } = scenario;
      const records = store(scenario, 100);
      const random = simulation.stream("deaths");
      for (const host of random.sample(hosts, hosts.length / 2)) host.crash();
      const alive = scenario.swarm.up;
      expect(foundOf(scenario, records, alive)).toBeGreaterThanOrEqual(0.99);
      simulation.runFor(10 * minuteMs);
      expect(progressOf(scenario)).toMatchObject(whole);
      expect(foundOf(scenario, records, alive)).toBe(1);
    },
  );
});

describe("everyone restarts with stale tables", () => {
  it.each([
    ["as they were", () => ({})],
    ["under other ids", () => ({ sameId: false })],
    ["half of them at other addresses", (i: number) => ({ moves: i % 2 === 0 })],
    ["nine of ten at other addresses", (i: number) => ({ moves: i % 10 !== 0 })],
    ["one by one, at other addresses", () => ({ moves: true }), 30_000],
  ])("and is one network again: %s", (_how, change: (i: number) => object, pauseMs = 0) => {
    const scenario = network({ nodes: 50 });
    const { simulation, hosts } = scenario;
    const records = store(scenario, 20);
    if (pauseMs === 0) for (const host of hosts) host.crash();
    simulation.runFor(minuteMs);
    for (const [i, host] of hosts.entries()) {
      if (host.state === "up") host.crash();
      host.restart({ keepsContacts: true, ...change(i) });
      simulation.runFor(pauseMs);
    }
    simulation.runFor(10 * minuteMs);
    expect(progressOf(scenario)).toMatchObject(whole);
    expect(foundOf(scenario, records, hosts)).toBe(1);
  });
});

describe("the bootstrap node disappears", () => {
  it("those that have joined do without it, and take in others", () => {
    const scenario = network({ nodes: 40, through: "first" });
    const { simulation, hosts } = scenario;
    const records = store(scenario, 20, hosts.slice(1)); // slice: an array
    hosts[0]?.crash();
    simulation.runFor(minuteMs);
    const newcomer = simulation.addHost();
    finish(scenario, [newcomer.join([hosts[20] as SimHost])]);
    expect(foundOf(scenario, records, [newcomer])).toBe(1);
    simulation.runFor(2 * 60 * minuteMs);
    expect(progressOf(scenario)).toMatchObject(whole);
    expect(foundOf(scenario, records, scenario.swarm.up)).toBe(1);
  });

  it("those that come meanwhile join when it is back", () => {
    const scenario = network({ nodes: 20, through: "first" });
    const { simulation, swarm, hosts } = scenario;
    const [first] = hosts as [SimHost];
    first.crash();
    const late = simulation.addHosts(20);
    for (const host of late) swarm.join(host);
    simulation.runFor(5 * minuteMs);
    expect(late.every(({ node }) => node.table.size === 0)).toBe(true);
    first.restart({ keepsContacts: true });
    simulation.runFor(2 * minuteMs);
    expect(late.every(({ node }) => node.table.size > 20)).toBe(true);
  });
});

describe("a clock that jumps 15 minutes", () => {
  const jumpMs = 15 * minuteMs;

  it.each([
    ["the wall clock goes forward", (host: SimHost) => host.stepWallClock(jumpMs)],
    ["the wall clock goes back", (host: SimHost) => host.stepWallClock(-jumpMs)],
  ])("%s: nobody is lost, nothing ends before its time", (_what, jump) => {
    const scenario = network({ nodes: 40 });
    const { simulation, hosts } = scenario;
    const records = store(scenario, 20);
    const [jumping, others] = halves(hosts);
    for (const host of jumping) jump(host);
    const gets = jumping.map((host, i) => host.get((records[i] ?? records[0])?.key as never));
    finish(scenario, gets);
    expect(gets.every(({ finished }) => finished?.end === "converged")).toBe(true);
    simulation.runFor(5 * minuteMs);
    expect(foundOf(scenario, records, jumping)).toBe(1);
    expect(foundOf(scenario, records, others)).toBe(1);
    expect(progressOf(scenario)).toMatchObject(whole);
  });

  it.each([
    ["sleeps", (host: SimHost) => host.sleep(), (host: SimHost) => host.wake()],
    ["is stopped", (host: SimHost) => host.pause(), (host: SimHost) => host.resume()],
  ])("one node %s: its queries end, and it is in the network again within a minute", (_what, stop, goOn) => {
    const scenario = network({ nodes: 40 });
    const { simulation, hosts } = scenario;
    const records = store(scenario, 20);
    const [host] = hosts as [SimHost];
    const query = host.get(records[0]?.key as never);
    stop(host);
    simulation.runFor(jumpMs);
    goOn(host);
    finish(scenario, [query]);
    simulation.runFor(minuteMs);
    expect(foundOf(scenario, records, [host])).toBe(1);
    expect(host.node.table.size).toBeGreaterThan(30);
  });

  it.each([
    ["sleep", (host: SimHost) => host.sleep(), (host: SimHost) => host.wake()],
    ["are stopped", (host: SimHost) => host.pause(), (host: SimHost) => host.resume()],
  ])("all %s at once, as when their machine is a laptop: they find each other again", (_what, stop, goOn) => {
    const scenario = network({ nodes: 40 });
    const { simulation, hosts } = scenario;
    const records = store(scenario, 20);
    for (const host of hosts) stop(host);
    simulation.runFor(jumpMs);
    for (const host of hosts) goOn(host);
    simulation.runFor(5 * minuteMs);
    expect(progressOf(scenario)).toMatchObject(whole);
    expect(foundOf(scenario, records, hosts)).toBe(1);
  });
});

describe("loss of 30 %", () => {
  it.each([1, 2])("everybody joins, and everything that is put is found: seed %i", (seed) => {
    const scenario = network({ nodes: 60, seed, network: { loss: 0.3 } });
    const records = store(scenario, 100);
    expect(foundOf(scenario, records, scenario.hosts)).toBe(1);
    // Every second request fails; a lookup goes on without whom it has asked twice.
    const { recall, alone } = progressOf(scenario);
    expect(recall).toBeGreaterThan(0.65);
    expect(alone).toBe(0);
    scenario.simulation.network.set({ loss: 0 });
    scenario.simulation.runFor(10 * minuteMs);
    expect(progressOf(scenario)).toMatchObject(whole);
  });
});

describe("a third of the nodes lying", () => {
  it.each(["liar", "stale", "garbage", "silent", "flooder"] as const)("%s", (kind) => {
    const scenario = network({
      nodes: 45,
      host: (place) => (place % 3 === 2 ? rogueHost(kind) : {}),
    });
    const honest = scenario.hosts.filter(({ isHonest }) => isHonest);
    const records = store(scenario, 50, honest);
    expect(foundOf(scenario, records, honest)).toBe(1);
    scenario.simulation.runFor(kind === "flooder" ? minuteMs / 2 : 15 * minuteMs);
    expect(foundOf(scenario, records, honest)).toBe(1);
  });
});
