/**
 * Records on a network: what is stored is found, by whom it is held, and what survives when holders go.
 */
import { describe, expect, it } from "vitest";
import {
  compareDistance,
  type DhtRecord,
  immutableRecord,
  type NodeId,
  openRecord,
  type QueryFinished,
  readOpenRecord,
} from "../src/index.ts";
import { type Host, Network, type NetworkOptions, sha256 } from "./pair.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

const text = (words: string): Uint8Array => Uint8Array.from(words, (char) => char.charCodeAt(0));

/** Nodes that have all joined through the first. */
function joined(count: number, options: NetworkOptions = {}): Network {
  const network = new Network({ delayMs: 20, ...options });
  const seed = network.add();
  while (network.hosts.length < count) {
    const { node } = network.add();
    node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
  }
  network.run(10 * second);
  // With losses, both messages of a join may be among them.
  for (const by of network.hosts.slice(1)) {
    while (by.node.table.size === 0)
      network.finish(by, by.node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]));
  }
  return network;
}

function host(network: Network, i: number): Host {
  return network.hosts[i] as Host;
}

function put(
  network: Network,
  by: Host,
  record: DhtRecord,
): Extract<QueryFinished["result"], { type: "stored" }> {
  const { end, result } = network.finish(by, by.node.put(network.nowMs, record));
  expect(end).toBe("converged");
  if (result.type !== "stored") throw new Error(result.type);
  return result;
}

function get(network: Network, by: Host, key: NodeId): Extract<QueryFinished["result"], { type: "value" }> {
  const { result } = network.finish(by, by.node.get(network.nowMs, key));
  if (result.type !== "value") throw new Error(result.type);
  return result;
}

function holders(network: Network): Host[] {
  return network.hosts.filter(({ node, isUp }) => isUp && node.stats().gauges.records.used > 0);
}

