import { getEventListeners } from "node:events";
import { NodeId } from "@kad/core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type DhtNode, keyOfName, NodeClosed, type Provider } from "../src/index.ts";
import { anyones, Loopback, modes, next, rejection, urlOf, utf8 } from "./support/network.ts";

describe.each(modes)("%s", (_mode, mode) => {
  const shared = new Loopback(mode);
  const net = new Loopback(mode);
  afterEach(() => net.close());

  async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
    const collected: T[] = [];
    for await (const item of items) collected.push(item);
    return collected;
  }

  const idsOf = (items: Iterable<{ readonly id: NodeId }>): string[] =>
    Array.from(items, ({ id }) => id.toHex()).toSorted();

  describe("in a network of 20", () => {
    let nodes: [DhtNode, ...DhtNode[]];
    let asker: DhtNode;
    let announcers: DhtNode[];

    beforeAll(async () => {
      nodes = await shared.openNetwork(20, { closeTimeoutMs: 0 }); // all close at once
      asker = nodes[19] as DhtNode;
      announcers = [nodes[2], nodes[7], nodes[13]] as DhtNode[];
      await Promise.all(
        announcers.map((node, index) => node.announce("a service", { meta: `number ${index}` })),
      );
    });
    afterAll(() => shared.close());

    it("what three announce, every other finds, with addresses and metadata", async () => {
      for (const node of nodes) {
        const { key, providers, end } = await node.findProviders("a service");
        expect({ key, end }).toEqual({ key: keyOfName("a service"), end: "converged" });
        expect(idsOf(providers)).toEqual(idsOf(announcers.filter((announcer) => announcer !== node)));
        for (const { id, contact, meta, lifetimeMs } of providers) {
          const index = announcers.findIndex((announcer) => announcer.id.equals(id));
          expect(contact.id).toEqual(id);
          expect(contact.addresses.map(({ key }) => key)).toEqual(announcers[index]?.addresses);
          expect(meta).toEqual(utf8(`number ${index}`));
          expect(lifetimeMs).toBeGreaterThan(3_500_000);
          expect(lifetimeMs).toBeLessThanOrEqual(3_600_000);
        }
      }
    });

    it("a name is its key, and a key is a key", async () => {
      const { providers } = await asker.findProviders(keyOfName("a service"));
      expect(idsOf(providers)).toEqual(idsOf(announcers));
      expect((await asker.findProviders(keyOfName("another"))).providers).toEqual([]);
    });

    it("a provider can be talked to", async () => {
      for (const node of announcers) node.handle("hello", () => `I am ${node.id.toHex()}`);
      const { providers } = await asker.findProviders("a service");
      for (const { id, contact } of providers)
        expect(await asker.send(contact, "hello", "")).toEqual(utf8(`I am ${id.toHex()}`));
    });

    it("a client finds them too", async () => {
      const client = await net.openClient({ bootstrap: [urlOf(nodes[0])] });
      expect(idsOf((await client.findProviders("a service")).providers)).toEqual(idsOf(announcers));
    });

    it("a value under the same name is another matter", async () => {
      await asker.set("a service", "text", anyones);
      expect(await nodes[0].getText("a service", anyones)).toBe("text");
      expect((await asker.findProviders("a service")).providers).toHaveLength(3);
      expect(await nodes[0].getText("a service", anyones)).toBe("text");
    });

    it("a loop gives each once, and what the promise gives", async () => {
      const finding = asker.findProviders("a service");
      const streamed = await collect(finding);
      expect(streamed).toHaveLength(3);
      expect(idsOf(streamed)).toEqual(idsOf((await finding).providers));
      expect(await collect(finding)).toEqual(streamed);
    });

    it("a loop that is left early cancels the search and resolves with what there was", async () => {
      const finding = asker.findProviders("a service");
      const ended = next(asker, "query:end");
      let first: Provider | undefined;
      for await (const provider of finding) {
        first = provider;
        break;
      }
      expect(await ended).toMatchObject({ end: "cancelled" });
      const { providers, end } = await finding;
      expect(end).toBe("cancelled");
      expect(providers).toContainEqual(first);
      expect(asker.stats().operations.used).toBe(0);
    });

    it("the search ends at its limit", async () => {
      const { providers, end } = await asker.findProviders("a service", { limit: 2 });
      expect(providers).toHaveLength(2);
      expect(end).toBe("converged");
      expect(await collect(asker.findProviders("a service", { limit: 1 }))).toHaveLength(1);
    });

    it("what nobody serves is empty after a walk that converged", async () => {
      expect(await asker.findProviders("nobody's")).toMatchObject({ providers: [], end: "converged" });
      expect(await collect(asker.findProviders("nobody's"))).toEqual([]);
    });

    it("misuse rejects, and does not throw", async () => {
      const wrong: [Promise<unknown>, string][] = [
        [asker.findProviders(NodeId.fromHex("00")), "invalidId"],
        [asker.findProviders(7 as never), "invalidArgument"],
        [asker.findProviders(""), "invalidRecord"],
        [asker.findProviders("a service", { limit: 0 }), "invalidOption"],
        [asker.findProviders("a service", { limit: 1_001 }), "invalidOption"],
        [asker.findProviders("a service", { timeoutMs: 0 }), "invalidOption"],
        [collect(asker.findProviders("a service", { limit: 1.5 })), "invalidOption"],
      ];
      for (const [finding, code] of wrong) expect(await rejection(finding)).toMatchObject({ code });
    });
  });

  describe("a popular key", () => {
    it("gives as many of forty providers as are asked for, and all of them", async () => {
      const nodes = await net.openNetwork(50, { closeTimeoutMs: 0 });
      const providers = nodes.slice(10);
      await Promise.all(providers.map((node) => node.announce("popular")));
      const known = new Set(idsOf(providers));
      const client = await net.openClient({ bootstrap: [urlOf(nodes[0])] });
      for (const limit of [5, 20]) {
        const found = await collect(client.findProviders("popular", { limit }));
        expect(new Set(idsOf(found)).size).toBe(limit);
        expect(idsOf(found).every((id) => known.has(id))).toBe(true);
      }
      const all = await client.findProviders("popular", { limit: 1_000 });
      expect(idsOf(all.providers)).toEqual(idsOf(providers));
    });
  });

  describe("deadlines, aborts and closing", () => {
    /** A node whose walks never end by themselves: one peer answers and provides, one never will. */
    async function openHalfDeaf(): Promise<DhtNode> {
      const [node, peer] = await net.openNetwork(2, { limits: { maxFailures: 255 }, closeTimeoutMs: 0 });
      await (peer as DhtNode).announce("a service", { minAccepted: 0 });
      const ghost = await net.open({ bootstrap: [urlOf(node)] });
      await (peer as DhtNode).findNode(ghost.id);
      expect(node.table.get(ghost.id)).toBeDefined();
      await ghost.close();
      return node;
    }

    it("a deadline resolves with those that were heard", async () => {
      const node = await openHalfDeaf();
      const { providers, end } = await node.findProviders("a service", { timeoutMs: 100 });
      expect(end).toBe("timedOut");
      expect(providers).toHaveLength(1);
    });

    it("an abort rejects with its reason, after those that were heard have been given", async () => {
      const node = await openHalfDeaf();
      const controller = new AbortController();
      const finding = node.findProviders("a service", { signal: controller.signal });
      const streamed: Provider[] = [];
      const reading = async (): Promise<void> => {
        for await (const provider of finding) {
          streamed.push(provider);
          controller.abort("enough");
        }
      };
      expect(await rejection(reading())).toBe("enough");
      expect(streamed).toHaveLength(1);
      expect(await rejection(finding)).toBe("enough");
      expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    });

    it("a signal that has aborted before asks nobody", async () => {
      const node = await net.open();
      const signal = AbortSignal.abort("no");
      expect(await rejection(node.findProviders("a service", { signal }))).toBe("no");
      expect(node.stats().requestsSent).toBe(0);
    });

    it("a node that closes rejects with NodeClosed", async () => {
      const node = await openHalfDeaf();
      const finding = rejection(node.findProviders("a service"));
      await new Promise(setImmediate); // so that it is under way
      await node.close();
      expect(await finding).toBeInstanceOf(NodeClosed);
      expect(await rejection(node.findProviders("a service"))).toBeInstanceOf(NodeClosed);
    });
  });

  describe("load", () => {
    it("after a thousand announcements, searches and withdrawals, a tenth of them given up, nothing has accumulated", {
      timeout: 120_000,
    }, async () => {
      const nodes = await net.openNetwork(6);
      const { signal } = new AbortController();
      const nodeAt = (index: number): DhtNode => nodes[index % nodes.length] as DhtNode;
      for (let round = 0; round < 20; round++) {
        const aborting = new AbortController();
        const given = Array.from({ length: 50 }, (_, index) => ({
          name: `service ${index}`,
          signal: index % 10 === 0 ? aborting.signal : signal,
        }));
        const announcing = given.map(({ name, signal: own }, index) =>
          nodeAt(index).announce(name, { signal: own }),
        );
        queueMicrotask(() => aborting.abort());
        const settled = await Promise.allSettled(announcing);
        expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(5);
        const found = await Promise.all(
          given.map(({ name }, index) => nodeAt(index + 1).findProviders(name, { signal })),
        );
        for (const [index, { providers }] of found.entries())
          expect(providers).toHaveLength(index % 10 === 0 ? 0 : 1);
        await Promise.all(
          nodes.flatMap((node) => node.announcements.map((announced) => announced.withdraw())),
        );
      }
      expect(getEventListeners(signal, "abort")).toEqual([]);
      for (const node of nodes) {
        expect(node.announcements).toEqual([]);
        await vi.waitFor(
          () => {
            const { gauges, operations } = node.stats();
            const { providers, providerKeys, providerBytes, ownProviders, queries, requestsInFlight } =
              gauges;
            const left = { providers, providerKeys, providerBytes, ownProviders, queries, requestsInFlight };
            for (const [name, { used }] of Object.entries({ ...left, operations }))
              expect([name, used]).toEqual([name, 0]);
          },
          { timeout: 10_000, interval: 5 },
        );
      }
    });
  });
});
