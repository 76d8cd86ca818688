/**
 * The queries of whole nodes in virtual time: what they share, and what each is bound to.
 */
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Contact,
  compareDistance,
  immutableRecord,
  NodeId,
  type NodeLimits,
  type QueryFinished,
  type QueryId,
  UsageError,
} from "../src/index.ts";
import { type Host, Network, seededRandom, sha256 } from "./pair.ts";

const second = 1_000;

function joined(count: number, limits: Partial<NodeLimits> = {}, delayMs = 20): Network {
  const network = new Network({ delayMs, limits, seed: 9 });
  const seed = network.add();
  for (let i = 1; i < count; i++)
    network.add().node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
  network.run(10 * second);
  for (const { events } of network.hosts) events.length = 0;
  return network;
}

function hostAt(network: Network, index: number): Host {
  return network.hosts[index] as Host;
}

function contactsOf({ result }: QueryFinished): readonly Contact[] {
  if (result.type !== "nodes") throw new Error(`no contacts but ${result.type}`);
  return result.contacts;
}

function storedOf({ result }: QueryFinished): Extract<QueryFinished["result"], { type: "stored" }> {
  if (result.type !== "stored") throw new Error(`not stored but ${result.type}`);
  return result;
}

function randomId(seed: number): NodeId {
  const bytes = new Uint8Array(32);
  seededRandom(seed).fill(bytes);
  return NodeId.fromBytes(bytes);
}

function endsOf(host: Host, query: QueryId): QueryFinished[] {
  return host.events.filter(
    (event): event is QueryFinished => event.type === "queryFinished" && event.query === query,
  );
}

describe("more queries than are allowed at once", () => {
  it("are refused before anything changes, whatever they are", () => {
    const network = joined(5, { maxQueries: 1 });
    const { node, address } = hostAt(network, 1);
    const to = { addresses: [hostAt(network, 2).address] };
    const key = randomId(1);
    const running = node.findNode(network.nowMs, key);
    const before = node.stats();
    const commands: (() => unknown)[] = [
      () => node.findNode(network.nowMs, key),
      () => node.ping(network.nowMs, to),
      () => node.get(network.nowMs, key),
      () => node.put(network.nowMs, immutableRecord(sha256, Uint8Array.of(1))),
      () => node.send(network.nowMs, to, "p", new Uint8Array(100)),
      () => node.bootstrap(network.nowMs, [{ addresses: [address] }]),
    ];
    for (const command of commands) {
      expect(command).toThrow(UsageError);
      expect(command).toThrow("queries: 1; allowed at once are 1");
    }
    expect(node.stats()).toEqual(before);
    expect(network.finish(hostAt(network, 1), running).end).toBe("converged");
    expect(node.findNode(network.nowMs, key)).toBeGreaterThan(running);
  });
});

describe("messages that wait or are under way", () => {
  it("have a bound for each peer and one in all; beyond it they end at once, as busy", () => {
    const network = new Network({ limits: { maxSendBytes: 150, maxSendBytesPerPeer: 100 } });
    const [sender, one, other] = [network.add(), network.add(), network.add()] as [Host, Host, Host];
    const send = (to: Host, bytes: number) =>
      sender.node.send(network.nowMs, { addresses: [to.address] }, "p", new Uint8Array(bytes));
    const first = send(one, 60);
    const overForPeer = send(one, 41);
    const second = send(other, 90);
    const overInAll = send(one, 1);
    expect(sender.node.stats().gauges.sendBytes).toEqual({ used: 150, limit: 150 });
    network.settle();
    for (const query of [overForPeer, overInAll]) {
      expect(endsOf(sender, query)).toMatchObject([
        {
          end: "exhausted",
          result: { type: "reply", body: undefined, reason: "busy" },
          stats: { requests: 0 },
        },
      ]);
    }
    for (const query of [first, second]) expect(network.finish(sender, query).stats.requests).toBe(1);
    expect(sender.node.stats().gauges.sendBytes.used).toBe(0);
    const after = send(one, 100);
    expect(network.finish(sender, after).result).not.toMatchObject({ reason: "busy" });
  });

  it("give their room back when they are cancelled", () => {
    const network = new Network({ limits: { maxSendBytes: 100 } });
    const [sender, other] = [network.add(), network.add()] as [Host, Host];
    const query = sender.node.send(network.nowMs, { addresses: [other.address] }, "p", new Uint8Array(100));
    expect(sender.node.cancel(network.nowMs, query)).toBe(true);
    expect(sender.node.stats().gauges.sendBytes.used).toBe(0);
  });
});