describe("a value", () => {
  it("lives no longer because its holders had to be looked for", () => {
    const network = joined(30, { delayMs: 400 });
    const record = { ...immutableRecord(sha256, text("what ends soon")), lifetimeMs: 10 * second };
    const by = host(network, 3);
    const endsMs = network.nowMs + record.lifetimeMs;
    const { stats } = network.finish(by, by.node.put(network.nowMs, record, { keep: false }));
    // A walk of two round trips or more, of 800 ms each, and a round of storing.
    expect(stats.durationMs).toBeGreaterThan(2 * second);
    expect(holders(network).length).toBe(20);
    // A lifetime travels in whole seconds, rounded up, and counts from its arrival.
    network.run(endsMs - network.nowMs + 1 * second + 400);
    expect(holders(network)).toEqual([]);
  });

  it("is stored nowhere once its life is over", () => {
    const network = joined(30, { delayMs: 400 });
    const record = { ...immutableRecord(sha256, text("what is over")), lifetimeMs: 1_000 };
    const by = host(network, 3);
    const { end, result, stats } = network.finish(by, by.node.put(network.nowMs, record, { keep: false }));
    expect({ end, durationMs: stats.durationMs }).toEqual({ end: "timedOut", durationMs: 1_000 });
    expect(result).toMatchObject({ type: "stored", accepted: 0 });
    expect(holders(network)).toEqual([]);
  });

  it("is stored on the closest nodes, and found through any other, byte for byte", () => {
    const network = joined(30);
    const record = immutableRecord(sha256, text("what is kept"));
    const { asked, accepted } = put(network, host(network, 3), record);
    expect({ asked, accepted }).toEqual({ asked: 20, accepted: 20 });
    const closest = network.hosts
      .filter((other) => other !== host(network, 3))
      .sort((a, b) => compareDistance(record.key, a.node.id, b.node.id))
      .slice(0, 20);
    expect(new Set(holders(network))).toEqual(new Set(closest));
    for (const other of network.hosts) {
      const found = get(network, other, record.key);
      expect(found.record?.body).toEqual(record.body);
      expect(found.record?.type).toBe("immutable");
    }
  });

  it("of the largest size, and of none, is stored and found", () => {
    const network = joined(25);
    for (const bytes of [0, 1, 1_000]) {
      const record = immutableRecord(sha256, new Uint8Array(bytes).fill(7));
      expect(put(network, host(network, 1), record).accepted).toBe(20);
      expect(get(network, host(network, 2), record.key).record?.body).toEqual(record.body);
    }
  });

  it("that nobody has stored ends converged, with nothing, and with the nodes that would hold it", () => {
    const network = joined(25);
    const asker = host(network, 4);
    const { key } = immutableRecord(sha256, text("nobody has this"));
    const { end, result } = network.finish(asker, asker.node.get(network.nowMs, key));
    expect(end).toBe("converged");
    expect(result).toMatchObject({ type: "value", record: undefined, holders: [] });
    expect(result.type === "value" && result.contacts.length).toBe(8);
  });

  it("is found despite losses", () => {
    const network = joined(30, { loss: 0.15, seed: 3 });
    const record = immutableRecord(sha256, text("through noise"));
    const stored = put(network, host(network, 3), record);
    expect(stored.accepted).toBeGreaterThan(10);
    for (let i = 5; i < 30; i++) expect(get(network, host(network, i), record.key).record).toBeDefined();
  });

  it("under a name is the one with the larger sequence number, wherever it is asked for", () => {
    const network = joined(30);
    for (const seq of [1, 3, 2]) {
      const record = openRecord(sha256, "name", text(`version ${seq}`), seq);
      const { accepted, refusals } = put(network, host(network, seq), record);
      expect({ accepted, superseded: refusals.superseded ?? 0 }).toEqual(
        seq === 2 ? { accepted: 0, superseded: 20 } : { accepted: 20, superseded: 0 },
      );
    }
    for (const asker of network.hosts) {
      const { body } = get(network, asker, openRecord(sha256, "name", text(""), 1).key).record ?? {};
      expect(body && readOpenRecord(body)?.value).toEqual(text("version 3"));
    }
  });

  it("under a name is swapped only by those who know what stands there", () => {
    const network = joined(30);
    const { key } = openRecord(sha256, "name", text(""), 1);
    const byDistance = network.hosts.toSorted((a, b) => compareDistance(key, a.node.id, b.node.id));
    const holder = byDistance[0] as Host;
    const [first, second, third] = byDistance.slice(-3) as [Host, Host, Host];
    const swap = (by: Host, value: string, seq: number, expectedSeq: number) => {
      const record = openRecord(sha256, "name", text(value), seq);
      const { result } = network.finish(by, by.node.put(network.nowMs, record, { expectedSeq }));
      if (result.type !== "stored") throw new Error(result.type);
      return { asked: result.asked, accepted: result.accepted, superseded: result.refusals.superseded ?? 0 };
    };
    const swapped = { asked: 20, accepted: 20, superseded: 0 };
    expect(swap(first, "first", 100, 0)).toEqual(swapped);
    expect(swap(second, "second", 200, 100)).toEqual(swapped);
    // It has seen what the first one put, and would win by its number.
    expect(swap(third, "third", 300, 100)).toEqual({ asked: 20, accepted: 0, superseded: 20 });
    expect(swap(holder, "holder", 300, 100)).toEqual({ asked: 0, accepted: 0, superseded: 1 });
    const found = get(network, host(network, 9), key).record?.body as Uint8Array;
    expect(readOpenRecord(found)?.value).toEqual(text("second"));
    // A copy that would be renewed has only who has swapped.
    const copyOf = (by: Host) => {
      for (const other of network.hosts) other.isUp = other === by;
      const { result } = network.finish(by, by.node.get(network.nowMs, key, { results: 1 }));
      return result.type === "value" && result.record !== undefined;
    };
    expect(copyOf(third)).toBe(false);
    expect(copyOf(second)).toBe(true);
  });

  it("of a type without sequence numbers is not swapped", () => {
    const { node } = host(joined(2), 1);
    const record = immutableRecord(sha256, text("x"));
    expect(() => node.put(0, record, { expectedSeq: 1 })).toThrow(
      expect.objectContaining({
        code: "invalidOption",
        message: "expectedSeq: records of type immutable have no sequence numbers",
      }),
    );
  });

  it("is never served beyond its life, by anybody, and its room is free again", () => {
    const network = joined(25);
    const record = { ...openRecord(sha256, "brief", text("soon gone"), 1), lifetimeMs: 2 * minute };
    put(network, host(network, 1), record);
    network.run(2 * minute - 10 * second);
    expect(get(network, host(network, 2), record.key).record).toBeDefined();
    network.run(11 * second);
    expect(holders(network).length).toBe(0);
    for (const asker of network.hosts) expect(get(network, asker, record.key).record).toBeUndefined();
    for (const { node } of network.hosts)
      expect(node.stats().gauges).toMatchObject({ records: { used: 0 }, recordBytes: { used: 0 } });
  });

  it("put with a life of its own ends then, although holders pass it on and its publisher is there", () => {
    const network = joined(22);
    const record = { ...openRecord(sha256, "brief", text("half a day"), 1), lifetimeMs: 6 * hour };
    put(network, host(network, 1), record);
    network.run(5 * hour);
    expect(get(network, host(network, 2), record.key).record).toBeDefined();
    network.run(61 * minute);
    expect(holders(network).length).toBe(0);
  });
});

