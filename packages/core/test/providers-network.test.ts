/**
 * Providers in networks of real nodes on virtual time: announced, found, renewed, withdrawn, and lied about.
 */
import { describe, expect, it } from "vitest";
import type { NodeLimits, Protocol, Provider, QueryFinished } from "../src/index.ts";
import { NodeId, nativeProtocol, UsageError } from "../src/index.ts";
import { type Host, Network, type NetworkOptions, sha256 } from "./pair.ts";

const minute = 60_000;
const hour = 60 * minute;

const keyOf = (name: string): NodeId =>
  NodeId.fromBytes(sha256(Uint8Array.from(name, (c) => c.charCodeAt(0))));
const key = keyOf("a service");
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** Nodes that know each other, as far as nodes do. */
function join(count: number, options: NetworkOptions = {}): Network {
  const network = new Network({ delayMs: 20, ...options });
  for (let i = 0; i < count; i++) network.add();
  bootstrapAll(network, network.hosts.slice(1));
  return network;
}

function bootstrapAll(network: Network, hosts: readonly Host[]): void {
  const seed = network.hosts[0] as Host;
  for (const host of hosts) {
    host.node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
    network.run(20);
  }
  network.run(30_000);
}

type Found = Extract<QueryFinished["result"], { type: "providers" }>;
type Stored = Extract<QueryFinished["result"], { type: "stored" }>;

function find(network: Network, host: Host, limit?: number): QueryFinished & { readonly result: Found } {
  const query = host.node.findProviders(network.nowMs, key, limit === undefined ? {} : { limit });
  return network.finish(host, query) as QueryFinished & { readonly result: Found };
}

function announce(
  network: Network,
  host: Host,
  meta = bytes(1, 2, 3),
): QueryFinished & { readonly result: Stored } {
  const query = host.node.announce(network.nowMs, key, { meta });
  return network.finish(host, query) as QueryFinished & { readonly result: Stored };
}

const idsOf = (providers: readonly Provider[]): string[] =>
  providers.map(({ contact }) => contact.id.toHex()).toSorted();
const idsOfHosts = (hosts: readonly Host[]): string[] => hosts.map(({ node }) => node.id.toHex()).toSorted();

describe("in a network of 50", () => {
  it("what one announces, every other finds, with its address and its metadata", () => {
    const network = join(50);
    const [provider] = network.hosts.slice(7) as [Host];
    const stored = announce(network, provider);
    expect(stored.end).toBe("converged");
    expect(stored.result).toMatchObject({ type: "stored", asked: 20, accepted: 20, refusals: {} });
    for (const host of network.hosts) {
      const { end, result, stats } = find(network, host);
      expect(end).toBe("converged");
      if (host === provider) {
        expect(result.providers).toEqual([]);
        continue;
      }
      expect(result.providers).toHaveLength(1);
      const [found] = result.providers as [Provider];
      expect(found.contact).toEqual({ id: provider.node.id, addresses: [provider.address] });
      expect(found.meta).toEqual(bytes(1, 2, 3));
      expect(found.lifetimeMs).toBeGreaterThan(55 * minute);
      expect(found.lifetimeMs).toBeLessThanOrEqual(hour);
      expect(stats.requests).toBeLessThan(40);
    }
  });
});

