/** Records that a node keeps alive, whoever owns them. */
import { NodeId } from "@kad/core";
import { MutableRecords, Network } from "@kad/crypto";
import { nodeProvider } from "@kad/crypto/node";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createIdentity, type DhtNode, maxKeptRecords, NodeClosed } from "../src/index.ts";
import { anyones, Loopback, modes, plain, rejection, urlOf } from "./support/network.ts";

/** How many of these hold a record themselves. */
const holding = (nodes: readonly DhtNode[]): number =>
  nodes.filter((node) => node.stats().gauges.records.used > 0).length;

describe.each(modes)("%s", (_mode, mode) => {
  const net = new Loopback(mode);
  afterEach(() => net.close());

  it("counts who holds it, and leaves it alone where they are enough", async () => {
    const [first, keeper, ...others] = await net.openNetwork(6);
    const { key } = await first.put("a value", { keep: false, results: 3 });
    const kept = await (keeper as DhtNode).keepAlive(key, { floor: 2 });
    expect(kept.last.stored).toBeUndefined();
    expect(kept.last.holders).toBe(holding(others) + (holding([first]) > 0 ? 1 : 0));
    expect(kept.last.holders).toBeGreaterThanOrEqual(2);
    expect(kept.record?.key).toEqual(key);
    expect((keeper as DhtNode).stats().keptRecords).toEqual({ used: 1, limit: maxKeptRecords });
    kept.stop();
    kept.stop();
    expect((keeper as DhtNode).stats().keptRecords.used).toBe(0);
  });

  it("stores it again, as it was, where they are fewer than the floor", async () => {
    const nodes = await net.openNetwork(8);
    const [first] = nodes;
    const { key } = await first.put("a value", { keep: false, results: 2 });
    const keeper = nodes.findLast((node) => holding([node]) === 0) as DhtNode;
    const before = await keeper.get(key);
    const kept = await keeper.keepAlive(key, { floor: 5 });
    expect(kept.last).toMatchObject({ holders: 2, answered: 7 });
    expect(kept.last.stored).toBeGreaterThanOrEqual(5);
    expect(holding(nodes)).toBeGreaterThanOrEqual(5);
    expect((await kept.look()).stored).toBeUndefined();
    expect((await keeper.get(key)).record?.body).toEqual(before.record?.body);
  });

  it("is content with all there are, where these are fewer than the floor", async () => {
    const nodes = await net.openNetwork(4);
    const { key } = await nodes[0].put("a value", { keep: false });
    const kept = await (nodes[1] as DhtNode).keepAlive(key);
    expect(kept.last).toMatchObject({ holders: 2, answered: 3, stored: 3 }); // who put it had kept no copy
    expect(await kept.look()).toMatchObject({ holders: 3, answered: 3, stored: undefined });
  });

  it("looks again by itself, and has the record back when all who held it are gone", async () => {
    const nodes = await net.openNetwork(6);
    const keeper = nodes[5] as DhtNode;
    const { key } = await nodes[0].put("a value", { keep: false, results: 2 });
    await keeper.keepAlive(key, { floor: 1, intervalMs: 1_000 });
    const holders = nodes.filter((node) => node !== keeper && holding([node]) > 0);
    await Promise.all(holders.map((node) => node.close()));
    const left = nodes.filter((node) => node !== keeper && !holders.includes(node));
    expect(holding(left)).toBe(0);
    await vi.waitUntil(() => holding(left) === left.length, { timeout: 30_000 });
  });

  it("stores it again before its time is over", async () => {
    const nodes = await net.openNetwork(4);
    const { key } = await nodes[0].put("a value", { keep: false, lifetimeMs: 60_000 });
    const kept = await (nodes[3] as DhtNode).keepAlive(key, { intervalMs: 45_000 });
    expect(kept.last.lifetimeMs).toBeLessThanOrEqual(60_000);
    expect(kept.last.stored).toBe(3);
    expect((await kept.look()).lifetimeMs).toBeGreaterThan(60_000);
  });

  it("a record that nobody has is looked for until somebody has it, the newest counts, and an older one never comes back", async () => {
    const nodes = await net.openNetwork(4);
    const [first, , , keeper] = nodes as [DhtNode, DhtNode, DhtNode, DhtNode];
    const kept = await keeper.keepAlive("name", { ...anyones, floor: 3 });
    expect(kept.record).toBeUndefined();
    expect(kept.last).toEqual({ holders: 0, answered: 3, lifetimeMs: undefined, stored: undefined });
    await first.set("name", "old", anyones);
    await kept.look();
    const old = kept.record;
    await first.set("name", "new", anyones);
    await kept.look();
    expect(kept.record?.body).not.toEqual(old?.body);
    expect(kept.last.holders).toBe(3);
  });

  it("two looks at once are one, and closing the node ends it with NodeClosed", async () => {
    const [node] = await net.openNetwork(3);
    const kept = await node.keepAlive(NodeId.fromBytes(new Uint8Array(32).fill(1)));
    const looking = kept.look();
    expect(kept.look()).toBe(looking);
    const ended = rejection(looking);
    await node.close();
    expect(await ended).toBeInstanceOf(NodeClosed);
    expect(node.stats().keptRecords.used).toBe(0);
    expect(await rejection(kept.look())).toBeInstanceOf(NodeClosed);
  });

  it.each([
    [{ floor: 0 }, "floor: 0; allowed is a whole number from 1 to 255"],
    [{ floor: 256 }, "floor: 256"],
    [{ floor: 1.5 }, "floor: 1.5"],
    [{ intervalMs: 999 }, "intervalMs: 999; allowed is a number from 1000 to 86400000 ms"],
    [{ intervalMs: 86_400_001 }, "intervalMs: 86400001"],
    [{ intervalMs: "1 h" }, 'intervalMs: "1 h"'],
  ])("%j is refused, and nothing is kept", async (options, message) => {
    const node = await net.open();
    const key = NodeId.fromBytes(new Uint8Array(32));
    const error = await rejection(node.keepAlive(key, options as never));
    expect(error).toMatchObject({ code: "invalidOption", message: expect.stringContaining(message) });
    expect(node.stats().keptRecords.used).toBe(0);
  });
});

