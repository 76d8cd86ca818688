import { NodeId } from "@kad/core";
import { describe, expect, it } from "vitest";
import { WrittenRecords } from "../src/experiment/written-records.ts";
import {
  type ExperimentOptions,
  type ExperimentProgress,
  type ExperimentReport,
  type PhaseReport,
  Population,
  runExperiment,
  Sample,
  type SimHost,
  Simulation,
  Swarm,
  surveyTables,
  TrafficMeter,
} from "../src/index.ts";

const small = { seed: 7, nodes: 40, lookups: 60, records: 10, hours: 0.2 } as const;

function only(report: ExperimentReport): PhaseReport {
  expect(report.phases).toHaveLength(1);
  return report.phases[0] as PhaseReport;
}

describe("an experiment", () => {
  const report = runExperiment(small);
  const phase = only(report);

  it("finds everybody and everything where nothing is wrong", () => {
    expect(report.join).toMatchObject({ joined: 39, durationMs: { count: 39 } });
    expect(phase).toMatchObject({
      phase: "steady",
      nodes: 40,
      lookups: { begun: 60, unfinished: 0, failed: 0, foundClosest: 1, recall: 1 },
      gets: { begun: 60, unfinished: 0, newest: 60, stale: 0, missing: 0, success: 1 },
      tables: { contacts: { count: 40 }, dead: 0, neighbours: 1, rogue: 0 },
    });
    expect(report.records).toMatchObject({
      records: 10,
      unwritten: 0,
      lost: 0,
      readBack: 10,
      readBackNewest: 10,
    });
    expect(report.records?.holders).toMatchObject({ count: 10, least: 20 });
    expect(report.churn).toBeUndefined();
  });

  it("counts each lookup's requests, rounds and hops, and what it took", () => {
    const { requests, rounds, hops, durationMs } = phase.lookups as NonNullable<PhaseReport["lookups"]>;
    for (const summary of [requests, rounds, hops, durationMs]) {
      expect(summary.count).toBe(60);
      expect(summary.least).toBeLessThanOrEqual(summary.p50);
      expect(summary.p50).toBeLessThanOrEqual(summary.p99);
      expect(summary.p99).toBeLessThanOrEqual(summary.most);
    }
    expect(requests.least).toBeGreaterThanOrEqual(20);
    expect(rounds.least).toBeGreaterThanOrEqual(1);
  });

  it("says the same again with the same options, and something else with another seed", () => {
    expect(JSON.stringify(runExperiment(small))).toBe(JSON.stringify(report));
    expect(runExperiment({ ...small, seed: 8 }).events).not.toBe(report.events);
  });

  it("tells how far it is, in order, and is stopped by what that throws", () => {
    const told: ExperimentProgress[] = [];
    runExperiment({ seed: 1, nodes: 3, hours: 0.01, lookups: 1, records: 1 }, (progress) =>
      told.push(progress),
    );
    const stages = [...new Set(told.map(({ stage }) => stage))];
    expect(stages).toEqual(["joining", "settling", "writing", "steady", "reading back"]);
    for (const { done } of told) expect(done).toBeGreaterThanOrEqual(0);
    expect(told.at(-1)).toMatchObject({ done: 1, nodes: 3 });
    const stop = new Error("enough");
    expect(() =>
      runExperiment(small, () => {
        throw stop;
      }),
    ).toThrow(stop);
  });

  it("says nothing of lookups, gets and records that there were none of", () => {
    const idle = runExperiment({ seed: 1, nodes: 5, lookups: 0, hours: 0.5 });
    expect(only(idle).lookups).toBeUndefined();
    expect(only(idle).gets).toBeUndefined();
    expect(idle.records).toBeUndefined();
    expect(only(idle).traffic.nodeHours).toBeCloseTo(2.5, 6);
    expect(only(idle).traffic.messagesPerNodeHour).toBeGreaterThan(0);
  });

  it("reads a value as stale where holders have an older one than was written", () => {
    // Half of all packets are lost: some holders miss the newer version, and some gets hear them alone.
    const { phases } = runExperiment({ ...small, loss: 0.6, gets: 300 });
    const { gets } = phases[0] as PhaseReport;
    expect(gets).toMatchObject({ begun: 300 });
    const { newest = 0, stale = 0, missing = 0, success = 0 } = gets ?? {};
    expect(newest + stale + missing).toBe(300);
    expect(success).toBe(newest / 300);
    expect(success).toBeLessThan(1);
  });

  it("kills a share of all nodes at once, and looks at what is left at once and later", () => {
    const { phases, records } = runExperiment({ ...small, kill: 0.5, hours: 0.5 });
    expect(phases.map(({ phase: name, nodes }) => [name, nodes])).toEqual([
      ["at once", 20],
      ["later", 20],
    ]);
    const [atOnce, later] = phases as [PhaseReport, PhaseReport];
    expect(atOnce.fromHour).toBe(0);
    expect(later.toHour).toBeCloseTo(0.5, 9);
    expect(atOnce.tables.dead).toBeGreaterThan(0.1);
    expect(later.tables.dead).toBe(0);
    expect(later.gets).toMatchObject({ success: 1 });
    expect(records).toMatchObject({ lost: 0, readBackNewest: 10 });
  });

  it("looks no second time where there is no time for it", () => {
    const { phases } = runExperiment({ seed: 1, nodes: 10, kill: 0.2, hours: 0, lookups: 5 });
    expect(phases.map(({ phase: name }) => name)).toEqual(["at once"]);
  });

  it("takes a network apart and puts it together again", () => {
    const { phases } = runExperiment({ ...small, partitionMs: 60_000, hours: 1 });
    expect(phases.map(({ phase: name }) => name)).toEqual(["split", "at once", "later"]);
    const [split, , later] = phases as [PhaseReport, PhaseReport, PhaseReport];
    expect(split.lookups?.recall).toBeLessThan(0.8);
    expect(later.lookups?.recall).toBe(1);
    expect(later.fromHour).toBeGreaterThan(0.9);
  });

  it("has nodes come and go, at the rate that was asked for or with the median", () => {
    const rated = runExperiment({ ...small, hours: 2, churn: { endsPerHour: 1 } });
    const { left = 0, crashed = 0, returned = 0, joinMs } = rated.churn ?? {};
    // 40 nodes, two hours: 80 sessions end while all are up, and a tenth of the time they are away.
    expect(left + crashed).toBeGreaterThan(40);
    expect(left + crashed).toBeLessThan(110);
    expect(left + crashed - returned).toBe(40 - (rated.phases[0]?.nodes ?? 0));
    expect(joinMs?.count).toBeGreaterThan(30);
    const slow = runExperiment({ ...small, hours: 2, churn: { medianMs: 100 * 3_600_000 } });
    expect(slow.churn?.crashed ?? 0).toBeLessThan(8);
  });

  it("spreads Sybils among the nodes, which stand in tables and are not looked for", () => {
    const { phases, records } = runExperiment({ ...small, sybils: 0.25, paths: 3 });
    const { tables, lookups } = phases[0] as PhaseReport;
    expect(tables.contacts.count).toBe(30);
    expect(tables.rogue).toBeGreaterThan(0.05);
    expect(lookups?.foundClosest).toBeGreaterThan(0.9);
    expect(records?.holders.most).toBeLessThanOrEqual(20);
  });

  it("has nodes that misbehave, clients, and nodes behind NATs, and looks for those who can be found", () => {
    const { phases, join } = runExperiment({
      ...small,
      rogues: { silent: 0.1, liar: 0.1 },
      clients: 0.2,
      nat: { symmetric: 0.1, fullCone: 0.1 },
    });
    const { tables, lookups, nodes } = phases[0] as PhaseReport;
    expect([join.joined, nodes, tables.contacts.count]).toEqual([39, 40, 32]);
    expect(tables.rogue).toBeGreaterThan(0.05);
    expect(tables.rogue).toBeLessThan(0.35);
    expect(tables.contacts.most).toBeLessThan(32); // no clients
    expect(lookups?.foundClosest).toBeGreaterThan(0.9);
  });

  it("looks for servers alone: of clients nobody has heard", () => {
    const { tables, lookups } = only(runExperiment({ ...small, clients: 0.5 }));
    expect(lookups?.recall).toBe(1);
    expect(tables.contacts.most).toBeLessThanOrEqual(20);
    expect(tables.neighbours).toBe(1);
  });

  it("has links as its options say", () => {
    const slow = runExperiment({ seed: 1, nodes: 5, lookups: 20, hours: 0.05, delayMs: 200 });
    expect(only(slow).lookups?.durationMs.least).toBeGreaterThan(400);
    const rough = runExperiment({
      seed: 1,
      nodes: 5,
      lookups: 20,
      hours: 0.05,
      duplication: 0.5,
      reordering: 0.5,
    });
    expect(only(rough).lookups?.recall).toBe(1);
  });

  it.each([
    [{ nodes: 1 }, "nodes: 1; allowed is a whole number from 2 to 10000000"],
    [{ nodes: 2.5 }, "nodes: 2.5"],
    [{ hours: -1 }, "hours: -1; allowed is a number from 0 to 8784"],
    [{ hours: Number.NaN }, "hours: NaN"],
    [{ loss: 2 }, "loss: 2; allowed is a number from 0 to 1"],
    [{ kill: 0.5, partitionMs: 1 }, "kill, partitionMs: both are given; allowed is one of them"],
    [{ churn: { endsPerHour: 0 } }, "churn: 0 sessions an hour; allowed is a number above 0"],
    [{ churn: { medianMs: 0 } }, "churn: 0; allowed is a number from 1"],
    [{ rogues: { silent: 2 } }, "rogues.silent: 2; allowed is a number from 0 to 1"],
    [{ rogues: { kind: 0.1 } as never }, "rogues: kind; allowed are silent, liar, garbage, stale, flooder"],
    [{ nat: { symmetric: 0.7, fullCone: 0.7 } }, "nat, in all: 1.4; allowed is a number from 0 to 1"],
    [{ sybils: 0.5, clients: 0.6 }, "sybils, rogues, clients: 1.1 in all; allowed is 1"],
    [{ paths: 9 }, "paths: 9; allowed is a whole number from 1 to 8"],
    [{ network: { loss: 0.1 } } as never, "network: there is no such option; allowed are seed, nodes, hours"],
    [{ delayMs: 1e9 }, "delayMs: 1000000000; allowed is a number from 0 to 60000"],
  ] as [Partial<ExperimentOptions>, string][])("refuses %o", (options, message) => {
    expect(() => runExperiment({ seed: 1, nodes: 10, ...options })).toThrow(message);
  });
});

