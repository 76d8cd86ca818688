/**
 * Signed records on a network of nodes in channels: what an owner says stands everywhere, until it says something else.
 */
import type { NodeOptions, QueryFinished } from "@kad/core";
import { describe, expect, it } from "vitest";
import { SeedIdentity } from "../../src/identity.ts";
import { Network } from "../../src/network.ts";
import { type MutableContent, MutableRecords } from "../../src/records/mutable-records.ts";
import { SignedProviders } from "../../src/records/signed-providers.ts";
import { NodeNetwork, type SecureHost } from "../support/node-network.ts";
import { native } from "../support/providers.ts";
import { SeededRandom } from "../support/random.ts";

const second = 1_000;
const minute = 60 * second;
const epochMs = 1_700_000_000_000;
const kad = new Network(native, "kad");
const records = new MutableRecords({ provider: native, network: kad });
const owner = SeedIdentity.generate(native, new SeededRandom("owner"));
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

function urlOf(i: number): string {
  return `udp://10.${i}.0.7:4000`;
}

/** Nodes that have joined through the first, know the wall clock, and know signed records. */
function joined(count: number): NodeNetwork {
  const network = new NodeNetwork(`records ${count}`);
  const providers = new SignedProviders({ provider: native, network: kad, addresses: network.addresses });
  const options: Partial<NodeOptions> = {
    validators: records.validators,
    providerValidator: providers.validator,
  };
  for (let i = 0; i < count; i++) {
    const host = network.add(urlOf(i), options);
    host.machine.handleNetworkEvent(network.nowMs, { type: "wallClock", unixMs: epochMs + network.nowMs });
    if (i === 0) continue;
    const first = network.hosts[0] as SecureHost;
    network.finish(host, host.machine.bootstrap(network.nowMs, [{ addresses: [first.address] }]));
  }
  network.run(5 * second);
  return network;
}

const hostOf = (network: NodeNetwork, i: number): SecureHost => network.hosts[i] as SecureHost;

function resultOf<T extends QueryFinished["result"]["type"]>(finished: QueryFinished, type: T) {
  if (finished.result.type !== type) throw new Error(finished.result.type);
  return finished.result as Extract<QueryFinished["result"], { type: T }>;
}

async function put(network: NodeNetwork, by: SecureHost, content: MutableContent, expectedSeq?: number) {
  const record = await records.sign(owner, content);
  const swap = expectedSeq === undefined ? {} : { expectedSeq };
  const query = by.machine.put(network.nowMs, record, { keep: false, ...swap });
  const { accepted, refusals } = resultOf(network.finish(by, query), "stored");
  return { accepted, refusals };
}

function get(network: NodeNetwork, by: SecureHost, salt?: Uint8Array) {
  const query = by.machine.get(network.nowMs, records.keyOf(owner.publicKey, salt));
  const { record } = resultOf(network.finish(by, query), "value");
  return record === undefined ? undefined : records.read(record.body);
}

