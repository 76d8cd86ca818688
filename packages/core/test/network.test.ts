/**
 * Small networks in virtual time: joining, finding, dying, links that are full, ids of other lengths.
 */
import { describe, expect, it } from "vitest";
import {
  type Contact,
  compareDistance,
  immutableRecord,
  NodeId,
  nativeProtocol,
  type QueryFinished,
  type RecordValidator,
} from "../src/index.ts";
import { type Host, Network, type NetworkOptions, seededRandom, sha256 } from "./pair.ts";

const second = 1_000;
const minute = 60 * second;

function joinAll(network: Network, count: number, make: () => Host = () => network.add()): Host[] {
  const seed = make();
  const others = Array.from({ length: count - 1 }, make);
  for (const { node } of others) node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
  return [seed, ...others];
}

function contactsOf({ result }: QueryFinished): readonly Contact[] {
  if (result.type !== "nodes") throw new Error(`no contacts but ${result.type}`);
  return result.contacts;
}

/** The live hosts nearest to a target, the asker left out. */
function nearest(network: Network, asker: Host, target: NodeId, count: number): string[] {
  return network.hosts
    .filter((host) => host.isUp && host !== asker)
    .map(({ node }) => node.id)
    .sort((a, b) => compareDistance(target, a, b))
    .slice(0, count)
    .map((id) => id.toHex());
}

function randomId(random: { fill(into: Uint8Array): void }, bytes = 32): NodeId {
  const id = new Uint8Array(bytes);
  random.fill(id);
  return NodeId.fromBytes(id);
}

const hex = (contacts: readonly Contact[]): string[] => contacts.map(({ id }) => id.toHex());

describe("fifty nodes that join at the same instant through one seed", () => {
  const options: NetworkOptions = { delayMs: 20, seed: 2 };

  it("find the true twenty closest ten seconds later, all but one time in a thousand", () => {
    const network = new Network(options);
    joinAll(network, 50);
    network.run(10 * second);
    const random = seededRandom(77);
    let exact = 0;
    const rounds: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      const asker = network.hosts[i % 50] as Host;
      const target = randomId(random);
      const end = network.finish(asker, asker.node.findNode(network.nowMs, target, { results: 20 }));
      expect(end.end).toBe("converged");
      rounds.push(end.stats.rounds);
      const found = hex(contactsOf(end));
      if (found.join() === nearest(network, asker, target, 20).join()) exact++;
      asker.events.length = 0;
    }
    expect(exact).toBeGreaterThanOrEqual(999);
    expect(rounds.reduce((sum, count) => sum + count, 0) / rounds.length).toBeLessThan(4);
  });

  it("go on when a third of them dies: finds miss one of twenty at most, values are found, and it soon takes no longer than before", () => {
    const network = new Network(options);
    joinAll(network, 50);
    network.run(10 * second);
    const random = seededRandom(78);
    const records = Array.from({ length: 20 }, (_, i) => immutableRecord(sha256, Uint8Array.of(i)));
    for (const [i, record] of records.entries()) {
      const publisher = network.hosts[i] as Host;
      const { result } = network.finish(publisher, publisher.node.put(network.nowMs, record));
      expect(result).toMatchObject({ type: "stored", accepted: 20 });
    }
    const asker = network.hosts[49] as Host;
    const target = randomId(random);
    const find = (): QueryFinished =>
      network.finish(asker, asker.node.findNode(network.nowMs, target, { results: 20 }));
    const before = find().stats.durationMs;
    for (let i = 0; i < 48; i += 3) (network.hosts[i] as Host).isUp = false;
    const durations: number[] = [];
    for (let i = 0; i < 6; i++) {
      const end = find();
      expect(end.end).toBe("converged");
      // A third of what everybody knows is dead: one of the farthest may be known to nobody who was asked.
      const closest = new Set(nearest(network, asker, target, 20));
      expect(hex(contactsOf(end)).filter((id) => closest.has(id)).length).toBeGreaterThanOrEqual(19);
      durations.push(end.stats.durationMs);
      network.run(5 * second);
    }
    expect(durations[0]).toBeLessThan(8 * second);
    expect(durations.at(-1)).toBeLessThanOrEqual(2 * before);
    for (const record of records) {
      const reader = network.hosts[1 + 3 * Math.floor(random.next() % 15)] as Host;
      const { result } = network.finish(reader, reader.node.get(network.nowMs, record.key));
      expect(result.type === "value" && result.record?.body).toEqual(record.body);
    }
  });

  it("forget the dead as they go on asking", () => {
    const network = new Network(options);
    joinAll(network, 50);
    network.run(10 * second);
    const dead = new Set<string>();
    for (let i = 0; i < 48; i += 3) {
      const host = network.hosts[i] as Host;
      host.isUp = false;
      dead.add(host.node.id.toHex());
    }
    const known = () =>
      network.hosts
        .filter(({ isUp }) => isUp)
        .flatMap(({ node }) => hex(node.table.contacts()))
        .filter((id) => dead.has(id)).length;
    expect(known()).toBeGreaterThan(100);
    const random = seededRandom(79);
    for (let i = 0; i < 10; i++) {
      for (const { node, isUp } of network.hosts)
        if (isUp) node.findNode(network.nowMs, randomId(random), { results: 20 });
      network.run(1 * minute);
    }
    expect(known()).toBeLessThan(20);
    for (const { node, isUp } of network.hosts) if (isUp) expect(node.stats().health).toBe("online");
  });

  it("say the same in every run from the same seed, byte for byte", () => {
    const run = (): string[] => {
      const said: string[] = [];
      const network = new Network({
        ...options,
        loss: 0.05,
        onDatagram: (nowMs, from, to, bytes) => said.push(`${nowMs} ${from.key} ${to} ${bytes.join()}`),
      });
      const [, ...hosts] = joinAll(network, 20);
      network.run(10 * second);
      const [asker] = hosts as [Host];
      network.finish(asker, asker.node.put(network.nowMs, immutableRecord(sha256, Uint8Array.of(1))));
      return said;
    };
    const first = run();
    expect(first.length).toBeGreaterThan(1_000);
    expect(first).toEqual(run());
  });
});