describe("a query in a network of forty", () => {
  let network: Network;
  beforeAll(() => {
    network = joined(40);
  });

  it("finds the closest with as many results as are asked for", () => {
    const host = hostAt(network, 3);
    const target = randomId(2);
    const contacts = contactsOf(
      network.finish(host, host.node.findNode(network.nowMs, target, { results: 12 })),
    );
    const closest = network.hosts
      .filter((other) => other !== host)
      .map(({ node }) => node.id.toHex())
      .sort((a, b) => compareDistance(target, NodeId.fromHex(a), NodeId.fromHex(b)));
    expect(contacts.map(({ id }) => id.toHex())).toEqual(closest.slice(0, 12));
  });

  it("finds the same by several paths", () => {
    const host = hostAt(network, 5);
    const target = randomId(3);
    const alone = network.finish(host, host.node.findNode(network.nowMs, target));
    const apart = network.finish(host, host.node.findNode(network.nowMs, target, { paths: 3 }));
    expect(contactsOf(apart)).toEqual(contactsOf(alone));
    expect(apart.stats.requests).toBeGreaterThan(alone.stats.requests);
  });

  it("ends at its deadline with those that have answered by then", () => {
    const host = hostAt(network, 7);
    const target = randomId(4);
    const id = host.node.findNode(network.nowMs, target, { timeoutMs: 50, results: 20 });
    const end = network.finish(host, id);
    expect(end.end).toBe("timedOut");
    expect(end.stats.durationMs).toBe(50);
    expect(contactsOf(end)).toHaveLength(3);
    expect(end.stats).toMatchObject({ responses: 3 });
  });

  it("ends once, at once and with what there is when it is cancelled", () => {
    const host = hostAt(network, 8);
    const id = host.node.findNode(network.nowMs, randomId(5), { results: 20 });
    network.run(45);
    expect(host.node.stats().gauges.requestsInFlight.used).toBeGreaterThan(0);
    expect(host.node.cancel(network.nowMs, id)).toBe(true);
    expect(host.node.stats().gauges.requestsInFlight.used).toBe(0);
    expect(host.node.cancel(network.nowMs, id)).toBe(false);
    network.run(60 * second);
    const ends = endsOf(host, id);
    expect(ends).toMatchObject([{ end: "cancelled" }]);
    expect(contactsOf(ends[0] as QueryFinished)).toHaveLength(3);
  });

  it("needs few rounds and requests", () => {
    for (let i = 0; i < 20; i++) {
      const host = hostAt(network, i);
      const { stats } = network.finish(host, host.node.findNode(network.nowMs, randomId(100 + i)));
      expect(stats.rounds).toBeLessThanOrEqual(4);
      expect(stats.requests).toBeLessThanOrEqual(16);
      expect(stats.durationMs).toBeLessThanOrEqual(4 * 40);
    }
  });
});

describe("joining", () => {
  const join = (seedsUp: readonly boolean[]) => {
    const network = joined(10);
    const host = network.add();
    const seeds = seedsUp.map((isUp, i) => {
      const seed = hostAt(network, i);
      seed.isUp = isUp;
      return { addresses: [seed.address] };
    });
    const startMs = network.nowMs;
    const end = network.finish(host, host.node.bootstrap(network.nowMs, seeds));
    return { end, host, tookMs: network.nowMs - startMs };
  };

  it("through dead seeds alone is exhausted, at their hard timeouts", () => {
    const { end, host, tookMs } = join([false, false]);
    expect(end.end).toBe("exhausted");
    expect(tookMs).toBe(10 * second);
    expect(host.node.table.size).toBe(0);
  });

  it("converges as soon as the dead are overdue where one seed lives", () => {
    const { end, host, tookMs } = join([false, true, false]);
    expect(end.end).toBe("converged");
    expect(tookMs).toBeLessThan(4 * second);
    expect(host.node.table.size).toBeGreaterThanOrEqual(7);
  });

  it("through a client finds the network, and the client is in no result and no table", () => {
    const network = joined(10);
    const client = network.add({ mode: "client" });
    network.finish(
      client,
      client.node.bootstrap(network.nowMs, [{ addresses: [hostAt(network, 0).address] }]),
    );
    const host = network.add();
    const end = network.finish(host, host.node.bootstrap(network.nowMs, [{ addresses: [client.address] }]));
    expect(end.end).toBe("converged");
    expect(contactsOf(end).map(({ id }) => id.toHex())).not.toContain(client.node.id.toHex());
    expect(host.node.table.get(client.node.id)).toBeUndefined();
    expect(host.node.table.size).toBeGreaterThanOrEqual(9);
  });

  it("again through a node that we know asks nobody twice", () => {
    const network = joined(10);
    const host = hostAt(network, 4);
    const seeds = [{ addresses: [hostAt(network, 0).address] }];
    expect(network.finish(host, host.node.bootstrap(network.nowMs, seeds)).stats).toMatchObject({
      requests: 9,
      responses: 9,
    });
  });
});

