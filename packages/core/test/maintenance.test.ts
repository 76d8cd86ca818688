import { describe, expect, it } from "vitest";
import { type Contact, commonPrefixLength, immutableRecord, type NodeId } from "../src/index.ts";
import { Network, sha256 } from "./pair.ts";
import { type Sent, Stage, type Stranger } from "./stage.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

const contactOf = ({ id, path }: Stranger): Contact => ({ id, addresses: [path.remote] });
const isPing = ({ message }: Sent): boolean => message.kind === "request" && message.body.type === "ping";

function targets(sent: readonly Sent[]): NodeId[] {
  const found: NodeId[] = [];
  for (const { message } of sent) {
    if (message.kind !== "request" || message.body.type !== "findNode") continue;
    const { target } = message.body;
    if (!found.some((other) => other.equals(target))) found.push(target);
  }
  return found;
}

/** When, over a time, each request for our own id was sent, in minutes. */
function selfLookups(stage: Stage, forMs: number): number[] {
  const at: number[] = [];
  const endMs = stage.nowMs + forMs;
  while (stage.nowMs < endMs) {
    const isSelf = targets(stage.pass(1 * second)).some((target) => target.equals(stage.node.id));
    if (isSelf) at.push(stage.nowMs);
  }
  return at;
}

describe("liveness", () => {
  it("is asked of the stalest contacts, a few at a time, and of nobody heard lately", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    const peers = stage.populate(8);
    expect(stage.pass(14 * minute).filter(isPing)).toEqual([]);
    const alive = peers[0] as Stranger;
    stage.node.ping(stage.nowMs, contactOf(alive));
    stage.pass(1);
    const pings = stage.pass(6 * minute).filter(isPing);
    expect(pings).toHaveLength(4);
    expect(pings.every(({ transmit }) => !transmit.peer?.equals(alive.id))).toBe(true);
    expect(stage.pass(5 * minute).filter(isPing)).toHaveLength(3);
  });

  it("lets a contact go that has been silent for maxFailures pings, and keeps the others", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    const [dead, ...rest] = stage.populate(4) as [Stranger, ...Stranger[]];
    stage.live.delete(dead.path.remote.key);
    stage.pass(14 * minute);
    expect(stage.node.table.get(dead.id)).toMatchObject({ failures: 0 });
    stage.pass(7 * minute);
    expect(stage.node.table.get(dead.id)).toBeUndefined();
    for (const { id } of rest) expect(stage.node.table.get(id)).toBeDefined();
  });

  it("is asked of a contact that has not answered every quarter of a minute, until it answers or leaves", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    const peers = stage.populate(30);
    const isPingTo = (peer: Stranger) => (sent: Sent) =>
      isPing(sent) && sent.transmit.peer?.equals(peer.id) === true;
    const [dead, slow] = peers as [Stranger, Stranger];
    for (const peer of [dead, slow]) {
      stage.live.delete(peer.path.remote.key);
      stage.node.ping(stage.nowMs, contactOf(peer));
    }
    stage.pass(5 * second);
    expect(stage.node.table.get(dead.id)?.failures).toBe(1);
    expect(stage.pass(10 * second).filter(isPingTo(dead))).toEqual([]);
    stage.live.set(slow.path.remote.key, slow);
    expect(stage.pass(5 * second).filter(isPingTo(slow))).toHaveLength(1);
    expect(stage.node.table.get(slow.id)?.failures).toBe(0);
    const later = stage.pass(1 * minute);
    expect(later.filter(isPingTo(slow))).toEqual([]);
    expect(stage.node.table.get(dead.id)).toBeUndefined();
    expect(stage.node.table.get(slow.id)).toBeDefined();
    // One after the other is found out like that, without waiting for its turn.
    for (const peer of peers.slice(10)) stage.live.delete(peer.path.remote.key);
    for (const peer of peers.slice(10, 24)) stage.node.ping(stage.nowMs, contactOf(peer));
    for (let rest = 0; rest < 10; rest++) {
      stage.node.ping(stage.nowMs, contactOf(peers[2] as Stranger));
      stage.pass(30 * second);
    }
    expect(peers.slice(10, 24).filter(({ id }) => stage.node.table.get(id) !== undefined)).toEqual([]);
  });

  it("is not asked in haste while nobody answers: we ourselves may be cut off", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    const peers = stage.populate(12);
    stage.live.clear();
    stage.nowMs += second;
    for (const peer of peers) stage.node.ping(stage.nowMs, contactOf(peer));
    stage.pass(10 * second);
    expect(stage.node.stats().health).toBe("offline");
    const { size } = stage.node.table;
    expect(size).toBeGreaterThan(8);
    expect(stage.pass(4 * minute).filter(isPing).length).toBeLessThanOrEqual(2 * 4);
    expect(stage.node.table.size).toBe(size);
  });

  it("is asked now and then of one that has left, in turn, and tells when it is back", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    const peers = stage.populate(25);
    const lost = peers.slice(0, 3);
    for (const peer of lost) {
      stage.live.delete(peer.path.remote.key);
      for (let i = 0; i < 3; i++) {
        stage.node.ping(stage.nowMs, contactOf(peer));
        stage.node.ping(stage.nowMs, contactOf(peers[20] as Stranger));
        stage.pass(11 * second);
      }
    }
    expect(stage.node.table.size).toBe(22);
    expect(stage.node.stats().gauges.lostContacts).toEqual({ used: 3, limit: 32 });
    const ids = new Set(lost.map(({ id }) => id.key));
    const sent = stage.pass(15 * minute);
    const asked = sent
      .filter(isPing)
      .flatMap(({ transmit }) => (transmit.peer === undefined ? [] : [transmit.peer]));
    expect(new Set(asked.filter(({ key }) => ids.has(key))).size).toBe(3);
    // Neighbours are missing: our own id is looked up, but once.
    expect(targets(sent).filter((target) => target.equals(stage.node.id))).toHaveLength(1);
    expect(selfLookups(stage, 15 * minute)).toEqual([]);
    for (const peer of lost) stage.live.set(peer.path.remote.key, peer);
    stage.pass(5 * minute + 1);
    expect(stage.node.table.size).toBe(23);
    expect(selfLookups(stage, 2 * minute).length).toBeGreaterThan(2);
    stage.pass(10 * minute);
    expect(stage.node.table.size).toBe(25);
    expect(stage.node.stats().gauges.lostContacts.used).toBe(0);
  });

  it("is asked of all that have left, four at a time and ever more rarely, where nobody is left", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    const peers = stage.populate(2);
    stage.live.clear();
    for (let i = 0; i < 3; i++) {
      for (const peer of peers) stage.node.ping(stage.nowMs, contactOf(peer));
      stage.pass(11 * second);
    }
    expect(stage.node.table.size).toBe(0);
    const turns = stage.pass(60 * minute).filter(isPing);
    // After 15 and 45 s and so on, then every 5 minutes; two each, and each is sent three times.
    expect(turns.length).toBeGreaterThan(6 * 12);
    expect(turns.length).toBeLessThan(6 * 20);
    for (const peer of peers) stage.live.set(peer.path.remote.key, peer);
    stage.pass(5 * minute + 1);
    expect(stage.node.table.size).toBe(2);
  });
});

