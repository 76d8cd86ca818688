import { type Message, NodeId, openRecord, type Request, type ResponseMessage } from "@kad/core";
import { describe, expect, it } from "vitest";
import {
  constantDelay,
  Distribution,
  type HostOptions,
  type RogueKind,
  rogueHost,
  type SimHost,
  Simulation,
  Swarm,
  SybilGroup,
  sybilHosts,
} from "../src/index.ts";
import { addRaw, sendRaw } from "./raw-machine.ts";

const target = NodeId.fromBytes(new Uint8Array(32).fill(0x5a));

/** A rogue among ten honest nodes that it knows, and somebody who asks it by hand. */
function scene(options: HostOptions) {
  const simulation = new Simulation({
    seed: 1,
    network: { delay: constantDelay(1), jitterMs: Distribution.constant(0) },
  });
  const swarm = new Swarm(simulation, { nodes: 10 });
  swarm.settle();
  const discovered = new Set<SimHost>();
  simulation.observers.add({
    onEvent(_nowUs, host, event) {
      if (event.type === "nodeDiscovered" && event.contact.id.equals(rogue.id)) discovered.add(host);
    },
  });
  const rogue = simulation.addHost(options);
  rogue.join(swarm.hosts);
  simulation.runFor(5_000);
  const asker = addRaw(simulation);
  const askerId = NodeId.fromBytes(new Uint8Array(32).fill(1));
  let low = 0;
  const ask = (body: Request, to: SimHost = rogue): ResponseMessage | "nothing" | "garbage" => {
    const into = new Uint8Array(1_200);
    const requestId = { high: 7, low: ++low };
    const message: Message = {
      kind: "request",
      requestId,
      sender: askerId,
      client: true,
      addresses: [],
      want: 1,
      body,
    };
    const length = simulation.protocol.encode(message, into, into.length, true) as number;
    asker.node.inbox.length = 0;
    sendRaw(asker, to.address, into.subarray(0, length));
    simulation.runFor(5);
    const [answer] = asker.node.inbox;
    if (answer === undefined) return "nothing";
    const decoded = simulation.protocol.decode(answer.bytes);
    return decoded.kind === "response" && decoded.requestId.low === low ? decoded : "garbage";
  };
  return { simulation, swarm, rogue, discovered, ask };
}

const bodyOf = (answer: ResponseMessage | "nothing" | "garbage") =>
  typeof answer === "string" ? answer : answer.body;

const findNode: Request = { type: "findNode", target, wantToken: true };
const getValue: Request = { type: "getValue", key: target };
const getProviders: Request = { type: "getProviders", key: target, cursor: new Uint8Array(0) };
const addProvider: Request = {
  type: "addProvider",
  token: new Uint8Array(8),
  key: target,
  lifetimeMs: 60_000,
  meta: new Uint8Array(0),
};
function putValue({ sha256 }: Simulation, seq: number, token: Uint8Array | undefined): Request {
  const { key, body } = openRecord(sha256, "name", Uint8Array.of(seq), seq);
  return { type: "putValue", token, record: { typeCode: 2, key, lifetimeMs: 60_000, body } };
}

describe.each<RogueKind>(["silent", "liar", "garbage", "stale", "flooder"])("a rogue that is %s", (kind) => {
  it("answers pings, enters the tables of honest nodes, and is known as a rogue", () => {
    const { swarm, rogue, discovered, ask } = scene(rogueHost(kind));
    expect(bodyOf(ask({ type: "ping" }))).toEqual({ type: "pong" });
    expect(discovered.size).toBeGreaterThan(5);
    expect([rogue.isHonest, swarm.hosts[0]?.isHonest]).toEqual([false, true]);
    rogue.leave();
  });
});

describe("a silent node", () => {
  it("answers nothing but pings", () => {
    const { ask } = scene(rogueHost("silent"));
    expect([findNode, getValue, getProviders, addProvider].map((request) => ask(request))).toEqual([
      "nothing",
      "nothing",
      "nothing",
      "nothing",
    ]);
  });
});

describe("a liar", () => {
  it.each([findNode, getValue, getProviders])(
    "names 20 contacts that are nobody, near to the target: %o",
    (request) => {
      const { simulation, ask } = scene(rogueHost("liar"));
      const answer = bodyOf(ask(request));
      if (typeof answer === "string" || !("contacts" in answer)) throw new Error("no contacts");
      expect(answer.contacts).toHaveLength(20);
      const hosts = new Set(simulation.hosts.map(({ id }) => id.key));
      const subnets = answer.contacts.map(({ addresses }) =>
        addresses[0]?.key.split(".").slice(0, 3).join("."),
      );
      expect(new Set(subnets).size).toBeGreaterThan(15);
      for (const { id, addresses } of answer.contacts) {
        expect([hosts.has(id.key), id.key.startsWith("ZZZ")]).toEqual([false, true]);
        expect(simulation.network.endpointAt(addresses[0] as never)).toBeUndefined();
      }
      if (request.type === "findNode") expect(answer).toMatchObject({ token: expect.any(Uint8Array) });
    },
  );
});