describe("a sample", () => {
  it("has percentiles by nearest rank", () => {
    const values = Array.from({ length: 200 }, (_, i) => 200 - i);
    expect(Sample.of(values).summary()).toEqual({
      count: 200,
      mean: 100.5,
      p50: 100,
      p99: 198,
      least: 1,
      most: 200,
    });
    expect(Sample.of([5]).summary()).toEqual({ count: 1, mean: 5, p50: 5, p99: 5, least: 5, most: 5 });
  });

  it("is all zeros where there is nothing in it", () => {
    expect(new Sample().summary()).toEqual({ count: 0, mean: 0, p50: 0, p99: 0, least: 0, most: 0 });
    expect(new Sample().count).toBe(0);
  });
});

function swarmOf(nodes: number): {
  population: Population;
  traffic: TrafficMeter;
  swarm: Swarm;
  sim: Simulation;
} {
  const population = new Population();
  const traffic = new TrafficMeter(population, 1);
  const sim = new Simulation({ seed: 3, observers: [population, traffic] });
  const swarm = new Swarm(sim, { nodes });
  swarm.settle();
  sim.runFor(120_000);
  return { population, traffic, swarm, sim };
}

describe("a population", () => {
  it("expects of a lookup who ran all the time, and of newcomers those that it found", () => {
    const { population, swarm, sim } = swarmOf(30);
    const asker = swarm.hosts[0] as Swarm["hosts"][number];
    const target = NodeId.fromBytes(new Uint8Array(32).fill(9));
    const before = population.expected(target, 5, asker, sim.nowMs, []);
    expect(before).toHaveLength(5);
    expect(before).not.toContain(asker);
    const [gone, renewed] = before as [(typeof before)[0], (typeof before)[0]];
    gone.crash();
    renewed.crash();
    renewed.restart({ seeds: [asker] });
    const after = population.expected(target, 5, asker, sim.nowMs, []);
    expect(after).not.toContain(gone);
    expect(after).not.toContain(renewed);
    expect(population.expected(target, 5, asker, sim.nowMs, [renewed.contact])).toContain(renewed);
    expect(population.size).toBe(29);
    sim.runFor(61_000);
    expect(population.expected(target, 5, asker, sim.nowMs, [])).toContain(renewed);
  });

  it("picks nobody where nobody has run for a minute", () => {
    const population = new Population();
    const sim = new Simulation({ seed: 3, observers: [population] });
    const hosts = sim.addHosts(3);
    expect(population.pick(sim.stream("x"), hosts, sim.nowMs)).toBeUndefined();
    sim.runFor(60_000);
    expect(hosts).toContain(population.pick(sim.stream("x"), hosts, sim.nowMs));
  });
});

