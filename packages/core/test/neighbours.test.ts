import { describe, expect, it } from "vitest";
import { type Address, type Contact, commonPrefixLength, type NodeLimits } from "../src/index.ts";
import { numbered, type Sent, Stage, type Stranger } from "./stage.ts";

const second = 1_000;
const minute = 60 * second;

const contactOf = ({ id, path }: Stranger): Contact => ({ id, addresses: [path.remote] });
const isPingTo =
  ({ id }: Stranger) =>
  ({ message, transmit }: Sent) =>
    message.kind === "request" && message.body.type === "ping" && transmit.peer?.equals(id) === true;

function pingTo(stage: Stage, peer: Stranger): Sent {
  const ping = stage.poll().find(isPingTo(peer));
  if (ping === undefined) throw new Error("no ping was sent");
  return ping;
}

/** Strangers that all belong into one bucket of the node's: the one farthest away. */
function farAway(stage: Stage, count: number, from = 1): Stranger[] {
  const found: Stranger[] = [];
  for (let i = from; found.length < count; i++) {
    const peer = stage.stranger(i);
    if (commonPrefixLength(stage.node.id, peer.id) === 0) found.push(peer);
  }
  return found;
}

/** Asks every contact something that none of them answers, and waits until that is clear. */
function silence(stage: Stage, ...peers: Stranger[]): void {
  for (const peer of peers) stage.node.ping(stage.nowMs, contactOf(peer));
  stage.pass(11 * second);
}