describe("ids of other lengths", () => {
  it.each([1, 20, 32])("of %i bytes: nodes join, find the closest, store and read", (idBytes) => {
    const network = new Network({ delayMs: 20, seed: idBytes });
    const protocol = nativeProtocol({ addresses: network.addresses, idBytes });
    const random = seededRandom(50 + idBytes);
    const ids = new Map<string, NodeId>();
    while (ids.size < 30) {
      const id = randomId(random, idBytes);
      ids.set(id.key, id);
    }
    const unused = [...ids.values()];
    /** The key is the beginning of the body: any length will do. */
    const prefixed: RecordValidator = {
      code: 60,
      maxBodyBytes: 100,
      quorum: 1,
      validate: (key, body) => (key.equalsBytes(body, 0) ? undefined : "not the beginning of the body"),
      select: () => 0,
    };
    const make = (): Host => network.add({ id: unused.pop() as NodeId, protocol, validators: { prefixed } });
    const hosts = joinAll(network, 30, make);
    network.run(10 * second);
    for (let i = 0; i < 60; i++) {
      const asker = hosts[i % 30] as Host;
      const target = randomId(random, idBytes);
      const end = network.finish(asker, asker.node.findNode(network.nowMs, target, { results: 20 }));
      expect(hex(contactsOf(end))).toEqual(nearest(network, asker, target, 20));
    }
    const key = randomId(random, idBytes);
    const [publisher, reader] = [hosts[3], hosts[17]] as [Host, Host];
    const body = new Uint8Array([...key.toBytes(), 1, 2, 3]);
    const put = network.finish(publisher, publisher.node.put(network.nowMs, { type: "prefixed", key, body }));
    expect(put.result).toMatchObject({ type: "stored", accepted: 20 });
    const { result } = network.finish(reader, reader.node.get(network.nowMs, key));
    expect(result.type === "value" && result.record?.body).toEqual(body);
  });
});

