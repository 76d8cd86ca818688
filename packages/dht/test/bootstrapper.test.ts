import { AddressTable, NodeId } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Bootstrapper } from "../src/bootstrapper.ts";
import type { BootstrapFailed, CreateNodeOptions, DhtNode } from "../src/index.ts";
import { anyones, freeUrl, Loopback, modes, next, rejection, urlOf } from "./support/network.ts";

describe.each(modes)("%s", (_mode, mode) => {
  const net = new Loopback(mode);
  afterEach(() => net.close());

  /** Peers on loopback that have not answered after 50 ms never will. */
  const hasty: Partial<CreateNodeOptions> = {
    limits: {
      softTimeoutFirstMs: 30,
      softTimeoutMinMs: 30,
      softTimeoutMaxMs: 30,
      softTimeoutJitterMs: 0,
      hardTimeoutMs: 50,
      retries: 0,
      maxFailures: 1,
    },
  };

  describe("a node that need not join", () => {
    it("is there at once, tells of rounds that failed, and joins when a seed appears", async () => {
      const url = await freeUrl();
      const node = await net.open({ ...hasty, bootstrap: [url], bootstrapRequired: false });
      expect(node.contacts()).toEqual([]);
      const failure = await next(node, "bootstrap:failure");
      expect(failure.seeds).toEqual([
        { address: url, code: "noAnswer", reason: expect.stringContaining("no answer") },
      ]);
      const join = next(node, "node:join");
      const seed = await net.open({ listen: url });
      expect(await join).toEqual({ contacts: 1 });
      expect(node.contacts().map(({ id }) => id)).toEqual([seed.id]);
    });

    it("can be used before it has joined: a read finds nobody", async () => {
      const node = await net.open({ ...hasty, bootstrap: [await freeUrl()], bootstrapRequired: false });
      expect(await node.get("name", anyones)).toMatchObject({ record: undefined, end: "exhausted" });
    });

    it("joins through whoever found it, though its seeds are down", async () => {
      const node = await net.open({ ...hasty, bootstrap: [await freeUrl()], bootstrapRequired: false });
      const join = next(node, "node:join");
      const other = await net.open({ bootstrap: [urlOf(node)] });
      await join;
      expect(node.table.get(other.id)).toBeDefined();
    });

    it("stops when it is closed, in the middle of a round and between two", async () => {
      const bootstrap = [await freeUrl()];
      const early = await net.open({ ...hasty, bootstrap, bootstrapRequired: false });
      await early.close();
      const later = await net.open({ ...hasty, bootstrap, bootstrapRequired: false });
      await next(later, "bootstrap:failure");
      await later.close();
      expect(later.stats().operations.used).toBe(0);
    });
  });

  describe("a node that has lost everyone", () => {
    it("joins again through its seeds as soon as a walk has found nobody", async () => {
      const url = await freeUrl();
      const old = await net.open({ listen: url });
      const node = await net.open({ ...hasty, bootstrap: [url] });
      expect(node.table.size).toBe(1);
      await old.close();
      const join = next(node, "node:join");
      expect(await node.get("name", anyones)).toMatchObject({ end: "exhausted" });
      const renewed = await net.open({ listen: url });
      await join;
      expect(node.table.get(renewed.id)).toBeDefined();
    });
  });

  describe("a node that nobody answers any more", () => {
    afterEach(() => vi.restoreAllMocks());

    it("joins again through its seeds, though it still has contacts and asks for nothing", async () => {
      const { setInterval: repeat } = globalThis;
      // The half minute between two looks at the table, which nothing else waits for.
      vi.spyOn(globalThis, "setInterval").mockImplementation(((callback: () => void, ms?: number) =>
        repeat(callback, ms === 30_000 ? 200 : ms)) as typeof setInterval);
      const url = await freeUrl();
      const old = await net.open({ listen: url });
      const node = await net.open({ limits: { ...hasty.limits, maxFailures: 255 }, bootstrap: [url] });
      await old.close();
      const ask = (): Promise<unknown> =>
        node.ping({ id: old.id, addresses: node.table.contacts()[0]?.addresses ?? [] });
      for (let i = 0; i < 9; i++) await ask();
      expect([node.stats().health, node.table.size]).toEqual(["offline", 1]);
      const join = next(node, "node:join");
      const renewed = await net.open({ listen: url });
      await join;
      expect(node.table.get(renewed.id)).toBeDefined();
    });
  });

  describe("nodes on an island, who answer each other", () => {
    afterEach(() => vi.restoreAllMocks());

    it("ask their seeds after five minutes, and are in the network again", async () => {
      const { setTimeout: wait, setInterval: repeat } = globalThis;
      vi.spyOn(globalThis, "setInterval").mockImplementation(((callback: () => void, ms?: number) =>
        repeat(callback, ms === 30_000 ? 50 : ms)) as typeof setInterval);
      const url = await freeUrl();
      const open = (): Promise<DhtNode> => net.open({ ...hasty, bootstrap: [url], bootstrapRequired: false });
      const [one, two] = [await open(), await open()];
      await one.bootstrap([urlOf(two)]);
      const seed = await net.open({ listen: url });
      const other = await net.open({ bootstrap: [url] });
      const now = performance.now.bind(performance);
      let laterMs = 0;
      vi.spyOn(performance, "now").mockImplementation(() => now() + laterMs);
      // A busy machine may take longer than the 50 ms that these nodes wait for an answer.
      for (let fives = 0; fives < 10 && one.table.get(other.id) === undefined; fives++) {
        laterMs += 300_000;
        const limit = Date.now() + 2_000;
        while (Date.now() < limit && one.table.get(other.id) === undefined)
          await new Promise((resolve) => wait(resolve, 50));
      }
      expect(one.table.get(seed.id)).toBeDefined();
      expect(one.table.get(other.id)).toBeDefined();
    });
  });

  describe("joining through other seeds later", () => {
    it("merges two networks and resolves with how many answered", async () => {
      const [a, b] = await net.openNetwork(2);
      const [c, d] = await net.openNetwork(2);
      const join = next(c, "node:join");
      expect(await c.bootstrap([urlOf(a)])).toBe(3);
      expect(await join).toEqual({ contacts: 3 });
      expect(c.table.get((b as typeof a).id)).toBeDefined();
      expect(c.table.get((d as typeof a).id)).toBeDefined();
    });

    it("rejects with BootstrapFailed when none answers, and the node goes on", async () => {
      const [node] = await net.openNetwork(2);
      const silent = await net.openSilent();
      const error = await rejection(node.bootstrap([silent], { timeoutMs: 100 }));
      expect((error as BootstrapFailed).seeds).toEqual([
        { address: silent, code: "noAnswer", reason: "no answer within 100 ms" },
      ]);
      expect((await node.findNode(node.id)).contacts).toHaveLength(1);
    });

    it("rejects with the signal's reason after an abort", async () => {
      const node = await net.open();
      const controller = new AbortController();
      const joining = rejection(node.bootstrap([await net.openSilent()], { signal: controller.signal }));
      controller.abort("enough");
      expect(await joining).toBe("enough");
      expect(node.stats().operations.used).toBe(0);
    });

    it("asks again until the time is up: two rounds in a second and a half", async () => {
      const node = await net.open(hasty);
      const error = await rejection(node.bootstrap([await freeUrl()], { timeoutMs: 1_200 }));
      expect(error).toMatchObject({ code: "bootstrapFailed" });
      expect(node.stats().requestsSent).toBeGreaterThan(1);
    });

    it.each([
      [[], "seeds: Array; allowed is an array of URLs, one or more"],
      ["udp://127.0.0.1:1", 'seeds: "udp://127.0.0.1:1"; allowed is an array'],
      [["udp://[::1]:1"], "seeds[0]: udp://[::1]:1: this node has no socket for it"],
    ])("%j is refused", async (seeds, message) => {
      const node = await net.open();
      const error = await rejection(node.bootstrap(seeds as string[]));
      expect(error).toMatchObject({ message: expect.stringContaining(message) });
    });

    it("a negative timeout is refused", async () => {
      const node = await net.open();
      const error = await rejection(node.bootstrap(["udp://127.0.0.1:1"], { timeoutMs: -1 }));
      expect(error).toMatchObject({
        code: "invalidOption",
        message: expect.stringContaining("timeoutMs: -1"),
      });
    });
  });
});

