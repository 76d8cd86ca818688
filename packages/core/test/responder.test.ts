import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Contact, compareDistance, immutableRecord, type Request, type Response } from "../src/index.ts";
import { sha256 } from "./pair.ts";
import { numbered, type SaidRequest, type Sent, Stage, type Stranger } from "./stage.ts";

const find = (i: number): Request => ({ type: "findNode", target: numbered(i), wantToken: false });

function nodesOf(response: Response | undefined): readonly Contact[] {
  if (response?.type !== "nodes") throw new Error(`no contacts but ${response?.type}`);
  return response.contacts;
}

function tokenFor(stage: Stage, peer: Stranger, i: number): Uint8Array | undefined {
  const nodes = stage.answerTo(peer, { type: "findNode", target: numbered(i), wantToken: true });
  return nodes?.type === "nodes" ? nodes.token : undefined;
}

const repliesOf = (sent: readonly Sent[]): Sent[] => sent.filter(({ transmit }) => transmit.tag === 0);

describe("who is handed out", () => {
  it("is the closest to what was asked for, at most bucketSize of them, the asker left out", () => {
    const stage = new Stage({ limits: { bucketSize: 5 } });
    const peers = stage.populate(30);
    const known = stage.node.table.contacts().map(({ id }) => id);
    expect(known.length).toBeGreaterThan(8);
    for (let i = 40; i < 60; i++) {
      const asker = peers[i % peers.length] as Stranger;
      const contacts = nodesOf(stage.answerTo(asker, find(i)));
      const expected = known
        .filter((id) => !id.equals(asker.id))
        .sort((a, b) => compareDistance(numbered(i), a, b))
        .slice(0, 5);
      expect(contacts.map(({ id }) => id.toHex())).toEqual(expected.map((id) => id.toHex()));
    }
  });

  it("is only who the asker can dial, by the bits of want", () => {
    const stage = new Stage();
    stage.addresses.setLink("udp6", { link: 3, maxBytes: 1_200 });
    const urls = [
      "udp://10.0.1.7:1",
      "udp://10.0.2.7:1",
      "udp://[2001:db8:1::1]:1",
      "udp://[2001:db8:2::1]:1",
    ];
    const peers = urls.map((url, i) => stage.stranger(i + 1, url));
    for (const peer of peers) stage.befriend(peer);
    const asker = stage.stranger(9);
    const told = (want: number): string[] =>
      nodesOf(stage.answerTo(asker, find(5), { want }))
        .map(({ addresses }) => addresses[0]?.key ?? "")
        .sort();
    expect(told(0b01)).toEqual(urls.slice(0, 2).sort());
    expect(told(0b10)).toEqual(urls.slice(2).sort());
    expect(told(0b11)).toEqual([...urls].sort());
    expect(told(0b00)).toEqual([]);
    expect(told(0b111100)).toEqual([]);
  });

  it("is nobody that has never answered us: neither askers, nor those that were named to us", () => {
    const stage = new Stage();
    const [friend] = stage.populate(1) as [Stranger];
    stage.ask(stage.stranger(2), { type: "ping" });
    stage.node.findNode(stage.nowMs, numbered(30));
    for (const request of stage.poll()) {
      if (!request.transmit.peer?.equals(friend.id)) continue;
      const hearsay = [{ id: numbered(30), addresses: [stage.stranger(30).path.remote] }];
      stage.reply(friend, request, { type: "nodes", contacts: hearsay, token: undefined });
    }
    const told = nodesOf(stage.answerTo(stage.stranger(9), find(30)));
    expect(told.map(({ id }) => id.toHex())).toEqual([friend.id.toHex()]);
  });

  it("is at least four, however many addresses each has", () => {
    const stage = new Stage();
    stage.addresses.setLink("ws", { link: 5, maxBytes: 2 ** 20 });
    for (let i = 1; i <= 10; i++) {
      const peer = stage.stranger(i);
      stage.ask(peer, { type: "ping" });
      const [ping] = stage.requests("ping");
      if (ping === undefined) throw new Error("not pinged");
      const urls = ["a", "b"].map((name) => `ws://${name}${i}.example${i}.org/${"x".repeat(50)}`);
      const declared = urls.map((url) => stage.addresses.parse(url));
      stage.reply(peer, ping, { type: "pong" }, { addresses: declared });
    }
    const told = nodesOf(stage.answerTo(stage.stranger(99), find(5), { client: true }));
    expect(told.length).toBeGreaterThanOrEqual(4);
    expect(told.every(({ addresses }) => addresses.length === 3)).toBe(true);
  });
});