describe("who may be a contact", () => {
  it("is who has answered us: a request alone brings nobody in, its answer to our ping does", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.ask(peer, { type: "ping" });
    const ping = pingTo(stage, peer);
    expect(stage.node.table.size).toBe(0);
    expect(stage.of("nodeDiscovered")).toEqual([]);
    stage.reply(peer, ping, { type: "pong" });
    stage.poll();
    expect(stage.node.table.get(peer.id)).toMatchObject({ incomingOnly: true, contact: contactOf(peer) });
    expect(stage.of("nodeDiscovered")).toEqual([{ type: "nodeDiscovered", contact: contactOf(peer) }]);
  });

  it("is who asks us and was proven by a layer below, without a ping: the handshake was an answer", () => {
    const stage = new Stage();
    const peer = stage.stranger(1, "udp://172.30.1.1:4000", { peer: stage.stranger(1).id });
    stage.ask(peer, { type: "ping" });
    expect(stage.poll().filter(isPingTo(peer))).toEqual([]);
    expect(stage.node.table.get(peer.id)).toMatchObject({ incomingOnly: true, contact: contactOf(peer) });
    expect(stage.of("nodeDiscovered")).toEqual([{ type: "nodeDiscovered", contact: contactOf(peer) }]);
  });

  it("is pinged all the same where it is proven behind a connection that it has made: at the address that it declares", () => {
    const stage = new Stage();
    const id = stage.stranger(1).id;
    const peer = stage.stranger(1, "udp://172.30.1.1:4000", { peer: id, dialable: false });
    const declared = stage.addresses.parse("udp://172.30.1.1:5000");
    stage.ask(peer, { type: "ping" }, { declared: [declared] });
    expect(stage.node.table.size).toBe(0);
    expect(pingTo(stage, peer).transmit.path.remote.key).toBe(declared.key);
  });

  it("is not who was only named to us", () => {
    const stage = new Stage();
    const [friend] = stage.populate(1) as [Stranger];
    const query = stage.node.findNode(stage.nowMs, numbered(30));
    const [asked] = stage.requests("findNode");
    if (asked === undefined) throw new Error("nothing was asked");
    const named = Array.from({ length: 10 }, (_, i) => contactOf(stage.stranger(30 + i)));
    stage.reply(friend, asked, { type: "nodes", contacts: named, token: undefined });
    stage.pass(30 * second);
    expect(stage.of("queryFinished").some((event) => event.query === query)).toBe(true);
    expect(stage.node.table.contacts()).toEqual([contactOf(friend)]);
    expect(stage.of("nodeDiscovered")).toHaveLength(1);
  });

  it("is no client: it is neither pinged when it asks nor kept when it answers", () => {
    const stage = new Stage();
    const client = stage.stranger(1);
    stage.ask(client, { type: "ping" }, { client: true });
    expect(stage.requests()).toEqual([]);
    stage.node.ping(stage.nowMs, contactOf(client));
    const [ping] = stage.requests("ping");
    if (ping === undefined) throw new Error("no ping was sent");
    stage.reply(client, ping, { type: "pong" }, { client: true });
    stage.poll();
    expect(stage.of("queryFinished")).toMatchObject([{ end: "converged" }]);
    expect(stage.node.table.size).toBe(0);
    expect(stage.node.stats().contactsRefused.client).toBe(1);
    const told = stage.answerTo(stage.stranger(2), {
      type: "findNode",
      target: client.id,
      wantToken: false,
    });
    expect(told).toMatchObject({ type: "nodes", contacts: [] });
  });

  it("is no client any more that was a server: it leaves with its first answer as a client", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.befriend(peer);
    stage.node.ping(stage.nowMs, contactOf(peer));
    stage.reply(peer, pingTo(stage, peer), { type: "pong" }, { client: true });
    expect(stage.node.table.size).toBe(0);
  });

  it("is incoming-only until a request of our own walks reaches it, and stays so by pings", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.live.set(peer.path.remote.key, peer);
    stage.ask(peer, { type: "ping" });
    stage.pass(0);
    expect(stage.node.table.get(peer.id)?.incomingOnly).toBe(true);
    // Liveness pings, over a time in which no walk of ours starts: the table is large enough, and fresh.
    const quiet = new Stage({
      limits: { smallTableSize: 0, livenessIntervalMs: 1_000, contactStaleMs: 1_000 },
    });
    quiet.live.set(peer.path.remote.key, quiet.stranger(1));
    quiet.ask(quiet.stranger(1), { type: "ping" });
    quiet.pass(0);
    const sent = quiet.pass(800);
    expect(sent.every(({ message }) => message.kind !== "request" || message.body.type === "ping")).toBe(
      true,
    );
    expect(quiet.node.table.get(peer.id)?.incomingOnly).toBe(true);
    stage.node.findNode(stage.nowMs, numbered(40));
    stage.pass(1);
    expect(stage.node.table.get(peer.id)?.incomingOnly).toBe(false);
  });

  it("is reached by a walk even if that has ended before the answer came, or a ping is under way", () => {
    const stage = new Stage();
    const [late, pinged] = [stage.stranger(1), stage.stranger(2)];
    for (const peer of [late, pinged]) {
      stage.ask(peer, { type: "ping" });
      stage.reply(peer, pingTo(stage, peer), { type: "pong" });
    }
    const query = stage.node.findNode(stage.nowMs, numbered(40));
    const asked = stage.requests("findNode");
    stage.node.cancel(stage.nowMs, query);
    for (const peer of [late, pinged]) {
      const request = asked.find(({ transmit }) => transmit.peer?.equals(peer.id));
      if (request === undefined) throw new Error("not asked");
      stage.reply(peer, request, { type: "nodes", contacts: [], token: undefined });
      expect(stage.node.table.get(peer.id)?.incomingOnly).toBe(false);
    }
  });

  it("is at most maxIncomingPerBucket of those that came to us unasked", () => {
    const stage = new Stage({ limits: { maxIncomingPerBucket: 3 } });
    const peers = farAway(stage, 8);
    for (const peer of peers) {
      stage.live.set(peer.path.remote.key, peer);
      stage.ask(peer, { type: "ping" });
      stage.pass(0);
    }
    expect(stage.node.table.size).toBe(3);
    for (const peer of peers) stage.node.ping(stage.nowMs, contactOf(peer));
    stage.pass(0);
    expect(stage.node.table.size).toBe(8);
  });

  it("is at most two of a subnet in a bucket, and others are counted", () => {
    const stage = new Stage();
    const near = farAway(stage, 4).map(({ id }, i) => ({
      id,
      path: stage.stranger(1, `udp://192.0.2.${i + 1}:4000`).path,
    }));
    for (const peer of near) {
      stage.node.ping(stage.nowMs, contactOf(peer));
      stage.reply(peer, pingTo(stage, peer), { type: "pong" });
    }
    expect(stage.node.table.size).toBe(2);
    expect(stage.node.stats().contactsRefused.subnetInBucket).toBe(2);
  });
});