describe("a value over days", () => {
  it("survives its publisher and a part of its holders: those that stay pass it on, within every cap", () => {
    const network = joined(34, { seed: 8 });
    const record = immutableRecord(sha256, text("long-lived"));
    const publisher = host(network, 5);
    put(network, publisher, record);
    publisher.isUp = false;
    let killed = 0;
    // The holders closest to the key go one after the other; whoever is next takes their place.
    for (let round = 0; round < 8; round++) {
      network.run(140 * minute);
      const [closest] = holders(network).sort((a, b) => compareDistance(record.key, a.node.id, b.node.id));
      if (closest === undefined) throw new Error(`lost after ${round} rounds`);
      closest.isUp = false;
      killed++;
      for (const { node } of network.hosts) {
        const { gauges } = node.stats();
        for (const { used, limit } of Object.values(gauges)) expect(used).toBeLessThanOrEqual(limit);
      }
    }
    expect(killed).toBe(8);
    network.run(70 * minute);
    const alive = network.hosts.filter(({ isUp }) => isUp);
    expect(holders(network).length).toBeGreaterThanOrEqual(15);
    for (const asker of alive.slice(0, 5))
      expect(get(network, asker, record.key).record?.body).toEqual(record.body);
    // Nobody renews it: it ends a day after it was stored, and the moments that it was under way.
    network.run(4 * hour + 15 * minute);
    expect(holders(network).length).toBe(0);
  });

  it("stays for as long as its publisher does, who renews it", () => {
    const network = joined(22, { seed: 9 });
    const publisher = host(network, 5);
    const record = immutableRecord(sha256, text("kept alive"));
    put(network, publisher, record);
    for (let day = 0; day < 2; day++) network.run(24 * hour);
    expect(holders(network).length).toBeGreaterThanOrEqual(20);
    expect(get(network, host(network, 9), record.key).record?.body).toEqual(record.body);
  });

  it("costs one holder's republishing in an hour, not that of every holder", () => {
    let puts = 0;
    const network = joined(24, {
      seed: 10,
      onDatagram: (_nowMs, _from, _to, bytes) => {
        if (bytes[1] === 4) puts++;
      },
    });
    const publisher = host(network, 5);
    put(network, publisher, immutableRecord(sha256, text("quiet")));
    publisher.isUp = false;
    puts = 0;
    network.run(10 * hour);
    const perHour = puts / 10;
    expect(perHour).toBeGreaterThan(10);
    expect(perHour).toBeLessThan(90);
  });
});

describe("a network left alone for days", () => {
  it("keeps its tables, and finds what it found", () => {
    const network = joined(30, { seed: 12, loss: 0.02 });
    const sizes = network.hosts.map(({ node }) => node.table.size);
    network.run(30 * hour);
    for (const [i, { node }] of network.hosts.entries()) {
      expect(node.table.size).toBeGreaterThanOrEqual((sizes[i] ?? 0) - 1);
      expect(node.stats().health).toBe("online");
    }
  });
});
