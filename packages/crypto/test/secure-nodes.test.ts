import { immutableRecord, type NodeEvent } from "@kad/core";
import { describe, expect, it } from "vitest";
import { NetworkKey } from "../src/network.ts";
import { NodeNetwork, type SecureHost } from "./support/node-network.ts";
import { native } from "./support/providers.ts";

const sha256 = (bytes: Uint8Array) => native.sha256(bytes);

/** Nodes in subnets of their own that have all joined through the first. */
function joined(count: number, { loss = 0, networkKey }: { loss?: number; networkKey?: NetworkKey } = {}) {
  const network = new NodeNetwork(`${count} ${loss}`);
  network.loss = loss;
  const keyed = networkKey === undefined ? {} : { networkKey };
  for (let i = 0; i < count; i++) {
    const host = network.add(`udp://10.${i}.0.7:4000`, {}, keyed);
    const first = network.hosts[0] as SecureHost;
    if (i === 0) continue;
    const query = host.machine.bootstrap(network.nowMs, [{ addresses: [first.address] }]);
    network.finish(host, query);
  }
  network.run(5_000);
  return network;
}

const dropsOf = (hosts: readonly SecureHost[]) => {
  const sum: Record<string, number> = {};
  for (const { channel, machine } of hosts) {
    for (const [reason, count] of Object.entries({ ...machine.stats().dropped, ...channel.stats().dropped }))
      if (count > 0) sum[reason] = (sum[reason] ?? 0) + count;
  }
  return sum;
};

