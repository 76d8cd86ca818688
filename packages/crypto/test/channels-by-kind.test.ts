import {
  AddressTable,
  type Commands,
  immutableRecord,
  KadNode,
  type Machine,
  type NodeEvent,
  type Path,
  type QueryFinished,
  type SocketAddress,
} from "@kad/core";
import { describe, expect, it } from "vitest";
import { channelsByKind } from "../src/channels-by-kind.ts";
import { Credentials } from "../src/credentials.ts";
import {
  type DatagramChannel,
  datagramOverheadBytes,
  secureDatagrams,
} from "../src/datagrams/datagram-channel.ts";
import { SeedIdentity } from "../src/identity.ts";
import { secure } from "../src/secure.ts";
import { type StreamChannel, secureStreams } from "../src/streams/stream-channel.ts";
import { native } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

const sha256 = (bytes: Uint8Array) => native.sha256(bytes);

interface Host {
  readonly machine: Machine<NodeEvent> & Commands;
  readonly datagrams: DatagramChannel;
  readonly streams: StreamChannel;
  readonly addresses: readonly SocketAddress[];
  readonly events: NodeEvent[];
}

/** Nodes with one UDP and one TCP address each, on a wire without delay or loss. */
class Network {
  readonly addresses = new AddressTable({ overheadBytes: datagramOverheadBytes });
  readonly hosts: Host[] = [];
  /** By the key of the address that a side sends to: the other side, and as what it sees the first. */
  readonly #ends = new Map<string, { readonly to: Host; readonly from: Path }>();
  readonly #scratch = new Uint8Array(70_000);
  #nowMs = 1_000;
  #ports = 50_000;

  constructor() {
    this.addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
    this.addresses.setLink("tcp4", { link: 2, maxBytes: 2 ** 20 });
  }

  add(name: string): Host {
    const { addresses } = this;
    const nowMs = this.#nowMs;
    const random = new SeededRandom(`random of ${name}`);
    const credentials = new Credentials({
      provider: native,
      identity: SeedIdentity.generate(native, new SeededRandom(`identity of ${name}`)),
      keys: new SeededRandom(`keys of ${name}`),
      nowMs,
    });
    const datagrams = secureDatagrams({ credentials, random, addresses, nowMs });
    const streams = secureStreams({ credentials, addresses, nowMs });
    const node = new KadNode({ id: credentials.id, random, sha256, addresses, padRequests: false });
    const machine = secure(node, channelsByKind({ datagrams, streams }));
    const ip = `10.0.${this.hosts.length}.1`;
    const own = [addresses.parse(`udp://${ip}:1`), addresses.parse(`tcp://${ip}:1`)];
    const host = { machine, datagrams, streams, addresses: own, events: [] };
    this.hosts.push(host);
    machine.handleNetworkEvent(nowMs, { type: "addressesChanged", addresses: own });
    return host;
  }