describe("a popular key", () => {
  /** 300 clients, which say where they are and take part in nothing else, behind 40 servers. */
  const setUp = (): { network: Network; askers: Host[]; providers: Host[] } => {
    const network = join(40);
    const askers = [...network.hosts];
    const providers = Array.from({ length: 300 }, () => network.add({ mode: "client" }));
    for (const { node } of providers) {
      const seeds = askers.slice(0, 30).map(({ address }) => ({ addresses: [address] }));
      node.bootstrap(network.nowMs, seeds.slice(0, 3));
    }
    network.run(5_000);
    for (const { node } of providers) node.announce(network.nowMs, key, { meta: bytes(7) });
    network.run(30_000);
    return { network, askers, providers };
  };
  const { network, askers, providers } = setUp();

  it("gives as many as are asked for, in a bounded number of requests, and others to others", () => {
    const held = askers.filter(({ node }) => node.stats().gauges.providers.used === 300);
    expect(held.length).toBeGreaterThanOrEqual(20);
    const times = new Map<string, number>();
    const known = new Set(idsOfHosts(providers));
    const without = askers.filter(({ node }) => node.stats().gauges.providers.used === 0).slice(0, 10);
    expect(without.length).toBe(10);
    for (const asker of without) {
      const { end, result, stats } = find(network, asker);
      expect(end).toBe("converged");
      expect(result.providers.length).toBe(100);
      expect(stats.requests).toBeLessThan(25);
      const ids = idsOf(result.providers);
      expect(new Set(ids).size).toBe(100);
      for (const id of ids) {
        expect(known.has(id)).toBe(true);
        times.set(id, (times.get(id) ?? 0) + 1);
      }
    }
    // 1,000 draws from 300: whom nobody draws in ten times has a chance of (2/3)^10, so about 5 of 300.
    expect(times.size).toBeGreaterThan(280);
    expect(Math.max(...times.values())).toBeLessThan(10);
  });

  it("gives all of them to whoever asks for all", () => {
    const asker = askers.find(({ node }) => node.stats().gauges.providers.used === 0) as Host;
    const { end, result, stats } = find(network, asker, 1_000);
    expect(end).toBe("converged");
    expect(idsOf(result.providers)).toEqual(idsOfHosts(providers));
    // 20 in a page: 15 pages of each of the 8 closest at most.
    expect(stats.requests).toBeLessThan(140);
  });

  it("is answered at once, and as at random, by who holds it", () => {
    const holder = askers.find(({ node }) => node.stats().gauges.providers.used === 300) as Host;
    const first = find(network, holder, 10);
    const second = find(network, holder, 10);
    expect(first.stats.requests).toBe(0);
    expect(first.result.providers.length).toBe(10);
    expect(idsOf(first.result.providers)).not.toEqual(idsOf(second.result.providers));
  });

  it("is found while it is being found", () => {
    const asker = askers.find(({ node }) => node.stats().gauges.providers.used === 0) as Host;
    const query = asker.node.findProviders(network.nowMs, key, { limit: 1_000, progress: true });
    const { result } = network.finish(asker, query);
    const sizes = asker.events.flatMap((event) =>
      event.type === "queryProgressed" && event.query === query && event.result.type === "providers"
        ? [event.result.providers.length]
        : [],
    );
    expect(sizes.length).toBeGreaterThan(5);
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    expect(sizes[0]).toBeLessThan(150);
    expect((result as Found).providers.length).toBe(300);
  });
});

