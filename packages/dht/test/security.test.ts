/** Nodes are encrypted unless they are told not to be: what an observer sees, who may join, and who a node is. */
import { type KadError, KadNode, type NodeOptions, UsageError } from "@kad/core";
import { nodeProvider } from "@kad/crypto/node";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  type BootstrapFailed,
  type CreateNodeOptions,
  createIdentity,
  createNetworkKey,
  createNode,
  type DhtNode,
  type Identity,
} from "../src/index.ts";
import { Loopback, plain, rejection, urlOf, utf8 } from "./support/network.ts";
import { openWiretap, type Wiretap } from "./support/wiretap.ts";

const net = new Loopback({});
const taps: Wiretap[] = [];
afterEach(async () => {
  await net.close();
  await Promise.all(taps.splice(0).map((tap) => tap.close()));
});

async function tapped(node: DhtNode): Promise<Wiretap> {
  const tap = await openWiretap(urlOf(node));
  taps.push(tap);
  return tap;
}

const provider = nodeProvider();
const quick = { bootstrapTimeoutMs: 900 } as const;

describe.each(["udp://127.0.0.1:0", "tcp://127.0.0.1:0", "ws://127.0.0.1:0/kad"])("over %s", (listen) => {
  const words = "words that nobody on the path is to read";

  /** Whether who taps the line between two nodes reads what one sends to the other. */
  async function isRead(options: Partial<CreateNodeOptions>): Promise<boolean> {
    const server = await net.open({ ...options, listen });
    server.handle("shout", ({ body }) => new TextDecoder().decode(body).toUpperCase());
    const tap = await tapped(server);
    const client = await net.openClient({ ...options, bootstrap: [tap.url] });
    const reply = await client.send(tap.url, "shout", words);
    expect(new TextDecoder().decode(reply)).toBe(words.toUpperCase());
    expect(tap.bytes()).toBeGreaterThan(500);
    return tap.saw(utf8(words)) || tap.saw(utf8(words.toUpperCase())) || tap.saw(client.id.toBytes());
  }

  it("what a node says is not to be read on the way, nor who it is", async () => {
    expect(await isRead({})).toBe(false);
  });

  it("in plain text, which must be asked for, it is", async () => {
    expect(await isRead(plain)).toBe(true);
  });

  it("a node in plain text and an encrypted one have nothing to say to each other, and the error says what to compare", async () => {
    for (const [first, second] of [
      [{}, plain],
      [plain, {}],
    ] as const) {
      const server = await net.open({ ...first, listen });
      const error = await rejection(net.openClient({ ...quick, ...second, bootstrap: [urlOf(server)] }));
      expect(error).toMatchObject({ code: "bootstrapFailed", hint: expect.stringContaining("`security`") });
      expect((error as BootstrapFailed).message).toContain((error as BootstrapFailed).hint);
      expect(server.contacts()).toEqual([]);
    }
  });

  it("who has another network key, none, or another network's name gets no answer; who has the same does", async () => {
    const networkKey = await createNetworkKey();
    const server = await net.open({ listen, networkKey });
    const bootstrap = [urlOf(server)];
    for (const other of [{}, { networkKey: await createNetworkKey() }, { networkKey, network: "other" }]) {
      const error = await rejection(net.openClient({ ...quick, ...other, bootstrap }));
      expect(error).toMatchObject({ code: "bootstrapFailed", hint: expect.stringContaining("`networkKey`") });
    }
    const member = await net.openClient({ networkKey, bootstrap });
    expect(member.contacts().map(({ id }) => id)).toEqual([server.id]);
  });

  it("another node at an address than the one named is told apart before it learns who asks", async () => {
    const server = await net.open({ listen });
    const { id } = await createIdentity();
    const seed = { id, address: urlOf(server) };
    const error = (await rejection(net.openClient({ ...quick, bootstrap: [seed] }))) as BootstrapFailed;
    expect(error.code).toBe("bootstrapFailed");
    expect(error.seeds[0]?.reason).toContain(id.toHex());
    expect(server.contacts()).toEqual([]);
  });
});