describe("nodes in channels", () => {
  it("join, find each other, keep and find values, and say nothing in plain text", () => {
    const network = joined(24);
    const [first, second] = [network.hosts[3] as SecureHost, network.hosts[17] as SecureHost];
    const record = immutableRecord(sha256, new TextEncoder().encode("nobody on the path reads this"));
    const put = network.finish(first, first.machine.put(network.nowMs, record, { keep: false }));
    expect(put.result).toMatchObject({ type: "stored", accepted: 20, refusals: {} });
    const got = network.finish(second, second.machine.get(network.nowMs, record.key));
    expect(got.result).toMatchObject({ type: "value", record: { body: record.body } });
    for (const [type, count] of network.sentByType.entries())
      if (type < 5 || type > 10) expect(count).toBe(0);
    const { simultaneous: _, ...others } = dropsOf(network.hosts);
    expect(others).toEqual({});
  });

  it("know whom they speak with: every contact has proven its id", () => {
    const network = joined(10);
    const ids = new Map(network.hosts.map(({ machine, address }) => [address.key, machine.id.toHex()]));
    const discovered = network.hosts.flatMap(({ events }) =>
      events.flatMap((event) => (event.type === "nodeDiscovered" ? [event.contact] : [])),
    );
    expect(discovered.length).toBeGreaterThan(30);
    for (const { id, addresses } of discovered) expect(ids.get(addresses[0]?.key ?? "")).toBe(id.toHex());
  });

  it("pay the handshake once: a second walk costs a round trip for each request", () => {
    const network = joined(24);
    const host = network.hosts[5] as SecureHost;
    network.finish(host, host.machine.findNode(network.nowMs, (network.hosts[9] as SecureHost).machine.id));
    const before = [...network.sentByType];
    const again = network.finish(
      host,
      host.machine.findNode(network.nowMs, (network.hosts[9] as SecureHost).machine.id),
    );
    expect(network.sentByType[5]).toBe(before[5]);
    expect(again.end).toBe("converged");
    expect(again.stats.durationMs).toBeLessThanOrEqual(20 * (again.stats.rounds + 1));
  });

  it("deliver application messages, large ones too, and their answers", () => {
    const network = joined(2);
    const [alice, bob] = network.hosts as [SecureHost, SecureHost];
    bob.machine.setProtocols(["test/1"]);
    for (const length of [10, 1_000, 1_100]) {
      const to = { id: bob.machine.id, addresses: [bob.address] };
      const body = new Uint8Array(length).fill(7);
      const query = alice.machine.send(network.nowMs, to, "test/1", body);
      const isMessage = (event: NodeEvent) =>
        event.type === "messageReceived" && event.body.length === length;
      network.run(5_000, () => bob.events.some(isMessage));
      const message = bob.events.find(isMessage);
      if (message?.type !== "messageReceived") throw new Error("no message");
      expect(message.from.peer?.equals(alice.machine.id)).toBe(true);
      expect(bob.machine.reply(network.nowMs, message.reply, body)).toBe(true);
      expect(network.finish(alice, query).result).toEqual({ type: "reply", body });
    }
  });

  it.each([0.1, 0.3])("join and find values while a share of %d of all packets is lost", (loss) => {
    const network = joined(16, { loss });
    const [first, second] = [network.hosts[3] as SecureHost, network.hosts[12] as SecureHost];
    const record = immutableRecord(sha256, new TextEncoder().encode("through thick and thin"));
    network.finish(first, first.machine.put(network.nowMs, record));
    const got = network.finish(second, second.machine.get(network.nowMs, record.key));
    expect(got.result).toMatchObject({ type: "value", record: { body: record.body } });
  });

  it("are no neighbours of who has another network key", () => {
    const network = joined(4, { networkKey: NetworkKey.fromHex("11".repeat(32)) });
    const stranger = network.add("udp://10.99.0.7:4000");
    const first = network.hosts[0] as SecureHost;
    const query = stranger.machine.bootstrap(network.nowMs, [{ addresses: [first.address] }]);
    expect(network.finish(stranger, query).end).toBe("exhausted");
    expect(stranger.channel.stats().received.challenge).toBe(0);
    expect(first.channel.stats().dropped.helloForged).toBeGreaterThan(0);
  });

  it("of which one is restarted with its identity find it again", () => {
    const network = joined(8);
    const old = network.hosts[4] as SecureHost;
    const { key: url } = old.address;
    old.isUp = false;
    network.run(1_000);
    network.hosts.splice(4, 1);
    const again = network.add(url);
    expect(again.machine.id.equals(old.machine.id)).toBe(true);
    const asker = network.hosts[2] as SecureHost;
    const to = { id: again.machine.id, addresses: [again.address] };
    const ping = network.finish(asker, asker.machine.ping(network.nowMs, to));
    expect(ping.result).toMatchObject({ type: "pong", contact: { id: again.machine.id } });
  });

  it("say goodbye when they close, and are drained then", () => {
    const network = joined(6);
    const [closing, other] = [network.hosts[2] as SecureHost, network.hosts[3] as SecureHost];
    network.finish(
      closing,
      closing.machine.ping(network.nowMs, { id: other.machine.id, addresses: [other.address] }),
    );
    const before = other.channel.stats().gauges.sessions.used;
    closing.machine.close(network.nowMs);
    closing.machine.close(network.nowMs);
    network.run(100);
    expect(closing.machine.drained).toBe(true);
    expect(other.channel.stats().gauges.sessions.used).toBe(before - 1);
    expect(other.channel.stats().sessionsEnded.closedByPeer).toBe(1);
    expect(closing.machine.nextDeadline()).toBeUndefined();
  });

  it("on one host are hindered by no limit: 128 of them join at once", () => {
    const network = new NodeNetwork("loopback");
    network.delayMs = 1;
    for (let i = 0; i < 128; i++) network.add(`udp://127.0.0.1:${5_000 + i}`);
    const first = network.hosts[0] as SecureHost;
    const joins = network.hosts
      .slice(1)
      .map(
        (host) => [host, host.machine.bootstrap(network.nowMs, [{ addresses: [first.address] }])] as const,
      );
    for (const [host, query] of joins) expect(network.finish(host, query).end).toBe("converged");
    const drops = dropsOf(network.hosts);
    for (const reason of [
      "hellosLimited",
      "prefixLimited",
      "handshakesLimited",
      "challengesFull",
      "rateLimited",
    ])
      expect(drops[reason], reason).toBeUndefined();
  });
});
