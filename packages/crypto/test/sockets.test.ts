/**
 * Nodes in channels on real sockets: UDP, TCP, and both at once.
 */
import {
  AddressTable,
  type Commands,
  KadNode,
  type Machine,
  type NodeEvent,
  type SocketAddress,
} from "@kad/core";
import { type RunningNode, runNode } from "@kad/loop-node";
import { tcp } from "@kad/transport-tcp";
import { udp } from "@kad/transport-udp";
import { afterEach, describe, expect, it } from "vitest";
import {
  Credentials,
  channelsByKind,
  type DatagramChannel,
  datagramOverheadBytes,
  NetworkKey,
  SeedIdentity,
  type StreamChannel,
  secure,
  secureDatagrams,
  secureStreams,
  systemRandom,
} from "../src/index.ts";
import { nodeProvider } from "../src/node/index.ts";

const provider = nodeProvider();
const networkKey = NetworkKey.generate(systemRandom);

interface Started {
  readonly machine: Machine<NodeEvent> & Commands;
  readonly running: RunningNode;
  readonly addresses: AddressTable;
  readonly datagrams: DatagramChannel;
  readonly streams: StreamChannel;
  /** The first event that fits, whether it has come or is to come. */
  until<T>(find: (event: NodeEvent) => T | undefined): Promise<T>;
}

const started: Started[] = [];

async function start(key: NetworkKey | undefined = networkKey): Promise<Started> {
  const addresses = new AddressTable({ overheadBytes: datagramOverheadBytes });
  const nowMs = performance.now();
  const credentials = new Credentials({
    provider,
    identity: SeedIdentity.generate(provider, systemRandom),
    keys: systemRandom,
    nowMs,
    unixMs: Date.now(),
    ...(key && { networkKey: key }),
  });
  const datagrams = secureDatagrams({ credentials, random: systemRandom, addresses, nowMs });
  const streams = secureStreams({ credentials, addresses, nowMs });
  const node = new KadNode({
    id: credentials.id,
    random: systemRandom,
    sha256: (bytes) => provider.sha256(bytes),
    addresses,
    padRequests: false,
  });
  const machine = secure(node, channelsByKind({ datagrams, streams }));
  const events: NodeEvent[] = [];
  const listeners = new Set<(event: NodeEvent) => void>();
  const onEvent = (event: NodeEvent): void => {
    events.push(event);
    for (const listener of listeners) listener(event);
  };
  const transports = [udp({ listen: "udp://127.0.0.1:0" }), tcp({ listen: "tcp://127.0.0.1:0" })];
  const running = await runNode({ machine, addresses, transports, onEvent });
  const until = <T>(find: (event: NodeEvent) => T | undefined): Promise<T> =>
    new Promise((resolve) => {
      const listener = (event: NodeEvent): void => {
        const found = find(event);
        if (found === undefined) return;
        listeners.delete(listener);
        resolve(found);
      };
      listeners.add(listener);
      for (const event of events) listener(event);
    });
  const node_ = { machine, running, addresses, datagrams, streams, until };
  started.push(node_);
  return node_;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map(({ running }) => running.close()));
});

/** Of one kind, in the other's table. */
function addressOf(of: Started, scheme: "udp" | "tcp", to: Started): SocketAddress {
  const local = of.running.router.localAddresses.find(({ key }) => key.startsWith(scheme));
  return to.addresses.parse((local as SocketAddress).key);
}

async function send(from: Started, to: Started, scheme: "udp" | "tcp", body: Uint8Array): Promise<unknown> {
  const seed = { id: to.machine.id, addresses: [addressOf(to, scheme, from)] };
  const query = from.running.driver.run((nowMs) =>
    from.machine.send(nowMs, seed, "test/1", body, { timeoutMs: 20_000 }),
  );
  return await from.until((event) =>
    event.type === "queryFinished" && event.query === query ? event.result : undefined,
  );
}

function echo(node: Started): void {
  node.running.driver.use({
    protocol: "test/1",
    onAttach(context) {
      this.onMessage = ({ body, reply }) => void context.reply(reply, body);
    },
  });
}

describe.each(["udp", "tcp"] as const)("over %s", (scheme) => {
  it("a message is answered, whatever its length, in one session", async () => {
    const [alice, bob] = [await start(), await start()];
    echo(bob);
    for (const length of [0, 1_000, ...(scheme === "tcp" ? [65_000] : [])]) {
      const body = new Uint8Array(length).fill(length);
      expect(await send(alice, bob, scheme, body)).toEqual({ type: "reply", body });
    }
    if (scheme === "udp") expect(alice.datagrams.stats().sessionsOpened.initiator).toBe(1);
    else expect(alice.streams.stats().connectionsOpened.initiator).toBe(1);
  });

  it("who has another network key gets nowhere", async () => {
    const [alice, bob] = [await start(NetworkKey.generate(systemRandom)), await start()];
    echo(bob);
    expect(await send(alice, bob, scheme, new Uint8Array(1))).toMatchObject({
      type: "reply",
      body: undefined,
    });
    if (scheme === "udp") expect(bob.datagrams.stats().dropped.helloForged).toBeGreaterThan(0);
    else expect(bob.streams.stats().connectionsEnded.forged).toBeGreaterThan(0);
    expect(bob.streams.stats().gauges.connections.used).toBe(0);
  });

  it("who closes says goodbye", async () => {
    const [alice, bob] = [await start(), await start()];
    echo(bob);
    await send(alice, bob, scheme, new Uint8Array(1));
    await alice.running.close();
    expect(alice.machine.drained).toBe(true);
    const isGone = () =>
      scheme === "udp"
        ? bob.datagrams.stats().sessionsEnded.closedByPeer === 1
        : bob.streams.stats().connectionsEnded.closedByPeer === 1;
    await expect.poll(isGone, { timeout: 30_000 }).toBe(true);
  });
});

it("a network of both joins, each node by the address that it was given", async () => {
  const first = await start();
  const others = await Promise.all(Array.from({ length: 6 }, () => start()));
  const ends = others.map(async (node, i) => {
    const seed = { addresses: [addressOf(first, i % 2 === 0 ? "udp" : "tcp", node)] };
    const query = node.running.driver.run((nowMs) => node.machine.bootstrap(nowMs, [seed]));
    return await node.until((event) =>
      event.type === "queryFinished" && event.query === query ? event.end : undefined,
    );
  });
  expect(await Promise.all(ends)).toEqual(others.map(() => "converged"));
});