  finish({ events }: Host, query: number): QueryFinished {
    for (let turn = 0; turn < 200; turn++) {
      for (let progress = true; progress; )
        progress = this.hosts.map((host) => this.#drain(host)).some((any) => any);
      const end = events.find((event) => event.type === "queryFinished" && event.query === query);
      if (end !== undefined) return end as QueryFinished;
      this.#nowMs += 100;
      for (const { machine } of this.hosts) machine.handleTimeout(this.#nowMs);
    }
    throw new Error("it did not end");
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  #drain(host: Host): boolean {
    const { machine, events } = host;
    const transmit = machine.pollTransmit(this.#nowMs, this.#scratch);
    for (let event = machine.pollEvent(); event !== undefined; event = machine.pollEvent())
      events.push(event);
    if (transmit === undefined) return false;
    if (transmit.deferred) return true;
    const bytes = Uint8Array.from(this.#scratch.subarray(0, transmit.length));
    const end = this.#endOf(host, transmit.path.remote as SocketAddress);
    end?.to.machine.handleNetworkEvent(this.#nowMs, { type: "message", from: end.from, bytes });
    return true;
  }

  #endOf(host: Host, remote: SocketAddress) {
    const to = this.hosts.find(({ addresses }) => addresses.some(({ key }) => key === remote.key));
    const [udp, tcp] = host.addresses as [SocketAddress, SocketAddress];
    if (to !== undefined && remote.scheme === "udp") return { to, from: { remote: udp, dialable: true } };
    const key = `${tcp.key} ${remote.key}`;
    if (to !== undefined && !this.#ends.has(key)) {
      const back = this.addresses.parse(`tcp://${tcp.host}:${this.#ports++}`);
      this.#ends.set(key, { to, from: { remote: back, dialable: false } });
      this.#ends.set(`${to.addresses[1]?.key} ${back.key}`, { to: host, from: { remote, dialable: true } });
    }
    return this.#ends.get(key);
  }
}

describe("a node with datagrams and streams", () => {
  it("takes for each address the channel of its kind, under one identity", () => {
    const network = new Network();
    const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) => network.add(name)) as [
      Host,
      Host,
      Host,
    ];
    const join = (host: Host, address: SocketAddress | undefined) =>
      network.finish(
        host,
        host.machine.bootstrap(network.nowMs, [{ addresses: [address as SocketAddress] }]),
      );
    expect(join(bob, alice.addresses[0]).end).toBe("converged");
    expect(join(carol, alice.addresses[1]).end).toBe("converged");
    expect(bob.datagrams.stats().sessionsOpened.initiator).toBeGreaterThan(0);
    expect(carol.streams.stats().connectionsOpened.initiator).toBeGreaterThan(0);
    const record = immutableRecord(sha256, new Uint8Array(1_000).fill(5));
    expect(network.finish(bob, bob.machine.put(network.nowMs, record)).result).toMatchObject({ accepted: 2 });
    const got = network.finish(carol, carol.machine.get(network.nowMs, record.key));
    expect(got.result).toMatchObject({ record: { body: record.body } });
  });

  it("writes messages that fit each link when they are sealed", () => {
    const network = new Network();
    const [alice, bob] = [network.add("alice"), network.add("bob")];
    bob.machine.setProtocols(["x"]);
    const sendTo = (address: SocketAddress | undefined, bytes: number) => {
      const to = { id: bob.machine.id, addresses: [address as SocketAddress] };
      const query = alice.machine.send(network.nowMs, to, "x", new Uint8Array(bytes));
      return network.finish(alice, query).result;
    };
    const acknowledged = { type: "reply", body: new Uint8Array(0) };
    expect(sendTo(bob.addresses[1], 60_000)).toEqual(acknowledged);
    expect(sendTo(bob.addresses[0], 1_110)).toEqual(acknowledged);
    expect(sendTo(bob.addresses[0], 1_130)).toMatchObject({ type: "reply", reason: "tooLarge" });
  });

  it("closes both, and hears of failures and time in both", () => {
    const network = new Network();
    const { machine, datagrams, streams } = network.add("alice");
    const deadline = machine.nextDeadline();
    expect(deadline).toBeDefined();
    machine.handleNetworkEvent(1_000, { type: "wallClock", unixMs: 1_700_000_000_000 });
    const remote = network.addresses.parse("tcp://10.9.9.9:1");
    machine.handleNetworkEvent(1_000, { type: "sendFailed", to: remote, reason: "unreachable" });
    machine.close(1_000);
    const scratch = new Uint8Array(2_000);
    while (machine.pollTransmit(1_000, scratch) !== undefined);
    while (machine.pollEvent() !== undefined);
    expect([machine.drained, datagrams.drained, streams.drained]).toEqual([true, true, true]);
    expect(machine.nextDeadline()).toBeUndefined();
  });

  it("cannot have two identities", () => {
    const network = new Network();
    const [alice, bob] = [network.add("alice"), network.add("bob")];
    expect(() => channelsByKind({ datagrams: alice.datagrams, streams: bob.streams })).toThrow(
      `streams: the identity of ${bob.machine.id.toHex()}; allowed is that of datagrams, ${alice.machine.id.toHex()}`,
    );
  });
});