describe("the ring of replies", () => {
  const limits = { maxQueuedReplies: 3 };

  it("when full, lets new requests be dropped before any work, and counts them", () => {
    const stage = new Stage({ limits });
    const client = { client: true };
    for (let i = 1; i <= 3; i++) stage.ask(stage.stranger(i), { type: "ping" }, client);
    const before = stage.node.stats();
    expect(before.gauges.queuedReplies).toEqual({ used: 3, limit: 3 });
    const { key, body } = immutableRecord(sha256, Uint8Array.of(1));
    const record = { typeCode: 1, key, lifetimeMs: 60_000, body };
    const more: Request[] = [
      { type: "ping" },
      find(1),
      { type: "putValue", token: new Uint8Array(8), record },
      { type: "application", protocol: "talk", body },
    ];
    for (const request of more) stage.ask(stage.stranger(4), request);
    stage.hear(stage.stranger(4).path, Uint8Array.of(4, 0x50, ...new Uint8Array(60)));
    const after = stage.node.stats();
    expect(after.dropped.repliesFull).toBe(5);
    expect(after.requestsReceived).toBe(3);
    expect(after.refused).toEqual(before.refused);
    expect(after.gauges.queuedReplies).toEqual({ used: 3, limit: 3 });
    expect(repliesOf(stage.poll())).toHaveLength(3);
    expect(stage.answerTo(stage.stranger(4), { type: "ping" }, client)).toEqual({ type: "pong" });
  });

  it("when full, does not keep answers to our own requests from being read", () => {
    const stage = new Stage({ limits });
    const peer = stage.stranger(1);
    const query = stage.node.ping(stage.nowMs, { addresses: [peer.path.remote] });
    const [ping] = stage.requests();
    if (ping === undefined) throw new Error("nothing was asked");
    for (let i = 2; i <= 9; i++) stage.ask(stage.stranger(i), { type: "ping" }, { client: true });
    expect(stage.node.stats().dropped.repliesFull).toBe(5);
    stage.reply(peer, ping, { type: "pong" });
    stage.poll();
    expect(stage.of("queryFinished")).toMatchObject([{ query, end: "converged" }]);
  });

  it("takes turns with our own requests, so that neither waits for all of the other", () => {
    const stage = new Stage();
    for (let i = 1; i <= 10; i++) {
      stage.ask(stage.stranger(i), { type: "ping" }, { client: true });
      stage.node.ping(stage.nowMs, { addresses: [stage.stranger(100 + i).path.remote] });
    }
    const kinds = stage.poll().map(({ transmit }) => transmit.tag === 0);
    expect(kinds).toHaveLength(20);
    for (let i = 1; i < kinds.length; i++) expect(kinds[i]).toBe(!kinds[i - 1]);
  });

  it("is bounded for the replies of plugins too, whatever becomes of their tokens", () => {
    const stage = new Stage({ limits: { maxReplyTokens: 4, maxQueuedReplies: 100 } });
    stage.node.setProtocols(["talk"]);
    const { node } = stage;
    let answered = 0;
    for (let round = 0; round < 5; round++) {
      for (let i = 1; i <= 4; i++) {
        const request: Request = { type: "application", protocol: "talk", body: Uint8Array.of(i) };
        stage.ask(stage.stranger(10 * round + i), request);
      }
      for (let event = node.pollEvent(); event !== undefined; event = node.pollEvent()) {
        if (event.type !== "messageReceived") continue;
        if (node.reply(stage.nowMs, event.reply, Uint8Array.of(9))) answered++;
      }
      stage.nowMs += 10_000;
      node.handleTimeout(stage.nowMs);
    }
    const { queuedReplies, queuedAnswers } = node.stats().gauges;
    expect(queuedAnswers.used).toBeLessThanOrEqual(queuedAnswers.limit);
    expect(queuedReplies.used).toBeLessThanOrEqual(queuedReplies.limit);
    expect(answered).toBeGreaterThan(0);
    expect(repliesOf(stage.poll()).length).toBeGreaterThanOrEqual(answered);
  });
});

