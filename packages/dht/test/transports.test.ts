/** Nodes on TCP and WebSocket, on several transports at once, and in networks of which they share one. */

import { once } from "node:events";
import { createServer } from "node:http";
import { AddressTable } from "@kad/core";
import { tcp } from "@kad/transport-tcp";
import { webSocket } from "@kad/transport-websocket/uws";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type CreateNodeOptions, createNode, type DhtNode } from "../src/index.ts";
import { anyones, freeUrl, Loopback, modes, rejection, urlOf } from "./support/network.ts";

describe.each(modes)("%s", (_mode, mode) => {
  const net = new Loopback(mode);
  afterEach(() => net.close());

  const urls = { udp: "udp://127.0.0.1:0", tcp: "tcp://127.0.0.1:0", ws: "ws://127.0.0.1:0/kad" } as const;
  const everything = Object.values(urls);

  /** What it listens at and others are told, of one scheme. */
  function on(node: DhtNode, scheme: keyof typeof urls): string {
    const url = node.addresses.find((address) => address.startsWith(`${scheme}://`));
    if (url === undefined) throw new Error(`the node has no ${scheme} address`);
    return url;
  }

  const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const schemesOf = (addresses: readonly string[]): string[] =>
    addresses.map((address) => address.split(":")[0] as string);

  /** The addresses at which one node knows another. */
  function known(node: DhtNode, other: DhtNode): string[] {
    const contact = node.contacts().find(({ id }) => id.equals(other.id));
    return contact?.addresses.map(({ key }) => key) ?? [];
  }

  async function openHandles(): Promise<string[]> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    return process
      .getActiveResourcesInfo()
      .filter((name) => /^(TCP|UDP)/.test(name))
      .sort();
  }

  describe.each([
    ["TCP", { listen: urls.tcp }],
    ["WebSocket", { listen: urls.ws }],
  ] as const)("a network on %s alone", (_title, options) => {
    it("keeps values, finds nodes and providers, carries messages", async () => {
      const before = await openHandles();
      const nodes = await net.openNetwork(6, options);
      const [first, second] = nodes as [DhtNode, DhtNode];
      const last = nodes[5] as DhtNode;
      await first.set("greeting", "hello", anyones);
      expect(await last.getText("greeting", anyones)).toBe("hello");
      const { key } = await second.put("a value");
      expect(await last.getText(key)).toBe("a value");
      const { contacts } = await last.findNode(first.id);
      expect(contacts[0]?.id).toEqual(first.id);
      second.handle("shout", ({ body }) => textOf(body).toUpperCase());
      await second.announce("shouting");
      const { providers } = await last.findProviders("shouting");
      const [provider] = providers;
      if (provider === undefined) throw new Error("nobody provides it");
      expect(textOf(await last.send(provider.contact, "shout", "hello"))).toBe("HELLO");
      const client = await net.openClient({ bootstrap: [urlOf(first)] });
      expect([client.addresses, await client.getText("greeting", anyones)]).toEqual([[], "hello"]);
      await net.close();
      await expect.poll(openHandles).toEqual(before);
    });

    it("carries messages of 64 KiB both ways, and no longer ones", async () => {
      const [a, b] = (await net.openNetwork(2, options)) as [DhtNode, DhtNode];
      b.handle("reverse", ({ body }) => body.toReversed());
      const body = new Uint8Array(65_536).map((_, i) => i * 7);
      expect(Buffer.compare(await a.send(urlOf(b), "reverse", body), body.toReversed())).toBe(0);
      expect(await rejection(a.send(urlOf(b), "reverse", new Uint8Array(65_537)))).toMatchObject({
        code: "sendFailed",
        reason: "tooLarge",
      });
    });

    it("loses a node and goes on, and takes it back", async () => {
      const [first, second] = (await net.openNetwork(3, options)) as [DhtNode, DhtNode];
      const url = urlOf(second);
      await second.close();
      const { reason } = await first.ping(url, { timeoutMs: 2_000 });
      expect(["unreachable", "closed"]).toContain(reason);
      const again = await net.open({ listen: url, bootstrap: [urlOf(first)] });
      await vi.waitUntil(async () => (await first.ping(url)).contact?.id.equals(again.id), {
        timeout: 30_000,
      });
    });
  });

  describe("several transports in one node", () => {
    it("are all told to others, the first of each in front", async () => {
      const node = await net.open({ listen: everything });
      expect(schemesOf(node.addresses)).toEqual(["udp", "tcp", "ws"]);
      const { links, connections } = node.stats();
      expect(links.map(({ kind }) => kind)).toEqual(["udp4", "tcp4", "ws", "wss"]);
      expect(connections).toMatchObject({
        tcp: { accepted: { used: 0 } },
        webSocket: { accepted: { used: 0 } },
      });
    });

    it("let nodes that share no transport find each other's values through one that has all", async () => {
      const all = await net.open({ listen: everything });
      const nodes = {
        udp: await net.open({ listen: urls.udp, bootstrap: [on(all, "udp")] }),
        tcp: await net.open({ listen: urls.tcp, bootstrap: [on(all, "tcp")] }),
        ws: await net.open({ listen: urls.ws, bootstrap: [on(all, "ws")] }),
      };
      for (const [scheme, node] of Object.entries(nodes)) await node.set(scheme, `from ${scheme}`, anyones);
      for (const node of Object.values(nodes)) {
        for (const scheme of Object.keys(nodes))
          expect(await node.getText(scheme, anyones)).toBe(`from ${scheme}`);
        // Whom it cannot dial it is not told of.
        expect(node.contacts().map(({ id }) => id.toHex())).toEqual([all.id.toHex()]);
      }
      expect(all.contacts()).toHaveLength(3);
    });

    it("of both sides are tried in the order in which the peer tells them, and the one that answered is remembered", async () => {
      const a = await net.open({ listen: everything });
      // Longer than a busy machine takes to answer: the third address must not be tried before.
      const limits = { nextAddressDelayMs: 2_000 };
      const b = await net.open({ listen: everything, bootstrap: [on(a, "tcp")], limits });
      await vi.waitUntil(() => known(a, b).length > 0, { timeout: 30_000 });
      expect(schemesOf(known(b, a))).toEqual(["tcp", "udp", "ws"]); // tcp is what was dialled, and it answered
      const dead = new AddressTable();
      const { id } = a;
      const addresses = [await freeUrl(), on(a, "ws"), on(a, "tcp")].map((url) => dead.parse(url));
      const startMs = performance.now();
      const { contact } = await b.ping({ id, addresses });
      expect(contact?.id).toEqual(id);
      // With whom there is an encrypted connection, no second one is opened: what is for the next address goes through it.
      const answered = mode.security === "none" ? "ws" : "tcp";
      expect(schemesOf(contact?.addresses.map(({ key }) => key) ?? [])[0]).toBe(answered);
      expect(performance.now() - startMs).toBeGreaterThan(1_900); // the next one after two seconds of silence
      expect(schemesOf(known(b, a))[0]).toBe(answered);
    });

    it("pass at once over an address that refuses", async () => {
      const a = await net.open({ listen: everything });
      const gone = await net.open({ listen: urls.tcp });
      const dead = urlOf(gone);
      await gone.close();
      const b = await net.open({ listen: everything, limits: { nextAddressDelayMs: 5_000 } });
      const table = new AddressTable();
      const addresses = [dead, on(a, "ws")].map((url) => table.parse(url));
      const startMs = performance.now();
      const { contact } = await b.ping({ id: a.id, addresses });
      expect(contact?.id).toEqual(a.id);
      expect(performance.now() - startMs).toBeLessThan(5_000);
    });

    it("form one network of many kinds of nodes, in which every value is found by everybody", async () => {
      const listens = [everything, [urls.udp, urls.tcp], [urls.tcp, urls.ws], [urls.udp, urls.ws]];
      const first = await net.open({ listen: everything });
      const nodes = [first];
      for (let i = 1; i < 12; i++) {
        const listen = listens[i % 4] as readonly (typeof everything)[number][];
        const scheme = (listen[i % listen.length] as string).split(":")[0] as keyof typeof urls;
        nodes.push(await net.open({ listen, bootstrap: [on(first, scheme)] }));
      }
      const keys = await Promise.all(nodes.map(async (node, i) => (await node.put(`value ${i}`)).key));
      for (const node of nodes) {
        const texts = await Promise.all(keys.map((key) => node.getText(key)));
        expect(texts).toEqual(keys.map((_key, i) => `value ${i}`));
      }
    });

    it("free everything when one of them cannot listen", async () => {
      const before = await openHandles();
      const taken = createServer().listen(0, "127.0.0.1");
      await once(taken, "listening");
      const { port } = taken.address() as { readonly port: number };
      for (const url of [`tcp://127.0.0.1:${port}`, `ws://127.0.0.1:${port}`]) {
        const error = await rejection(createNode({ ...mode, listen: [urls.udp, url] }));
        expect(error).toMatchObject({ code: "addressInUse", url });
      }
      await new Promise((resolve) => taken.close(resolve));
      await expect.poll(openHandles).toEqual(before);
    });
  });

  describe("which transports a node has", () => {
    const kindsOf = async (options: Partial<CreateNodeOptions>): Promise<string[]> => {
      const node = await createNode({ ...mode, bootstrapRequired: false, ...options });
      const kinds = node.stats().links.map(({ kind }) => kind);
      await node.close();
      return kinds;
    };

    it("is what it listens with, what its seeds are reached by, and what it is told to dial", async () => {
      const udpOf = expect.arrayContaining(["udp4"]) as string[];
      expect(await kindsOf({})).toEqual(udpOf);
      expect(await kindsOf({ bootstrap: ["udp://127.0.0.1:9"] })).toEqual(udpOf);
      expect(await kindsOf({ bootstrap: ["wss://seed.invalid/kad"] })).toEqual(["ws", "wss"]);
      expect(
        await kindsOf({ bootstrap: [{ address: "tcp://127.0.0.1:9" }], tcp: { dial: ["tcp4"] } }),
      ).toEqual(["tcp4"]);
      expect(await kindsOf({ listen: urls.tcp, bootstrap: ["ws://127.0.0.1:9"] })).toEqual([
        "tcp4",
        "ws",
        "wss",
      ]);
      expect(await kindsOf({ listen: urls.tcp, dial: ["ws"], webSocket: { dial: ["wss"] } })).toEqual([
        "tcp4",
        "wss",
      ]);
      expect(
        await kindsOf({ listen: urls.udp, dial: [], bootstrap: ["ws://127.0.0.1:9"] }).catch(String),
      ).toContain("this node has no socket for it");
    });

    it("is decided by more than schemes where transports are given", async () => {
      const a = await net.openClient({ mode: "server", transports: [webSocket({ listen: urls.ws })] });
      expect(schemesOf(a.addresses)).toEqual(["ws"]);
      const b = await net.openClient({ transports: [tcp()], bootstrap: [urlOf(a)] });
      expect(b.addresses).toEqual([]);
      expect((await b.ping(urlOf(a))).contact?.id).toEqual(a.id);
      await b.set("name", "served by uWebSockets.js", anyones);
      expect(await b.getText("name", anyones)).toBe("served by uWebSockets.js");
    });

    it("tells others the public URL of a proxy", async () => {
      const node = await net.open({ listen: urls.ws, webSocket: { announce: "wss://worker-7.example/kad" } });
      expect(node.addresses).toEqual(["wss://worker-7.example/kad"]);
    });

    it.each([
      [
        { listen: "http://127.0.0.1:1" },
        "invalidAddress",
        "allowed are URLs that begin with udp://, tcp://, ws://, wss://",
      ],
      [{ listen: ["udp://127.0.0.1:0", 7] }, "invalidAddress", "listen: 7; allowed are URLs"],
      [
        { listen: { url: "udp://127.0.0.1:0" } },
        "invalidOption",
        "listen: Object; allowed is a URL or an array",
      ],
      [{ dial: ["quic"] }, "invalidOption", 'dial: "quic"; allowed are udp, tcp, ws, wss'],
      [{ dial: "tcp" }, "invalidOption", 'dial: "tcp"; allowed is an array of'],
      [{ transports: {} }, "invalidOption", "transports: Object; allowed is an array"],
      [{ listen: "tcp://localhost:1" }, "invalidAddress", "tcp://localhost:1"],
      [{ listen: "wss://127.0.0.1:1" }, "invalidOption", "tls: is missing"],
      [
        { listen: "tcp://127.0.0.1:0", tcp: { limits: { maxDialled: 0 } } },
        "invalidOption",
        "limits.maxDialled: 0",
      ],
      [
        { listen: urls.tcp, transports: [tcp({ dial: ["tcp4"] })] },
        "invalidOption",
        "two carry tcp4 addresses",
      ],
    ])("%j is refused", async (options, code, message) => {
      const error = await rejection(createNode({ ...mode, ...(options as object) }));
      expect(error).toMatchObject({ code, message: expect.stringContaining(message) as string });
    });
  });

  it("a peer that answers at one address is asked there first from then on", async () => {
    const a = await net.open({ listen: [urls.tcp, urls.ws] });
    const b = await net.open({ listen: [urls.tcp, urls.ws], bootstrap: [on(a, "ws")] });
    expect(schemesOf(known(b, a))).toEqual(["ws", "tcp"]);
    await b.ping(on(a, "tcp"));
    expect(schemesOf(known(b, a))).toEqual(["tcp", "ws"]);
  });
});
