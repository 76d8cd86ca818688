import { describe, expect, it } from "vitest";
import type { ApplicationMessage, QueryResult, Request } from "../src/index.ts";
import { Network } from "./pair.ts";
import { numbered, Stage } from "./stage.ts";

const text = (words: string): Uint8Array => Uint8Array.from(words, (char) => char.charCodeAt(0));
const talk = (words: string): Request => ({ type: "application", protocol: "talk", body: text(words) });

function two(options: ConstructorParameters<typeof Network>[0] = {}) {
  const network = new Network({ delayMs: 20, ...options });
  const [a, b] = [network.add(), network.add()];
  b.node.setProtocols(["talk"]);
  const send = (words: string, protocol = "talk") =>
    a.node.send(network.nowMs, { addresses: [b.address] }, protocol, text(words));
  const received = (): ApplicationMessage[] =>
    b.events.filter((event) => event.type === "messageReceived") as ApplicationMessage[];
  return { network, a, b, send, received };
}

function replyOf(result: QueryResult): { body: string | undefined; reason: string | undefined } {
  if (result.type !== "reply") throw new Error(`no reply but ${result.type}`);
  return {
    body: result.body === undefined ? undefined : String.fromCharCode(...result.body),
    reason: result.reason,
  };
}

describe("an application message", () => {
  it("ends with what the peer's plugin replies", () => {
    const { network, a, b, send, received } = two();
    const query = send("question");
    network.run(100);
    const [message] = received();
    expect(message).toMatchObject({ protocol: "talk", sender: a.node.id, body: text("question") });
    expect(message?.from.remote).toBe(a.address);
    expect(b.node.reply(network.nowMs, (message as ApplicationMessage).reply, text("answer"))).toBe(true);
    const end = network.finish(a, query);
    expect(end.end).toBe("converged");
    expect(replyOf(end.result)).toEqual({ body: "answer", reason: undefined });
  });

  it("is acknowledged by the peer's node when nobody replies, within the asker's patience", () => {
    const { network, a, b, send, received } = two();
    const query = send("question");
    const end = network.finish(a, query);
    expect(end.end).toBe("converged");
    expect(replyOf(end.result)).toEqual({ body: "", reason: undefined });
    expect(end.stats.durationMs).toBeLessThan(10_000);
    expect(received()).toHaveLength(1);
    expect(b.node.stats().gauges.replyTokens.used).toBe(0);
  });

  it("for which there is no plugin is answered so, also once there is none any more", () => {
    const { network, a, b, send, received } = two();
    const other = network.finish(a, send("question", "walk"));
    expect(other.end).toBe("exhausted");
    expect(replyOf(other.result)).toEqual({ body: undefined, reason: "noHandler" });
    b.node.setProtocols(["walk"]);
    expect(replyOf(network.finish(a, send("question")).result).reason).toBe("noHandler");
    expect(received()).toEqual([]);
    expect(b.node.stats().refused.noHandler).toBe(2);
  });

  it("is refused as busy while nobody polls the events, or too many may still be answered", () => {
    const unpolled = new Stage({ limits: { maxQueuedMessages: 2 } });
    unpolled.node.setProtocols(["talk"]);
    for (let i = 1; i <= 3; i++) unpolled.ask(unpolled.stranger(i), talk("hello"), { client: true });
    const refusals = (stage: Stage) =>
      stage.poll().filter(({ message }) => message.kind === "response" && message.body.type === "refused");
    expect(unpolled.node.stats().gauges.queuedMessages).toEqual({ used: 2, limit: 2 });
    expect(refusals(unpolled)).toMatchObject([{ message: { body: { reason: "busy" } } }]);
    expect(unpolled.of("messageReceived")).toHaveLength(2);
    expect(unpolled.node.stats().gauges.queuedMessages.used).toBe(0);
    const unanswered = new Stage({ limits: { maxReplyTokens: 2 } });
    unanswered.node.setProtocols(["talk"]);
    for (let i = 1; i <= 3; i++) {
      unanswered.ask(unanswered.stranger(i), talk("hello"), { client: true });
      expect(refusals(unanswered)).toHaveLength(i === 3 ? 1 : 0);
    }
    expect(unanswered.node.stats()).toMatchObject({
      refused: { busy: 1 },
      gauges: { replyTokens: { used: 2, limit: 2 } },
    });
    unanswered.pass(10_000);
    expect(unanswered.node.stats().gauges.replyTokens.used).toBe(0);
    expect(unanswered.answerTo(unanswered.stranger(4), talk("hello"))).toBeUndefined();
    expect(unanswered.of("messageReceived")).toHaveLength(3);
  });

  it("is delivered once, however often it comes, and answered each time once there is an answer", () => {
    const stage = new Stage();
    stage.node.setProtocols(["talk"]);
    const peer = stage.stranger(1);
    const requestId = { high: 5, low: 6 };
    const said = { requestId, client: true };
    expect(stage.answerTo(peer, talk("hello"), said)).toBeUndefined();
    expect(stage.answerTo(peer, talk("hello"), said)).toBeUndefined();
    const [message] = stage.of("messageReceived") as [ApplicationMessage];
    stage.node.reply(stage.nowMs, message.reply, text("yes"));
    const answers = stage.poll().map(({ message: { body } }) => body);
    expect(answers).toEqual([{ type: "application", body: text("yes") }]);
    expect(stage.answerTo(peer, talk("hello"), said)).toEqual({ type: "application", body: text("yes") });
    expect(stage.of("messageReceived")).toHaveLength(1);
    expect(stage.node.stats().dropped.duplicate).toBe(2);
    // The same request id from somebody else is another message.
    stage.answerTo(stage.stranger(2), talk("hello"), said);
    expect(stage.of("messageReceived")).toHaveLength(2);
  });

  it("arrives once although datagrams are lost, and is answered", () => {
    let replied = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const { network, a, b, send, received } = two({ seed, loss: 0.3 });
      const query = send("question");
      network.run(9_000, () => {
        for (const message of received())
          if (b.node.reply(network.nowMs, message.reply, text("answer"))) replied++;
        return a.events.some((event) => event.type === "queryFinished" && event.query === query);
      });
      expect(received().length).toBeLessThanOrEqual(1);
      const end = network.finish(a, query);
      if (end.end === "converged") expect(["answer", ""]).toContain(replyOf(end.result).body);
    }
    expect(replied).toBeGreaterThan(14);
  });

  it("may be answered once, and only until its token expires", () => {
    const stage = new Stage();
    stage.node.setProtocols(["talk"]);
    stage.ask(stage.stranger(1), talk("a"), { client: true });
    stage.ask(stage.stranger(2), talk("b"), { client: true });
    stage.poll();
    const [first, second] = stage.of("messageReceived") as [ApplicationMessage, ApplicationMessage];
    expect(stage.node.reply(stage.nowMs, first.reply, text("yes"))).toBe(true);
    expect(stage.node.reply(stage.nowMs, first.reply, text("no"))).toBe(false);
    expect(stage.node.reply(stage.nowMs, { id: 12_345 }, text("no"))).toBe(false);
    const sent = stage.pass(8_000);
    expect(sent.map(({ message: { body } }) => body)).toEqual([
      { type: "application", body: text("yes") },
      { type: "application", body: new Uint8Array(0) },
    ]);
    expect(stage.node.reply(stage.nowMs, second.reply, text("late"))).toBe(false);
    expect(stage.node.stats().gauges.replyTokens.used).toBe(0);
  });

  it("may be as long as a datagram carries, and its answer too; a longer one ends as too large", () => {
    const { network, a, b, received } = two();
    const send = (bytes: number) =>
      a.node.send(network.nowMs, { addresses: [b.address] }, "talk", new Uint8Array(bytes));
    const overhead = 43 + 1 + 4 + 4;
    const query = send(1_200 - overhead);
    network.run(100);
    const [message] = received() as [ApplicationMessage];
    expect(message.body).toHaveLength(1_200 - overhead);
    b.node.reply(network.nowMs, message.reply, new Uint8Array(1_200 - 43 - 4));
    const { result } = network.finish(a, query);
    expect(result.type === "reply" && result.body?.length).toBe(1_200 - 43 - 4);
    expect(replyOf(network.finish(a, send(1_201 - overhead)).result).reason).toBe("tooLarge");
    expect(replyOf(network.finish(a, send(70_000)).result).reason).toBe("tooLarge");
    expect(a.node.stats().gauges.sendBytes.used).toBe(0);
  });

  it("ends at once as busy beyond the bounds in bytes, for one peer and for all", () => {
    const stage = new Stage({ limits: { maxSendBytes: 100, maxSendBytesPerPeer: 60 } });
    const send = (peer: number, bytes: number) =>
      stage.node.send(
        stage.nowMs,
        { addresses: [stage.stranger(peer).path.remote] },
        "talk",
        new Uint8Array(bytes),
      );
    const kept = [send(1, 60), send(2, 40)];
    const refused = [send(1, 1), send(3, 1)];
    stage.poll();
    expect(stage.of("queryFinished").map(({ query, end, result }) => ({ query, end, result }))).toEqual(
      refused.map((query) => ({
        query,
        end: "exhausted",
        result: { type: "reply", body: undefined, reason: "busy" },
      })),
    );
    expect(stage.node.stats().gauges.sendBytes).toEqual({ used: 100, limit: 100 });
    for (const query of kept) stage.node.cancel(stage.nowMs, query);
    expect(stage.node.stats().gauges.sendBytes.used).toBe(0);
  });

  it("goes over a stream with up to 64 KiB, and so does its answer", () => {
    const stage = new Stage({}, 70_000);
    stage.node.setProtocols(["talk"]);
    const peer = stage.stranger(1, "tcp://198.51.100.1:4000", { dialable: false });
    stage.ask(
      peer,
      { type: "application", protocol: "talk", body: new Uint8Array(65_536) },
      { client: true },
    );
    stage.poll();
    const [message] = stage.of("messageReceived") as [ApplicationMessage];
    expect(message.body).toHaveLength(65_536);
    stage.node.reply(stage.nowMs, message.reply, new Uint8Array(65_536));
    const [sent] = stage.poll();
    expect(sent?.message.body).toEqual({ type: "application", body: new Uint8Array(65_536) });
  });

  it("names its sender, who is proven only where a layer below says so", () => {
    const stage = new Stage();
    stage.node.setProtocols(["talk"]);
    const peer = stage.stranger(1);
    stage.ask(peer, talk("a"), { client: true });
    stage.ask({ ...peer, path: { ...peer.path, peer: peer.id } }, talk("b"), { client: true });
    stage.poll();
    const messages = stage.of("messageReceived");
    expect(messages.map(({ sender }) => sender)).toEqual([numbered(1), numbered(1)]);
    expect(messages.map(({ from }) => from.peer)).toEqual([undefined, numbered(1)]);
  });
});
