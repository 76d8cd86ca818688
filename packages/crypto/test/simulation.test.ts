/** Whole networks of secured nodes in the simulator, through what networks do, and beside the same ones in plain text. */
import { type ExperimentOptions, runExperiment, type SimHost, Simulation, Swarm } from "@kad/sim";
import { describe, expect, it } from "vitest";
import { NetworkKey } from "../src/network.ts";
import { SeededRandom } from "./support/random.ts";
import { SecureStack } from "./support/secure-stack.ts";

/** A network that has formed. */
function formed(seed: string, nodes: number, stack: SecureStack) {
  const simulation = new Simulation({ seed, stack });
  const swarm = new Swarm(simulation, { nodes, overMs: 10 * nodes });
  expect(swarm.settle()).toBe(true);
  simulation.runFor(5_000);
  return { simulation, hosts: swarm.hosts };
}

/** How many of `count` lookups, by hosts in turn, ended as they should and found the closest node. */
function found(simulation: Simulation, hosts: readonly SimHost[], count: number): number {
  const random = simulation.stream("test lookups");
  let right = 0;
  for (let i = 0; i < count; i++) {
    const asker = hosts[i % hosts.length] as SimHost;
    const target = random.pick(hosts.filter((host) => host !== asker)).id;
    const query = asker.findNode(target);
    simulation.runUntil(() => query.isOver, 60_000);
    const { finished } = query;
    if (finished?.result.type === "nodes" && finished.result.contacts[0]?.id.equals(target)) right++;
  }
  return right;
}

const sumOf = (
  stack: SecureStack,
  read: (stats: ReturnType<SecureStack["channels"][number]["stats"]>) => number,
) => stack.channels.reduce((sum, channel) => sum + read(channel.stats()), 0);

describe("an experiment with secured nodes", () => {
  it.each<[string, Partial<ExperimentOptions>]>([
    ["a tenth of all packets is lost", { loss: 0.1 }],
    ["a third of all packets is lost", { loss: 0.3, nodes: 24, lookups: 30, gets: 30 }],
    ["packets are lost, doubled and overtaken", { loss: 0.05, duplication: 0.05, reordering: 0.1 }],
    ["nodes come and go", { churn: { medianMs: 600_000 }, hours: 0.2 }],
    ["a third of all nodes crashes at once", { kill: 0.33, hours: 0.1 }],
  ])("says the same as one in plain text, within a little: %s", (_what, given) => {
    const options = { seed: "beside", nodes: 30, hours: 0.05, lookups: 40, gets: 40, records: 20, ...given };
    const plain = runExperiment(options);
    const stack = new SecureStack();
    const secured = runExperiment({ ...options, stack });
    expect(secured.join.joined).toBeGreaterThanOrEqual(plain.join.joined - 1);
    for (const [place, phase] of secured.phases.entries()) {
      const beside = plain.phases[place];
      expect(phase.lookups?.recall).toBeGreaterThan((beside?.lookups?.recall ?? 1) - 0.05);
      expect(phase.gets?.success).toBeGreaterThan((beside?.gets?.success ?? 1) - 0.05);
    }
    if (given.loss === 0.1) {
      const [ours, plainly] = [secured, plain].map(({ phases }) => phases[0]?.lookups?.durationMs.p99 ?? 0);
      expect(ours).toBeLessThan(1.5 * (plainly ?? 0));
    }
    expect(secured.records?.readBackNewest).toBeGreaterThanOrEqual((plain.records?.readBackNewest ?? 20) - 1);
    expect(sumOf(stack, ({ sessionsOpened }) => sessionsOpened.initiator)).toBeGreaterThan(options.nodes);
    expect(
      sumOf(stack, ({ dropped }) => dropped.dataForged + dropped.helloForged + dropped.prefixLimited),
    ).toBe(0);
  });

  it("is the same event for event with the same seed", () => {
    const options = { seed: "again", nodes: 20, hours: 0.02, lookups: 20, loss: 0.1 };
    const [one, other] = [1, 2].map(() => runExperiment({ ...options, stack: new SecureStack() }));
    expect(one).toEqual(other);
  });
});