describe("pings to those that ask", () => {
  it("go to whoever is unknown and would fit: not to a contact, nor twice at once, nor to us", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.ask(peer, { type: "ping" });
    stage.ask(peer, { type: "ping" });
    const ping = pingTo(stage, peer);
    stage.ask(peer, { type: "ping" });
    expect(stage.requests()).toEqual([]);
    stage.reply(peer, ping, { type: "pong" });
    stage.ask(peer, { type: "ping" });
    expect(stage.requests()).toEqual([]);
    expect(stage.node.stats().gauges.pings.used).toBe(0);
  });

  it("are one, are not sent again, and leave room again when nobody answers", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.ask(peer, { type: "ping" });
    const pings = stage.pass(20 * second).filter(isPingTo(peer));
    expect(pings).toHaveLength(1);
    expect(stage.node.stats()).toMatchObject({ requestTimeouts: 1, gauges: { pings: { used: 0 } } });
    stage.ask(peer, { type: "ping" });
    expect(stage.pass(0).filter(isPingTo(peer))).toHaveLength(1);
  });

  it("are few for an address that has not answered repeatedly: it may be back, or forged", () => {
    const stage = new Stage({ limits: { hardTimeoutMs: 30 * second } });
    const peer = stage.stranger(1);
    for (let i = 0; i < 2; i++) {
      stage.ask(peer, { type: "ping" });
      expect(stage.pass(31 * second).filter(isPingTo(peer))).toHaveLength(1);
    }
    let pings = 0;
    for (let i = 0; i < 60; i++) {
      stage.ask(peer, { type: "ping" });
      pings += stage.pass(5 * second).filter(isPingTo(peer)).length;
    }
    expect(pings).toBeLessThanOrEqual(10);
    expect(pings).toBeGreaterThanOrEqual(8);
    // It is back: within that time it is a contact again, and not five minutes later.
    stage.live.set(peer.path.remote.key, peer);
    for (let i = 0; i < 7; i++) {
      stage.ask(peer, { type: "ping" });
      stage.pass(5 * second);
    }
    expect(stage.node.table.get(peer.id)).toBeDefined();
  });

  it("are no more often than allowed, and no more at once", () => {
    const rate = new Stage({ limits: { verifyPingsPerSecond: 2, verifyPingBurst: 3 } });
    for (let i = 1; i <= 10; i++) rate.ask(rate.stranger(i), { type: "ping" });
    expect(rate.requests("ping")).toHaveLength(3);
    rate.nowMs += 1 * second;
    for (let i = 11; i <= 20; i++) rate.ask(rate.stranger(i), { type: "ping" });
    expect(rate.requests("ping")).toHaveLength(2);
    const atOnce = new Stage({ limits: { maxInFlight: 4 } });
    for (let i = 1; i <= 10; i++) atOnce.ask(atOnce.stranger(i), { type: "ping" });
    expect(atOnce.requests("ping")).toHaveLength(2);
    expect(atOnce.node.stats().gauges.pings.used).toBe(2);
  });

  it("are not sent for a bucket that is full of others", () => {
    const stage = new Stage({ limits: { bucketSize: 2, maxIncomingPerBucket: 2 } });
    const peers = farAway(stage, 3);
    // Somebody near, so that the far bucket is not the last and cannot split.
    for (let i = 1; i < 200; i++) {
      const peer = stage.stranger(i);
      if (commonPrefixLength(stage.node.id, peer.id) >= 1) {
        stage.befriend(peer);
        if (stage.node.table.bucketCount > 1) break;
      }
    }
    for (const peer of peers.slice(0, 2)) stage.befriend(peer);
    stage.ask(peers[2] as Stranger, { type: "ping" });
    expect(stage.requests().filter(isPingTo(peers[2] as Stranger))).toEqual([]);
  });
});

