import { describe, expect, it } from "vitest";
import {
  type ApplicationMessage,
  type DhtRecord,
  immutableRecord,
  type NodeEvent,
  openRecord,
  type QueryResult,
} from "../src/index.ts";
import { Network, sha256 } from "./pair.ts";
import { Stage } from "./stage.ts";

const text = (words: string): Uint8Array => Uint8Array.from(words, (char) => char.charCodeAt(0));

/** Ids and addresses as text, bytes as numbers: two runs are the same when this is. */
function told(event: NodeEvent): string {
  return JSON.stringify(event, (_key, value) => {
    if (value instanceof Uint8Array) return [...value];
    if (value !== null && typeof value === "object" && "wire" in value) return value.key;
    return value;
  });
}

/** Nodes join, store, read, find and talk; everything that is said and told, in order. */
function run(poison: boolean): string[] {
  const transcript: string[] = [];
  const network = new Network({
    seed: 5,
    delayMs: 20,
    loss: 0.05,
    poison,
    onDatagram: (nowMs, from, to, bytes) => transcript.push(`${nowMs} ${from.key} ${to} ${bytes.join()}`),
  });
  const [first, ...rest] = Array.from({ length: 8 }, () => network.add());
  if (first === undefined) throw new Error("no host");
  for (const host of rest) host.node.bootstrap(network.nowMs, [{ addresses: [first.address] }]);
  network.run(5_000);
  const [a, b] = rest as [(typeof rest)[0], (typeof rest)[0]];
  const record = immutableRecord(sha256, text("what is kept"));
  network.finish(a, a.node.put(network.nowMs, record));
  network.finish(a, a.node.put(network.nowMs, openRecord(sha256, "name", text("one"), 1)));
  network.finish(b, b.node.put(network.nowMs, openRecord(sha256, "name", text("two"), 2)));
  const end = network.finish(first, first.node.get(network.nowMs, record.key));
  expect((end.result as Extract<QueryResult, { type: "value" }>).record?.body).toEqual(record.body);
  b.node.setProtocols(["talk"]);
  const sent = a.node.send(network.nowMs, { addresses: [b.address] }, "talk", text("hello"));
  network.run(100);
  const message = b.events.find((event) => event.type === "messageReceived") as ApplicationMessage;
  b.node.reply(network.nowMs, message.reply, text("and hello to you"));
  network.finish(a, sent);
  for (const host of network.hosts) transcript.push(...host.events.map(told));
  return transcript;
}

describe("borrowed bytes", () => {
  it("that are overwritten after every call change nothing that is sent or told", () => {
    const overwritten = run(true);
    expect(overwritten.length).toBeGreaterThan(500);
    expect(overwritten).toEqual(run(false));
  });

  it("are not what events hold: a message's body stays as it arrived", () => {
    const stage = new Stage();
    stage.node.setProtocols(["talk"]);
    const body = text("hello");
    stage.ask(stage.stranger(1), { type: "application", protocol: "talk", body });
    stage.poll();
    const [message] = stage.of("messageReceived");
    expect(message?.body).toEqual(text("hello"));
    expect(message?.body.buffer.byteLength).toBe(5);
  });

  it("are not what the store holds: a record stays as it arrived", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    const { key, body } = immutableRecord(sha256, text("kept"));
    const nodes = stage.answerTo(peer, { type: "findNode", target: key, wantToken: true });
    const token = nodes?.type === "nodes" ? nodes.token : undefined;
    const record = { typeCode: 1, key, lifetimeMs: 60_000, body };
    expect(stage.answerTo(peer, { type: "putValue", token, record })).toEqual({ type: "stored" });
    const value = stage.answerTo(peer, { type: "getValue", key });
    expect(value?.type === "value" && value.record.body).toEqual(text("kept"));
  });
});

describe("a Buffer handed in by mistake", () => {
  /** Its `slice` is a view, and its memory is shared with other Buffers. */
  const pooled = (bytes: Uint8Array): Buffer => {
    const buffer = Buffer.from(bytes);
    expect(buffer.buffer.byteLength).toBeGreaterThan(buffer.length);
    return buffer;
  };

  function expectPlain(bytes: Uint8Array | undefined, content: string): void {
    expect(bytes).toBeDefined();
    expect(Buffer.isBuffer(bytes)).toBe(false);
    expect(Array.from(bytes as Uint8Array)).toEqual(Array.from(text(content)));
  }

  it("as a message that has arrived leaves no view of itself behind", () => {
    const stage = new Stage();
    stage.node.setProtocols(["talk"]);
    const peer = stage.stranger(1);
    const bytes = stage.write(
      stage.requestMessage(peer, { type: "application", protocol: "talk", body: text("hello") }),
    );
    const buffer = pooled(bytes);
    stage.node.handleNetworkEvent(stage.nowMs, { type: "message", from: peer.path, bytes: buffer });
    buffer.fill(0xaa);
    stage.poll();
    expectPlain(stage.of("messageReceived")[0]?.body, "hello");
  });

  it("as room for a message is written to like any other", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.ask(peer, { type: "ping" }, { client: true });
    const room = Buffer.alloc(1_200, 0xaa);
    const transmit = stage.node.pollTransmit(stage.nowMs, room);
    expect(transmit?.tag).toBe(0);
    const message = stage.protocol.decode(Uint8Array.from(room.subarray(0, transmit?.length)));
    expect(message.kind === "response" && message.body).toEqual({ type: "pong" });
  });

  it("as a body to send, to reply or to store is copied before the call returns", () => {
    const network = new Network();
    const [a, b] = [network.add(), network.add()];
    network.finish(a, a.node.bootstrap(network.nowMs, [{ addresses: [b.address] }]));
    b.node.setProtocols(["talk"]);
    const question = pooled(text("question"));
    const sent = a.node.send(network.nowMs, { addresses: [b.address] }, "talk", question);
    question.fill(0xaa);
    network.settle();
    const message = b.events.find((event) => event.type === "messageReceived") as ApplicationMessage;
    expectPlain(message.body, "question");
    const answer = pooled(text("answer"));
    expect(b.node.reply(network.nowMs, message.reply, answer)).toBe(true);
    answer.fill(0xaa);
    const replied = network.finish(a, sent).result;
    expectPlain(replied.type === "reply" ? replied.body : undefined, "answer");

    const { key, body } = immutableRecord(sha256, text("value"));
    const value = pooled(body);
    const record: DhtRecord = { type: "immutable", key, body: value };
    const put = a.node.put(network.nowMs, record);
    value.fill(0xaa);
    expect(network.finish(a, put).result).toMatchObject({ type: "stored", accepted: 1 });
    const found = network.finish(b, b.node.get(network.nowMs, key)).result;
    expectPlain(found.type === "value" ? found.record?.body : undefined, "value");
    const own = network.finish(a, a.node.get(network.nowMs, key)).result;
    expectPlain(own.type === "value" ? own.record?.body : undefined, "value");
  });
});
