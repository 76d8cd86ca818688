import { getEventListeners } from "node:events";
import { type Contact, NodeId } from "@kad/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DhtNode, NodeClosed } from "../src/index.ts";
import { Loopback, modes, next, rejection, urlOf } from "./support/network.ts";

describe.each(modes)("%s", (_mode, mode) => {
  const net = new Loopback(mode);
  let nodes: [DhtNode, ...DhtNode[]];
  let asker: DhtNode;

  beforeAll(async () => {
    nodes = await net.openNetwork(12);
    asker = nodes[5] as DhtNode;
  });
  afterAll(() => net.close());

  const target = NodeId.fromBytes(new Uint8Array(32).fill(0x42));

  /** The closest nodes to the target by their ids alone, the asker excluded. */
  function closestIds(count: number): string[] {
    const others = nodes.filter((node) => node !== asker).map(({ id }) => id.toHex());
    const distance = (hex: string): bigint => BigInt(`0x${hex}`) ^ BigInt(`0x${target.toHex()}`);
    return others.sort((a, b) => (distance(a) < distance(b) ? -1 : 1)).slice(0, count);
  }

  const idsOf = (contacts: Iterable<Contact>): string[] => Array.from(contacts, ({ id }) => id.toHex());

  async function collect(contacts: AsyncIterable<Contact>): Promise<Contact[]> {
    const collected: Contact[] = [];
    for await (const contact of contacts) collected.push(contact);
    return collected;
  }

  describe("a find as a promise", () => {
    it("resolves with the closest, in order, the asker excluded", async () => {
      const { contacts, end, stats } = await asker.findNode(target);
      expect(idsOf(contacts)).toEqual(closestIds(8));
      expect(end).toBe("converged");
      expect(stats.responses).toBeGreaterThanOrEqual(8);
    });

    it("resolves with as many as are asked for, or all that there are", async () => {
      expect(idsOf((await asker.findNode(target, { results: 3 })).contacts)).toEqual(closestIds(3));
      expect(idsOf((await asker.findNode(target, { results: 20 })).contacts)).toEqual(closestIds(11));
    });

    it("is a promise in every way", async () => {
      const contacts = await asker
        .findNode(target)
        .then((found) => found.contacts.length)
        .finally(() => undefined);
      expect(contacts).toBe(8);
    });

    it("of misuse rejects and does not throw", async () => {
      const finding = asker.findNode(NodeId.fromHex("00"));
      expect(await rejection(finding)).toMatchObject({
        code: "invalidId",
        message: expect.stringContaining("target: 1 bytes"),
      });
      expect(await rejection(asker.findNode(target, { results: 256 }))).toMatchObject({
        code: "invalidOption",
      });
      expect(await rejection(collect(asker.findNode(target, { parallelism: 0 })))).toMatchObject({
        code: "invalidOption",
      });
    });
  });

  describe("a find as a stream", () => {
    it("gives every contact of the outcome once, as it answers", async () => {
      const finding = asker.findNode(target);
      const streamed = idsOf(await collect(finding));
      expect(new Set(streamed).size).toBe(streamed.length);
      expect(streamed.toSorted()).toEqual(expect.arrayContaining(idsOf((await finding).contacts).toSorted()));
    });

    it("gives the first contact before the walk is over", async () => {
      const finding = asker.findNode(target);
      let isOver = false;
      asker.addEventListener("query:end", () => (isOver = true), { once: true });
      for await (const _first of finding) {
        expect(isOver).toBe(false);
        break;
      }
      expect(await finding).toMatchObject({ end: "cancelled" });
    });

    it("that is left early cancels the walk and resolves with what there was", async () => {
      const finding = asker.findNode(target, { results: 11 });
      const ended = next(asker, "query:end");
      for await (const _contact of finding) break;
      expect(await ended).toMatchObject({ end: "cancelled" });
      const { contacts, end } = await finding;
      expect(end).toBe("cancelled");
      expect(contacts.length).toBeLessThan(11);
      expect(asker.stats().operations.used).toBe(0);
    });

    it("that is read after the end gives what there is at the end", async () => {
      const finding = asker.findNode(target);
      const { contacts } = await finding;
      expect(await collect(finding)).toEqual(contacts);
    });

    it("may be read by several at their own pace", async () => {
      const finding = asker.findNode(target);
      const [first, second] = await Promise.all([collect(finding), collect(finding)]);
      expect(first).toEqual(second);
      expect(first.length).toBeGreaterThanOrEqual(8);
    });

    it("of a node that is alone ends at once and empty", async () => {
      const alone = await net.open();
      const finding = alone.findNode(target);
      expect(await collect(finding)).toEqual([]);
      expect(await finding).toMatchObject({ contacts: [], end: "exhausted" });
    });
  });

  describe("deadlines, aborts and closing", () => {
    /** A node whose walks never end by themselves: one peer answers, one never will. */
    async function openHalfDeaf(): Promise<DhtNode> {
      const [node, peer] = await net.openNetwork(2, { limits: { maxFailures: 255 } });
      const ghost = await net.open({ bootstrap: [urlOf(node)] });
      await (peer as DhtNode).findNode(ghost.id);
      expect(node.table.get(ghost.id)).toBeDefined();
      await ghost.close();
      return node;
    }

    it("a deadline resolves with what there is", async () => {
      const node = await openHalfDeaf();
      const { contacts, end } = await node.findNode(target, { timeoutMs: 100 });
      expect(end).toBe("timedOut");
      expect(contacts).toHaveLength(1);
    });

    it("an abort rejects with its reason, after what there was has been given", async () => {
      const node = await openHalfDeaf();
      const controller = new AbortController();
      const finding = node.findNode(target, { signal: controller.signal });
      const streamed: Contact[] = [];
      const reading = rejection(
        (async () => {
          for await (const contact of finding) {
            streamed.push(contact);
            controller.abort("enough");
          }
        })(),
      );
      expect(await reading).toBe("enough");
      expect(streamed).toHaveLength(1);
      expect(await rejection(finding)).toBe("enough");
      expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    });

    it("a signal that has aborted before asks nobody", async () => {
      const sent = asker.stats().requestsSent;
      expect(await rejection(asker.findNode(target, { signal: AbortSignal.abort("no") }))).toBe("no");
      expect(asker.stats().requestsSent).toBe(sent);
    });

    it("a node that closes rejects with NodeClosed, after what there was has been given", async () => {
      const node = await openHalfDeaf();
      const finding = node.findNode(target);
      const streamed: Contact[] = [];
      const reading = rejection(
        (async () => {
          for await (const contact of finding) {
            streamed.push(contact);
            void node.close();
          }
        })(),
      );
      expect(await reading).toBeInstanceOf(NodeClosed);
      expect(streamed).toHaveLength(1);
      expect(await rejection(node.findNode(target))).toBeInstanceOf(NodeClosed);
    });
  });
});