describe("a contact that asks from another address", () => {
  const elsewhere = (stage: Stage, peer: Stranger, path = {}): Stranger => ({
    ...stage.stranger(1, "udp://172.30.1.1:4000", path),
    id: peer.id,
  });

  it("is asked where it is known, and stays as it is known if it answers there: somebody uses its name", () => {
    const stage = new Stage({ limits: { smallTableSize: 0 } });
    const [peer] = stage.populate(4) as [Stranger];
    const impostor = elsewhere(stage, peer);
    stage.live.set(impostor.path.remote.key, impostor);
    stage.ask(impostor, { type: "ping" });
    const [ping, ...more] = stage.pass(1 * minute).filter(isPingTo(peer));
    expect([ping?.transmit.path.remote.key, more]).toEqual([peer.path.remote.key, []]);
    expect(stage.node.table.get(peer.id)?.contact).toEqual(contactOf(peer));
  });

  it("is asked from where it asked once it has not answered where it is known, and is known there alone from then on", () => {
    const stage = new Stage({ limits: { smallTableSize: 0 } });
    const [peer] = stage.populate(4) as [Stranger];
    stage.live.delete(peer.path.remote.key);
    const moved = elsewhere(stage, peer);
    stage.live.set(moved.path.remote.key, moved);
    stage.ask(moved, { type: "ping" });
    const pings = stage.pass(20 * second).filter(isPingTo(peer));
    expect(pings.map(({ transmit }) => transmit.path.remote.key)).toEqual([
      peer.path.remote.key,
      peer.path.remote.key,
      peer.path.remote.key,
      moved.path.remote.key,
    ]);
    expect(stage.node.table.get(peer.id)).toMatchObject({ contact: contactOf(moved), incomingOnly: true });
  });

  /** One contact in a full bucket, and somebody who waits for its place. */
  function contested(limits: Partial<NodeLimits>): { stage: Stage; peer: Stranger; waiting: Stranger } {
    const stage = new Stage({ limits: { smallTableSize: 0, bucketSize: 1, ...limits } });
    const near = Array.from({ length: 50 }, (_, i) => stage.stranger(i + 1)).find(
      ({ id }) => commonPrefixLength(stage.node.id, id) >= 1,
    ) as Stranger;
    const [peer, waiting] = farAway(stage, 2) as [Stranger, Stranger];
    for (const stranger of [near, peer, waiting]) {
      stage.live.set(stranger.path.remote.key, stranger);
      stage.befriend(stranger);
    }
    stage.live.delete(peer.path.remote.key);
    expect(stage.node.table.get(waiting.id)).toBeUndefined();
    return { stage, peer, waiting };
  }

  it("is asked where it asked from last, though another waits for its place", () => {
    const { stage, peer, waiting } = contested({});
    stage.ask(elsewhere(stage, peer), { type: "ping" });
    stage.pass(1 * second);
    const moved = { ...peer, path: stage.stranger(102).path };
    stage.live.set(moved.path.remote.key, moved);
    stage.ask(moved, { type: "ping" });
    stage.pass(20 * second);
    expect(stage.node.table.get(peer.id)).toMatchObject({ contact: contactOf(moved), incomingOnly: true });
    expect(stage.node.table.get(waiting.id)).toBeUndefined();
  });

  it("leaves where the limits do not allow it its place, and whoever waits has that", () => {
    const { stage, peer, waiting } = contested({ maxIncomingPerBucket: 0 });
    const moved = elsewhere(stage, peer);
    stage.live.set(moved.path.remote.key, moved);
    stage.ask(moved, { type: "ping" });
    stage.pass(20 * second);
    expect(stage.node.table.get(peer.id)).toBeUndefined();
    expect(stage.node.table.get(waiting.id)).toBeDefined();
  });

  it("stays as it is known, and fails, when it answers nowhere", () => {
    const stage = new Stage({ limits: { smallTableSize: 0 } });
    const [peer] = stage.populate(4) as [Stranger];
    stage.live.delete(peer.path.remote.key);
    const moved = elsewhere(stage, peer);
    stage.ask(moved, { type: "ping" });
    stage.pass(25 * second);
    expect(stage.node.table.get(peer.id)).toMatchObject({ contact: contactOf(peer), incomingOnly: false });
    expect(stage.node.table.get(peer.id)?.failures).toBeGreaterThan(0);
  });

  it("is asked there at once where a layer below has proven who it is, and is known there from then on", () => {
    const stage = new Stage({ limits: { smallTableSize: 0 } });
    const [peer] = stage.populate(4) as [Stranger];
    const moved = elsewhere(stage, peer, { peer: peer.id });
    stage.live.set(moved.path.remote.key, moved);
    stage.ask(moved, { type: "ping" });
    stage.pass(1 * second);
    expect(stage.node.table.get(peer.id)?.contact.addresses).toEqual([moved.path.remote, peer.path.remote]);
    stage.ask(moved, { type: "ping" });
    expect(stage.pass(1 * minute).filter(isPingTo(peer))).toEqual([]);
  });
});