describe("peers that do not answer", () => {
  it("are not waited for again once they are suspect", () => {
    const network = joined(20);
    const host = hostAt(network, 2);
    for (const other of network.hosts.slice(10)) other.isUp = false;
    const durations = Array.from({ length: 4 }, (_, i) => {
      const end = network.finish(host, host.node.findNode(network.nowMs, randomId(40), { results: 9 }));
      expect(contactsOf(end), `walk ${i}`).toHaveLength(9);
      return end.stats.durationMs;
    });
    expect(durations[0]).toBeGreaterThan(500);
    expect(durations[3]).toBeLessThan(200);
  });

  it("leave the table after a few walks", () => {
    const network = joined(20, { maxFailures: 3 });
    const host = hostAt(network, 2);
    const dead = network.hosts.slice(15);
    for (const other of dead) other.isUp = false;
    for (let i = 0; i < 4; i++) {
      network.finish(host, host.node.findNode(network.nowMs, randomId(40 + i), { results: 19 }));
      network.run(10 * second);
    }
    expect(dead.filter(({ node }) => host.node.table.get(node.id) !== undefined)).toEqual([]);
    expect(host.node.table.size).toBeGreaterThanOrEqual(13);
  });
});

describe("nodes that crowd around a key", () => {
  const crowded = (): { network: Network; host: Host; record: ReturnType<typeof immutableRecord> } => {
    const network = joined(60);
    const host = hostAt(network, 1);
    for (let i = 0; i < 12; i++)
      network.finish(host, host.node.findNode(network.nowMs, randomId(200 + i), { results: 20 }));
    const record = immutableRecord(sha256, Uint8Array.of(1, 2, 3));
    for (let i = 0; i < 8; i++) {
      const id = record.key.toBytes();
      id[31] = (id[31] as number) ^ (i + 1);
      const liar = network.add({ id: NodeId.fromBytes(id) });
      network.finish(liar, liar.node.bootstrap(network.nowMs, [{ addresses: [hostAt(network, 0).address] }]));
    }
    network.run(second);
    for (const { events } of network.hosts) events.length = 0;
    return { network, host, record };
  };

  it("are reported, and teach nothing of the network's size", () => {
    const { network, host, record } = crowded();
    const { networkSize } = host.node.stats();
    expect(networkSize).toBeGreaterThan(40);
    expect(networkSize).toBeLessThan(90);
    network.finish(host, host.node.findNode(network.nowMs, record.key));
    const errors = host.events.flatMap((event) => (event.type === "error" ? [event.error] : []));
    expect(errors.map(({ code }) => code)).toEqual(["denseNeighbourhood"]);
    expect(errors[0]?.message).toContain(record.key.toHex());
    expect(host.node.stats().networkSize).toBe(networkSize);
  });

  it("do not have a record for themselves: a put goes on to honest holders", () => {
    const { network, host, record } = crowded();
    const stored = storedOf(network.finish(host, host.node.put(network.nowMs, record, { results: 8 })));
    expect(stored.asked).toBe(16);
    expect(stored.accepted).toBe(16);
  });

  it("do not stop several paths from doing so either", () => {
    const { network, host, record } = crowded();
    const options = { results: 8, paths: 2 };
    const stored = storedOf(network.finish(host, host.node.put(network.nowMs, record, options)));
    expect(stored.accepted).toBe(16);
  });
});