describe("a link that is full", () => {
  /** Twelve nodes on one link, twelve on another; the asker has both. */
  function twoLinks() {
    const network = new Network({ delayMs: 20, seed: 6 });
    network.addresses.setLink("udp6", { link: 2, maxBytes: 1_200 });
    let i = 0;
    const make = (): Host =>
      ++i % 2 === 0
        ? network.addAt(network.addresses.parse(`udp://[2001:db8:0:${i.toString(16)}::1]:4000`))
        : network.add();
    const hosts = joinAll(network, 24, make);
    network.run(10 * second);
    const asker = hosts[0] as Host;
    const flow = (open: boolean): void =>
      asker.node.handleNetworkEvent(network.nowMs, { type: "flow", link: 2, open });
    const throughSecond = (sinceDatagram: number): number =>
      network.log
        .slice(sinceDatagram)
        .filter(({ from, to }) => from === asker.address.key && to.includes("[")).length;
    return { network, asker, flow, throughSecond };
  }

  it("has its candidates passed over, and none of them failed, while the other link goes on", () => {
    const { network, asker, flow, throughSecond } = twoLinks();
    const target = randomId(seededRandom(3));
    flow(false);
    const since = network.log.length;
    const query = asker.node.findNode(network.nowMs, target, { results: 20 });
    network.run(3 * second);
    expect(throughSecond(since)).toBe(0);
    expect(network.log.slice(since).some(({ from }) => from === asker.address.key)).toBe(true);
    expect(asker.events.some((event) => event.type === "queryFinished" && event.query === query)).toBe(false);
    flow(true);
    const end = network.finish(asker, query);
    expect(end.end).toBe("converged");
    expect(end.stats.failures).toBe(0);
    expect(hex(contactsOf(end))).toEqual(nearest(network, asker, target, 20));
    expect(throughSecond(since)).toBeGreaterThan(5);
  });

  it("that never opens again ends a query with what the other link brought, in time", () => {
    const { network, asker, flow, throughSecond } = twoLinks();
    flow(false);
    const since = network.log.length;
    const target = randomId(seededRandom(4));
    const query = asker.node.findNode(network.nowMs, target, { results: 20, timeoutMs: 5_000 });
    const end = network.finish(asker, query);
    expect(end.end).toBe("timedOut");
    expect(contactsOf(end).length).toBeGreaterThan(5);
    expect(throughSecond(since)).toBe(0);
    expect(asker.node.table.size).toBeGreaterThan(15);
  });

  it("holds our pings and repetitions back too, and they go when it opens", () => {
    const { network, asker, flow, throughSecond } = twoLinks();
    const other = network.hosts.find(({ address }) => address.key.includes("[")) as Host;
    flow(false);
    const since = network.log.length;
    const query = asker.node.ping(network.nowMs, { addresses: [other.address] });
    network.run(2 * second);
    expect(throughSecond(since)).toBe(0);
    flow(true);
    expect(network.finish(asker, query).end).toBe("converged");
  });
});

describe("the publisher of a record", () => {
  it.each([
    ["keeps it like any holder", {}, 1],
    ["keeps nothing when it is told not to", { keep: false }, 0],
  ])("%s", (_what, options, kept) => {
    const network = new Network({ delayMs: 20, seed: 16 });
    const [publisher, holder] = joinAll(network, 2) as [Host, Host];
    network.run(10 * second);
    const record = { ...immutableRecord(sha256, Uint8Array.of(1)), lifetimeMs: minute };
    const put = network.finish(publisher, publisher.node.put(network.nowMs, record, options));
    expect(put.result).toMatchObject({ type: "stored", accepted: 1 });
    expect(holder.node.stats().gauges.records.used).toBe(1);
    expect(publisher.node.stats().gauges.records.used).toBe(kept);
  });
});

describe("clients", () => {
  it("find, store and read like others, and stand in nobody's table", () => {
    const network = new Network({ delayMs: 20, seed: 15 });
    const hosts = joinAll(network, 25);
    const clients = Array.from({ length: 5 }, () => network.add({ mode: "client" }));
    for (const { node } of clients)
      node.bootstrap(network.nowMs, [{ addresses: [(hosts[0] as Host).address] }]);
    network.run(10 * second);
    const [one, two] = clients as [Host, Host];
    const record = immutableRecord(sha256, Uint8Array.of(1));
    const put = network.finish(one, one.node.put(network.nowMs, record));
    expect(put.result).toMatchObject({ type: "stored", accepted: 20 });
    const { result } = network.finish(two, two.node.get(network.nowMs, record.key));
    expect(result.type === "value" && result.record?.body).toEqual(record.body);
    const isClient = new Set(clients.map(({ node }) => node.id.toHex()));
    network.run(20 * minute);
    for (const { node } of network.hosts) {
      expect(hex(node.table.contacts()).filter((id) => isClient.has(id))).toEqual([]);
    }
    const end = network.finish(two, two.node.findNode(network.nowMs, one.node.id, { results: 20 }));
    expect(hex(contactsOf(end)).filter((id) => isClient.has(id))).toEqual([]);
  });
});
