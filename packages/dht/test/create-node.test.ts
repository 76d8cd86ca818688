import { createSocket } from "node:dgram";
import { getEventListeners, once } from "node:events";
import {
  type KadError,
  KadNode,
  ListenError,
  MemoryRecordStore,
  NodeId,
  type NodeOptions,
  type Plugin,
  type PluginContext,
  type RecordValidator,
  UsageError,
} from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BootstrapFailed, type CreateNodeOptions, createNode, keyOfName } from "../src/index.ts";
import { freeUrl, Loopback, next, plain, rejection, urlOf, utf8 } from "./support/network.ts";

const net = new Loopback(plain);
afterEach(() => net.close());

/** A datagram socket can take the port again: nothing was left open. */
async function expectFree(url: string): Promise<void> {
  const socket = createSocket("udp4");
  socket.bind(Number(new URL(url).port), "127.0.0.1");
  await once(socket, "listening");
  socket.close();
}

describe("createNode refuses, by option, value and what is allowed", () => {
  const plain = { security: "none" } as const;
  const refused: [string, unknown, string][] = [
    ["nothing", undefined, "options: undefined; allowed is an object, such as { listen, bootstrap }"],
    [
      "another security",
      { security: "noise" },
      'security: "noise"; allowed is absent (encrypted), an object of more',
    ],
    [
      "a bootstrap that is no array",
      { ...plain, bootstrap: "udp://192.0.2.1:1" },
      'bootstrap: "udp://192.0.2.1:1"; allowed is an array of URLs',
    ],
    [
      "a negative timeout",
      { ...plain, bootstrapTimeoutMs: -1 },
      "bootstrapTimeoutMs: -1; allowed is a number from 1 to 2147483647 ms",
    ],
    ["a timeout that is no number", { ...plain, bootstrapTimeoutMs: Number.NaN }, "bootstrapTimeoutMs: NaN"],
    [
      "bootstrapRequired of another type",
      { ...plain, bootstrapRequired: 1 },
      "bootstrapRequired: 1; allowed is true or false",
    ],
    [
      "minAccepted out of range",
      { ...plain, minAccepted: 256 },
      "minAccepted: 256; allowed is a whole number from 0 to 255",
    ],
    ["plugins that are no array", { ...plain, plugins: {} }, "plugins: Object; allowed is an array"],
    ["a machine that is no function", { ...plain, machine: {} }, "machine: Object; allowed is a function"],
    ["a report that is no function", { ...plain, report: "log" }, 'report: "log"; allowed is a function'],
    [
      "an id of the wrong length",
      { ...plain, id: NodeId.fromHex("00ff") },
      "allowed is a NodeId of 32 bytes",
    ],
    ["an unknown mode", { ...plain, mode: "bridge" }, 'allowed is "server" or "client"'],
    [
      "an unknown limit",
      { ...plain, limits: { bucketsize: 20 } },
      "limits.bucketsize: there is no such limit",
    ],
    [
      "a limit out of range",
      { ...plain, limits: { bucketSize: 0 } },
      "limits.bucketSize: 0; allowed is a whole number from 1 to 255",
    ],
    ["an exemption that is no network", { ...plain, limits: { exempt: ["ten"] } }, 'exempt: "ten"'],
  ];

  it.each(refused)("%s", async (_what, options, message) => {
    const error = await rejection(createNode(options as CreateNodeOptions));
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).code).toBe("invalidOption");
    expect((error as UsageError).message).toContain(message);
  });

  it.each([
    ["a listen address that is no URL", { listen: "127.0.0.1:0" }, "127.0.0.1:0"],
    ["a host name to listen on", { listen: "udp://localhost:0" }, "udp://localhost:0"],
    ["a scheme without a transport", { listen: "quic://127.0.0.1:0" }, "quic://127.0.0.1:0"],
    ["a seed that is no URL", { listen: "udp://127.0.0.1:0", bootstrap: ["192.0.2.1:1"] }, "192.0.2.1:1"],
    [
      "a seed of the wrong family",
      { listen: "udp://127.0.0.1:0", bootstrap: ["udp://[::1]:1"] },
      "bootstrap[0]: udp://[::1]:1: this node has no socket for it; allowed are udp4 addresses",
    ],
  ])("%s", async (_what, options, message) => {
    const error = await rejection(createNode({ security: "none", ...options }));
    expect(error).toMatchObject({ code: "invalidAddress", message: expect.stringContaining(message) });
  });
});

