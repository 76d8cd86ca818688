import { describe, expect, it } from "vitest";
import { type Contact, type QueryResult, type Response, refusalReasons } from "../src/index.ts";
import { numbered, Stage, type Stranger } from "./stage.ts";

const pong: Response = { type: "pong" };
const nobody: Response = { type: "nodes", contacts: [], token: undefined };

function finished(stage: Stage, query: number): { end: string; result: QueryResult } | undefined {
  return stage.of("queryFinished").find((event) => event.query === query);
}

function contactOf({ id, path }: Stranger): Contact {
  return { id, addresses: [path.remote] };
}

describe("what is never assumed of a message", () => {
  it("that a sender is not ourselves: a request with our own id is dropped before any work", () => {
    const stage = new Stage();
    const mirror = { ...stage.stranger(1), id: stage.node.id };
    expect(stage.answerTo(mirror, { type: "ping" })).toBeUndefined();
    expect(stage.requests()).toEqual([]);
    expect(stage.node.stats()).toMatchObject({
      requestsReceived: 0,
      dropped: { ownId: 1 },
      misbehaviour: { ownId: 1 },
    });
    expect(stage.of("peerMisbehaved")).toEqual([
      { type: "peerMisbehaved", from: mirror.path, code: "ownId" },
    ]);
  });

  it("that a reply is not from ourselves: one with our own id ends no request", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const query = stage.node.ping(stage.nowMs, { addresses: [peer.path.remote] });
    const [ping] = stage.requests();
    if (ping === undefined) throw new Error("nothing was asked");
    stage.reply({ ...peer, id: stage.node.id }, ping, pong);
    stage.poll();
    expect(finished(stage, query)).toBeUndefined();
    expect(stage.node.table.size).toBe(0);
    stage.reply(peer, ping, pong);
    stage.poll();
    expect(finished(stage, query)?.end).toBe("converged");
    expect(stage.node.stats().dropped.ownId).toBe(1);
  });

  it("that nobody reflects: each of our own datagrams sent back to us is dropped", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.befriend(peer);
    stage.node.findNode(stage.nowMs, numbered(9));
    stage.ask(peer, { type: "findNode", target: numbered(8), wantToken: true });
    const ours = stage.poll();
    expect(ours.length).toBeGreaterThanOrEqual(2);
    const before = stage.node.stats();
    for (const { bytes } of ours) stage.hear(peer.path, bytes);
    expect(stage.poll()).toEqual([]);
    const after = stage.node.stats();
    expect(after.dropped.ownId - before.dropped.ownId).toBe(ours.length);
    expect(after.gauges.pendingRequests).toEqual(before.gauges.pendingRequests);
  });

  it("that no contact has our own address: whoever is said to live there is not asked", () => {
    const stage = new Stage();
    const own = stage.addresses.parse("udp://10.99.0.7:4000");
    stage.node.handleNetworkEvent(stage.nowMs, { type: "addressesChanged", addresses: [own] });
    const peer = stage.stranger(1);
    stage.befriend(peer);
    const target = numbered(40);
    const query = stage.node.findNode(stage.nowMs, target);
    const [asked] = stage.requests("findNode");
    if (asked === undefined) throw new Error("nothing was asked");
    const contacts = [{ id: target, addresses: [own] }];
    stage.reply(peer, asked, { type: "nodes", contacts, token: undefined });
    expect(stage.requests()).toEqual([]);
    expect(finished(stage, query)).toMatchObject({
      end: "converged",
      result: { contacts: [{ id: peer.id }] },
    });
    const other = stage.stranger(2).path.remote;
    stage.node.send(stage.nowMs, { addresses: [own, other] }, "talk", new Uint8Array(1));
    expect(stage.requests().map(({ transmit }) => transmit.path.remote)).toEqual([other]);
  });

  it("that the sender is who the layer below has proven: another id is dropped, in a request and in a reply", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const proven = { ...peer.path, peer: peer.id };
    const liar = { id: numbered(2), path: proven };
    expect(stage.answerTo(liar, { type: "ping" })).toBeUndefined();
    const query = stage.node.ping(stage.nowMs, { addresses: [peer.path.remote] });
    const [ping] = stage.requests();
    if (ping === undefined) throw new Error("nothing was asked");
    stage.reply(liar, ping, pong);
    stage.poll();
    expect(finished(stage, query)).toBeUndefined();
    expect(stage.node.stats()).toMatchObject({
      dropped: { wrongSender: 2 },
      misbehaviour: { wrongSender: 2 },
    });
    stage.reply({ id: peer.id, path: proven }, ping, pong);
    stage.poll();
    expect(finished(stage, query)?.end).toBe("converged");
  });

  it("that who answers is who was asked: another id at a contact's address ends the request, and has the contact's place", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.befriend(peer);
    const query = stage.node.ping(stage.nowMs, contactOf(peer));
    const [ping] = stage.requests();
    if (ping === undefined) throw new Error("nothing was asked");
    stage.reply({ ...peer, id: numbered(2) }, ping, pong);
    stage.poll();
    expect(finished(stage, query)).toMatchObject({ end: "exhausted", result: { reason: "wrongPeer" } });
    expect(stage.node.table.closest(numbered(2), 9)).toEqual([
      { id: numbered(2), addresses: [peer.path.remote] },
    ]);
  });

  it.each(["ping", "a query"])(
    "that a contact which is gone from one address, as %s shows, is at its others",
    (by) => {
      const stage = new Stage();
      const peer = stage.stranger(1);
      const other = stage.stranger(2);
      stage.node.addContact(stage.nowMs, contactOf(peer));
      const [asked] = stage.requests();
      if (asked === undefined) throw new Error("nothing was asked");
      stage.reply(peer, asked, pong, { addresses: [other.path.remote] });
      stage.poll();
      if (by === "ping") stage.node.ping(stage.nowMs, contactOf(peer));
      else stage.node.findNode(stage.nowMs, peer.id);
      const [again] = stage.requests();
      if (again === undefined) throw new Error("nothing was asked");
      stage.reply({ ...peer, id: numbered(3) }, again, by === "ping" ? pong : nobody);
      expect(stage.node.table.contacts().map(({ id }) => id.toHex())).toEqual([numbered(3).toHex()]);
      const ping = stage.requests("ping").find(({ transmit }) => transmit.peer?.equals(peer.id));
      if (ping === undefined) throw new Error("it is asked nowhere else");
      expect(ping.transmit.path.remote).toBe(other.path.remote);
      stage.reply({ id: peer.id, path: other.path }, ping, pong);
      stage.poll();
      expect(stage.node.table.get(peer.id)?.contact.addresses).toEqual([other.path.remote]);
    },
  );

  it("that a reply comes from where we asked: another address is not accepted, and is misbehaviour", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const query = stage.node.ping(stage.nowMs, { addresses: [peer.path.remote] });
    const [ping] = stage.requests();
    if (ping === undefined) throw new Error("nothing was asked");
    stage.reply({ ...peer, path: stage.stranger(2).path }, ping, pong);
    stage.poll();
    expect(finished(stage, query)).toBeUndefined();
    expect(stage.node.stats()).toMatchObject({
      dropped: { wrongSource: 1 },
      misbehaviour: { unexpectedResponse: 1 },
    });
  });

  it("that a proven peer stays at its address: its reply is accepted from a new one", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const query = stage.node.ping(stage.nowMs, contactOf(peer));
    const [ping] = stage.requests();
    if (ping === undefined) throw new Error("nothing was asked");
    const moved = { ...stage.stranger(2).path, peer: peer.id };
    stage.reply({ id: peer.id, path: moved }, ping, pong);
    stage.poll();
    expect(finished(stage, query)?.end).toBe("converged");
  });

  it("that an answer fits its request: one of another type is dropped, and is misbehaviour", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const query = stage.node.ping(stage.nowMs, { addresses: [peer.path.remote] });
    const [ping] = stage.requests();
    if (ping === undefined) throw new Error("nothing was asked");
    stage.reply(peer, ping, { type: "stored" });
    stage.poll();
    expect(finished(stage, query)).toBeUndefined();
    expect(stage.node.stats()).toMatchObject({
      dropped: { wrongType: 1 },
      misbehaviour: { unexpectedResponse: 1 },
    });
  });

  it("that a reply comes once: the second, and one to no request, change nothing", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.befriend(peer);
    const query = stage.node.ping(stage.nowMs, contactOf(peer));
    const [ping] = stage.requests();
    if (ping === undefined) throw new Error("nothing was asked");
    for (let i = 0; i < 3; i++) stage.reply(peer, ping, pong);
    stage.poll();
    expect(stage.of("queryFinished").filter((event) => event.query === query)).toHaveLength(1);
    expect(stage.of("nodeDiscovered")).toHaveLength(1);
    expect(stage.node.stats()).toMatchObject({ dropped: { unknownResponse: 2 }, responsesReceived: 2 });
  });

  it("that a request comes once: each copy is answered, and the asker is pinged once", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const message = stage.requestMessage(peer, { type: "ping" });
    for (let i = 0; i < 3; i++) stage.hear(peer.path, stage.write(message));
    const sent = stage.poll();
    expect(sent.filter(({ transmit }) => transmit.tag === 0)).toHaveLength(3);
    expect(sent.filter(({ transmit }) => transmit.tag !== 0)).toHaveLength(1);
  });
});