describe("buckets", () => {
  it("beyond our neighbourhood are refreshed once after joining, each by an id of its own", () => {
    const stage = new Stage({ limits: { bucketSize: 2, smallTableSize: 0 } });
    stage.populate(30);
    const { bucketCount } = stage.node.table;
    expect(bucketCount).toBeGreaterThan(3);
    const seed = { addresses: [stage.stranger(1).path.remote] };
    const query = stage.node.bootstrap(stage.nowMs, [seed]);
    const found = targets(stage.pass(1 * minute)).filter((target) => !target.equals(stage.node.id));
    expect(stage.of("queryFinished")).toMatchObject([{ query, end: "converged" }]);
    const refreshed = found.map((target) => commonPrefixLength(stage.node.id, target));
    for (let index = 0; index < bucketCount - 1; index++) expect(refreshed).toContain(index);
    expect(found.length).toBeLessThanOrEqual(2 * bucketCount);
    expect(targets(stage.pass(30 * minute))).toEqual([]);
  });

  it("that no walk has touched for an hour are refreshed, one after the other", () => {
    const stage = new Stage({ limits: { bucketSize: 2, smallTableSize: 0 } });
    stage.populate(30);
    const { bucketCount } = stage.node.table;
    stage.pass(10 * minute);
    expect(targets(stage.pass(45 * minute))).toEqual([]);
    const refreshed = targets(stage.pass(25 * minute)).map((target) =>
      Math.min(commonPrefixLength(stage.node.id, target), bucketCount - 1),
    );
    expect(new Set(refreshed).size).toBe(bucketCount);
    expect(refreshed.length).toBeLessThanOrEqual(bucketCount + 1);
  });

  it("that a caller's walk has touched are left alone", () => {
    const stage = new Stage({ limits: { smallTableSize: 0 } });
    stage.populate(8);
    expect(stage.node.table.bucketCount).toBe(1);
    for (let i = 0; i < 8; i++) {
      stage.node.findNode(stage.nowMs, stage.stranger(100 + i).id);
      const asked = targets(stage.pass(30 * minute));
      expect(asked.length).toBe(i === 0 ? asked.length : 1);
    }
  });

  it("are not refreshed while there is nobody to ask", () => {
    const stage = new Stage();
    expect(stage.pass(3 * hour)).toEqual([]);
  });

  it("are refreshed one at a time, also when another joining falls into a refresh", () => {
    const stage = new Stage({ limits: { bucketSize: 2, smallTableSize: 0 } });
    const peers = stage.populate(30);
    stage.live.clear();
    const seed = { addresses: [(peers[0] as Stranger).path.remote] };
    const isOwn = (target: NodeId) => target.equals(stage.node.id);
    const refreshed = new Set<string>();
    for (let i = 0; i < 6; i++) {
      for (const peer of peers) stage.live.set(peer.path.remote.key, peer);
      stage.node.bootstrap(stage.nowMs, [seed]);
      stage.pass(0);
      stage.live.clear();
      for (const target of targets(stage.pass(1_100))) if (!isOwn(target)) refreshed.add(target.toHex());
      expect(stage.node.stats().gauges.queries.used).toBe(1);
    }
    expect(refreshed.size).toBe(1);
    stage.pass(1 * minute);
    expect(stage.node.stats().gauges.queries.used).toBeLessThanOrEqual(1);
  });

  it("wait for room among the queries, and are refreshed then", () => {
    const stage = new Stage({ limits: { maxQueries: 1, smallTableSize: 0 } });
    stage.populate(8);
    const silent = stage.stranger(99).path.remote;
    stage.pass(50 * minute);
    for (let i = 0; i < 20 * 30; i++) {
      const query = stage.node.ping(stage.nowMs, { addresses: [silent] });
      expect(targets(stage.pass(2 * second))).toEqual([]);
      stage.node.cancel(stage.nowMs, query);
    }
    expect(targets(stage.pass(2 * second))).toHaveLength(1);
  });
});