describe("createNode", () => {
  it("resolves at once without seeds: the first node of a network", async () => {
    const node = await net.open();
    expect(node.addresses).toEqual([expect.stringMatching(/^udp:\/\/127\.0\.0\.1:\d+$/)]);
    expect(node.id.length).toBe(32);
    expect(node.contacts()).toEqual([]);
  });

  it("resolves when joined: both know each other, and both say so", async () => {
    const first = await net.open();
    const discovery = next(first, "peer:discovery");
    const second = await net.open({ bootstrap: [urlOf(first)] });
    expect(second.contacts().map(({ id }) => id)).toEqual([first.id]);
    expect((await discovery).id).toEqual(second.id);
  });

  it("joins by host name, and by an address with an id", async () => {
    const first = await net.open();
    const { port } = new URL(urlOf(first));
    const byName = await net.open({ bootstrap: [`udp://localhost:${port}`] });
    const byId = await net.open({ bootstrap: [{ address: urlOf(first), id: first.id }] });
    expect(byName.table.get(first.id)).toBeDefined();
    expect(byId.table.get(first.id)).toBeDefined();
  });

  it("takes the id that it is given", async () => {
    const id = NodeId.fromBytes(new Uint8Array(32).fill(9));
    expect((await net.open({ id })).id).toBe(id);
  });

  it("is a client without listen: it asks and is answered, and stands in nobody's table", async () => {
    const first = await net.open();
    const client = await net.openClient({ bootstrap: [urlOf(first)] });
    expect(client.addresses).toEqual([]);
    expect(client.table.get(first.id)).toBeDefined();
    await client.set("name", "value");
    expect(await first.getText("name")).toBe("value");
    expect(first.table.size).toBe(0);
  });

  it("listens on both families at once", async () => {
    const node = await net.open({ listen: ["udp://127.0.0.1:0", "udp://[::1]:0"] });
    const other = await net.open({ listen: "udp://[::1]:0", bootstrap: [node.addresses[1] as string] });
    expect(node.addresses.map((url) => new URL(url).hostname)).toEqual(["127.0.0.1", "[::1]"]);
    expect((await other.ping(node.addresses[1] as string)).contact?.id).toEqual(node.id);
  });

  it("rejects with ListenError when the port is in use, and leaves nothing open", async () => {
    const url = urlOf(await net.open());
    const error = await rejection(createNode({ security: "none", listen: url }));
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: "addressInUse", url, message: expect.stringContaining(url) });
  });

  it("attaches plugins before anything is sent", async () => {
    const first = await net.open();
    const seen: string[] = [];
    const plugin: Plugin = {
      onAttach: (node: PluginContext) => void seen.push(`attached at ${node.table.size}`),
      onNodeDiscovered: (contact) => void seen.push(contact.id.toHex()),
    };
    await net.open({ bootstrap: [urlOf(first)], plugins: [plugin] });
    expect(seen).toEqual(["attached at 0", first.id.toHex()]);
  });

  it("keeps records in the store that it is given", async () => {
    const store = new MemoryRecordStore({ maxRecords: 10, maxBytes: 10_000 });
    const first = await net.open({ store });
    const second = await net.open({ bootstrap: [urlOf(first)] });
    const { key } = await second.put("anything");
    expect(store.get(key)?.body).toEqual(utf8("anything"));
  });

  it("a store without room refuses, and the writer hears why", async () => {
    const first = await net.open({ limits: { maxRecords: 0 } });
    const second = await net.open({ bootstrap: [urlOf(first)] });
    const error = await rejection(second.put("anything"));
    expect(error).toMatchObject({ code: "putFailed", accepted: 0, asked: 1, refusals: { full: 1 } });
    expect((error as KadError).message).toContain("0 of 1 holders accepted, 1 full");
  });

  it("takes record types of the application's own, by name", async () => {
    const counter: RecordValidator = {
      code: 200,
      maxBodyBytes: 1,
      quorum: 1,
      validate: (_key, body) => (body.length === 1 ? undefined : "not one byte"),
      select: (a, b) => (a[0] as number) - (b[0] as number),
    };
    const options = { validators: { counter } };
    const [first, second] = await net.openNetwork(2, options);
    const key = keyOfName("clicks");
    for (const count of [3, 2]) {
      await second?.putRecord({ type: "counter", key, body: Uint8Array.of(count) }, { minAccepted: 0 });
    }
    expect(await first.get(key)).toMatchObject({ record: { type: "counter" }, value: Uint8Array.of(3) });
  });
});

