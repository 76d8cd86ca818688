/** What a node says of itself as a provider, under its own signature. */
import { KadNode, type NodeOptions } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type DhtNode, keyOfName } from "../src/index.ts";
import { anyones, Loopback, plain, rejection, urlOf, utf8 } from "./support/network.ts";

const net = new Loopback({});
afterEach(async () => {
  vi.restoreAllMocks();
  await net.close();
});

/** Nobody is told when a test is over: all close at once then. */
const quick = { closeTimeoutMs: 0 } as const;

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

describe("an announcement", () => {
  it("is found with proof: who, with which public key, at which addresses, and what it says", async () => {
    const [first, server, asker] = (await net.openNetwork(3, quick)) as [DhtNode, DhtNode, DhtNode];
    await server.announce("printing", { meta: "2nd floor" });
    const { providers } = await asker.findProviders("printing");
    expect(providers).toMatchObject([{ id: server.id, isProven: true, publicKey: server.publicKey }]);
    expect(text(providers[0]?.meta)).toBe("2nd floor");
    expect(providers[0]?.contact.addresses.map(({ key }) => key)).toContain(urlOf(server));
    await server.set("motto", "paper is patient");
    const owner = providers[0]?.publicKey as Uint8Array;
    expect(await first.getText("motto", { owner })).toBe("paper is patient");
  });

  it("in plain text is not proven", async () => {
    const [first, server] = (await net.openNetwork(2, { ...plain, ...quick })) as [DhtNode, DhtNode];
    await server.announce("printing", { meta: "2nd floor" });
    const { providers } = await first.findProviders("printing");
    expect(providers).toMatchObject([{ id: server.id, isProven: false, publicKey: undefined }]);
    expect(text(providers[0]?.meta)).toBe("2nd floor");
  });

  it("without a signature is refused by those who keep signed ones", async () => {
    /** Announces what it is told, unsigned, as a node that skips the signature would. */
    class Unsigned extends KadNode {
      override announce(...[nowMs, key, , options]: Parameters<KadNode["announce"]>): number {
        return super.announce(nowMs, key, { meta: utf8("believe me") }, options);
      }
    }
    const [first] = await net.openNetwork(3, quick);
    const machine = (options: NodeOptions): KadNode =>
      new Unsigned({ ...options, providerValidator: trusting });
    const liar = await net.open({ machine, bootstrap: [urlOf(first)] });
    expect(await rejection(liar.announce("printing"))).toMatchObject({
      code: "announceFailed",
      accepted: 0,
      refusals: { invalidRecord: 3 },
    });
    expect((await first.findProviders("printing")).providers).toEqual([]);
  });

  it("is made anew when its addresses have changed or half a day has passed, and not before", async () => {
    const { setInterval: repeat } = globalThis;
    // The ten minutes between two looks at it, which nothing else waits for.
    vi.spyOn(globalThis, "setInterval").mockImplementation(((callback: () => void, ms?: number) =>
      repeat(callback, ms === 600_000 ? 20 : ms)) as typeof setInterval);
    const [first, server] = (await net.openNetwork(2, quick)) as [DhtNode, DhtNode];
    const sent = vi.fn();
    await server.announce("printing", { meta: "2nd floor" });
    server.addEventListener("query:end", ({ detail }) => {
      if (detail.result.type === "stored") sent(detail.result.accepted);
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).not.toHaveBeenCalled();
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 13 * 3_600_000);
    await vi.waitUntil(() => sent.mock.calls.length > 0, { timeout: 30_000 });
    expect(sent).toHaveBeenCalledWith(1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).toHaveBeenCalledTimes(1);
    expect(text((await first.findProviders("printing")).providers[0]?.meta)).toBe("2nd floor");
  });

  it("of 401 bytes fits beside its signature, and of one more does not", async () => {
    const [first, server] = (await net.openNetwork(2, quick)) as [DhtNode, DhtNode];
    await server.announce("printing", { meta: "x".repeat(401) });
    const [provider] = (await first.findProviders("printing")).providers;
    expect(provider?.meta).toHaveLength(401);
    expect(provider?.contact.addresses.map(({ key }) => key)).toContain(urlOf(server)); // where it was seen
    expect(await rejection(server.announce("printing", { meta: "x".repeat(402) }))).toMatchObject({
      code: "invalidRecord",
      message: "meta: 402 bytes; allowed are 0 to 401 bytes",
    });
  });

  it("that is signed too slowly counts as it was said: the later one stays", async () => {
    const { publicKey, sign } = await slowSigner();
    const first = await net.open();
    const server = await net.open({ ...quick, identity: { publicKey, sign }, bootstrap: [urlOf(first)] });
    const earlier = server.announce("printing", { meta: "slow, and said first" });
    const later = server.announce("printing", { meta: "quick, and said last" });
    await Promise.allSettled([earlier, later]);
    expect(await rejection(earlier)).toMatchObject({ code: "announceFailed", end: "cancelled" });
    const { providers } = await first.findProviders("printing");
    expect(providers.map(({ meta }) => text(meta))).toEqual(["quick, and said last"]);
  });

  it("and a name that are never signed end with an abort, and when the node closes", async () => {
    const { publicKey, sign } = await signerThatStops();
    const [first] = await net.openNetwork(1, quick);
    const server = await net.open({ ...quick, identity: { publicKey, sign }, bootstrap: [urlOf(first)] });
    const signal = AbortSignal.timeout(50);
    expect(await rejection(server.announce("printing", { signal }))).toBe(signal.reason);
    expect(await rejection(server.set("name", "value", { signal }))).toBe(signal.reason);
    const waiting = [rejection(server.announce("printing")), rejection(server.set("name", "value"))];
    await server.set("name", "an open one needs no signature", anyones);
    await server.close();
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ code: "closed" });
    expect(first.stats().gauges.providers.used).toBe(0);
    expect(first.keyOf("name", anyones)).toEqual(keyOfName("name"));
  });
});

const trusting = { validate: () => undefined };

interface Signer {
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
}

/** Takes its time for the second signature, the first after that of the certificate. */
async function slowSigner(): Promise<Signer> {
  return await signerBy((count) => (count === 2 ? 200 : 0));
}

async function signerThatStops(): Promise<Signer> {
  return await signerBy((count) => (count === 1 ? 0 : undefined));
}

async function signerBy(delayMs: (count: number) => number | undefined): Promise<Signer> {
  const { createIdentity } = await import("../src/index.ts");
  const identity = await createIdentity();
  let count = 0;
  return {
    publicKey: identity.publicKey,
    sign: async (message) => {
      const ms = delayMs(++count);
      if (ms === undefined) return await new Promise<never>(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, ms));
      return identity.sign(message);
    },
  };
}