describe("bytes that are no message", () => {
  const peerOf = (stage: Stage): Stranger => stage.stranger(1);
  const cases: readonly [
    name: string,
    bytes: (stage: Stage) => Uint8Array,
    reason: string,
    answer?: Response,
  ][] = [
    ["nothing at all", () => new Uint8Array(0), "tooShort"],
    ["another version", () => Uint8Array.of(5, 1, 2), "wrongVersion"],
    ["a header that is cut", (stage) => pingBytes(stage).subarray(0, 30), "tooShort"],
    [
      "a request of a kind that we do not know",
      (stage) => withKind(pingBytes(stage), 0x50),
      "unknownRequest",
      { type: "refused", reason: "unsupported" },
    ],
    ["a response of such a kind", (stage) => withKind(pingBytes(stage), 0xd0), "unknownResponse"],
    [
      "a request whose body is cut",
      (stage) => withKind(pingBytes(stage), 2),
      "badBody",
      { type: "refused", reason: "malformed" },
    ],
    ["a response whose body is cut", (stage) => withKind(pingBytes(stage), 0x82), "badBody"],
    [
      "a request with addresses that cannot be read",
      (stage) => withFlags(pingBytes(stage), 0x40),
      "badAddress",
      { type: "refused", reason: "malformed" },
    ],
  ];

  function pingBytes(stage: Stage): Uint8Array {
    return stage.write(stage.requestMessage(peerOf(stage), { type: "ping" }));
  }
  function withKind(bytes: Uint8Array, kind: number): Uint8Array {
    bytes[1] = kind;
    return bytes;
  }
  function withFlags(bytes: Uint8Array, flags: number): Uint8Array {
    bytes[2] = flags;
    return bytes;
  }

  it.each(cases)("%s: counted, and only a request is answered", (_name, bytes, reason, answer) => {
    const stage = new Stage();
    stage.hear(peerOf(stage).path, bytes(stage));
    const sent = stage.poll();
    expect(sent.map(({ message }) => message.kind === "response" && message.body)).toEqual(
      answer === undefined ? [] : [answer],
    );
    const { dropped, misbehaviour, refused } = stage.node.stats();
    expect(dropped).toMatchObject({ [reason]: 1 });
    const isFault = !["wrongVersion", "unknownRequest", "unknownResponse"].includes(reason);
    expect(misbehaviour.malformed).toBe(isFault ? 1 : 0);
    const refusals = refusalReasons.reduce((sum, name) => sum + refused[name], 0);
    expect(refusals).toBe(answer === undefined ? 0 : 1);
  });
});
