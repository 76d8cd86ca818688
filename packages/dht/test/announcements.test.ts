import { getEventListeners } from "node:events";
import { InvariantError, MemoryRecordStore, NodeId, type StoredRecord } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  AnnounceFailed,
  type CreateNodeOptions,
  createNode,
  createNodeDefaults,
  type DhtNode,
  keyOfName,
  NodeClosed,
} from "../src/index.ts";
import { anyones, Loopback, modes, next, rejection, urlOf, utf8 } from "./support/network.ts";

describe.each(modes)("%s", (_mode, mode) => {
  const net = new Loopback(mode);
  afterEach(() => net.close());

  /** How many nodes hold a provider. */
  const holding = (nodes: readonly DhtNode[]): number =>
    nodes.filter((node) => node.stats().gauges.providers.used > 0).length;

  /** A node that withdraws nothing when the test is over, since all close at once then, and the others of its network. */
  async function open(
    size: number,
    options: Partial<CreateNodeOptions> = {},
  ): Promise<{ node: DhtNode; others: [DhtNode, ...DhtNode[]] }> {
    const others = await net.openNetwork(size - 1);
    const node = await net.open({ bootstrap: [urlOf(others[0])], closeTimeoutMs: 0, ...options });
    return { node, others };
  }

  const metaOf = async (asker: DhtNode, name: string): Promise<string[]> => {
    const { providers } = await asker.findProviders(name);
    return providers.map(({ meta }) => new TextDecoder().decode(meta));
  };

  describe("announcing", () => {
    it("resolves with who took it, and is listed", async () => {
      const { node, others } = await open(8);
      const announcement = await node.announce("a service", { results: 5 });
      expect(announcement).toMatchObject({
        key: keyOfName("a service"),
        asked: 5,
        accepted: 5,
        refusals: {},
        end: "converged",
      });
      expect(announcement.holders).toHaveLength(5);
      expect(announcement.stats.responses).toBeGreaterThan(5);
      expect(node.announcements).toEqual([announcement]);
      expect(holding(others)).toBe(5);
    });

    it("takes a key, and metadata as bytes that may be changed at once", async () => {
      const { node, others } = await open(3);
      const key = NodeId.fromBytes(new Uint8Array(32).fill(9));
      const meta = utf8("before");
      const announcing = node.announce(key, { meta });
      meta.fill(0xaa);
      await announcing;
      const { providers } = await others[0].findProviders(key);
      expect(providers.map((provider) => provider.meta)).toEqual([utf8("before")]);
    });

    it("again replaces what was said, and the earlier announcement does nothing any more", async () => {
      const { node, others } = await open(4);
      const earlier = await node.announce("a service", { meta: "old" });
      const later = await node.announce("a service", { meta: "new" });
      expect(node.announcements).toEqual([later]);
      expect(await metaOf(others[0], "a service")).toEqual(["new"]);
      await earlier.withdraw();
      expect(await metaOf(others[0], "a service")).toEqual(["new"]);
      await later.withdraw();
      expect(await metaOf(others[0], "a service")).toEqual([]);
    });

    it("twice at once leaves one announcement, the later", async () => {
      const { node, others } = await open(4);
      const [earlier, later] = await Promise.allSettled([
        node.announce("a service", { meta: "old" }),
        node.announce("a service", { meta: "new" }),
      ]);
      expect(earlier).toMatchObject({
        status: "rejected",
        reason: { code: "announceFailed", end: "cancelled" },
      });
      expect(later.status).toBe("fulfilled");
      expect(node.announcements).toHaveLength(1);
      expect(await metaOf(others[0], "a service")).toEqual(["new"]);
    });

    it("to too few is an error that says so, and is taken back from those few", async () => {
      const { node, others } = await open(4);
      const error = await rejection(node.announce("a service", { minAccepted: 4 }));
      expect(error).toBeInstanceOf(AnnounceFailed);
      expect(error).toMatchObject({
        code: "announceFailed",
        accepted: 3,
        asked: 3,
        refusals: {},
        end: "converged",
        message: "announce: 3 of 3 holders accepted (converged); minAccepted is 4",
      });
      expect(node.announcements).toEqual([]);
      await vi.waitFor(() => expect(holding(others)).toBe(0), { timeout: 30_000 });
      expect(node.stats().gauges.ownProviders.used).toBe(0);
    });

    it("by the first node of a network fails unless nobody need take it, and then those who come find it", async () => {
      const first = await net.open();
      expect(await rejection(first.announce("a service"))).toMatchObject({ accepted: 0, asked: 0 });
      const { accepted } = await first.announce("a service", { minAccepted: 0 });
      expect(accepted).toBe(0);
      const second = await net.open({ bootstrap: [urlOf(first)] });
      expect((await second.findProviders("a service")).providers).toMatchObject([{ id: first.id }]);
    });

    it("by a client is refused with what to do", async () => {
      const { others } = await open(3);
      const client = await net.openClient({ bootstrap: [urlOf(others[0])] });
      expect(await rejection(client.announce("a service"))).toMatchObject({
        name: "UsageError",
        code: "noAddress",
        message: expect.stringContaining("`listen`"),
      });
      expect(client.announcements).toEqual([]);
    });

    it("misuse rejects, changes nothing and does not throw", async () => {
      const { node, others } = await open(3);
      const announced = await node.announce("a service", { meta: "stays" });
      const wrong: [Promise<unknown>, string][] = [
        [node.announce(NodeId.fromHex("00")), "invalidId"],
        [node.announce(undefined as never), "invalidArgument"],
        [node.announce("x".repeat(129)), "invalidRecord"],
        [node.announce("a service", { meta: 7 as never }), "invalidArgument"],
        [node.announce("a service", { meta: "x".repeat(513) }), "invalidRecord"],
        [node.announce("a service", { lifetimeMs: 9_999 }), "invalidRecord"],
        [node.announce("a service", { lifetimeMs: 3_600_001 }), "invalidRecord"],
        [node.announce("a service", { minAccepted: -1 }), "invalidOption"],
        [node.announce("a service", { results: 0 }), "invalidOption"],
      ];
      for (const [announcing, code] of wrong) expect(await rejection(announcing)).toMatchObject({ code });
      expect(node.announcements).toEqual([announced]);
      expect(await metaOf(others[0], "a service")).toEqual(["stays"]);
    });

    it("that is aborted rejects with the reason, and is taken back from those who have taken it", async () => {
      const controller = new AbortController();
      const { node, others } = await open(6);
      const holder = await net.open({
        bootstrap: [urlOf(others[0])],
        store: new CallingStore(() => controller.abort("enough")),
      });
      await node.findNode(holder.id);
      expect(await rejection(node.announce("a service", { signal: controller.signal }))).toBe("enough");
      expect(node.announcements).toEqual([]);
      await vi.waitFor(() => expect(holding([...others, holder])).toBe(0), { timeout: 30_000 });
      expect(node.stats().gauges.ownProviders.used).toBe(0);
      expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    });

    it("that nobody can end any more is taken back as soon as there is room for a query", async () => {
      const { node, others } = await open(3, { limits: { maxQueries: 1 } });
      let filling: Promise<unknown> | undefined;
      node.addEventListener("query:end", () => {
        filling ??= node.get("anything", anyones);
      });
      expect(await rejection(node.announce("a service", { minAccepted: 255 }))).toBeInstanceOf(
        AnnounceFailed,
      );
      expect(node.stats().gauges.ownProviders.used).toBe(1);
      expect(node.announcements).toEqual([]);
      await filling;
      await vi.waitFor(() => expect(holding(others)).toBe(0), { timeout: 30_000 });
      expect(node.stats().gauges.ownProviders.used).toBe(0);
    });
  });

  describe("withdrawing", () => {
    it("tells every holder, ends renewals, and may be called again", async () => {
      const { node, others } = await open(8);
      const announcement = await node.announce("a service");
      expect(holding(others)).toBe(7);
      const withdrawing = announcement.withdraw();
      expect(announcement.withdraw()).toBe(withdrawing);
      expect(node.announcements).toEqual([]);
      await withdrawing;
      expect(holding(others)).toBe(0);
      expect(node.stats().gauges.ownProviders.used).toBe(0);
      await announcement.withdraw();
    });

    it("comes at the end of a scope", async () => {
      const { node, others } = await open(3);
      {
        await using announcement = await node.announce("a service");
        expect(node.announcements).toEqual([announcement]);
      }
      expect(holding(others)).toBe(0);
    });

    it("for which there is no room rejects, and can be done later", async () => {
      const { node, others } = await open(3, { limits: { maxQueries: 1 } });
      const announcement = await node.announce("a service");
      const filling = node.ping(await net.openSilent(), { timeoutMs: 50 });
      await new Promise(setImmediate); // so that it is under way
      expect(await rejection(announcement.withdraw())).toMatchObject({ code: "tooMany" });
      expect(node.announcements).toEqual([announcement]);
      await filling;
      await announcement.withdraw();
      expect(holding(others)).toBe(0);
    });

    it("resolves at its deadline where a holder is gone", async () => {
      const { node, others } = await open(3);
      const announcement = await node.announce("a service");
      await others[1]?.close();
      await announcement.withdraw({ timeoutMs: 100 });
      expect(holding([others[0]])).toBe(0);
    });

    it("may be followed by announcing it anew", async () => {
      const { node, others } = await open(4);
      const announcement = await node.announce("a service", { meta: "first" });
      const withdrawing = announcement.withdraw();
      const second = await node.announce("a service", { meta: "second" });
      await withdrawing;
      expect(node.announcements).toEqual([second]);
      await announcement.withdraw();
      expect(await metaOf(others[0], "a service")).toEqual(["second"]);
    });
  });

  describe("closing", () => {
    const { closeTimeoutMs } = createNodeDefaults;

    it("withdraws what was announced, however much it is", async () => {
      const { node, others } = await open(5, { closeTimeoutMs: 10_000 });
      const names = Array.from({ length: 100 }, (_, index) => `service ${index}`);
      const announced = await Promise.all(names.map((name) => node.announce(name)));
      expect(others.map((other) => other.stats().gauges.providers.used)).toEqual([100, 100, 100, 100]);
      await node.close();
      expect(others.map((other) => other.stats().gauges.providers.used)).toEqual([0, 0, 0, 0]);
      expect(node.announcements).toEqual([]);
      await announced[0]?.withdraw();
      expect(await rejection(node.announce("a service"))).toBeInstanceOf(NodeClosed);
    });

    it("leaves it to expire where no time is granted for that", async () => {
      const { node, others } = await open(3, { closeTimeoutMs: 0 });
      await node.announce("a service");
      await node.close();
      expect(holding(others)).toBe(2);
    });

    it("takes as long as it is granted where holders are gone, and no longer", async () => {
      const { node, others } = await open(3, { closeTimeoutMs: 100 });
      await node.announce("a service");
      await Promise.all(others.map((other) => other.close()));
      await node.close(); // core would go on for longer than this test may
      expect(node.stats().operations.used).toBe(0);
    });

    it("waits for a withdrawal that is under way", async () => {
      const { node, others } = await open(4, { closeTimeoutMs });
      const announcement = await node.announce("a service");
      const withdrawing = announcement.withdraw();
      await node.close();
      await withdrawing;
      expect(holding(others)).toBe(0);
    });

    it("takes back what is being announced", async () => {
      const { node, others } = await open(4, { closeTimeoutMs });
      let closing: Promise<void> | undefined;
      const close = (): void => {
        closing = node.close();
      };
      const holder = await net.open({ bootstrap: [urlOf(others[0])], store: new CallingStore(close) });
      await node.findNode(holder.id);
      expect(await rejection(node.announce("a service"))).toBeInstanceOf(NodeClosed);
      await closing;
      expect(holding([...others, holder])).toBe(0);
    });

    it("ends other operations first: they do not wait until it has withdrawn everything", async () => {
      const { node, others } = await open(3, { closeTimeoutMs: 100 });
      await node.announce("a service");
      await Promise.all(others.map((other) => other.close()));
      const order: string[] = [];
      node.addEventListener("query:end", ({ detail }) => order.push(`${detail.result.type} ${detail.end}`));
      const pinging = rejection(node.ping(await net.openSilent()));
      await new Promise(setImmediate); // so that it is under way
      await node.close();
      expect(await pinging).toBeInstanceOf(NodeClosed);
      expect(order).toEqual(["pong cancelled", "stored closed"]);
    });

    it("a node that has broken closes without", async () => {
      const fault = new InvariantError("as if core had broken a promise of its own");
      const { node, others } = await open(3, { closeTimeoutMs, report: () => undefined });
      const announcement = await node.announce("a service");
      const waiting = rejection(node.ping(await net.openSilent()));
      await new Promise(setImmediate); // so that it is under way
      const closed = next(node, "node:close");
      const record = {
        type: "immutable",
        key: keyOfName("any"),
        get body(): Uint8Array {
          throw fault;
        },
      };
      expect(await rejection(node.putRecord(record))).toBe(fault);
      await closed;
      expect(await waiting).toBeInstanceOf(NodeClosed);
      await announcement.withdraw();
      expect(node.announcements).toEqual([]);
      expect(holding(others)).toBe(2);
    });

    it.each([-1, Number.NaN, 2 ** 31, "1 s"])("%s is no time to be granted", async (wrong) => {
      const options = { security: "none", closeTimeoutMs: wrong as number } as const;
      expect(await rejection(createNode(options))).toMatchObject({
        code: "invalidOption",
        message: expect.stringContaining("closeTimeoutMs"),
      });
    });
  });

  /** Calls when it is given the first provider. */
  class CallingStore extends MemoryRecordStore {
    #call: (() => void) | undefined;

    constructor(call: () => void) {
      super();
      this.#call = call;
    }

    override put(record: StoredRecord): "stored" | "full" {
      const call = this.#call;
      if (record.kind === "provider") this.#call = undefined;
      if (record.kind === "provider") call?.();
      return super.put(record);
    }
  }
});