describe("the rate of requests", () => {
  const limits = { requestsPerSecond: 2, requestBurst: 5, banMs: 60_000 };
  const client = { client: true };

  it("is limited for each source, whatever its port; other sources are not affected", () => {
    const stage = new Stage({ limits });
    const ports = Array.from({ length: 7 }, (_, i) => stage.stranger(i + 1, `udp://192.0.2.1:${4000 + i}`));
    const answers = ports.map((peer) => stage.answerTo(peer, { type: "ping" }, client));
    expect(answers.filter((answer) => answer !== undefined)).toHaveLength(5);
    expect(stage.node.stats().dropped.rateLimited).toBe(2);
    expect(stage.answerTo(stage.stranger(99), { type: "ping" }, client)).toEqual({ type: "pong" });
    stage.nowMs += 1_000;
    expect(stage.answerTo(ports[0] as Stranger, { type: "ping" }, client)).toEqual({ type: "pong" });
  });

  it("does not concern loopback, nor answers to our own requests", () => {
    const stage = new Stage({ limits });
    const local = stage.stranger(1, "udp://127.0.0.1:4000");
    for (let i = 0; i < 100; i++)
      expect(stage.answerTo(local, { type: "ping" }, client)).toEqual({ type: "pong" });
    const proven = { ...local, path: { ...local.path, peer: local.id } };
    for (let i = 0; i < 100; i++)
      expect(stage.answerTo(proven, { type: "ping" }, client)).toEqual({ type: "pong" });
    const peer = stage.stranger(2);
    for (let i = 0; i < 40; i++) stage.ask(peer, { type: "ping" }, client);
    expect(stage.node.stats().dropped.banned).toBeGreaterThan(0);
    stage.befriend(peer);
    expect(stage.node.table.get(peer.id)).toBeDefined();
  });

  it("counts by the proven peer where there is one", () => {
    const stage = new Stage({ limits });
    const { path } = stage.stranger(1);
    const behindOneAddress = [1, 2, 3].map((i) => ({
      id: numbered(i),
      path: { ...path, peer: numbered(i) },
    }));
    const answers = Array.from({ length: 5 }, () => behindOneAddress).flat();
    for (const peer of answers)
      expect(stage.answerTo(peer, { type: "ping" }, client)).toEqual({ type: "pong" });
  });

  it("ends in a ban for who goes on, reported once; and the ban ends", () => {
    const stage = new Stage({ limits });
    const peer = stage.stranger(1);
    for (let i = 0; i < 50; i++) stage.ask(peer, { type: "ping" }, client);
    stage.poll();
    const { dropped, misbehaviour } = stage.node.stats();
    expect(dropped.banned).toBeGreaterThan(20);
    expect(misbehaviour.rateLimited).toBe(1);
    expect(stage.of("peerMisbehaved")).toEqual([
      { type: "peerMisbehaved", from: peer.path, code: "rateLimited" },
    ]);
    stage.nowMs += 59_000;
    expect(stage.answerTo(peer, { type: "ping" }, client)).toBeUndefined();
    stage.nowMs += 1_100;
    expect(stage.answerTo(peer, { type: "ping" }, client)).toEqual({ type: "pong" });
  });

  it("is tracked for a bounded number of sources", () => {
    const stage = new Stage({ limits: { ...limits, maxSources: 16 } });
    for (let i = 1; i < 200; i++) stage.ask(stage.stranger(i), { type: "ping" }, client);
    expect(stage.node.stats().gauges.sources).toEqual({ used: 16, limit: 16 });
  });
});

