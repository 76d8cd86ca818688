import { describe, expect, it } from "vitest";
import { Churn, Distribution, Simulation, Swarm } from "../src/index.ts";

describe("a swarm", () => {
  it.each([
    ["all at once through the first", { nodes: 40, through: "first" }],
    ["all at once through any", { nodes: 40 }],
    ["one after the other", { nodes: 40, overMs: 20_000 }],
    ["one node alone", { nodes: 1 }],
  ] as const)("joins %s", (_, options) => {
    const simulation = new Simulation({ seed: 1 });
    const swarm = new Swarm(simulation, options);
    expect(swarm.settle(120_000)).toBe(true);
    expect(swarm.isJoined).toBe(true);
    expect(swarm.joinTimes).toHaveLength(options.nodes - 1);
    expect(swarm.up).toEqual(swarm.hosts);
    simulation.runFor(60_000);
    for (const { node } of swarm.hosts)
      expect(node.table.size).toBeGreaterThanOrEqual(Math.min(options.nodes - 1, 20));
  });

  it("tries again where much is lost", () => {
    const simulation = new Simulation({ seed: 3, network: { loss: 0.7 } });
    const swarm = new Swarm(simulation, { nodes: 20, through: "first" });
    expect(swarm.settle(1_000_000)).toBe(true);
  });

  it("says that it has not joined where nothing gets through", () => {
    const simulation = new Simulation({ seed: 3, network: { loss: 1 } });
    const swarm = new Swarm(simulation, { nodes: 3 });
    expect(swarm.settle(30_000)).toBe(false);
    expect(swarm.joinTimes).toEqual([]);
  });

  it("has hosts as its options say, by place", () => {
    const simulation = new Simulation({ seed: 1 });
    const swarm = new Swarm(simulation, {
      nodes: 4,
      host: (place) => ({ name: `n${place}`, mode: place % 2 === 0 ? "server" : "client" }),
    });
    expect(swarm.hosts.map(({ name, isClient }) => [name, isClient])).toEqual([
      ["n0", false],
      ["n1", true],
      ["n2", false],
      ["n3", true],
    ]);
  });

  it.each([0, -1, 1.5])("refuses %s nodes", (nodes) => {
    expect(() => new Swarm(new Simulation({ seed: 1 }), { nodes })).toThrow(/nodes: .* from 1/);
  });
});

describe("churn", () => {
  const minute = 60_000;

  it("keeps as many up as sessions and absences say, from the beginning on", () => {
    const simulation = new Simulation({ seed: 5 });
    const swarm = new Swarm(simulation, { nodes: 60 });
    swarm.settle();
    const churn = new Churn(swarm, {
      sessions: Distribution.uniform(0, 20 * minute),
      absences: Distribution.constant(5 * minute),
    });
    const shares: number[] = [];
    for (let i = 0; i < 24; i++) {
      simulation.runFor(5 * minute);
      shares.push(swarm.up.length / 60);
    }
    // Sessions of 10 minutes on average, absences of 5: two thirds.
    const mean = shares.reduce((a, b) => a + b) / shares.length;
    expect(Math.abs(mean - 2 / 3)).toBeLessThan(0.05);
    const { left, crashed, returned } = churn.counters;
    // 120 minutes of 60 hosts, in cycles of 15 minutes.
    expect(Math.abs(left + crashed - 480)).toBeLessThan(60);
    expect(Math.abs(left - crashed)).toBeLessThan(90);
    expect(left + crashed - returned).toBe(60 - swarm.up.length);
  });

  it("leaves the steady alone, and ends when it is told to", () => {
    const simulation = new Simulation({ seed: 5 });
    const swarm = new Swarm(simulation, { nodes: 20 });
    swarm.settle();
    const [first] = swarm.hosts;
    const ids = swarm.hosts.map(({ id }) => id.toHex());
    const churn = new Churn(swarm, {
      sessions: Distribution.uniform(0, minute),
      goodbyes: 0,
      returns: "new",
      steady: [first as never],
    });
    simulation.runFor(20 * minute);
    expect([first?.state, first?.id.toHex(), churn.counters.left]).toEqual(["up", ids[0], 0]);
    churn.stop();
    expect(swarm.up).toHaveLength(20);
    const { crashed } = churn.counters;
    simulation.runFor(20 * minute);
    expect(churn.counters.crashed).toBe(crashed);
    expect(swarm.hosts.slice(1).filter(({ id }, i) => id.toHex() === ids[i + 1])).toEqual([]);
  });

  it("brings the same nodes back, where it is told to", () => {
    const simulation = new Simulation({ seed: 5 });
    const swarm = new Swarm(simulation, { nodes: 20 });
    swarm.settle();
    const before = swarm.hosts.map(({ id, address }) => `${id.toHex()} ${address.key}`);
    const churn = new Churn(swarm, {
      sessions: Distribution.uniform(0, minute),
      returns: "same",
      goodbyes: 1,
    });
    simulation.runFor(20 * minute);
    churn.stop();
    expect(churn.counters.crashed).toBe(0);
    expect(swarm.hosts.map(({ id, address }) => `${id.toHex()} ${address.key}`)).toEqual(before);
  });

  it("leaves those alone that something else has ended or begun meanwhile", () => {
    const simulation = new Simulation({ seed: 5 });
    const swarm = new Swarm(simulation, { nodes: 10 });
    swarm.settle();
    new Churn(swarm, { sessions: Distribution.constant(minute), absences: Distribution.constant(minute) });
    for (const host of swarm.hosts) {
      simulation.after(100, () => host.crash());
      simulation.after(90_000, () => host.state === "down" && host.restart());
    }
    simulation.runFor(10 * minute);
  });
});