describe("the address of a contact", () => {
  it("is the one that we observe where that can be dialled, with those that it declares behind", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const declared = [stage.addresses.parse("udp://172.30.1.1:4000"), peer.path.remote];
    stage.node.ping(stage.nowMs, contactOf(peer));
    stage.reply(peer, pingTo(stage, peer), { type: "pong" }, { addresses: declared });
    expect(stage.node.table.get(peer.id)?.contact.addresses.map(({ key }) => key)).toEqual([
      "udp://10.0.1.7:4000",
      "udp://172.30.1.1:4000",
    ]);
  });

  it("is one that it declares where the observed one cannot be dialled", () => {
    const stage = new Stage();
    const caller = stage.stranger(1, "tcp://198.51.100.1:50123", { dialable: false });
    const declared = stage.addresses.parse("tcp://198.51.100.1:4000");
    stage.ask(caller, { type: "ping" }, { declared: [declared] });
    const ping = pingTo(stage, caller);
    expect(ping.transmit.path.remote).toBe(declared);
    stage.reply(
      { id: caller.id, path: { remote: declared, dialable: false } },
      ping,
      { type: "pong" },
      {
        addresses: [declared],
      },
    );
    expect(stage.node.table.get(caller.id)?.contact.addresses).toEqual([declared]);
  });

  it("is none where the observed one cannot be dialled and it declares nothing: it is no contact", () => {
    const stage = new Stage();
    const caller = stage.stranger(1, "tcp://198.51.100.1:50123", { dialable: false });
    stage.ask(caller, { type: "ping" });
    expect(stage.requests()).toEqual([]);
    expect(stage.node.stats().contactsRefused.noAddress).toBe(1);
  });

  it("is of a kind that we can dial, or it is no contact", () => {
    const stage = new Stage();
    const caller = stage.stranger(1, "tcp://198.51.100.1:50123", { dialable: false });
    const declared = [stage.addresses.parse("wss://node.example/kad")];
    stage.ask(caller, { type: "ping" }, { declared });
    expect(stage.requests()).toEqual([]);
    expect(stage.node.stats().contactsRefused.unreachableKind).toBe(1);
  });

  it("of somebody without a known id that is unreachable is nobody's in particular", () => {
    const stage = new Stage();
    const query = stage.node.ping(stage.nowMs, { addresses: [stage.stranger(1).path.remote] });
    for (const { transmit } of stage.poll()) unreachable(stage, transmit.path.remote, transmit.tag);
    stage.poll();
    expect(stage.of("queryFinished")).toMatchObject([{ query, result: { reason: "unreachable" } }]);
  });

  it("goes behind the others when it is unreachable, and the next one is tried at once", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const second = stage.addresses.parse("udp://172.30.1.1:4000");
    stage.node.ping(stage.nowMs, contactOf(peer));
    stage.reply(peer, pingTo(stage, peer), { type: "pong" }, { addresses: [second] });
    stage.poll();
    const contact = stage.node.table.get(peer.id)?.contact as Contact;
    stage.node.ping(stage.nowMs, contact);
    const { transmit } = pingTo(stage, peer);
    unreachable(stage, transmit.path.remote, transmit.tag);
    expect(stage.node.table.get(peer.id)?.contact.addresses.map(({ key }) => key)).toEqual([
      second.key,
      peer.path.remote.key,
    ]);
    expect(stage.node.table.get(peer.id)?.failures).toBe(0);
    expect(pingTo(stage, peer).transmit.path.remote).toBe(second);
  });
});

function unreachable(stage: Stage, to: Address, tag: number): void {
  stage.node.handleNetworkEvent(stage.nowMs, { type: "sendFailed", to, tag, reason: "unreachable" });
}

