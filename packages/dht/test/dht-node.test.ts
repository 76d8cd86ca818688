import { createSocket } from "node:dgram";
import { getEventListeners, once } from "node:events";
import { type ApplicationMessage, type Contact, InvariantError, NodeId, type Plugin } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type DhtNode, NodeClosed, type OperationOptions, SendFailed } from "../src/index.ts";
import { anyones, freeUrl, Loopback, modes, next, rejection, urlOf, utf8 } from "./support/network.ts";

describe.each(modes)("%s", (_mode, mode) => {
  const net = new Loopback(mode);
  afterEach(() => net.close());

  const key = NodeId.fromBytes(new Uint8Array(32).fill(1));

  async function openPair(): Promise<[DhtNode, DhtNode]> {
    const [a, b] = await net.openNetwork(2);
    return [a, b as DhtNode];
  }

  describe("ping", () => {
    it("tells who is at an address, and how far away", async () => {
      const [a, b] = await openPair();
      const { contact, rttMs, reason, end } = await a.ping(urlOf(b));
      expect(contact?.id).toEqual(b.id);
      expect(rttMs).toBeGreaterThan(0);
      expect({ reason, end }).toEqual({ reason: undefined, end: "converged" });
    });

    it("takes a host name, an address with an id, and a contact", async () => {
      const [a, b] = await openPair();
      const [contact] = a.contacts();
      const named = urlOf(b).replace("127.0.0.1", "localhost");
      for (const to of [named, { address: urlOf(b), id: b.id }, contact as NonNullable<typeof contact>]) {
        expect((await a.ping(to)).contact?.id).toEqual(b.id);
      }
    });

    it("of nobody resolves at its deadline, and says so", async () => {
      const node = await net.open();
      const { contact, end, reason } = await node.ping(await net.openSilent(), { timeoutMs: 50 });
      expect({ contact, end, reason }).toEqual({ contact: undefined, end: "timedOut", reason: "noAnswer" });
    });

    it("of another id than the one that answers is no success", async () => {
      const [a, b] = await openPair();
      const { contact } = await a.ping({ address: urlOf(b), id: key }, { timeoutMs: 200 });
      expect(contact).toBeUndefined();
    });

    it("of what cannot be dialled or resolved rejects by field and value", async () => {
      const node = await net.open();
      expect(await rejection(node.ping("udp://[::1]:4100"))).toMatchObject({
        code: "invalidAddress",
        message: "to: udp://[::1]:4100: this node has no socket for it; allowed are udp4 addresses",
      });
      expect(await rejection(node.ping("udp://no-such-host.invalid:4100"))).toMatchObject({
        code: "unresolvableHost",
        host: "no-such-host.invalid",
      });
      expect(await rejection(node.ping({ addresses: [] }))).toMatchObject({ code: "invalidArgument" });
    });
  });

  describe("application messages", () => {
    it("are answered with what the handler returns: bytes, text, or a promise of either", async () => {
      const [a, b] = await openPair();
      b.handle("bytes", ({ body }) => body.toReversed());
      b.handle("text", () => "réponse");
      b.handle("later", async ({ protocol, sender }) => `${protocol} from ${sender.toHex()}`);
      expect(await a.send(urlOf(b), "bytes", utf8("abc"))).toEqual(utf8("cba"));
      expect(await a.send(urlOf(b), "text", "question")).toEqual(utf8("réponse"));
      expect(await a.send(urlOf(b), "later", "")).toEqual(utf8(`later from ${a.id.toHex()}`));
    });

    it("are acknowledged without a word where the handler returns nothing", async () => {
      const [a, b] = await openPair();
      b.handle("quiet", () => undefined);
      expect(await a.send(urlOf(b), "quiet", "psst")).toEqual(new Uint8Array(0));
    });

    it("reach a client too, by the address that it asked from", async () => {
      const server = await net.open();
      const client = await net.openClient({ bootstrap: [urlOf(server)] });
      client.handle("knock", () => "come in");
      const knocked = new Promise<Uint8Array>((resolve, reject) => {
        server.use({
          protocol: "hello",
          onMessage: ({ from }: ApplicationMessage) =>
            void server.send({ addresses: [from.remote] }, "knock", "").then(resolve, reject),
        });
      });
      await client.send(urlOf(server), "hello", "");
      expect(await knocked).toEqual(utf8("come in"));
    });

    it("whose handler throws are reported there, and acknowledged here", async () => {
      const report = vi.fn();
      const a = await net.open();
      const b = await net.open({ report });
      const fault = new Error("handler's own");
      b.handle("broken", async () => {
        throw fault;
      });
      expect(await a.send(urlOf(b), "broken", "")).toEqual(new Uint8Array(0));
      await vi.waitFor(() => expect(report).toHaveBeenCalledTimes(1), { timeout: 30_000 });
      expect(report.mock.calls[0]?.[0]).toMatchObject({ code: "callbackFailed", cause: fault });
    });

    it("whose reply is no reply, or too large, are told apart", async () => {
      const report = vi.fn();
      const a = await net.open();
      const b = await net.open({ report });
      b.handle("number", () => 7 as never);
      b.handle("huge", () => new Uint8Array(2_000));
      expect(await a.send(urlOf(b), "number", "")).toEqual(new Uint8Array(0));
      await vi.waitFor(() => expect(report).toHaveBeenCalledTimes(1), { timeout: 30_000 });
      expect(report.mock.calls[0]?.[0].cause.message).toBe("reply: 7; allowed are a string and a Uint8Array");
      expect(await rejection(a.send(urlOf(b), "huge", ""))).toMatchObject({
        code: "sendFailed",
        reason: "tooLarge",
      });
    });

    it("for which nobody is there reject with the reason", async () => {
      const [a, b] = await openPair();
      const error = await rejection(a.send(urlOf(b), "unknown", ""));
      expect(error).toBeInstanceOf(SendFailed);
      expect(error).toMatchObject({ code: "sendFailed", reason: "noHandler", end: "exhausted" });
      const late = await rejection(a.send(await net.openSilent(), "unknown", "", { timeoutMs: 50 }));
      expect(late).toMatchObject({ code: "sendFailed", reason: "noAnswer", end: "timedOut" });
    });

    it("end with their handler", async () => {
      const [a, b] = await openPair();
      const remove = b.handle("passing", () => "here");
      expect(await a.send(urlOf(b), "passing", "")).toEqual(utf8("here"));
      remove();
      remove();
      expect(await rejection(a.send(urlOf(b), "passing", ""))).toMatchObject({ reason: "noHandler" });
    });

    it("whose handler is removed or whose node closes while it works are no error there", async () => {
      const report = vi.fn();
      const a = await net.open();
      const b = await net.open({ report });
      const release: (() => void)[] = [];
      const working = new Promise<void>((resolve) => {
        b.handle("slow", () => {
          resolve();
          return new Promise((finish) => release.push(() => finish("late")));
        });
      });
      const sending = rejection(a.send(urlOf(b), "slow", "", { timeoutMs: 200 }));
      await working;
      await b.close();
      for (const finish of release) finish();
      await sending;
      expect(report).not.toHaveBeenCalled();
    });

    it.each([
      ["a protocol that is no name", (node: DhtNode) => node.handle("", () => undefined), 'protocol ""'],
      [
        "a handler that is no function",
        (node: DhtNode) => node.handle("x", 7 as never),
        "handler: allowed is a function",
      ],
    ])("%s is refused", async (_what, act, message) => {
      const node = await net.open();
      expect(() => act(node)).toThrow(expect.objectContaining({ code: "invalidArgument" }));
      expect(() => act(node)).toThrow(message);
    });

    it("a protocol that is taken, a body that is none, and a body too large are refused", async () => {
      const [a, b] = await openPair();
      a.handle("taken", () => undefined);
      expect(() => a.handle("taken", () => undefined)).toThrow("another plugin has it");
      expect(await rejection(a.send(urlOf(b), "taken", 7 as never))).toMatchObject({
        code: "invalidArgument",
      });
      expect(await rejection(a.send(urlOf(b), "taken", new Uint8Array(2_000)))).toMatchObject({
        code: "sendFailed",
        reason: "tooLarge",
      });
    });
  });

  describe("events", () => {
    it("a query tells of its progress where somebody listens, and of its end once", async () => {
      const [a] = await net.openNetwork(6);
      const ends = vi.fn();
      const progress = vi.fn();
      a.addEventListener("query:end", ends);
      await a.findNode(key);
      expect(ends).toHaveBeenCalledTimes(1);
      a.addEventListener("query:progress", progress);
      await a.findNode(key);
      expect(ends).toHaveBeenCalledTimes(2);
      expect(progress.mock.calls.length).toBeGreaterThan(0);
      const query = ends.mock.calls[1]?.[0].detail.query;
      for (const [event] of progress.mock.calls) {
        expect(event.detail).toMatchObject({ query, step: expect.any(Number), result: { type: "nodes" } });
      }
    });

    it("bytes that are no message are misbehaviour, or dropped unread where messages are encrypted, and the node lives", async () => {
      const node = await net.open();
      const misbehaviour = next(node, "peer:misbehaviour");
      const socket = createSocket("udp4");
      const { port } = new URL(urlOf(node));
      socket.send(Uint8Array.of(4, 1, 2, 3), Number(port), "127.0.0.1");
      await once(socket, "listening");
      const dropped = () => node.stats().security?.datagrams?.dropped.unknownType;
      if (mode.security === undefined) await vi.waitFor(() => expect(dropped()).toBe(1), { timeout: 30_000 });
      else {
        const { code, from } = await misbehaviour;
        expect(code).toBe("malformed");
        expect(from.remote.key).toBe(`udp://127.0.0.1:${socket.address().port}`);
      }
      socket.close();
      expect((await node.ping(urlOf(await net.open()))).end).toBe("converged");
    });

    it("a listener that throws breaks neither the query nor the node", async () => {
      const report = vi.fn();
      const first = await net.open();
      const node = await net.open({ report });
      node.addEventListener("query:end", () => {
        throw new Error("listener's own");
      });
      node.addEventListener("peer:discovery", async () => {
        throw new Error("listener's own, later");
      });
      await node.bootstrap([urlOf(first)]);
      expect((await node.findNode(key)).contacts).toHaveLength(1);
      const messages = report.mock.calls.map(([error]) => (error as Error).message);
      expect(messages).toContain("listener of query:end failed: listener's own");
      expect(messages).toContain("listener of peer:discovery failed: listener's own, later");
    });

    it("a callback may do anything, also begin a query and close the node", async () => {
      const first = await net.open();
      const node = await net.open();
      const closing = new Promise<unknown>((resolve) => {
        node.addEventListener("peer:discovery", () => {
          const finding = rejection(node.findNode(key));
          void node.close().then(() => resolve(finding));
        });
      });
      expect(await rejection(node.bootstrap([urlOf(first)]))).toBeInstanceOf(NodeClosed);
      expect(await closing).toBeInstanceOf(NodeClosed);
    });
  });

  describe("when nobody answers", () => {
    /** Its only contact is gone, which it does not know. */
    async function openLeftAlone(): Promise<DhtNode> {
      const [node, gone] = await openPair();
      await gone.close();
      return node;
    }

    const operations: [string, (node: DhtNode, options: OperationOptions) => PromiseLike<unknown>][] = [
      ["get", (node, options) => node.get("name", { ...anyones, ...options })],
      ["getText", (node, options) => node.getText(key, options)],
      ["put", (node, options) => node.put("value", options)],
      ["set", (node, options) => node.set("name", "value", { ...anyones, ...options })],
      ["findNode", (node, options) => node.findNode(key, options)],
      ["ping", (node, options) => node.ping(node.contacts()[0] as Contact, options)],
      ["send", (node, options) => node.send(node.contacts()[0] as Contact, "chat", "", options)],
      ["bootstrap", (node, options) => node.bootstrap(["udp://127.0.0.1:1"], options)],
    ];

    it.each(operations)(
      "%s rejects with the reason of an abort, before or during, and nothing is left",
      async (_name, run) => {
        const node = await openLeftAlone();
        const controller = new AbortController();
        const during = rejection(run(node, { signal: controller.signal }));
        await new Promise(setImmediate); // so that it is under way
        expect(node.stats().operations.used).toBe(1);
        const reason = new Error("enough");
        controller.abort(reason);
        expect(await during).toBe(reason);
        expect(await rejection(run(node, { signal: controller.signal }))).toBe(reason);
        expect(node.stats().operations.used).toBe(0);
        expect(getEventListeners(controller.signal, "abort")).toEqual([]);
      },
    );

    it("a deadline of a read resolves with what there is: nothing", async () => {
      const node = await openLeftAlone();
      expect(await node.get("name", { ...anyones, timeoutMs: 50 })).toMatchObject({
        value: undefined,
        end: "timedOut",
      });
      expect(await node.getText("name", { ...anyones, timeoutMs: 50 })).toBeUndefined();
    });

    it("a deadline of a write is a failure, and of a set counts the read before it", async () => {
      const node = await openLeftAlone();
      const failure = { code: "putFailed", accepted: 0, end: "timedOut" };
      expect(await rejection(node.put("value", { timeoutMs: 50 }))).toMatchObject(failure);
      expect(await rejection(node.set("name", "value", { timeoutMs: 50 }))).toMatchObject(failure);
    });

    it("AbortSignal.timeout is the application's own deadline", async () => {
      const node = await openLeftAlone();
      const error = await rejection(node.get("name", { ...anyones, signal: AbortSignal.timeout(50) }));
      expect(error).toMatchObject({ name: "TimeoutError" });
    });
  });

  describe("closing", () => {
    it("settles every operation with NodeClosed, tells so once, and frees the port", async () => {
      const url = await freeUrl();
      const node = await net.open({ listen: url });
      const silent = await net.openSilent();
      const closed = vi.fn();
      node.addEventListener("node:close", closed);
      node.addEventListener("query:end", () => void node.close()); // from inside, it must not begin anew
      const pending = [
        node.ping(silent),
        node.send(silent, "chat", "hello"),
        node.bootstrap([silent]),
        node.ping("udp://localhost:1"),
      ].map(rejection);
      await new Promise(setImmediate); // so that they are under way
      const first = node.close();
      expect(node.close()).toBe(first);
      expect(node.closed).toBe(true);
      await first;
      for (const error of await Promise.all(pending)) expect(error).toBeInstanceOf(NodeClosed);
      expect(closed).toHaveBeenCalledTimes(1);
      expect(node.stats().operations.used).toBe(0);
      expect((await net.open({ listen: url })).addresses).toEqual([url]);
    });

    it("makes everything later reject or throw NodeClosed", async () => {
      const node = await net.open();
      const url = urlOf(node);
      await node.close();
      const operations = [
        () => node.get("name", anyones),
        () => node.getText(key),
        () => node.put("value"),
        () => node.set("name", "value"),
        () => node.findNode(key),
        () => node.ping(url),
        () => node.send(url, "chat", ""),
        () => node.bootstrap([url]),
      ];
      for (const operation of operations) {
        const error = await rejection(operation());
        expect(error).toBeInstanceOf(NodeClosed);
        expect(error).toMatchObject({ code: "closed" });
      }
      expect(() => node.use({})).toThrow(NodeClosed);
      expect(() => node.handle("chat", () => undefined)).toThrow(NodeClosed);
      expect(node.addresses).toEqual([]);
      expect(node.contacts()).toEqual([]);
    });

    it("happens at the end of a scope with await using", async () => {
      let left: DhtNode;
      {
        await using node = await net.open();
        left = node;
        expect(left.closed).toBe(false);
      }
      expect(left.closed).toBe(true);
    });
  });

  describe("a fault of the library", () => {
    const fault = new InvariantError("as if core had broken a promise of its own");
    const record = {
      type: "immutable",
      key,
      get body(): Uint8Array {
        throw fault;
      },
    };

    it("closes the node, is reported once, and rejects what was under way", async () => {
      const report = vi.fn();
      const node = await net.open({ report });
      const waiting = rejection(node.ping(await net.openSilent()));
      await new Promise(setImmediate); // so that it is under way
      const closed = next(node, "node:close");
      expect(await rejection(node.putRecord(record))).toBe(fault);
      await closed;
      expect(await waiting).toBeInstanceOf(NodeClosed);
      expect(report.mock.calls).toEqual([[fault]]);
      expect(node.closed).toBe(true);
      expect(await rejection(node.get("name", anyones))).toBeInstanceOf(NodeClosed);
    });

    it("closes a node that had nothing to do just so, and frees its port", async () => {
      const url = await freeUrl();
      const node = await net.open({ listen: url, report: () => undefined });
      const closed = next(node, "node:close");
      expect(await rejection(node.putRecord(record))).toBe(fault);
      await closed;
      expect((await net.open({ listen: url })).addresses).toEqual([url]);
    });
  });

  describe("plugins", () => {
    it("can be attached and removed", async () => {
      const [a] = await openPair();
      const ended = vi.fn();
      const plugin: Plugin = { onQueryFinished: ended };
      const remove = a.use(plugin);
      await a.findNode(key);
      expect(ended).toHaveBeenCalledTimes(1);
      remove();
      await a.findNode(key);
      expect(ended).toHaveBeenCalledTimes(1);
    });
  });

  describe("stats", () => {
    it("hold core's counters, the driver's, the sockets', and the promises that have not settled", async () => {
      const [a, b] = await openPair();
      const stats = a.stats();
      expect(stats.operations).toEqual({ used: 0, limit: stats.gauges.queries.limit });
      expect(stats.driver.plugins.used).toBe(1);
      expect(stats.links).toMatchObject([{ kind: "udp4", open: true }]);
      await a.ping(urlOf(b));
      expect(a.stats().requestsSent).toBe(stats.requestsSent + 1);
    });
  });
});