describe("who a node is", () => {
  const wrongKey = expect.objectContaining({ message: expect.stringContaining("another key") });

  it("comes from its identity, is the same wherever it runs, and is new where none is given", async () => {
    const identity = await createIdentity();
    const first = await net.open({ identity });
    expect(first.id).toEqual(identity.id);
    expect(first.publicKey).toEqual(identity.publicKey);
    await first.close();
    expect((await net.open({ identity })).id).toEqual(identity.id);
    const [one, two] = [await net.open(), await net.open()];
    expect(one.id.equals(two.id)).toBe(false);
    expect((await net.open(plain)).publicKey).toBeUndefined();
  });

  it("may be signed for elsewhere, and later", async () => {
    const local = await createIdentity();
    const sign = vi.fn(async (message: Uint8Array) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return local.sign(message);
    });
    const remote: Identity = { publicKey: local.publicKey, sign };
    const server = await net.open({ identity: remote });
    expect(server.id).toEqual(local.id);
    const client = await net.open({ bootstrap: [urlOf(server)] });
    await server.set("name", "signed elsewhere");
    await server.announce("a service");
    expect(await client.getText("name", { owner: local.publicKey })).toBe("signed elsewhere");
    expect((await client.findProviders("a service")).providers).toMatchObject([{ id: local.id }]);
    expect(sign).toHaveBeenCalledTimes(3);
  });

  it.each([
    ["never comes", () => new Promise<never>(() => undefined), { code: "signingFailed" }],
    ["is another's", () => new Uint8Array(64), { code: "signingFailed", cause: wrongKey }],
    ["is no signature", () => utf8("signed"), { code: "signingFailed", cause: wrongKey }],
    ["rejects", () => Promise.reject(new Error("the card is not in the reader")), { code: "signingFailed" }],
    [
      "throws",
      () => {
        throw new Error("the card is not in the reader");
      },
      { code: "signingFailed" },
    ],
  ])("is no node where the signature %s", async (_title, sign, expected) => {
    const { publicKey } = await createIdentity();
    const opening = net.open({ identity: { publicKey, sign }, bootstrapTimeoutMs: 50 });
    expect(await rejection(opening)).toMatchObject(expected);
  });

  it("is what a policy decides by: who is not admitted joins nothing", async () => {
    const [friend, stranger] = [await createIdentity(), await createIdentity()];
    const admits = vi.fn((id) => friend.id.equals(id));
    const server = await net.open({ security: { admits } });
    const bootstrap = [urlOf(server)];
    const error = await rejection(net.openClient({ ...quick, identity: stranger, bootstrap }));
    expect(error).toMatchObject({ code: "bootstrapFailed" });
    const member = await net.openClient({ identity: friend, bootstrap });
    expect(member.contacts()).toHaveLength(1);
    expect(admits).toHaveBeenCalledWith(stranger.id, stranger.publicKey, expect.anything());
    expect(server.stats().security?.datagrams?.dropped.refusedByPolicy).toBeGreaterThan(0);
  });
});

describe("a machine of one's own", () => {
  it("stands inside the channels: it hears plain text of proven peers", async () => {
    const heard: (boolean | undefined)[] = [];
    class Listening extends KadNode {
      override handleNetworkEvent(...args: Parameters<KadNode["handleNetworkEvent"]>): void {
        const [, event] = args;
        if (event.type === "message") heard.push(event.from.peer !== undefined);
        super.handleNetworkEvent(...args);
      }
    }
    const node = await net.open({ machine: (options: NodeOptions) => new Listening(options) });
    await net.open({ bootstrap: [urlOf(node)] });
    expect(new Set(heard)).toEqual(new Set([true]));
  });
});

describe("createNode refuses, by option and what is allowed, and never shows a secret", () => {
  const secret = new Uint8Array(32).fill(0xc7);
  const wrong: [string, object, string][] = [
    [
      "an identity that is a seed",
      { identity: secret },
      "identity: bytes; allowed is an Identity, such as await loadOrCreateIdentity(path)",
    ],
    ["an identity that is a path", { identity: "./identity" }, "identity: string; allowed is an Identity"],
    [
      "a network key that is bytes",
      { networkKey: secret },
      "networkKey: bytes; allowed is a NetworkKey, such as await loadNetworkKey(path)",
    ],
    ["a network key that is text", { networkKey: "c7".repeat(32) }, "networkKey: string; allowed is a"],
    ["a network that is no text", { network: 7 }, "network: 7; allowed is a string"],
    ["a network's name of no letters", { network: "" }, "network"],
    ["a network's name that is too long", { network: "x".repeat(256) }, "network"],
    [
      "an id beside an identity",
      { id: provider.sha256(secret) },
      'id: Uint8Array; allowed is nothing unless security is "none"',
    ],
    [
      "an identity in plain text",
      { security: "none", identity: secret },
      'identity: bytes; allowed is nothing where security is "none"',
    ],
    [
      "a network key in plain text",
      { security: "none", networkKey: "secret" },
      "networkKey: string; allowed",
    ],
    ["a network's name in plain text", { security: "none", network: "mine" }, "network: string; allowed"],
    [
      "a policy that is none",
      { security: { admits: "all" } },
      'security.admits: "all"; allowed is a function',
    ],
    ["an unknown bound", { security: { datagrams: { maxSession: 1 } } }, "maxSession"],
    ["a bound out of range", { security: { datagrams: { maxSessions: 0 } } }, "maxSessions: 0"],
    ["a rotation that is too quick", { security: { rotationMs: 1 } }, "rotationMs: 1"],
    [
      "a type of record that is there",
      { validators: { mutable: {} } },
      "validators.mutable: the name is taken",
    ],
  ];

  it.each(wrong)("%s", async (_title, options, message) => {
    const error = await rejection(
      createNode({ listen: "udp://127.0.0.1:0", ...options } as CreateNodeOptions),
    );
    expect(error).toBeInstanceOf(UsageError);
    expect((error as KadError).message).toContain(message);
    expect((error as KadError).message).not.toMatch(/c7c7|199, ?199|secret/);
  });
});