describe("time", () => {
  it("ends what nobody renews: it is found until its lifetime is over, and then nowhere", () => {
    const network = join(30);
    const [asker, provider] = network.hosts as [Host, Host];
    announce(network, provider);
    provider.isUp = false;
    network.run(59 * minute);
    expect(find(network, asker).result.providers).toHaveLength(1);
    network.run(2 * minute);
    expect(find(network, asker)).toMatchObject({ end: "converged", result: { providers: [] } });
    for (const { node, isUp } of network.hosts) {
      if (!isUp) continue;
      const { providers, providerBytes, providerKeys } = node.stats().gauges;
      expect([providers.used, providerBytes.used, providerKeys.used]).toEqual([0, 0, 0]);
    }
  });

  it("is stood for by renewal, about twice in a lifetime", () => {
    const announcements: number[] = [];
    const network = join(30, {
      onDatagram: (nowMs, _from, _to, sent) => sent[1] === 6 && announcements.push(nowMs),
    });
    const [asker, provider] = network.hosts as [Host, Host];
    announce(network, provider);
    for (let halfHours = 0; halfHours < 12; halfHours++) {
      network.run(30 * minute);
      expect(find(network, asker).result.providers).toHaveLength(1);
    }
    // The first, and one after 24 to 30 minutes each: 12 to 15 more in six hours, 20 holders each.
    expect(announcements.length).toBeGreaterThanOrEqual(13 * 20);
    expect(announcements.length).toBeLessThanOrEqual(16 * 20);
    const finished = provider.events.filter((event) => event.type === "queryFinished");
    expect(finished.map((event) => event.result.type)).toEqual(["nodes", "stored"]);
  });

  it("does not bring renewals together: what is announced at once is renewed apart", () => {
    const announcements = new Map<string, number>();
    const network = join(25, {
      onDatagram: (nowMs, _from, _to, sent) => {
        if (sent[1] === 6) announcements.set(sent.subarray(52, 84).join(), nowMs);
      },
    });
    const [provider] = network.hosts as [Host];
    for (let i = 0; i < 40; i++) provider.node.announce(network.nowMs, keyOf(`service ${i}`));
    network.run(20 * minute);
    announcements.clear();
    network.run(15 * minute);
    const atMs = [...announcements.values()].toSorted((a, b) => a - b);
    expect(atMs.length).toBe(40);
    expect((atMs.at(-1) as number) - (atMs[0] as number)).toBeGreaterThan(3 * minute);
  });

  it("brings an announcement back to its number of holders when most of them have died", () => {
    const network = join(60);
    const provider = network.hosts[5] as Host;
    const { result } = announce(network, provider);
    const dead = new Set(result.holders.slice(0, 15).map(({ id }) => id.key));
    for (const host of network.hosts) if (dead.has(host.node.id.key)) host.isUp = false;
    const asker = network.hosts.find(({ isUp, node }) => isUp && node !== provider.node) as Host;
    const holding = () =>
      network.hosts.filter(({ isUp, node }) => isUp && node.stats().gauges.providers.used === 1).length;
    expect(holding()).toBe(5);
    network.run(31 * minute);
    expect(holding()).toBe(20);
    provider.isUp = false;
    expect(idsOf(find(network, asker).result.providers)).toEqual(idsOfHosts([provider]));
  });

  it("does not stop an announcement that was made before there was anybody to tell", () => {
    const network = new Network({ delayMs: 20 });
    const hosts = Array.from({ length: 20 }, () => network.add());
    const [seed, provider] = hosts as [Host, Host];
    expect(announce(network, provider)).toMatchObject({
      end: "exhausted",
      result: { asked: 0, accepted: 0 },
    });
    bootstrapAll(network, hosts.slice(1));
    expect(find(network, seed).result.providers).toHaveLength(1);
  });

  it("of a node that slept does not matter: it announces again when it wakes", () => {
    const network = join(30);
    const [asker, provider] = network.hosts as [Host, Host];
    provider.node.handleNetworkEvent(network.nowMs, { type: "wallClock", unixMs: 1e12 });
    announce(network, provider);
    // Its monotonic clock stands still while the others' goes on.
    provider.isUp = false;
    network.run(2 * hour);
    expect(find(network, asker).result.providers).toEqual([]);
    provider.isUp = true;
    provider.node.handleNetworkEvent(network.nowMs, { type: "wallClock", unixMs: 1e12 + 5 * hour });
    network.run(20_000);
    expect(find(network, asker).result.providers).toHaveLength(1);
  });
});

describe("a withdrawal", () => {
  it("reaches all holders, and is the end of it", () => {
    let told = 0;
    const network = join(40, { onDatagram: (_nowMs, _from, _to, sent) => void (sent[1] === 6 && told++) });
    const [asker, provider] = network.hosts as [Host, Host];
    announce(network, provider);
    expect(provider.node.stats().gauges.ownProviders).toEqual({ used: 1, limit: 1_024 });
    told = 0;
    const { end, result } = network.finish(provider, provider.node.withdraw(network.nowMs, key));
    expect([end, result]).toMatchObject([
      "converged",
      { type: "stored", asked: 20, accepted: 20, refusals: {} },
    ]);
    expect(told).toBe(20);
    for (const { node } of network.hosts) expect(node.stats().gauges.providers.used).toBe(0);
    expect(find(network, asker).result.providers).toEqual([]);
    network.run(2 * hour);
    expect(told).toBe(20);
    expect(provider.node.stats().gauges.ownProviders.used).toBe(0);
    expect(find(network, asker).result.providers).toEqual([]);
  });

  it("reaches also those to whom a renewal has brought it", () => {
    const network = join(30);
    const provider = network.hosts[3] as Host;
    announce(network, provider);
    for (let i = 0; i < 30; i++) network.add();
    bootstrapAll(network, network.hosts.slice(30));
    network.run(45 * minute);
    const holding = () => network.hosts.filter(({ node }) => node.stats().gauges.providers.used > 0).length;
    expect(holding()).toBeGreaterThan(20);
    network.finish(provider, provider.node.withdraw(network.nowMs, key));
    expect(holding()).toBe(0);
  });

  it("of what is just being announced ends that, and leaves nothing behind", () => {
    const network = join(30);
    const provider = network.hosts[3] as Host;
    const announced = provider.node.announce(network.nowMs, key);
    network.run(200, () => network.hosts.some(({ node }) => node.stats().gauges.providers.used > 0));
    const query = provider.node.withdraw(network.nowMs, key);
    expect(network.finish(provider, announced).end).toBe("cancelled");
    expect(network.finish(provider, query).end).toBe("converged");
    network.run(minute);
    for (const { node } of network.hosts) expect(node.stats().gauges.providers.used).toBe(0);
  });

  it("of what was never announced asks nobody", () => {
    const network = join(5);
    const [host] = network.hosts as [Host];
    const { end, result, stats } = network.finish(host, host.node.withdraw(network.nowMs, key));
    expect([end, result]).toMatchObject(["converged", { type: "stored", asked: 0, accepted: 0 }]);
    expect(stats.requests).toBe(0);
  });

  it("tells of holders that are gone, and waits for them no longer than for any peer", () => {
    const network = join(25);
    const provider = network.hosts[3] as Host;
    const { result: before } = announce(network, provider);
    const gone = new Set(before.holders.slice(0, 4).map(({ id }) => id.key));
    for (const host of network.hosts) if (gone.has(host.node.id.key)) host.isUp = false;
    const { end, result, stats } = network.finish(provider, provider.node.withdraw(network.nowMs, key));
    expect([end, result]).toMatchObject([
      "converged",
      { asked: 20, accepted: 16, refusals: { noAnswer: 4 } },
    ]);
    expect(stats.durationMs).toBeLessThan(10_000);
  });
});

