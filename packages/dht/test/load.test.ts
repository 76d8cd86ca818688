import { getEventListeners } from "node:events";
import { NodeId } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { DhtNode } from "../src/index.ts";
import { Loopback, plain } from "./support/network.ts";

const net = new Loopback(plain);
afterEach(() => net.close());

/** Any point of the id space, the same in every run. */
function target(index: number): NodeId {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, Math.imul(index + 1, 0x9e3779b1));
  return NodeId.fromBytes(bytes);
}

/** What a node may hold on to when everything has ended. */
function held(node: DhtNode): Record<string, number> {
  const { gauges, operations, driver } = node.stats();
  const { queries, requestsInFlight, queuedReplies, queuedEvents, queuedMessages, replyTokens, sendBytes } =
    gauges;
  return {
    operations: operations.used,
    queries: queries.used,
    requestsInFlight: requestsInFlight.used,
    queuedReplies: queuedReplies.used,
    queuedEvents: queuedEvents.used,
    queuedMessages: queuedMessages.used,
    replyTokens: replyTokens.used,
    sendBytes: sendBytes.used,
    pluginsBeyondOurOwn: driver.plugins.used - 1,
  };
}

const nothing = {
  operations: 0,
  queries: 0,
  requestsInFlight: 0,
  queuedReplies: 0,
  queuedEvents: 0,
  queuedMessages: 0,
  replyTokens: 0,
  sendBytes: 0,
  pluginsBeyondOurOwn: 0,
};

/** Walks of a node's own, after it has joined, may be under way when the last operation ends: they end too. */
async function expectIdle(nodes: readonly DhtNode[]): Promise<void> {
  for (const node of nodes) {
    expect(node.stats().operations.used).toBe(0);
    await vi.waitFor(() => expect(held(node)).toEqual(nothing), { timeout: 30_000, interval: 5 });
  }
}

describe("load", () => {
  it("a hundred lookups at once on one of 20 nodes all converge on the closest, and nothing is left", async () => {
    const nodes = await net.openNetwork(20);
    const [asker] = nodes;
    const { signal } = new AbortController();
    const found = await Promise.all(
      Array.from({ length: 100 }, (_, index) => asker.findNode(target(index), { results: 19, signal })),
    );
    const others = nodes.slice(1).map(({ id }) => id.toHex());
    for (const { contacts, end } of found) {
      expect(end).toBe("converged");
      expect(contacts.map(({ id }) => id.toHex()).toSorted()).toEqual(others.toSorted());
    }
    await expectIdle(nodes);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("a hundred reads and writes at once, of every node, all succeed", async () => {
    const nodes = await net.openNetwork(10);
    const nodeAt = (index: number): DhtNode => nodes[index % nodes.length] as DhtNode;
    const names = Array.from({ length: 100 }, (_, index) => `name ${index}`);
    await Promise.all(names.map((name, index) => nodeAt(index).set(name, `value of ${name}`)));
    const read = await Promise.all(names.map((name, index) => nodeAt(index + 3).getText(name)));
    expect(read).toEqual(names.map((name) => `value of ${name}`));
    await expectIdle(nodes);
  });

  it("after 10,000 lookups, a tenth of them aborted, nothing has accumulated", {
    timeout: 120_000,
  }, async () => {
    const nodes = await net.openNetwork(3);
    const [asker] = nodes;
    const { signal } = new AbortController();
    let aborted = 0;
    for (let index = 0; index < 10_000; index += 50) {
      const aborting = new AbortController();
      const lookups = Array.from({ length: 50 }, (_, offset) =>
        asker.findNode(target(index + offset), { signal: offset % 10 === 0 ? aborting.signal : signal }),
      );
      const settling = Promise.allSettled(lookups);
      queueMicrotask(() => aborting.abort());
      const settled = await settling;
      aborted += settled.filter(({ status }) => status === "rejected").length;
      expect(getEventListeners(aborting.signal, "abort")).toEqual([]);
    }
    expect(aborted).toBe(1_000);
    await expectIdle(nodes);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});