describe("amplification", () => {
  /** A node that has much to say: many contacts with many addresses, addresses of its own, a large value, a talker. */
  function talkative(): { readonly stage: Stage; readonly key: ReturnType<typeof numbered> } {
    const stage = new Stage({ limits: { verifyPingBurst: 10_000, replyTokenLifetimeMs: 1_000 } });
    const own = [1, 2, 3].map((i) => stage.addresses.parse(`udp://10.200.${i}.1:4000`));
    stage.node.handleNetworkEvent(stage.nowMs, { type: "addressesChanged", addresses: own });
    stage.populate(25);
    const record = immutableRecord(sha256, new Uint8Array(1_000));
    stage.node.put(stage.nowMs, record);
    stage.node.setProtocols(["talk"]);
    for (let i = 3_001; i <= 3_040; i++) {
      const { id, path } = stage.stranger(i);
      const meta = new Uint8Array(100);
      const body: Request = {
        type: "addProvider",
        key: record.key,
        token: undefined,
        lifetimeMs: 3_600_000,
        meta,
      };
      expect(stage.answerTo({ id, path: { ...path, peer: id } }, body)).toEqual({ type: "stored" });
    }
    stage.pass(100_000);
    return { stage, key: record.key };
  }

  function answerMessages(stage: Stage): void {
    for (const message of stage.of("messageReceived"))
      stage.node.reply(stage.nowMs, message.reply, new Uint8Array(1_000));
    stage.events.length = 0;
  }

  it("to an unproven address nothing is longer than three times the request, nor a ping than the request itself", () => {
    const { stage, key } = talkative();
    let next = 1_000;
    let pingCount = 0;
    const bodies = fc.constantFrom<Request>(
      { type: "ping" },
      { type: "findNode", target: key, wantToken: true },
      { type: "findNode", target: numbered(5), wantToken: false },
      { type: "getValue", key },
      { type: "getValue", key: numbered(5) },
      { type: "putValue", token: undefined, record: wireRecord(new Uint8Array(5)) },
      { type: "putValue", token: new Uint8Array(8), record: wireRecord(new Uint8Array(0)) },
      { type: "getProviders", key, cursor: new Uint8Array(0) },
      { type: "getProviders", key: numbered(5), cursor: new Uint8Array(0) },
      { type: "application", protocol: "t", body: new Uint8Array(0) },
      { type: "application", protocol: "talk", body: new Uint8Array(0) },
      { type: "application", protocol: "talk", body: new Uint8Array(100) },
    );
    const said = fc.record({ client: fc.boolean(), padded: fc.boolean(), declaredCount: fc.nat(4) });
    const cut = fc.option(fc.nat(120), { nil: undefined, freq: 3 });
    const extraBytes = fc.oneof(fc.constant(0), fc.nat(1_100));
    const kind = fc.option(fc.nat(255), { nil: undefined, freq: 6 });
    fc.assert(
      fc.property(
        bodies,
        said,
        extraBytes,
        cut,
        kind,
        (body, { declaredCount, ...rest }, extra, at, code) => {
          const peer = stage.stranger(++next);
          const declared = Array.from({ length: declaredCount }, (_, i) =>
            stage.addresses.parse(`udp://10.${100 + i}.${next & 255}.${1 + (next >> 8)}:4000`),
          );
          const options: SaidRequest = { ...rest, declared };
          const whole = stage.write(stage.requestMessage(peer, body, options), rest.padded);
          const longer = new Uint8Array(Math.min(1_200, whole.length + extra));
          longer.set(whole);
          if (code !== undefined) longer[1] = code;
          const bytes = at === undefined ? longer : longer.subarray(0, at);
          stage.hear(peer.path, bytes);
          const sent = stage.poll();
          answerMessages(stage);
          sent.push(...stage.poll());
          const before = stage.nowMs;
          sent.push(...stage.pass(15_000));
          expect(stage.nowMs).toBeGreaterThan(before);
          const strangers = new Set([peer.path.remote, ...declared]);
          const toStrangers = sent.filter(({ transmit }) => strangers.has(transmit.path.remote as never));
          const pings = toStrangers.filter(({ transmit }) => transmit.tag !== 0);
          pingCount += pings.length;
          expect(pings.length).toBeLessThanOrEqual(1);
          for (const ping of pings) expect(ping.bytes.length).toBeLessThanOrEqual(bytes.length);
          const replies = repliesOf(toStrangers);
          expect(replies.length).toBeLessThanOrEqual(1);
          for (const reply of replies) expect(reply.bytes.length).toBeLessThanOrEqual(3 * bytes.length);
        },
      ),
      { seed: 11, numRuns: 1_000 },
    );
    expect(stage.node.stats().refused.tooLarge).toBeGreaterThan(10);
    expect(pingCount).toBeGreaterThan(50);
  });

  it("is no hindrance to honest askers: padded requests get whole answers", () => {
    const { stage, key } = talkative();
    const peer = stage.stranger(2_000);
    const client = { client: true, padded: true };
    expect(nodesOf(stage.answerTo(peer, { ...find(7), wantToken: true } as Request, client))).toHaveLength(
      20,
    );
    const value = stage.answerTo(peer, { type: "getValue", key }, client);
    expect(value?.type === "value" && value.record.body.length).toBe(1_000);
    stage.ask(peer, { type: "application", protocol: "talk", body: new Uint8Array(0) }, client);
    stage.poll();
    answerMessages(stage);
    const [reply] = repliesOf(stage.poll());
    expect(reply?.message.body).toEqual({ type: "application", body: new Uint8Array(1_000) });
  });

  it("is told to those that did not pad, as a refusal", () => {
    const { stage, key } = talkative();
    const peer = stage.stranger(2_000);
    const value = stage.answerTo(peer, { type: "getValue", key }, { client: true, padded: false });
    expect(value).toEqual({ type: "refused", reason: "tooLarge" });
  });

  it("is no danger where the address is proven, by a layer below or by a connection", () => {
    const { stage, key } = talkative();
    const peer = stage.stranger(2_000);
    const proven = { ...peer, path: { ...peer.path, peer: peer.id } };
    const bare = { client: true, padded: false };
    expect(stage.answerTo(proven, { type: "getValue", key }, bare)?.type).toBe("value");
    const connected = stage.stranger(2_001, "tcp://198.51.100.1:4000", { dialable: false });
    expect(stage.answerTo(connected, { type: "getValue", key }, bare)?.type).toBe("value");
  });
});