describe("a traffic meter", () => {
  it("counts what is sent, with headers and without, for each node and hour", () => {
    const { traffic, swarm, sim } = swarmOf(2);
    traffic.begin(sim.nowMs);
    const sent = { ...sim.network.counters };
    const [a, b] = swarm.hosts as [Swarm["hosts"][0], Swarm["hosts"][0]];
    a.ping(b.seed);
    sim.runFor(1_800_000);
    const report = traffic.report(sim.nowMs);
    expect(report.nodeHours).toBe(1);
    expect(report.messagesPerNodeHour).toBe(sim.network.counters.sent - sent.sent);
    expect(report.bytesPerNodeHour).toBe(sim.network.counters.bytesSent - sent.bytesSent);
    expect(report.wireBytesPerNodeHour).toBe(report.bytesPerNodeHour + 28 * report.messagesPerNodeHour);
    expect(report.wireBytesPerNodeSecond).toBeCloseTo(report.wireBytesPerNodeHour / 3_600, 9);
  });

  it("counts an endpoint as new when nothing was sent there for two minutes", () => {
    const population = new Population();
    const traffic = new TrafficMeter(population, 1);
    // They do nothing of their own.
    const limits = {
      smallTableSize: 0,
      livenessIntervalMs: 1e9,
      refreshIntervalMs: 1e9,
      selfLookupIntervalMs: 1e9,
    };
    const sim = new Simulation({ seed: 3, limits, observers: [population, traffic] });
    const [a, b] = sim.addHosts(2) as [SimHost, SimHost];
    const count = (): number => {
      const { newEndpointsPerNodeMinute, nodeHours } = traffic.report(sim.nowMs);
      return Math.round(newEndpointsPerNodeMinute * 60 * nodeHours);
    };
    traffic.begin(sim.nowMs);
    a.ping(b.seed);
    sim.runFor(60_000);
    expect(count()).toBe(2); // each to the other
    a.ping(b.seed);
    sim.runFor(119_000);
    a.ping(b.seed);
    sim.runFor(1_000);
    expect(count()).toBe(2);
    sim.runFor(121_000);
    a.ping(b.seed);
    sim.runFor(1_000);
    expect(count()).toBe(4);
  });

  it("is nothing where nothing has run", () => {
    expect(new TrafficMeter(new Population(), 1).report(0)).toMatchObject({
      messagesPerNodeHour: 0,
      newEndpointsPerNodeMinute: 0,
    });
  });
});

