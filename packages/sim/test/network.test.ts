import { describe, expect, it } from "vitest";
import { constantDelay, Distribution, type NetworkConditions, Simulation } from "../src/index.ts";
import { addRaw, heardBy, type RawHost, sendRaw } from "./raw-machine.ts";

const still: Partial<NetworkConditions> = { delay: constantDelay(10), jitterMs: Distribution.constant(0) };

function pair(network: Partial<NetworkConditions> = {}) {
  const simulation = new Simulation({ seed: 1, network: { ...still, ...network } });
  const a = addRaw(simulation);
  const b = addRaw(simulation);
  return { simulation, a, b };
}

/** Sends so many numbered messages, 1 ms apart, and lets them arrive. */
function sendMany(simulation: Simulation, from: RawHost, to: RawHost, count: number): string[] {
  for (let i = 0; i < count; i++) {
    sendRaw(from, to.address, String(i));
    simulation.runFor(1);
  }
  simulation.runFor(1_000);
  return heardBy(to);
}

describe("the network", () => {
  it("carries a message in the time that its link takes", () => {
    const { simulation, a, b } = pair();
    sendRaw(a, b.address, "hello");
    simulation.runFor(9.999);
    expect(b.node.inbox).toEqual([]);
    simulation.runFor(0.001);
    expect(b.node.inbox).toMatchObject([{ atMs: 10, from: a.address.key }]);
    expect(heardBy(b)).toEqual(["hello"]);
  });

  it("overwrites the bytes once they have been handed in", () => {
    const { simulation, a, b } = pair();
    sendRaw(a, b.address, "hello");
    simulation.runFor(20);
    expect(b.node.borrowed).toEqual([new Uint8Array(5).fill(0xaa)]);
  });

  it("copies what is sent, and uses its buffers again", () => {
    const { simulation, a, b } = pair();
    const bytes = Uint8Array.of(1, 2, 3);
    sendRaw(a, b.address, bytes);
    bytes.fill(9);
    simulation.runFor(20);
    sendRaw(a, b.address, Uint8Array.of(4));
    simulation.runFor(20);
    expect(b.node.inbox.map((arrival) => [...arrival.bytes])).toEqual([[1, 2, 3], [4]]);
    expect(b.node.borrowed[0]?.buffer).toBe(b.node.borrowed[1]?.buffer);
    expect(simulation.network.inFlight).toBe(0);
  });

  it("carries messages of every size up to the MTU, and drops larger ones", () => {
    const simulation = new Simulation({ seed: 1, network: still, maxMessageBytes: 4_000 });
    const [a, b] = [addRaw(simulation), addRaw(simulation)];
    for (const length of [0, 1, 128, 129, 448, 896, 1_280, 1_472, 1_473])
      sendRaw(a, b.address, new Uint8Array(length).fill(7));
    simulation.runFor(20);
    expect(b.node.inbox.map(({ bytes }) => bytes.length)).toEqual([0, 1, 128, 129, 448, 896, 1_280, 1_472]);
    expect(simulation.network.counters.dropped.tooLarge).toBe(1);
  });

  it("has a base for each pair of hosts, the same both ways, and jitter on each trip", () => {
    const simulation = new Simulation({ seed: 1 });
    const hosts = [addRaw(simulation), addRaw(simulation), addRaw(simulation)] as const;
    const { delay } = simulation.network.conditions;
    const [a, b, c] = hosts;
    expect(delay.baseMs(a.place, b.place)).toBe(delay.baseMs(b.place, a.place));
    expect(delay.baseMs(a.place, b.place)).not.toBe(delay.baseMs(a.place, c.place));
    for (let i = 0; i < 50; i++) sendRaw(a, b.address, "x");
    simulation.runFor(1_000);
    const trips = b.node.inbox.map(({ atMs }) => atMs);
    expect(Math.min(...trips)).toBeGreaterThanOrEqual(delay.baseMs(a.place, b.place));
    expect(new Set(trips).size).toBeGreaterThan(40);
  });

  it.each([0, 0.1, 0.5, 1])("loses a share of %s", (loss) => {
    const { simulation, a, b } = pair({ loss });
    const arrived = sendMany(simulation, a, b, 400).length;
    // Four standard deviations of a binomial.
    expect(Math.abs(arrived - 400 * (1 - loss))).toBeLessThanOrEqual(4 * Math.sqrt(400 * loss * (1 - loss)));
    expect(simulation.network.counters.dropped.loss).toBe(400 - arrived);
  });

  it("delivers some twice", () => {
    const { simulation, a, b } = pair({ duplication: 0.25 });
    const heard = sendMany(simulation, a, b, 400);
    expect(new Set(heard).size).toBe(400);
    expect(Math.abs(heard.length - 500)).toBeLessThan(40);
    expect(simulation.network.counters.duplicated).toBe(heard.length - 400);
  });

  it("holds some back, so that others overtake them", () => {
    const { simulation, a, b } = pair({ reordering: 0.2, heldBackMs: Distribution.constant(50) });
    const heard = sendMany(simulation, a, b, 200).map(Number);
    expect(heard.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(heard.some((number, i) => i > 0 && number < (heard[i - 1] as number))).toBe(true);
  });

  it("loses the same packets whatever else is switched on", () => {
    const lostWith = (network: Partial<NetworkConditions>): string => {
      const { simulation, a, b } = pair({ loss: 0.3, ...network });
      return [...new Set(sendMany(simulation, a, b, 100))].toSorted().join();
    };
    expect(lostWith({ reordering: 1, jitterMs: Distribution.uniform(0, 9) })).toBe(lostWith({}));
  });

  it("is cut in one direction, in both, and healed", () => {
    const { simulation, a, b } = pair();
    const say = (): void => {
      sendRaw(a, b.address, "to b");
      sendRaw(b, a.address, "to a");
      simulation.runFor(20);
    };
    const heal = simulation.network.cut([a], [b]);
    say();
    expect([heardBy(a), heardBy(b)]).toEqual([["to a"], []]);
    heal();
    const join = simulation.network.partition([[a], [b]]);
    say();
    expect([heardBy(a), heardBy(b)]).toEqual([["to a"], []]);
    join();
    say();
    expect([heardBy(a), heardBy(b)]).toEqual([["to a", "to a"], ["to b"]]);
    expect(simulation.network.counters.dropped.cut).toBe(3);
  });

  it("leaves whoever is in no part of a partition in touch with all", () => {
    const { simulation, a, b } = pair();
    const c = addRaw(simulation);
    simulation.network.partition([[a], [b]]);
    sendRaw(a, c.address, "a");
    sendRaw(b, c.address, "b");
    simulation.runFor(20);
    expect(heardBy(c)).toEqual(["a", "b"]);
  });

  it("adds what rules say of a link to what all meet", () => {
    const { simulation, a, b } = pair();
    const remove = simulation.network.addRule((from) =>
      from === a ? { addedDelayMs: 30, loss: 0.5 } : undefined,
    );
    expect(Math.abs(sendMany(simulation, a, b, 200).length - 100)).toBeLessThan(30);
    expect(b.node.inbox[0]?.atMs).toBeGreaterThanOrEqual(40);
    expect(sendMany(simulation, b, a, 50)).toHaveLength(50);
    remove();
    expect(sendMany(simulation, a, b, 50).slice(-50)).toEqual(
      Array.from({ length: 50 }, (_, i) => String(i)),
    );
  });

  it("changes while it runs", () => {
    const { simulation, a, b } = pair();
    simulation.network.set({ loss: 1 });
    expect(sendMany(simulation, a, b, 5)).toEqual([]);
    simulation.network.set({ loss: 0 });
    expect(sendMany(simulation, a, b, 5)).toHaveLength(5);
  });

  it("drops what goes to nobody, or to a host that is down", () => {
    const { simulation, a, b } = pair();
    sendRaw(a, simulation.address("udp://198.51.100.1:1"), "?");
    sendRaw(a, b.address, "too late");
    b.crash();
    simulation.runFor(20);
    sendRaw(a, b.address, "nobody there");
    expect(simulation.network.counters.dropped).toMatchObject({ nobody: 3 });
  });

  it("delivers nothing to a host that has come back at another address", () => {
    const { simulation, a, b } = pair();
    sendRaw(a, b.address, "for the one before");
    b.move();
    simulation.runFor(20);
    expect(heardBy(b)).toEqual([]);
    sendRaw(a, b.address, "for you");
    simulation.runFor(20);
    expect(heardBy(b)).toEqual(["for you"]);
    expect(b.node.events.at(-1)).toMatchObject({ type: "addressesChanged", addresses: [b.address] });
  });

  it("carries only what the lines of both hosts carry", () => {
    const simulation = new Simulation({ seed: 1, network: still });
    const a = addRaw(simulation, { uplink: { bytesPerSecond: 10_000, queueBytes: 1_000 } });
    const b = addRaw(simulation, { downlink: { bytesPerSecond: 5_000, queueBytes: 1_000 } });
    const c = addRaw(simulation);
    for (let i = 0; i < 20; i++) sendRaw(a, c.address, new Uint8Array(72)); // 100 with headers
    simulation.runFor(1_000);
    // Ten wait and one is on the line; each takes 10 ms, and 10 to travel.
    expect(c.node.inbox.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 11 }, (_, i) => 20 + 10 * i));
    expect(simulation.network.counters.dropped.uplinkFull).toBe(9);
    for (let i = 0; i < 20; i++) sendRaw(c, b.address, new Uint8Array(72));
    simulation.runFor(1_000);
    expect(b.node.inbox.map(({ atMs }) => atMs)).toEqual(
      Array.from({ length: 11 }, (_, i) => 1_030 + 20 * i),
    );
    expect(simulation.network.counters.dropped.downlinkFull).toBe(9);
  });

  it("gives each host a /24 of its own, and a /64, of which no limit passes over any", () => {
    const simulation = new Simulation({ seed: 1 });
    const hosts = simulation.addHosts(3_000, { isStarted: false, families: "both" });
    const { addresses } = simulation.nodeOptions("both");
    const groups = hosts.flatMap(({ endpoints }) => endpoints.map(({ address }) => addresses.group(address)));
    expect(groups).not.toContain(undefined);
    expect(new Set(groups).size).toBe(6_000);
  });

  it("tells a host of one family nothing of addresses of the other", () => {
    const simulation = new Simulation({ seed: 1, network: still });
    const [four, six] = [addRaw(simulation, { families: "ipv4" }), addRaw(simulation, { families: "ipv6" })];
    const both = addRaw(simulation, { families: "both" });
    const [both4, both6] = both.endpoints.map(({ address }) => address) as never as [never, never];
    expect([four, six, both].map(({ endpoints }) => endpoints.map(({ address }) => address.family))).toEqual([
      [4],
      [6],
      [4, 6],
    ]);
    sendRaw(four, both4, "by 4");
    sendRaw(six, both6, "by 6");
    sendRaw(four, six.address, "no way");
    simulation.runFor(20);
    expect(heardBy(both)).toEqual(["by 4", "by 6"]);
    expect(heardBy(six)).toEqual([]);
  });

  it.each([
    [{ loss: 1.1 }, "network.loss: 1.1"],
    [{ duplication: -0.1 }, "network.duplication: -0.1"],
    [{ reordering: Number.NaN }, "network.reordering: NaN"],
    [{ maxPacketBytes: 0 }, "network.maxPacketBytes: 0"],
  ])("refuses %o", (network, text) => {
    expect(() => new Simulation({ seed: 1, network })).toThrow(text);
    expect(() => new Simulation({ seed: 1 }).network.set(network)).toThrow(text);
  });
});