function wireRecord(body: Uint8Array) {
  return { typeCode: 1, key: numbered(3), lifetimeMs: 1_000, body };
}

describe("a write token", () => {
  function put(stage: Stage, peer: Stranger, value: number, token: Uint8Array | undefined) {
    const { key, body } = immutableRecord(sha256, Uint8Array.of(value));
    return stage.answerTo(peer, {
      type: "putValue",
      token,
      record: { typeCode: 1, key, lifetimeMs: 60_000, body },
    });
  }
  function tokenOf(stage: Stage, peer: Stranger, value: number): Uint8Array | undefined {
    const { key } = immutableRecord(sha256, Uint8Array.of(value));
    const nodes = stage.answerTo(peer, { type: "findNode", target: key, wantToken: true });
    return nodes?.type === "nodes" ? nodes.token : undefined;
  }
  const badToken = { type: "refused", reason: "badToken" };
  const stored = { type: "stored" };

  it("is bound to the address that fetched it, and to the target", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const token = tokenOf(stage, peer, 1);
    expect(token).toHaveLength(8);
    expect(put(stage, stage.stranger(2), 1, token)).toEqual(badToken);
    expect(put(stage, stage.stranger(1, "udp://10.0.1.7:4001"), 1, token)).toEqual(badToken);
    expect(put(stage, peer, 2, token)).toEqual(badToken);
    expect(put(stage, peer, 1, undefined)).toEqual(badToken);
    expect(put(stage, peer, 1, new Uint8Array(8))).toEqual(badToken);
    expect(stage.node.stats().gauges.records.used).toBe(0);
    expect(stage.node.stats().refused.badToken).toBe(5);
    expect(put(stage, peer, 1, token)).toEqual(stored);
  });

  it("is good for one to two rotations, and for no longer", () => {
    const rotationMs = 5 * 60_000;
    const stage = new Stage();
    const peer = stage.stranger(1);
    const token = tokenOf(stage, peer, 1);
    stage.nowMs += rotationMs;
    tokenOf(stage, peer, 9);
    expect(put(stage, peer, 1, token)).toEqual(stored);
    stage.nowMs += rotationMs;
    expect(put(stage, peer, 1, token)).toEqual(badToken);
    stage.nowMs += 3 * rotationMs;
    expect(put(stage, peer, 1, token)).toEqual(badToken);
  });

  it("is issued only on demand, and only where nothing else proves the address", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const nodes = stage.answerTo(peer, { type: "findNode", target: numbered(1), wantToken: false });
    expect(nodes).toMatchObject({ type: "nodes", token: undefined });
    const proven = { ...peer, path: { ...peer.path, peer: peer.id } };
    expect(tokenFor(stage, proven, 1)).toBeUndefined();
    expect(put(stage, proven, 1, undefined)).toEqual(stored);
  });
});