describe("a mutable record on a network", () => {
  it("is what its owner said last, from wherever it is asked for", async () => {
    const network = joined(24);
    const value = new Uint8Array(896).fill(7);
    expect(await put(network, hostOf(network, 3), { value, seq: 1 })).toEqual({ accepted: 20, refusals: {} });
    expect(get(network, hostOf(network, 17))).toMatchObject({ value, seq: 1, publicKey: owner.publicKey });
    await put(network, hostOf(network, 8), { value: text("second"), seq: 2 });
    for (const host of network.hosts) expect(get(network, host)?.value).toEqual(text("second"));
    expect(await put(network, hostOf(network, 3), { value: text("late"), seq: 1 })).toEqual({
      accepted: 0,
      refusals: { superseded: 20 },
    });
  });

  it("is swapped by those who have read what stands there, not by those who have not", async () => {
    const network = joined(24);
    await put(network, hostOf(network, 3), { value: text("first"), seq: 10 });
    expect(await put(network, hostOf(network, 4), { value: text("second"), seq: 20 }, 10)).toEqual({
      accepted: 20,
      refusals: {},
    });
    const late = await put(network, hostOf(network, 5), { value: text("third"), seq: 30 }, 10);
    expect(late.accepted).toBe(0);
    expect(get(network, hostOf(network, 9))?.value).toEqual(text("second"));
  });

  it("is one of two that were put at once with one number, the same everywhere", async () => {
    const network = joined(24);
    await put(network, hostOf(network, 3), { value: text("one"), seq: 1 });
    await put(network, hostOf(network, 4), { value: text("two"), seq: 1 });
    const values = network.hosts.map((host) => new TextDecoder().decode(get(network, host)?.value));
    expect(new Set(values).size).toBe(1);
  });

  it("whose number is a time ends for good: who has kept it cannot bring it back", async () => {
    const network = joined(24);
    const content = {
      value: text("until then"),
      seq: epochMs + network.nowMs,
      ttlSeconds: 60,
      seqIsTime: true,
    };
    expect((await put(network, hostOf(network, 3), content)).accepted).toBe(20);
    network.run(50 * second);
    expect(get(network, hostOf(network, 9))?.value).toEqual(text("until then"));
    network.run(11 * second);
    expect(get(network, hostOf(network, 9))).toBeUndefined();
    const record = await records.sign(owner, content);
    expect(() => hostOf(network, 5).machine.put(network.nowMs, record)).toThrow(
      "mutable: it says of itself that it is over",
    );
    // One who does not know the time, as a rogue would not.
    const rogue = network.add(urlOf(99), { validators: records.validators });
    const { address } = hostOf(network, 0);
    network.finish(rogue, rogue.machine.bootstrap(network.nowMs, [{ addresses: [address] }]));
    const { accepted, refusals } = resultOf(
      network.finish(rogue, rogue.machine.put(network.nowMs, record, { keep: false })),
      "stored",
    );
    expect({ accepted, refusals }).toEqual({ accepted: 0, refusals: { expired: 20 } });
    for (const { machine } of network.hosts) expect(machine.stats().misbehaviour.invalidValue).toBe(0);
  });

  it("of a short life is renewed by whoever keeps it, for as long as it does", async () => {
    const network = joined(24);
    const by = hostOf(network, 3);
    const record = await records.sign(owner, { value: text("brief"), seq: 1, ttlSeconds: 600 });
    network.finish(by, by.machine.put(network.nowMs, record));
    network.run(60 * minute);
    expect(get(network, hostOf(network, 9))?.value).toEqual(text("brief"));
    by.isUp = false;
    network.run(11 * minute);
    expect(get(network, hostOf(network, 9))).toBeUndefined();
  });
});

describe("a signed provider on a network", () => {
  it("is found with what it says, and nobody who does not sign", () => {
    const network = joined(24);
    const key = owner.id;
    const providers = new SignedProviders({ provider: native, network: kad, addresses: network.addresses });
    const by = hostOf(network, 3);
    const identity = SeedIdentity.generate(native, new SeededRandom(`identity of ${urlOf(3)}`));
    expect(identity.id.equals(by.machine.id)).toBe(true);
    const meta = providers.sign(identity, key, {
      unixMs: epochMs + network.nowMs,
      meta: text("I serve this"),
      addresses: [by.address],
    }) as Uint8Array;
    const stored = network.finish(by, by.machine.announce(network.nowMs, key, { meta }));
    expect(stored.result).toMatchObject({ accepted: 20, refusals: {} });
    const other = hostOf(network, 9);
    expect(() => other.machine.announce(network.nowMs, key, { meta: text("me too") })).toThrow(
      "meta: shorter than a statement that says nothing",
    );
    expect(() => other.machine.announce(network.nowMs, key, { meta })).toThrow(
      "meta: the public key is another's",
    );
    const found = resultOf(
      network.finish(other, other.machine.findProviders(network.nowMs, key)),
      "providers",
    );
    expect(found.providers.map(({ contact }) => contact.id.toHex())).toEqual([by.machine.id.toHex()]);
    expect(providers.read(found.providers[0]?.meta as Uint8Array)).toMatchObject({
      meta: text("I serve this"),
      addresses: [by.address],
    });
  });
});