describe("a garbage node", () => {
  it("answers all but pings with garbage of many kinds, and no honest node minds", () => {
    const { simulation, swarm, ask } = scene(rogueHost("garbage"));
    const kinds = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const answer = bodyOf(ask(i % 2 === 0 ? findNode : getValue));
      kinds.add(typeof answer === "string" ? answer : answer.type);
    }
    for (const kind of ["garbage", "value", "stored", "pong", "refused"]) expect(kinds).toContain(kind);
    const finds = swarm.hosts.map((host) => host.findNode(target));
    simulation.runFor(60_000);
    expect(finds.filter(({ finished }) => finished?.end !== "converged")).toEqual([]);
    const misbehaved = swarm.hosts.filter(({ node }) => node.stats().misbehaviour.malformed > 0);
    expect(misbehaved.length).toBeGreaterThan(0);
  });
});

describe("a stale node", () => {
  it("keeps the first record for ever, and says that it took the others", () => {
    const { simulation, ask } = scene(rogueHost("stale"));
    const first = putValue(simulation, 1, undefined);
    if (first.type !== "putValue") throw new Error("no record");
    const get: Request = { type: "getValue", key: first.record.key };
    expect(bodyOf(ask(get))).toMatchObject({ type: "nodes" });
    expect([ask(first), ask(putValue(simulation, 2, undefined))].map(bodyOf)).toEqual([
      { type: "stored" },
      { type: "stored" },
    ]);
    simulation.runFor(120_000);
    expect(bodyOf(ask(get))).toMatchObject({
      type: "value",
      record: { body: first.record.body, lifetimeMs: 86_400_000 },
    });
  });
});

describe("a flooder", () => {
  it("sends 200 requests a second to one contact after the other, and is banned by each in turn", () => {
    const { simulation, swarm, rogue } = scene(rogueHost("flooder"));
    const before = simulation.network.counters.sent;
    simulation.runFor(10_000);
    expect(simulation.network.counters.sent - before).toBeGreaterThan(2_000);
    simulation.runFor(110_000);
    const stats = swarm.hosts.map(({ node }) => node.stats());
    expect(stats.filter(({ misbehaviour }) => misbehaviour.rateLimited > 0).length).toBeGreaterThan(5);
    expect(stats.some(({ dropped }) => dropped.banned > 0)).toBe(true);
    expect(stats.some(({ dropped }) => dropped.unknownRequest > 0)).toBe(true);
    rogue.leave();
    const after = simulation.network.counters.sent;
    simulation.runFor(100);
    expect(simulation.network.counters.sent - after).toBeLessThan(100);
  });
});

describe("a Sybil", () => {
  function sybils(count: number) {
    const world = scene({ isStarted: true });
    const group = new SybilGroup();
    const next = sybilHosts(world.simulation, group);
    const hosts = Array.from({ length: count }, () => world.simulation.addHost(next()));
    return { ...world, group, hosts };
  }

  it("shares a /24 with three others at most", () => {
    const { simulation, hosts, group } = sybils(30);
    const { addresses } = simulation.nodeOptions("ipv4");
    const perSubnet = new Map<string, number>();
    for (const { address } of hosts) {
      const subnet = addresses.group(address) as string;
      perSubnet.set(subnet, (perSubnet.get(subnet) ?? 0) + 1);
    }
    expect([...perSubnet.values()]).toEqual([4, 4, 4, 4, 4, 4, 4, 2]);
    expect(group.size).toBe(30);
  });

  it("names the 20 other Sybils nearest to what is asked for", () => {
    const { hosts, ask } = sybils(30);
    const [sybil, ...others] = hosts as SimHost[] as [SimHost, ...SimHost[]];
    const keys = new Set(others.map(({ id }) => id.key));
    for (const request of [findNode, getValue, getProviders]) {
      const answer = bodyOf(ask(request, sybil));
      if (typeof answer === "string" || !("contacts" in answer)) throw new Error("no contacts");
      expect(answer.contacts.length).toBe(20);
      expect(answer.contacts.filter(({ id }) => !keys.has(id.key) && !id.equals(sybil.id))).toEqual([]);
    }
  });

  it("takes every record and every provider, and has none", () => {
    const { simulation, hosts, ask } = sybils(3);
    const [sybil] = hosts as SimHost[] as [SimHost];
    expect(bodyOf(ask(putValue(simulation, 1, new Uint8Array(8)), sybil))).toEqual({ type: "stored" });
    expect(bodyOf(ask(addProvider, sybil))).toEqual({ type: "stored" });
    expect(sybil.store.size).toBe(0);
    expect(bodyOf(ask(getProviders, sybil))).toMatchObject({ providers: [] });
    expect(bodyOf(ask({ type: "ping" }, sybil))).toEqual({ type: "pong" });
  });
});