describe("our own id", () => {
  it("is looked up with growing pauses after a move and after sleep, whatever the table's size", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    stage.populate(30);
    const tell = (url: string): void =>
      stage.node.handleNetworkEvent(stage.nowMs, {
        type: "addressesChanged",
        addresses: [stage.addresses.parse(url)],
      });
    const expectRestless = (): void => {
      const beganMs = stage.nowMs;
      const pauses = selfLookups(stage, 4 * minute).map((atMs) => atMs - beganMs);
      expect(pauses.length).toBeGreaterThan(5);
      expect(pauses[0]).toBeLessThanOrEqual(2 * second);
      expect(pauses.at(-1)).toBeGreaterThan(1 * minute);
      expect(selfLookups(stage, 15 * minute)).toEqual([]);
    };
    expect(selfLookups(stage, 15 * minute)).toEqual([]);
    tell("udp://192.0.2.1:4100");
    expectRestless();
    tell("udp://192.0.2.1:4100");
    expect(selfLookups(stage, 15 * minute)).toEqual([]);
    stage.node.handleNetworkEvent(stage.nowMs, { type: "wallClock", unixMs: 1e12 });
    stage.pass(1 * second);
    stage.node.handleNetworkEvent(stage.nowMs, { type: "wallClock", unixMs: 1e12 + 16 * minute });
    expectRestless();
  });

  it("is looked up soon after joining and then ever more rarely, while the table is small", () => {
    const stage = new Stage();
    stage.populate(5);
    const at = selfLookups(stage, 2 * hour);
    const within = (fromMs: number, toMs: number) => at.filter((ms) => ms > fromMs && ms <= toMs).length;
    expect(within(0, 30 * second)).toBeGreaterThanOrEqual(4);
    expect(within(0, 30 * second)).toBeLessThanOrEqual(9);
    expect(within(1 * hour, 2 * hour)).toBeGreaterThanOrEqual(4);
    expect(within(1 * hour, 2 * hour)).toBeLessThanOrEqual(6);
  });

  it("is not looked up once the table is no longer small", () => {
    const stage = new Stage({ limits: { smallTableSize: 5, refreshIntervalMs: 24 * hour } });
    stage.populate(5);
    expect(selfLookups(stage, 30 * minute)).toEqual([]);
  });

  it("is looked up anew when the table has been empty", () => {
    const stage = new Stage();
    const [peer] = stage.populate(1) as [Stranger];
    stage.pass(1 * hour);
    stage.node.ping(stage.nowMs, contactOf(peer));
    const [ping] = stage.requests("ping");
    if (ping === undefined) throw new Error("no ping was sent");
    stage.reply(peer, ping, { type: "pong" }, { client: true });
    expect(stage.node.table.size).toBe(0);
    stage.befriend(peer);
    expect(selfLookups(stage, 10 * second).length).toBeGreaterThanOrEqual(2);
  });
});