describe("a machine of one's own", () => {
  it("is made from what a node is made from, and has every call", async () => {
    const calls = new Set<PropertyKey>();
    const made: NodeOptions[] = [];
    const machine = (options: NodeOptions): KadNode => {
      made.push(options);
      return new Proxy(new KadNode(options), {
        get(node, name) {
          const value: unknown = Reflect.get(node, name, node);
          if (typeof value !== "function") return value;
          calls.add(name);
          return value.bind(node);
        },
      });
    };
    const node = await net.open({ machine, limits: { bucketSize: 7 } });
    const other = await net.open({ bootstrap: [urlOf(node)] });
    await node.findNode(other.id);
    await node.close();
    expect(made).toMatchObject([{ id: node.id, mode: "server", limits: { bucketSize: 7 } }]);
    expect([...calls]).toEqual(
      expect.arrayContaining([
        "handleNetworkEvent",
        "pollTransmit",
        "pollEvent",
        "nextDeadline",
        "findNode",
        "close",
      ]),
    );
  });
});

describe("a bootstrap list where nobody answers", () => {
  it("rejects with BootstrapFailed that lists each seed and why, and leaves nothing open", async () => {
    const listen = await freeUrl();
    const seeds = [await net.openSilent(), await freeUrl()];
    const error = await rejection(
      createNode({ security: "none", listen, bootstrap: seeds, bootstrapTimeoutMs: 200 }),
    );
    expect(error).toBeInstanceOf(BootstrapFailed);
    expect(error).toMatchObject({ code: "bootstrapFailed" });
    expect((error as BootstrapFailed).seeds).toEqual(
      seeds.map((address) => ({ address, code: "noAnswer", reason: "no answer within 200 ms" })),
    );
    expect((error as BootstrapFailed).message).toContain("no seed answered within 200 ms");
    await expectFree(listen);
  });

  it("says of a host that cannot be resolved that it cannot, and of the others why not", async () => {
    const silent = await net.openSilent();
    const bootstrap = ["udp://no-such-host.invalid:4100", silent];
    const error = await rejection(createNode({ security: "none", bootstrap, bootstrapTimeoutMs: 200 }));
    expect(error).toMatchObject({
      code: "bootstrapFailed",
      cause: { code: "unresolvableHost", host: "no-such-host.invalid" },
      seeds: [
        { address: bootstrap[0], reason: expect.stringContaining("no-such-host.invalid") },
        { address: silent },
      ],
    });
  });

  it("one that answers is enough", async () => {
    const first = await net.open();
    const bootstrap = [await net.openSilent(), "udp://no-such-host.invalid:4100", urlOf(first)];
    const node = await net.open({ bootstrap });
    expect(node.contacts().map(({ id }) => id)).toEqual([first.id]);
  });

  it("a seed that starts a little later than we do is found", async () => {
    const url = await freeUrl();
    const limits = {
      softTimeoutFirstMs: 50,
      softTimeoutMinMs: 50,
      softTimeoutJitterMs: 0,
      hardTimeoutMs: 100,
    };
    const joining = net.open({ bootstrap: [url], limits });
    const first = await net.open({ listen: url });
    expect((await joining).contacts().map(({ id }) => id)).toEqual([first.id]);
  });
});