describe("a network of secured nodes", () => {
  it("finds nearly everybody with tables of sessions that hold a third of it", () => {
    const stack = new SecureStack({ limits: { maxSessions: 8 } });
    const { simulation, hosts } = formed("small tables", 24, stack);
    expect(found(simulation, hosts, 24)).toBeGreaterThanOrEqual(20);
    expect(sumOf(stack, ({ sessionsEnded }) => sessionsEnded.evicted)).toBeGreaterThan(100);
    for (const channel of stack.channels) expect(channel.stats().gauges.sessions.used).toBeLessThanOrEqual(8);
  });

  it("goes on through the end of every session and every static key", () => {
    const stack = new SecureStack();
    const { simulation, hosts } = formed("a day", 12, stack);
    const opened = () => sumOf(stack, ({ sessionsOpened }) => sessionsOpened.initiator);
    const before = opened();
    for (let hour = 0; hour < 26; hour++) {
      simulation.runFor(3_600_000);
      expect(found(simulation, hosts, 4)).toBe(4);
    }
    expect(opened()).toBeGreaterThan(2 * before);
    expect(sumOf(stack, ({ dropped }) => dropped.dataForged + dropped.dataRepeated)).toBe(0);
  });

  it("finds a node again that has moved to another network, in the sessions that it had", () => {
    const stack = new SecureStack();
    const { simulation, hosts } = formed("moved", 16, stack);
    const moved = hosts[5] as SimHost;
    const handshakes = stack.channelOf(moved.id).stats().sessionsOpened.responder;
    moved.move();
    const other = hosts[6] as SimHost;
    const ping = moved.ping({ id: other.id, addresses: [other.address] });
    simulation.runUntil(() => ping.isOver, 30_000);
    expect(ping.finished?.result.type).toBe("pong");
    simulation.runFor(5_000);
    expect(stack.channelOf(other.id).stats().pathsMoved).toBe(1);
    const back = other.ping({ id: moved.id, addresses: [moved.address] });
    simulation.runUntil(() => back.isOver, 30_000);
    expect(back.finished?.result.type).toBe("pong");
    expect(stack.channelOf(moved.id).stats().sessionsOpened.responder).toBe(handshakes);
  });

  it("serves honest peers while strangers flood one of them with HELLOs and with HANDSHAKEs", () => {
    const stack = new SecureStack();
    const { simulation, hosts } = formed("flood", 16, stack);
    const victim = hosts[3] as SimHost;
    const seen: Uint8Array[] = [];
    const attacker = new Simulation({ seed: "attackers", stack: new SecureStack() });
    attacker.observers.add({
      onSend(_nowUs, { bytes }) {
        if (bytes[0] === 5) seen.push(Uint8Array.from(bytes));
      },
    });
    const [target, ...others] = attacker.addHosts(9);
    for (const host of others) host.bootstrap([target?.seed ?? { addresses: [] }]);
    attacker.runFor(100);
    expect(seen.length).toBeGreaterThan(4);

    const sources = simulation.addHosts(8, { isStarted: false });
    const random = new SeededRandom("garbage");
    for (const source of sources) source.start();
    let sent = 0;
    const flood = (): void => {
      for (let i = 0; i < 20; i++) {
        const source = sources[sent % sources.length] as SimHost;
        const garbage = new Uint8Array(300);
        random.fill(garbage);
        garbage.set([7, 1, 1, 1]);
        source.transmit(victim.address, sent % 2 === 0 ? (seen[sent % seen.length] as Uint8Array) : garbage);
        sent++;
      }
      simulation.after(2, flood);
    };
    flood();
    const channel = stack.channelOf(victim.id);
    const before = channel.stats();
    let pongs = 0;
    for (const host of hosts.filter((one) => one !== victim)) {
      const ping = host.ping({ id: victim.id, addresses: [victim.address] });
      simulation.runUntil(() => ping.isOver, 10_000);
      if (ping.finished?.result.type === "pong") pongs++;
    }
    const after = channel.stats();
    expect(sent).toBeGreaterThan(2_000);
    expect(pongs).toBe(hosts.length - 1);
    expect(after.received.hello - before.received.hello).toBeGreaterThan(500);
    expect(after.dropped.cookieExpired + after.dropped.cookieForged).toBeGreaterThan(500);
    expect(after.gauges.sessions.used).toBeLessThanOrEqual(before.gauges.sessions.used + hosts.length);
    for (const [name, { used, limit }] of Object.entries(after.gauges))
      expect(used, name).toBeLessThanOrEqual(limit);
  });

  it("with a key says nothing to who has it not", () => {
    const stack = new SecureStack();
    stack.networkKey = NetworkKey.fromHex("a1".repeat(32));
    const { simulation, hosts } = formed("strangers", 4, stack);
    stack.networkKey = undefined;
    const stranger = simulation.addHost();
    let answers = 0;
    simulation.observers.add({
      onSend(_nowUs, { target }) {
        if (target?.host === stranger) answers++;
      },
    });
    const query = stranger.bootstrap(hosts.map(({ seed }) => seed));
    simulation.runUntil(() => query.isOver, 60_000);
    expect(query.finished?.end).toBe("exhausted");
    expect(sumOf(stack, ({ dropped }) => dropped.helloForged)).toBeGreaterThan(4);
    expect(answers).toBe(0);
  });
});