describe("nodes that begin at the same moment", () => {
  it("do not act together: their first deadlines differ", () => {
    const network = new Network();
    const hosts = Array.from({ length: 20 }, () => network.add());
    const deadlines = hosts.map(({ node }) => node.nextDeadline()?.atMs);
    expect(new Set(deadlines).size).toBe(20);
  });
});

describe("records that a node holds", () => {
  const put = (stage: Stage, peer: Stranger, value: number, lifetimeMs: number) => {
    const { key, body } = immutableRecord(sha256, Uint8Array.of(value));
    const nodes = stage.answerTo(peer, { type: "findNode", target: key, wantToken: true });
    const token = nodes?.type === "nodes" ? nodes.token : undefined;
    const record = { typeCode: 1, key, lifetimeMs, body };
    expect(stage.answerTo(peer, { type: "putValue", token, record })).toEqual({ type: "stored" });
    return key;
  };

  it("go at the instant when their life ends, without anybody asking", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    put(stage, peer, 1, 10 * second);
    put(stage, peer, 2, 20 * second);
    stage.pass(10 * second);
    expect(stage.node.stats().gauges.records.used).toBe(1);
    stage.pass(10 * second);
    expect(stage.node.stats().gauges).toMatchObject({ records: { used: 0 }, recordBytes: { used: 0 } });
  });

  it("are passed on after an hour that nobody stored them in, with the life that is left", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    const peers = stage.populate(3);
    const key = put(stage, peers[0] as Stranger, 1, 5 * hour);
    const isFor = ({ message }: Sent) =>
      message.kind === "request" && message.body.type === "findNode" && message.body.target.equals(key);
    expect(stage.pass(59 * minute).filter(isFor)).toEqual([]);
    stage.live.clear();
    const holders = new Set<string>();
    for (let i = 0; i < 90; i++) {
      for (const request of stage.pass(10 * second)) {
        const peer = peers.find(({ id }) => request.transmit.peer?.equals(id));
        if (peer === undefined || request.message.kind !== "request") continue;
        const { body } = request.message;
        if (body.type === "findNode")
          stage.reply(peer, request, { type: "nodes", contacts: [], token: new Uint8Array(8).fill(7) });
        else if (body.type === "ping") stage.reply(peer, request, { type: "pong" });
        else if (body.type === "putValue") {
          holders.add(peer.id.toHex());
          expect(body.record.lifetimeMs).toBeLessThanOrEqual(4 * hour);
          expect(body.record.lifetimeMs).toBeGreaterThan(3 * hour);
          expect(body.token).toEqual(new Uint8Array(8).fill(7));
          stage.reply(peer, request, { type: "stored" });
        }
      }
    }
    expect(holders.size).toBe(3);
  });

  it("wait for somebody to pass them on to, and are passed on as soon as there is one", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour } });
    const key = put(stage, stage.stranger(50), 1, 10 * hour);
    const isFor = ({ message }: Sent) =>
      message.kind === "request" && message.body.type === "findNode" && message.body.target.equals(key);
    expect(stage.pass(90 * minute).filter(isFor)).toEqual([]);
    stage.populate(2);
    expect(stage.pass(1 * minute).filter(isFor)).toHaveLength(2);
  });

  it("count as passed on only when somebody was reached", () => {
    const never = 24 * hour;
    const stage = new Stage({
      limits: {
        smallTableSize: 0,
        refreshIntervalMs: never,
        livenessIntervalMs: never,
        contactRetryMs: never,
      },
    });
    const peers = stage.populate(2);
    const key = put(stage, stage.stranger(50), 1, 20 * hour);
    const before = storedAt(stage, key);
    stage.live.clear();
    stage.pass(70 * minute);
    expect(storedAt(stage, key)).toBe(before);
    expect(stage.sent.some(({ message: { body } }) => body.type === "findNode")).toBe(true);
    for (const peer of peers) stage.live.set(peer.path.remote.key, peer);
    expect(stage.node.table.size).toBe(2);
    stage.pass(70 * minute);
    expect(storedAt(stage, key)).toBeGreaterThan(before ?? 0);
  });

  it("do not lose their turn when there is no room among the queries: they are passed on as soon as there is", () => {
    const never = 24 * hour;
    const stage = new Stage({
      limits: { smallTableSize: 0, refreshIntervalMs: never, livenessIntervalMs: never, maxQueries: 1 },
    });
    stage.populate(3);
    const key = put(stage, stage.stranger(50), 1, 20 * hour);
    const silent = stage.stranger(99).path.remote;
    const isFor = ({ message }: Sent) =>
      message.kind === "request" && message.body.type === "findNode" && message.body.target.equals(key);
    for (let i = 0; i < 45 * 60; i++) {
      const query = stage.node.ping(stage.nowMs, { addresses: [silent] }, { timeoutMs: 2 * hour });
      expect(stage.pass(2 * second).filter(isFor)).toEqual([]);
      // The next one takes its place at once.
      stage.node.cancel(stage.nowMs, query);
    }
    expect(stage.pass(5 * second).filter(isFor).length).toBeGreaterThan(0);
  });

  it("are passed on a few at a time", () => {
    const stage = new Stage({
      limits: { smallTableSize: 0, refreshIntervalMs: 24 * hour, maxRepublishAtOnce: 2 },
    });
    stage.populate(3);
    const peer = stage.stranger(50);
    const keys = [1, 2, 3, 4, 5, 6].map((value) => put(stage, peer, value, 10 * hour));
    let most = 0;
    const seen = new Set<string>();
    for (let i = 0; i < 80 * 60; i++) {
      for (const target of targets(stage.pass(1 * second))) seen.add(target.toHex());
      most = Math.max(most, stage.node.stats().gauges.queries.used);
    }
    expect(keys.every((key) => seen.has(key.toHex()))).toBe(true);
    expect(most).toBeLessThanOrEqual(2);
    expect(stage.node.stats().gauges.republishing).toEqual({ used: 0, limit: 2 });
  });
});

function storedAt(stage: Stage, key: NodeId): number | undefined {
  return stage.store.get(key)?.storedAtMs;
}