describe("a signal while createNode joins", () => {
  it("rejects with its reason, closes the sockets, and keeps no listener", async () => {
    const listen = await freeUrl();
    const controller = new AbortController();
    const { signal } = controller;
    const silent = await net.openSilent();
    const joining = rejection(createNode({ security: "none", listen, bootstrap: [silent], signal }));
    const reason = new Error("changed my mind");
    controller.abort(reason);
    expect(await joining).toBe(reason);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    await expectFree(listen);
  });

  it("that has aborted before opens nothing", async () => {
    const signal = AbortSignal.abort("no");
    expect(await rejection(createNode({ security: "none", signal }))).toBe("no");
  });

  it("that aborts after does nothing", async () => {
    const controller = new AbortController();
    const node = await net.open({ signal: controller.signal });
    controller.abort();
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    expect(node.closed).toBe(false);
  });
});

describe("errors that have no caller", () => {
  const fault = new Error("plugin's own");
  const failing: Plugin = {
    onNodeDiscovered: () => {
      throw fault;
    },
  };

  it("reach report, and node:error beside it", async () => {
    const first = await net.open();
    const report = vi.fn();
    const node = await net.open({ plugins: [failing], report });
    const heard = vi.fn();
    node.addEventListener("node:error", heard);
    await node.bootstrap([urlOf(first)]);
    expect(report).toHaveBeenCalledTimes(1);
    expect(report.mock.calls[0]?.[0]).toMatchObject({ code: "callbackFailed", cause: fault });
    expect(heard.mock.calls[0]?.[0].detail).toBe(report.mock.calls[0]?.[0]);
  });

  it("go to console.error when nobody listens, and only then", async () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => undefined);
    try {
      const first = await net.open();
      const loud = await net.open({ plugins: [failing] });
      await loud.bootstrap([urlOf(first)]);
      expect(print).toHaveBeenCalledTimes(1);
      const quiet = await net.open({ plugins: [failing] });
      quiet.addEventListener("node:error", () => undefined);
      await quiet.bootstrap([urlOf(first)]);
      expect(print).toHaveBeenCalledTimes(1);
    } finally {
      print.mockRestore();
    }
  });

  it("a listener of node:error that fails is not told of its own failure", async () => {
    const first = await net.open();
    const report = vi.fn();
    const node = await net.open({ plugins: [failing], report });
    const listener = vi.fn(() => {
      throw new Error("again");
    });
    node.addEventListener("node:error", listener);
    await node.bootstrap([urlOf(first)]);
    expect(listener).toHaveBeenCalledTimes(1);
    expect(report.mock.calls.map(([error]) => (error as KadError).message)).toEqual([
      expect.stringContaining("listener of node:error failed: again"),
      expect.stringContaining("plugin's own"),
    ]);
  });

  it("a report that throws goes to console.error with what it was told", async () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => undefined);
    try {
      const first = await net.open();
      const report = (): void => {
        throw new Error("report's own");
      };
      const node = await net.open({ plugins: [failing], report });
      await node.bootstrap([urlOf(first)]);
      expect(print.mock.calls[0]?.map((error) => (error as Error).message)).toEqual([
        "report's own",
        expect.stringContaining("plugin's own"),
      ]);
    } finally {
      print.mockRestore();
    }
  });
});