describe("a survey of tables", () => {
  it("tells contacts that are gone, or have moved, from those that are there", () => {
    const { population, swarm } = swarmOf(20);
    expect(surveyTables(swarm.hosts, population)).toMatchObject({ dead: 0, neighbours: 1 });
    swarm.hosts[3]?.crash();
    swarm.hosts[4]?.move();
    const { dead, contacts } = surveyTables(swarm.hosts, population);
    expect(contacts).toMatchObject({ count: 19, most: 19 });
    // Two of the 18 or 19 contacts that each has, for those two one less.
    expect(dead).toBeCloseTo((19 + 18) / (19 * 19), 2);
  });

  it("is all zeros where nobody runs", () => {
    expect(surveyTables([], new Population())).toEqual({
      contacts: new Sample().summary(),
      dead: 0,
      neighbours: 0,
      rogue: 0,
    });
  });
});

describe("written records", () => {
  it("are lost once nobody who runs has them, and stay so when they are written again", () => {
    const { swarm, sim } = swarmOf(5);
    const records = new WrittenRecords(sim.sha256, 2);
    const [first, second] = records.all as [(typeof records.all)[0], (typeof records.all)[0]];
    const [host] = swarm.hosts as [Swarm["hosts"][0]];
    records.write(first, host, { results: 2 });
    records.write(second, host, {});
    sim.runFor(5_000);
    records.lookAround(swarm.hosts);
    expect(records.report(undefined)).toMatchObject({
      lost: 0,
      unwritten: 0,
      holders: { count: 2, least: 2, most: 4 },
    });
    for (const one of swarm.hosts) if (one.store.get(first.key) !== undefined) one.crash();
    records.lookAround(swarm.hosts);
    expect(records.report(undefined).lost).toBe(1);
    records.write(first, host, {});
    sim.runFor(30_000);
    records.lookAround(swarm.hosts);
    expect(records.report(undefined)).toMatchObject({ lost: 1, holders: { least: 2 } });
  });

  it("count a put that nobody took", () => {
    const { swarm, sim } = swarmOf(2);
    const records = new WrittenRecords(sim.sha256, 1);
    const [one, other] = swarm.hosts as [Swarm["hosts"][0], Swarm["hosts"][0]];
    other.crash();
    records.write(records.all[0] as (typeof records.all)[0], one, {});
    sim.runFor(120_000);
    records.lookAround(swarm.hosts);
    expect(records.report(undefined)).toMatchObject({ unwritten: 1, holders: { count: 0 }, lost: 0 });
  });

  it("tell of a put whose writer crashed in the middle of it, so that another can write", () => {
    const { swarm, sim } = swarmOf(5);
    const records = new WrittenRecords(sim.sha256, 1);
    const [record] = records.all as [(typeof records.all)[0]];
    const [one, other] = swarm.hosts as [Swarm["hosts"][0], Swarm["hosts"][0]];
    records.write(record, one, {}, () => records.write(record, other, {}));
    one.crash();
    sim.runFor(30_000);
    records.lookAround(swarm.hosts);
    expect(record).toMatchObject({ begun: 2, stored: 2 });
    expect(records.report(undefined)).toMatchObject({ unwritten: 1, holders: { least: 3 }, lost: 0 });
  });
});