describe("what is announced", () => {
  it("can be said anew: the newer replaces what holders keep, and ends the one under way", () => {
    const network = join(30);
    const [asker, provider] = network.hosts as [Host, Host];
    announce(network, provider, bytes(1));
    const first = provider.node.announce(network.nowMs, key, { meta: bytes(2) });
    const second = provider.node.announce(network.nowMs, key, { meta: bytes(3) });
    expect(network.finish(provider, first).end).toBe("cancelled");
    expect(network.finish(provider, second).end).toBe("converged");
    expect(find(network, asker).result.providers[0]?.meta).toEqual(bytes(3));
    network.run(40 * minute);
    expect(find(network, asker).result.providers[0]?.meta).toEqual(bytes(3));
    expect(provider.node.stats().gauges.ownProviders.used).toBe(1);
  });

  it("stays announced when its query is cancelled", () => {
    const network = join(30);
    const [asker, provider] = network.hosts as [Host, Host];
    const query = provider.node.announce(network.nowMs, key);
    expect(provider.node.cancel(network.nowMs, query)).toBe(true);
    network.run(minute);
    expect(find(network, asker).result.providers).toHaveLength(1);
  });

  it("follows its provider to another address", () => {
    const network = join(30);
    const [asker] = network.hosts as [Host];
    const provider = network.add({ mode: "client" });
    provider.node.bootstrap(network.nowMs, [{ addresses: [asker.address] }]);
    network.run(5_000);
    announce(network, provider);
    const address = network.addresses.parse("udp://203.0.113.9:999");
    provider.node.handleNetworkEvent(network.nowMs, { type: "addressesChanged", addresses: [address] });
    network.run(15_000);
    expect(find(network, asker).result.providers[0]?.contact.addresses).toEqual([address]);
  });

  it("is known in a network of two from the provider itself, and from the other when that is gone", () => {
    const network = join(2);
    const [other, provider] = network.hosts as [Host, Host];
    announce(network, provider);
    const third = network.add();
    bootstrapAll(network, [third]);
    other.isUp = false;
    const fromProvider = find(network, third);
    expect(fromProvider.result.providers.map(({ contact }) => contact.addresses)).toEqual([
      [provider.address],
    ]);
    other.isUp = true;
    provider.isUp = false;
    expect(idsOf(find(network, third).result.providers)).toEqual(idsOfHosts([provider]));
    expect(idsOf(find(network, other).result.providers)).toEqual(idsOfHosts([provider]));
  });

  it("is found in spite of loss", () => {
    const network = join(40, { loss: 0.15, seed: 3 });
    const [asker, provider] = network.hosts as [Host, Host];
    expect(announce(network, provider).result.accepted).toBeGreaterThanOrEqual(15);
    expect(find(network, asker).result.providers).toHaveLength(1);
  });

  it("is several keys' and several nodes', each by itself", () => {
    const network = join(30);
    const [asker, ...others] = network.hosts as [Host, ...Host[]];
    const announced = others.slice(0, 12).map((host, i) => {
      const name = keyOf(`service ${i % 3}`);
      host.node.announce(network.nowMs, name);
      return { host, name };
    });
    network.run(minute);
    for (let i = 0; i < 3; i++) {
      const query = asker.node.findProviders(network.nowMs, keyOf(`service ${i}`));
      const { result } = network.finish(asker, query) as { result: Found };
      const expected = announced.filter(({ name }) => name.equals(keyOf(`service ${i}`)));
      expect(idsOf(result.providers)).toEqual(idsOfHosts(expected.map(({ host }) => host)));
    }
  });
});