describe("a client", () => {
  it("answers, but stores nothing for others and hands out no token", () => {
    const stage = new Stage({ mode: "client" });
    const peer = stage.stranger(1);
    expect(stage.answerTo(peer, { type: "ping" })).toEqual({ type: "pong" });
    expect(tokenFor(stage, peer, 1)).toBeUndefined();
    const proven = { ...peer, path: { ...peer.path, peer: peer.id } };
    const { key, body } = immutableRecord(sha256, Uint8Array.of(1));
    const record = { typeCode: 1, key, lifetimeMs: 60_000, body };
    expect(stage.answerTo(proven, { type: "putValue", token: undefined, record })).toEqual({
      type: "refused",
      reason: "unsupported",
    });
    const provider: Request = { type: "addProvider", key, token: undefined, lifetimeMs: 60_000, meta: body };
    expect(stage.answerTo(proven, provider)).toEqual({ type: "refused", reason: "unsupported" });
    expect(stage.node.stats().gauges).toMatchObject({ records: { used: 0 }, providers: { used: 0 } });
  });

  it("says so in all that it sends", () => {
    const stage = new Stage({ mode: "client" });
    const own = [1, 2].map((i) => stage.addresses.parse(`udp://10.200.${i}.1:4000`));
    stage.node.handleNetworkEvent(stage.nowMs, { type: "addressesChanged", addresses: own });
    stage.ask(stage.stranger(1), { type: "ping" });
    stage.node.ping(stage.nowMs, { addresses: [stage.stranger(2).path.remote] });
    const sent = stage.poll();
    expect(sent.length).toBeGreaterThanOrEqual(2);
    for (const { message } of sent) expect(message).toMatchObject({ client: true, addresses: [] });
  });
});

