/** What is particular to a node; what every machine must do is tried in packages/testkit, by the suite for machines. */
import { describe, expect, it } from "vitest";
import { immutableRecord, type KadNode, type QueryId } from "../src/index.ts";
import { Network, sha256 } from "./pair.ts";
import { numbered, Stage, type Stranger } from "./stage.ts";

const value = immutableRecord(sha256, Uint8Array.of(1));

function everyCommand(stage: Stage): Readonly<Record<string, (node: KadNode) => unknown>> {
  const to = { addresses: [stage.stranger(1).path.remote] };
  const { nowMs } = stage;
  return {
    bootstrap: (node) => node.bootstrap(nowMs, [to]),
    ping: (node) => node.ping(nowMs, to),
    findNode: (node) => node.findNode(nowMs, numbered(1)),
    get: (node) => node.get(nowMs, numbered(1)),
    put: (node) => node.put(nowMs, value),
    announce: (node) => node.announce(nowMs, numbered(1)),
    findProviders: (node) => node.findProviders(nowMs, numbered(1)),
    withdraw: (node) => node.withdraw(nowMs, numbered(1)),
    send: (node) => node.send(nowMs, to, "talk", new Uint8Array(1)),
    addContact: (node) => node.addContact(nowMs, { id: numbered(1), ...to }),
    setTimer: (node) => node.setTimer(nowMs, 1, 1),
  };
}

/** A node in the middle of everything: each kind of query, pings, replies, messages, timers. */
function busy(): { stage: Stage; queries: QueryId[] } {
  const stage = new Stage();
  stage.populate(6);
  stage.live.clear();
  stage.node.setProtocols(["talk"]);
  const [one] = [stage.stranger(1)] as [Stranger];
  const to = { addresses: [one.path.remote] };
  const { node, nowMs } = stage;
  const queries = [
    node.bootstrap(nowMs, [to]),
    node.ping(nowMs, to),
    node.findNode(nowMs, numbered(50)),
    node.get(nowMs, numbered(51)),
    node.put(nowMs, value),
    node.findProviders(nowMs, numbered(52)),
    node.send(nowMs, to, "talk", new Uint8Array(9)),
  ];
  node.setTimer(nowMs, 100, 1);
  stage.poll();
  for (let i = 20; i < 25; i++) {
    stage.ask(stage.stranger(i), { type: "ping" });
    stage.ask(stage.stranger(i), { type: "application", protocol: "talk", body: new Uint8Array(3) });
  }
  queries.push(node.findNode(nowMs, numbered(53)));
  return { stage, queries };
}

describe("a node that is closed", () => {
  it("says nothing new: no request, no acknowledgement, no timer, whatever comes and however long it lasts", () => {
    const { stage } = busy();
    stage.node.close(stage.nowMs);
    stage.poll();
    stage.events.length = 0;
    expect(stage.node.nextDeadline()).toBeUndefined();
    stage.ask(stage.stranger(30), { type: "ping" });
    stage.node.handleNetworkEvent(stage.nowMs, { type: "flow", link: 1, open: true });
    stage.node.handleNetworkEvent(stage.nowMs, { type: "wallClock", unixMs: 1.7e12 });
    stage.node.handleNetworkEvent(stage.nowMs, { type: "wallClock", unixMs: 1.8e12 });
    for (const { transmit } of stage.sent) {
      const { tag, path } = transmit;
      stage.node.handleNetworkEvent(stage.nowMs, { type: "deferred", tag });
      stage.node.handleNetworkEvent(stage.nowMs, { type: "sent", tag });
      stage.node.handleNetworkEvent(stage.nowMs, {
        type: "sendFailed",
        to: path.remote,
        tag,
        reason: "unreachable",
      });
    }
    for (let i = 0; i < 100; i++) {
      stage.nowMs += 10_000;
      stage.node.handleTimeout(stage.nowMs);
      expect(stage.poll()).toEqual([]);
    }
    expect(stage.events).toEqual([]);
    expect(stage.node.nextDeadline()).toBeUndefined();
    expect(stage.node.drained).toBe(true);
  });

  it("counts messages that still arrive, and reads none", () => {
    const { stage } = busy();
    const before = stage.node.stats();
    stage.node.close(stage.nowMs);
    stage.ask(stage.stranger(30), { type: "ping" });
    stage.hear(stage.stranger(30).path, new Uint8Array(0));
    const after = stage.node.stats();
    expect(after.dropped.closed).toBe(2);
    expect(after.messagesReceived).toBe(before.messagesReceived);
    expect(after.dropped.tooShort).toBe(before.dropped.tooShort);
  });

  it("refuses every command with a typed error, and answers what asks for an answer", () => {
    const { stage, queries } = busy();
    const { node } = stage;
    stage.poll();
    const [message] = stage.of("messageReceived");
    node.close(stage.nowMs);
    for (const [name, command] of Object.entries(everyCommand(stage))) {
      expect(() => command(node), name).toThrow(
        expect.objectContaining({ name: "UsageError", code: "closed", message: "the node is closed" }),
      );
    }
    expect(node.cancel(stage.nowMs, queries[0] as QueryId)).toBe(false);
    expect(message && node.reply(stage.nowMs, message.reply, new Uint8Array(1))).toBe(false);
    expect(node.clearTimer(1)).toBe(false);
    expect(() => node.setProtocols([])).not.toThrow();
    expect(() => node.close(stage.nowMs)).not.toThrow();
    expect(node.table.size).toBe(6);
    expect(node.stats().gauges.queries.used).toBe(0);
  });

  it("holds nothing: every gauge of what was under way is at zero once it is drained", () => {
    const { stage } = busy();
    stage.node.close(stage.nowMs);
    stage.poll();
    const { gauges } = stage.node.stats();
    const kept = ["peerHistories", "records", "recordBytes", "sources", "contacts"];
    for (const [name, { used }] of Object.entries(gauges))
      if (!kept.includes(name)) expect(used, name).toBe(0);
  });

  it("is missed by others, and they get on", () => {
    const network = new Network({ delayMs: 10 });
    const hosts = Array.from({ length: 6 }, () => network.add());
    const [seed] = hosts as [(typeof hosts)[0]];
    for (const { node } of hosts.slice(1)) node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
    network.run(3_000);
    seed.node.close(network.nowMs);
    const [asker] = hosts.slice(1) as [(typeof hosts)[0]];
    const end = network.finish(asker, asker.node.findNode(network.nowMs, numbered(1), { results: 20 }));
    expect(end.end).toBe("converged");
    expect(end.result.type === "nodes" && end.result.contacts.length).toBe(4);
  });
});