describe("a contact that fails", () => {
  it("is removed after maxFailures in a row, and an answer starts the count anew", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, maxFailures: 3, contactRetryMs: 60 * minute } });
    const [peer, other] = stage.populate(2) as [Stranger, Stranger];
    stage.live.delete(peer.path.remote.key);
    silence(stage, peer);
    silence(stage, peer);
    expect(stage.node.table.get(peer.id)?.failures).toBe(2);
    stage.node.ping(stage.nowMs, contactOf(peer));
    stage.reply(peer, pingTo(stage, peer), { type: "pong" });
    expect(stage.node.table.get(peer.id)?.failures).toBe(0);
    for (let i = 0; i < 3; i++) {
      expect(stage.node.table.get(peer.id)).toBeDefined();
      silence(stage, peer);
    }
    expect(stage.node.table.get(peer.id)).toBeUndefined();
    expect(stage.node.table.get(other.id)).toBeDefined();
  });

  it("counts once for each request, however many of its addresses are unreachable", () => {
    const stage = new Stage({ limits: { smallTableSize: 0 } });
    const peer = stage.stranger(1);
    const declared = [stage.addresses.parse("udp://172.30.1.1:4000")];
    stage.node.ping(stage.nowMs, contactOf(peer));
    stage.reply(peer, pingTo(stage, peer), { type: "pong" }, { addresses: declared });
    for (let i = 1; i <= 2; i++) {
      stage.node.ping(stage.nowMs, stage.node.table.get(peer.id)?.contact as Contact);
      for (let sent = stage.poll(); sent.length > 0; sent = stage.poll())
        for (const { transmit } of sent) unreachable(stage, transmit.path.remote, transmit.tag);
      expect(stage.node.table.get(peer.id)?.failures).toBe(i);
    }
    expect(stage.of("queryFinished").at(-1)).toMatchObject({
      end: "exhausted",
      result: { reason: "unreachable" },
    });
  });

  it.each(["silent", "unreachable"])(
    "is kept while we ourselves seem to be offline: everybody is %s",
    (how) => {
      const stage = new Stage({ limits: { smallTableSize: 0 } });
      const peers = stage.populate(20);
      expect(stage.node.table.size).toBe(20);
      stage.live.clear();
      for (let round = 0; round < 6; round++) {
        for (const peer of peers) stage.node.ping(stage.nowMs, contactOf(peer));
        if (how === "unreachable") {
          for (const { transmit } of stage.poll()) unreachable(stage, transmit.path.remote, transmit.tag);
        }
        stage.pass(15 * second);
      }
      expect(stage.node.stats().health).toBe("offline");
      expect(stage.node.table.size).toBe(20);
    },
  );

  it("is not kept while others ask us: whoever is gone holds no place that they could have", () => {
    const stage = new Stage({ limits: { maxIncomingPerBucket: 2, smallTableSize: 0 } });
    const dead = farAway(stage, 2);
    for (const peer of dead) {
      stage.live.set(peer.path.remote.key, peer);
      stage.ask(peer, { type: "ping" });
      stage.pass(1 * second);
    }
    for (const peer of dead) stage.live.delete(peer.path.remote.key);
    for (let i = 0; i < 9; i++)
      stage.node.ping(stage.nowMs, { addresses: [stage.stranger(200 + i).path.remote] });
    stage.pass(15 * second);
    expect(stage.node.stats().health).toBe("offline");
    const newcomer = farAway(stage, 1, 60)[0] as Stranger;
    stage.live.set(newcomer.path.remote.key, newcomer);
    stage.ask(newcomer, { type: "ping" });
    stage.pass(1 * second);
    expect(stage.node.table.get(newcomer.id)).toBeUndefined();
    for (let i = 0; i < 90; i++) {
      for (const peer of dead)
        if (stage.node.table.get(peer.id)) stage.node.ping(stage.nowMs, contactOf(peer));
      stage.ask(newcomer, { type: "ping" });
      stage.pass(1 * second);
    }
    expect(stage.node.table.contacts().map(({ id }) => id.key)).toEqual([newcomer.id.key]);
  });

  it("is let go while we seem to be offline only when it has not been heard for an hour", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, contactRetryMs: 24 * 60 * minute } });
    const peers = stage.populate(3);
    stage.live.clear();
    stage.nowMs += second;
    const askAll = (): void => {
      for (const peer of peers) stage.node.ping(stage.nowMs, contactOf(peer));
      stage.pass(11 * second);
    };
    // Somebody else's silence shows it first, so that none of these three has failed.
    for (let i = 0; i < 8; i++) silence(stage, stage.stranger(50));
    expect(stage.node.stats().health).toBe("offline");
    for (let i = 0; i < 5; i++) askAll();
    expect(stage.node.table.size).toBe(3);
    stage.nowMs += 60 * minute;
    for (let i = 0; i < 3; i++) askAll();
    expect(stage.node.table.size).toBe(0);
    expect(stage.node.stats().gauges.lostContacts.used).toBe(3);
  });

  it("counts again once somebody answers", () => {
    const stage = new Stage({ limits: { smallTableSize: 0, contactRetryMs: 60 * minute } });
    const peers = stage.populate(12);
    stage.live.clear();
    stage.nowMs += second;
    silence(stage, ...peers);
    expect(stage.node.stats().health).toBe("offline");
    const alive = peers[0] as Stranger;
    const dead = peers[1] as Stranger;
    stage.live.set(alive.path.remote.key, alive);
    for (let i = 0; i < 4; i++) {
      stage.node.ping(stage.nowMs, contactOf(alive));
      stage.node.ping(stage.nowMs, contactOf(dead));
      stage.pass(9 * second);
    }
    expect(stage.node.stats().health).not.toBe("offline");
    expect(stage.node.table.get(dead.id)).toBeUndefined();
    expect(stage.node.table.size).toBe(11);
  });

  it("makes place for one that waits, who is announced", () => {
    const stage = new Stage({ limits: { bucketSize: 1, smallTableSize: 0 } });
    const near = Array.from({ length: 50 }, (_, i) => stage.stranger(i + 1)).find(
      ({ id }) => commonPrefixLength(stage.node.id, id) >= 1,
    ) as Stranger;
    const [first, next] = farAway(stage, 2) as [Stranger, Stranger];
    for (const peer of [near, first, next]) stage.befriend(peer);
    expect(stage.node.table.get(next.id)).toBeUndefined();
    stage.events.length = 0;
    stage.node.ping(stage.nowMs, contactOf(first));
    stage.reply({ ...first, id: numbered(77) }, pingTo(stage, first), { type: "pong" });
    stage.poll();
    expect(stage.node.table.get(first.id)).toBeUndefined();
    expect(stage.node.table.get(next.id)).toBeDefined();
    expect(stage.of("nodeDiscovered")).toEqual([{ type: "nodeDiscovered", contact: contactOf(next) }]);
  });
});

