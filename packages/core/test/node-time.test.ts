/** What is particular to a node; what every machine must do is tried in packages/testkit, by the suite for machines. */
import { describe, expect, it } from "vitest";
import type { KadNode, NetworkEvent } from "../src/index.ts";
import { Network } from "./pair.ts";
import { numbered, Stage } from "./stage.ts";

const second = 1_000;
const minute = 60 * second;

function wallClock(stage: Stage, unixMs: number): void {
  stage.node.handleNetworkEvent(stage.nowMs, { type: "wallClock", unixMs });
}

describe("time", () => {
  it("never runs backwards: an earlier instant counts as the last one, in every call", () => {
    const stage = new Stage();
    stage.populate(2);
    stage.pass(10 * second);
    const lastMs = stage.nowMs;
    stage.node.handleTimeout(lastMs);
    const query = stage.node.findNode(lastMs - 9_000, numbered(9));
    const timer = stage.node.setTimer(lastMs - 5_000, 100, 1);
    stage.nowMs = 0;
    stage.poll();
    stage.node.handleTimeout(5);
    stage.poll();
    expect(stage.of("timer")).toEqual([]);
    expect(stage.of("requestTimedOut")).toEqual([]);
    stage.nowMs = lastMs + 100;
    stage.node.handleTimeout(stage.nowMs);
    stage.poll();
    expect(stage.of("timer").map((event) => event.timer)).toEqual([timer]);
    stage.node.cancel(1, query);
    stage.poll();
    const [end] = stage.of("queryFinished");
    expect(end?.stats).toMatchObject({ startedAtMs: lastMs, durationMs: 100 });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    "is a finite number, or the call is refused: %s",
    (nowMs) => {
      const calls: ((node: KadNode) => unknown)[] = [
        (node) => node.handleTimeout(nowMs),
        (node) => node.handleNetworkEvent(nowMs, { type: "flow", link: 1, open: true }),
        (node) => node.pollTransmit(nowMs, new Uint8Array(1_200)),
        (node) => node.findNode(nowMs, numbered(1)),
      ];
      const { node } = new Stage();
      for (const began of [false, true]) {
        if (began) node.handleTimeout(1);
        for (const call of calls) {
          expect(() => call(node)).toThrow(expect.objectContaining({ code: "invalidArgument" }));
        }
      }
      expect(node.stats().gauges.queries.used).toBe(0);
    },
  );
});

describe("a message that a layer below holds back", () => {
  it("has its soft timeout from when it has left, and its hard one from when it was handed over", () => {
    const stage = new Stage();
    const { remote } = stage.stranger(1).path;
    const query = stage.node.ping(stage.nowMs, { addresses: [remote] });
    const [{ tag } = { tag: 0 }] = stage.poll().map(({ transmit }) => transmit);
    stage.node.handleNetworkEvent(stage.nowMs, { type: "deferred", tag });
    expect(stage.pass(1_500)).toEqual([]);
    stage.node.handleNetworkEvent(stage.nowMs, { type: "sent", tag });
    expect(stage.pass(900)).toEqual([]);
    expect(stage.pass(400)).toHaveLength(1);
    stage.pass(10 * second - 2_800 - 1);
    expect(stage.of("queryFinished")).toEqual([]);
    stage.pass(1);
    expect(stage.of("queryFinished")).toMatchObject([{ query, stats: { durationMs: 10 * second } }]);
  });

  it("tells no time when it is answered: it may have been sent more than once, in a handshake", () => {
    const stage = new Stage();
    const peer = stage.stranger(1);
    stage.node.ping(stage.nowMs, { addresses: [peer.path.remote] });
    const [sent] = stage.poll();
    if (sent === undefined) throw new Error("nothing was sent");
    const { tag } = sent.transmit;
    stage.node.handleNetworkEvent(stage.nowMs, { type: "deferred", tag });
    stage.node.handleNetworkEvent(stage.nowMs, { type: "sent", tag });
    stage.pass(4 * second);
    stage.reply(peer, sent, { type: "pong" });
    stage.pass(1 * second);
    stage.node.ping(stage.nowMs, { addresses: [peer.path.remote] });
    stage.poll();
    // As soon as to anybody who was never measured, where it would have been after four seconds.
    const again = stage.pass(1_300).filter(({ message }) => message.body.type === "ping");
    expect(again).toHaveLength(1);
  });
});

describe("after sleep", () => {
  /** The monotonic clock stands still meanwhile; the wall clock does not. */
  function sleeper(gainMs: number, waiting: readonly NetworkEvent[] = []): Stage {
    const stage = new Stage();
    stage.populate(12);
    stage.pass(3 * minute);
    wallClock(stage, 1.7e12);
    stage.pass(1 * second);
    stage.sent.length = 0;
    for (const event of waiting) stage.node.handleNetworkEvent(stage.nowMs, event);
    wallClock(stage, 1.7e12 + 1 * second + gainMs);
    return stage;
  }

  it("nothing that we know is certain: contacts are stale, buckets are refreshed, and none is removed", () => {
    const stage = sleeper(8 * 60 * minute);
    expect(stage.node.table.size).toBe(12);
    const { nowMs } = stage;
    for (const { id } of stage.node.table.contacts()) {
      expect(nowMs - (stage.node.table.get(id)?.lastSeenMs ?? nowMs)).toBeGreaterThanOrEqual(15 * minute);
    }
    stage.node.handleTimeout(nowMs);
    const types = stage
      .pass(2 * second)
      .map(({ message }) => message.kind === "request" && message.body.type);
    expect(types).toContain("ping");
    expect(types).toContain("findNode");
    expect(stage.node.table.size).toBe(12);
  });

  it("silence of before counts no more", () => {
    const stage = new Stage();
    stage.populate(12);
    stage.live.clear();
    wallClock(stage, 1.7e12);
    for (let i = 0; i < 3; i++) {
      stage.node.findNode(stage.nowMs, numbered(50 + i), { results: 20 });
      stage.pass(12 * second);
    }
    expect(stage.node.stats().health).toBe("offline");
    wallClock(stage, 1.7e12 + stage.nowMs + minute);
    expect(stage.node.stats().health).toBe("online");
  });

  it("a gain of 15 s or less is no sleep", () => {
    const stage = sleeper(15 * second);
    const [first] = stage.node.table.contacts();
    if (first === undefined) throw new Error("no contact");
    expect(stage.nowMs - (stage.node.table.get(first.id)?.lastSeenMs ?? 0)).toBeLessThan(15 * minute);
  });

  it("a late timer with messages waiting is no sleep", () => {
    const probe = new Stage();
    const bytes = probe.write(probe.requestMessage(probe.stranger(1), { type: "ping" }));
    const stage = sleeper(60 * minute, [{ type: "message", from: probe.stranger(1).path, bytes }]);
    const [first] = stage.node.table.contacts();
    if (first === undefined) throw new Error("no contact");
    expect(stage.nowMs - (stage.node.table.get(first.id)?.lastSeenMs ?? 0)).toBeLessThan(15 * minute);
  });

  it("a network that slept as one is whole again without a restart", () => {
    const network = new Network({ delayMs: 20 });
    const seed = network.add();
    for (let i = 0; i < 11; i++) network.add().node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
    network.run(5_000);
    const sizes = network.hosts.map(({ node }) => node.table.size);
    for (const { node } of network.hosts)
      node.handleNetworkEvent(network.nowMs, { type: "wallClock", unixMs: 1.7e12 });
    for (const { node } of network.hosts)
      node.handleNetworkEvent(network.nowMs, { type: "wallClock", unixMs: 1.7e12 + 60 * minute });
    network.run(10_000);
    for (const [i, { node }] of network.hosts.entries()) {
      expect(node.table.size).toBeGreaterThanOrEqual(sizes[i] ?? 0);
      const fresh = node.table
        .contacts()
        .filter(({ id }) => network.nowMs - (node.table.get(id)?.lastSeenMs ?? 0) < minute);
      expect(fresh.length).toBeGreaterThan(sizes.length / 2);
    }
  });
});