describe("a record that a stranger stores", () => {
  function put(stage: Stage, peer: Stranger, changes: Partial<ReturnType<typeof wireRecord>>, value = 1) {
    const { key, body } = immutableRecord(sha256, Uint8Array.of(value));
    const record = { typeCode: 1, key, lifetimeMs: 60_000, body, ...changes };
    const nodes = stage.answerTo(peer, { type: "findNode", target: record.key, wantToken: true });
    const token = nodes?.type === "nodes" ? nodes.token : undefined;
    return stage.answerTo(peer, { type: "putValue", token, record });
  }
  const refusals: readonly [what: string, changes: Partial<ReturnType<typeof wireRecord>>, reason: string][] =
    [
      ["of an unknown type", { typeCode: 99 }, "unsupported"],
      ["that is too large", { body: new Uint8Array(1_001) }, "tooLarge"],
      ["that its key does not prove", { body: new Uint8Array(5) }, "invalidRecord"],
      ["that says of itself that it is over", { typeCode: 40 }, "expired"],
    ];

  it.each(refusals)("%s is refused, and counted", (_what, changes, reason) => {
    const over = { code: 40, maxBodyBytes: 9, quorum: 1, validate: () => undefined, select: () => 0 };
    const stage = new Stage({ validators: { over: { ...over, lifetimeMs: () => 0 } } });
    expect(put(stage, stage.stranger(1), changes)).toEqual({ type: "refused", reason });
    const { refused, misbehaviour } = stage.node.stats();
    expect(refused).toMatchObject({ [reason]: 1 });
    expect(misbehaviour.invalidValue).toBe(reason === "invalidRecord" ? 1 : 0);
  });

  it("beyond the caps is refused as full: in number, in bytes, and for each subnet", () => {
    const byNumber = new Stage({ limits: { maxRecords: 1 } });
    expect(put(byNumber, byNumber.stranger(1), {}, 1)).toEqual({ type: "stored" });
    expect(put(byNumber, byNumber.stranger(2), {}, 2)).toEqual({ type: "refused", reason: "full" });
    const bySubnet = new Stage({ limits: { maxRecordsPerSource: 2 } });
    const neighbours = [1, 2, 3].map((i) => bySubnet.stranger(i, `udp://192.0.2.${i}:4000`));
    const outcomes = neighbours.map((peer, i) => put(bySubnet, peer, {}, i)?.type);
    expect(outcomes).toEqual(["stored", "stored", "refused"]);
    expect(put(bySubnet, bySubnet.stranger(9), {}, 9)).toEqual({ type: "stored" });
    expect(bySubnet.node.stats().refused.full).toBe(1);
  });

  it("is never served once its life has ended, and its place is free", () => {
    const stage = new Stage({ limits: { maxRecords: 1 } });
    const peer = stage.stranger(1);
    const { key } = immutableRecord(sha256, Uint8Array.of(1));
    expect(put(stage, peer, { lifetimeMs: 10_000 })).toEqual({ type: "stored" });
    stage.nowMs += 9_999;
    expect(stage.answerTo(peer, { type: "getValue", key })?.type).toBe("value");
    stage.nowMs += 1;
    expect(stage.answerTo(peer, { type: "getValue", key })?.type).toBe("nodes");
    expect(stage.node.stats().gauges.records.used).toBe(0);
    expect(put(stage, peer, {}, 2)).toEqual({ type: "stored" });
  });
});

describe("a reply that no room suffices for", () => {
  it("is left out, and the next one is written", () => {
    const stage = new Stage({}, 20);
    const client = { client: true };
    stage.ask(stage.stranger(1), { type: "ping" }, client);
    stage.ask(stage.stranger(2), { type: "ping" }, client);
    expect(stage.node.pollTransmit(stage.nowMs, new Uint8Array(20))).toBeUndefined();
    expect(stage.node.stats().gauges.queuedReplies.used).toBe(0);
  });
});