describe("a full bucket", () => {
  function fullBucket(): { stage: Stage; old: Stranger; newcomer: Stranger } {
    const stage = new Stage({ limits: { bucketSize: 2, smallTableSize: 0, refreshIntervalMs: 86_400_000 } });
    const near = Array.from({ length: 50 }, (_, i) => stage.stranger(i + 1))
      .filter(({ id }) => commonPrefixLength(stage.node.id, id) >= 1)
      .slice(0, 2);
    const [old, other, newcomer] = farAway(stage, 3) as [Stranger, Stranger, Stranger];
    for (const peer of [...near, old, other]) stage.befriend(peer);
    expect(stage.node.table.size).toBe(4);
    stage.nowMs += 11 * minute;
    stage.node.ping(stage.nowMs, contactOf(newcomer));
    stage.reply(newcomer, pingTo(stage, newcomer), { type: "pong" });
    return { stage, old, newcomer };
  }

  it("asks its oldest contact before anybody else may have the place: one that answers stays", () => {
    const { stage, old, newcomer } = fullBucket();
    stage.reply(old, pingTo(stage, old), { type: "pong" });
    stage.pass(1 * minute);
    expect(stage.node.table.get(old.id)).toBeDefined();
    expect(stage.node.table.get(newcomer.id)).toBeUndefined();
  });

  it("gives the place of one that does not answer to the newcomer, who is announced then", () => {
    const { stage, old, newcomer } = fullBucket();
    stage.events.length = 0;
    stage.pass(1 * minute);
    expect(stage.node.table.get(old.id)).toBeUndefined();
    expect(stage.node.table.get(newcomer.id)).toBeDefined();
    expect(stage.of("nodeDiscovered")).toEqual([{ type: "nodeDiscovered", contact: contactOf(newcomer) }]);
  });

  it("does not make a walk's contact of an old one that only ever came to us, by probing it", () => {
    const stage = new Stage({ limits: { bucketSize: 2, smallTableSize: 0, refreshIntervalMs: 86_400_000 } });
    const near = Array.from({ length: 50 }, (_, i) => stage.stranger(i + 1))
      .filter(({ id }) => commonPrefixLength(stage.node.id, id) >= 1)
      .slice(0, 2);
    const [old, other, newcomer] = farAway(stage, 3) as [Stranger, Stranger, Stranger];
    for (const peer of near) stage.befriend(peer);
    stage.ask(old, { type: "ping" });
    stage.reply(old, pingTo(stage, old), { type: "pong" });
    stage.befriend(other);
    stage.nowMs += 11 * minute;
    stage.node.ping(stage.nowMs, contactOf(newcomer));
    stage.reply(newcomer, pingTo(stage, newcomer), { type: "pong" });
    stage.reply(old, pingTo(stage, old), { type: "pong" });
    expect(stage.node.table.get(old.id)?.incomingOnly).toBe(true);
  });
});