/** What a bootstrapper asks of a node, which here only counts: all in the time of a test, without a network to wait for. */
describe("how often seeds are asked, of a node that", () => {
  afterEach(() => vi.useRealTimers());

  it.each([
    ["has few contacts", 19, 20, 5, 1],
    ["has few contacts, and whose seeds were asked just now", 19, 20, 4, 0],
    ["has enough contacts", 20, 20, 60, 0],
    ["has one contact where no table is small", 1, 0, 60, 0],
    ["has few contacts for an hour", 1, 20, 60, 11],
  ] as const)("%s", async (_title, size, smallTableSize, minutes, times) => {
    vi.useFakeTimers();
    const address = new AddressTable().parse("udp://192.0.2.1:1");
    let asked = 0;
    const bootstrapper = new Bootstrapper({
      seeds: [{ text: "udp://192.0.2.1:1", id: undefined, target: { type: "address", address } }],
      resolver: { resolve: () => Promise.resolve({ addresses: [address] }) } as never,
      queries: {
        run: (begin: (nowMs: number) => unknown) => {
          begin(performance.now());
          return Promise.resolve({ result: { type: "pong" }, end: "exhausted" });
        },
      } as never,
      commands: {
        id: NodeId.fromBytes(new Uint8Array(32)),
        table: { size, contacts: () => [], closest: () => [] },
        stats: () => ({ health: "online" }),
        ping: () => asked++,
      } as never,
      smallTableSize,
      isSecure: false,
      onJoin: () => undefined,
      onFailure: () => undefined,
      report: (error) => expect.unreachable(String(error)),
    });
    bootstrapper.keepJoined();
    await vi.advanceTimersByTimeAsync(minutes * 60_000 + 30_000);
    bootstrapper.stop();
    expect(asked).toBe(times);
  });
});