describe("a signed record of another node", () => {
  const net = new Loopback({});
  afterEach(() => net.close());

  it("is kept when its owner is gone, still under the owner's signature", async () => {
    const nodes = await net.openNetwork(5);
    const owner = await net.open({ bootstrap: [urlOf(nodes[0])] });
    const whose = { owner: owner.publicKey as Uint8Array };
    await owner.set("name", "what I leave behind", { results: 1, keep: false });
    await owner.close();
    const keeper = nodes.find((node) => holding([node]) === 0) as DhtNode;
    const kept = await keeper.keepAlive("name", { ...whose, floor: 3 });
    expect(kept.last.holders).toBe(1);
    expect(kept.last.stored).toBeGreaterThanOrEqual(3);
    const found = await (nodes[4] as DhtNode).get("name", whose);
    expect(new TextDecoder().decode(found.value)).toBe("what I leave behind");
    expect(found.owner).toEqual(whose.owner);
  });
});

describe("a record whose owner has signed when it ends", () => {
  const net = new Loopback({});
  afterEach(() => net.close());

  it("is kept until then, and let go", async () => {
    const nodes = await net.openNetwork(5);
    const provider = nodeProvider();
    const records = new MutableRecords({ provider, network: new Network(provider, "kad") });
    const identity = await createIdentity();
    const content = { value: new Uint8Array(1), seq: Date.now(), ttlSeconds: 2, seqIsTime: true };
    const record = await records.sign(identity, content);
    await nodes[0].putRecord(record, { keep: false, results: 1 });
    const keeper = nodes.find((node) => holding([node]) === 0) as DhtNode;
    const kept = await keeper.keepAlive(record.key, { floor: 2 });
    expect(kept.last).toMatchObject({ holders: 1, stored: expect.any(Number) });
    expect(kept.last.lifetimeMs).toBeLessThanOrEqual(2_000);
    await new Promise((resolve) => setTimeout(resolve, content.seq + 2_200 - Date.now()));
    expect(await kept.look()).toMatchObject({ holders: 0, lifetimeMs: undefined, stored: undefined });
    expect(kept.record).toBeUndefined();
  });
});

describe("a look in the background that fails", () => {
  const net = new Loopback(plain);
  afterEach(() => net.close());

  it("is reported, and the next one comes all the same", async () => {
    const report = vi.fn();
    const node = await net.open({ report, limits: { maxQueries: 1 } });
    await node.keepAlive(NodeId.fromBytes(new Uint8Array(32)), { intervalMs: 1_000 });
    const blocking = node.ping(await net.openSilent(), { timeoutMs: 1_500 }); // no room for another query
    await vi.waitUntil(() => report.mock.calls.length > 0, { timeout: 30_000 });
    expect(report.mock.calls[0]?.[0]).toMatchObject({ code: "tooMany" });
    await blocking;
    const ended = vi.fn();
    node.addEventListener("query:end", ended);
    await vi.waitUntil(() => ended.mock.calls.length > 0, { timeout: 30_000 });
  });
});

describe("too many", () => {
  const net = new Loopback(plain);
  afterEach(() => net.close());

  it("are refused, and one that was let go makes room", async () => {
    const node = await net.open();
    const keyOf = (index: number): NodeId => {
      const bytes = new Uint8Array(32);
      new DataView(bytes.buffer).setUint32(0, index);
      return NodeId.fromBytes(bytes);
    };
    const [first] = await Promise.all([node.keepAlive(keyOf(0)), node.keepAlive(keyOf(1))]);
    for (let index = 2; index < maxKeptRecords; index++) await node.keepAlive(keyOf(index));
    const error = await rejection(node.keepAlive(keyOf(maxKeptRecords)));
    expect(error).toMatchObject({ code: "tooMany", message: expect.stringContaining("1024") });
    first?.stop();
    await node.keepAlive(keyOf(maxKeptRecords));
  });
});