describe("a contact that the host vouches for", () => {
  it("is pinged, and in the table once it answers", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    expect(stage.node.addContact(stage.nowMs, contactOf(peer))).toEqual({ type: "cached" });
    expect(stage.node.addContact(stage.nowMs, contactOf(peer))).toEqual({ type: "cached" });
    expect(stage.node.stats().gauges.pings.used).toBe(1);
    expect(stage.node.table.size).toBe(0);
    stage.reply(peer, pingTo(stage, peer), { type: "pong" });
    expect(stage.node.table.get(peer.id)?.incomingOnly).toBe(false);
    expect(stage.node.addContact(stage.nowMs, contactOf(peer))).toEqual({ type: "updated" });
    expect(stage.requests()).toEqual([]);
  });

  it("may be one of a whole table that was saved: all are pinged in time, and leave half of the room to others", () => {
    const stage = new Stage({ limits: { maxInFlight: 50, smallTableSize: 0 } });
    const saved = Array.from({ length: 1_000 }, (_, i) => stage.stranger(i + 1));
    for (const peer of saved)
      expect(stage.node.addContact(stage.nowMs, contactOf(peer))).toEqual({ type: "cached" });
    const asked = new Set<string>();
    const other = stage.stranger(2_000).path.remote;
    let most = 0;
    expect(stage.poll()).toHaveLength(25);
    stage.node.ping(stage.nowMs, { addresses: [other] });
    expect(stage.poll().map(({ transmit }) => transmit.path.remote)).toEqual([other]);
    for (const { transmit } of stage.sent) if (transmit.peer !== undefined) asked.add(transmit.peer.key);
    for (let step = 0; step < 5_000; step++) {
      for (const { transmit } of stage.poll()) if (transmit.peer !== undefined) asked.add(transmit.peer.key);
      const { requestsInFlight, pings } = stage.node.stats().gauges;
      most = Math.max(most, requestsInFlight.used);
      expect(pings.used).toBeLessThanOrEqual(1_000);
      stage.nowMs = Math.max(stage.nowMs, stage.node.nextDeadline()?.atMs ?? 0);
      stage.node.handleTimeout(stage.nowMs);
      if (asked.size === 1_000) break;
    }
    expect(asked.size).toBe(1_000);
    expect(most).toBeLessThanOrEqual(26);
  });

  it("is refused as one too many beyond the bound of pings, and counted", () => {
    const stage = new Stage({ limits: { maxPendingRequests: 16 } });
    const outcomes = Array.from({ length: 18 }, (_, i) =>
      stage.node.addContact(stage.nowMs, contactOf(stage.stranger(i + 1))),
    );
    expect(outcomes.slice(0, 16).every(({ type }) => type === "cached")).toBe(true);
    expect(outcomes.slice(16)).toEqual([
      { type: "refused", reason: "busy" },
      { type: "refused", reason: "busy" },
    ]);
    const { contactsRefused, gauges } = stage.node.stats();
    expect(contactsRefused.busy).toBe(2);
    expect(gauges.pings).toEqual({ used: 16, limit: 16 });
  });
});