describe("a node refuses at once to announce", () => {
  const limits: Partial<NodeLimits> = { maxOwnProviders: 1 };
  const node = (mode: "server" | "client" = "server"): Host => new Network({ limits }).add({ mode });
  const caught = (call: () => unknown): unknown => {
    try {
      call();
      return undefined;
    } catch (error) {
      return error;
    }
  };

  it.each([
    ["metadata over 512 bytes", { meta: new Uint8Array(513) }, "invalidRecord", "meta: 513 bytes"],
    ["metadata that are no bytes", { meta: "text" as unknown as Uint8Array }, "invalidRecord", "meta:"],
    ["a lifetime under 10 s", { lifetimeMs: 9_999 }, "invalidRecord", "10000 to 3600000 ms"],
    ["a lifetime over the limit", { lifetimeMs: hour + 1 }, "invalidRecord", "10000 to 3600000 ms"],
    ["a lifetime that is no number", { lifetimeMs: Number.NaN }, "invalidRecord", "lifetimeMs"],
  ])("%s", (_, announcement, code, message) => {
    const { node: own } = node();
    const error = caught(() => own.announce(0, key, announcement)) as UsageError;
    expect(error).toBeInstanceOf(UsageError);
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(own.stats().gauges.ownProviders.used).toBe(0);
    expect(own.stats().gauges.queries.used).toBe(0);
  });

  it("as a client without addresses, but not with one", () => {
    const { node: client, address } = node("client");
    client.handleNetworkEvent(0, { type: "addressesChanged", addresses: [] });
    expect(caught(() => client.announce(0, key))).toMatchObject({ code: "noAddress" });
    client.handleNetworkEvent(0, { type: "addressesChanged", addresses: [address] });
    expect(client.announce(0, key)).toBeGreaterThan(0);
  });

  it("more keys than it may, though the same one again", () => {
    const { node: own } = node();
    own.announce(0, key);
    expect(caught(() => own.announce(0, keyOf("another")))).toMatchObject({ code: "tooMany" });
    own.announce(0, key);
    own.withdraw(0, key);
    own.announce(0, keyOf("another"));
    expect(own.stats().gauges.ownProviders).toEqual({ used: 1, limit: 1 });
  });

  it.each([[0], [1_001], [1.5], ["3" as unknown as number]])("nor looks for %s of them", (limit) => {
    expect(caught(() => node().node.findProviders(0, key, { limit }))).toMatchObject({
      code: "invalidOption",
    });
  });

  it("a key of another length, or after it was closed", () => {
    const { node: own } = node();
    const short = NodeId.fromBytes(bytes(1, 2));
    for (const call of [
      () => own.announce(0, short),
      () => own.withdraw(0, short),
      () => own.findProviders(0, short),
    ])
      expect(caught(call)).toMatchObject({ code: "invalidId" });
    own.announce(0, key);
    own.close(0);
    for (const call of [
      () => own.announce(0, key),
      () => own.withdraw(0, key),
      () => own.findProviders(0, key),
    ])
      expect(caught(call)).toMatchObject({ code: "closed" });
    expect(own.nextDeadline()).toBeUndefined();
  });
});

describe("a protocol without requests for providers", () => {
  it("ends what needs them at once, with the reason, and renews nothing", () => {
    const network = join(3);
    const native = nativeProtocol({ addresses: network.addresses });
    const protocol: Protocol = {
      name: "without",
      idBytes: 32,
      requests: new Set(
        [...native.requests].filter((type) => !type.endsWith("Providers") && !type.endsWith("Provider")),
      ),
      decode: (message) => native.decode(message),
      encode: (message, into, room, padded) => native.encode(message, into, room, padded),
    };
    const host = network.add({ protocol });
    bootstrapAll(network, [host]);
    const announced = announce(network, host);
    expect([announced.end, announced.result.refusals]).toEqual(["exhausted", { unsupported: 1 }]);
    expect(find(network, host)).toMatchObject({ end: "exhausted", result: { providers: [], contacts: [] } });
    const withdrawn = network.finish(host, host.node.withdraw(network.nowMs, key));
    expect(withdrawn).toMatchObject({ end: "converged", result: { asked: 0 } });
    expect(host.node.stats().gauges.ownProviders.used).toBe(0);
  });
});
