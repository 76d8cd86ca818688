/**
 * Three nodes by hand: no socket, no timer, no event loop, no clock. Time is a number that we move on ourselves, the network
 * is an array, and the calls of the machine are all that is used.
 *
 * What happens: bob joins through alice and stores a record, carol joins, bob falls silent, and carol reads the record from
 * alice. Then carol pings bob, who is gone: ten seconds pass for the nodes, none for us.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  AddressTable,
  immutableRecord,
  KadNode,
  type NodeEvent,
  NodeId,
  type QueryFinished,
  type QueryId,
  type SocketAddress,
} from "@kad/core";

// What core does not have by itself is handed to it: a hash, random bytes, and what addresses look like.
const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());
const random = { fill: fillFromSeed(42) };
const addresses = new AddressTable();
addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });

interface Peer {
  readonly node: KadNode;
  readonly address: SocketAddress;
  readonly events: NodeEvent[];
  isUp: boolean;
}

interface Datagram {
  readonly arrivesAtMs: number;
  readonly from: SocketAddress;
  readonly to: SocketAddress;
  readonly bytes: Uint8Array;
}

const latencyMs = 20;
const peers: Peer[] = [];
const network: Datagram[] = []; // in the order of arrival, since the latency is the same for all
const scratch = new Uint8Array(1_200);
let nowMs = 0;

const alice = addPeer("udp://192.0.2.1:4100");
const bob = addPeer("udp://198.51.100.1:4100");
const carol = addPeer("udp://203.0.113.1:4100");

const seeds = [{ addresses: [alice.address] }];
show("bob joined", finish(bob, bob.node.bootstrap(nowMs, seeds)));

const record = immutableRecord(sha256, new TextEncoder().encode("hello"));
const put = finish(bob, bob.node.put(nowMs, record));
show("bob put", put);

show("carol joined", finish(carol, carol.node.bootstrap(nowMs, seeds)));
bob.isUp = false;

const get = finish(carol, carol.node.get(nowMs, record.key));
show("carol got", get);

const ping = finish(carol, carol.node.ping(nowMs, { addresses: [bob.address] }));
show("carol pinged", ping);

assert(put.result.type === "stored" && put.result.accepted === 1);
assert(get.result.type === "value" && get.result.record !== undefined);
assert.equal(new TextDecoder().decode(get.result.record.body), "hello");
assert(ping.result.type === "pong" && ping.result.reason === "noAnswer");
assert.equal(ping.stats.durationMs, 10_000);

/** Lets things happen until the query has ended. */
function finish(peer: Peer, query: QueryId): QueryFinished {
  for (;;) {
    settle();
    const end = peer.events.find((event) => event.type === "queryFinished" && event.query === query);
    if (end !== undefined) return end as QueryFinished;
    passTime();
  }
}

/** Everything that can happen at this instant happens: messages arrive, each node says what it has to say. */
function settle(): void {
  let isQuiet = false;
  while (!isQuiet) {
    isQuiet = true;
    while (network[0] !== undefined && network[0].arrivesAtMs <= nowMs) {
      deliver(network.shift() as Datagram);
      isQuiet = false;
    }
    for (const peer of peers) if (peer.isUp && drain(peer)) isQuiet = false;
  }
}

/** 1. What has arrived goes in. The bytes are ours again when the call returns. */
function deliver({ from, to, bytes }: Datagram): void {
  const peer = peers.find(({ address }) => address === to);
  if (peer?.isUp !== true) return;
  peer.node.handleNetworkEvent(nowMs, { type: "message", from: { remote: from, dialable: true }, bytes });
}

/** 2. What wants to leave is written into our scratch, message by message; 3. then events are taken. */
function drain({ node, address, events }: Peer): boolean {
  let any = false;
  for (;;) {
    const transmit = node.pollTransmit(nowMs, scratch);
    if (transmit === undefined) break;
    any = true;
    network.push({
      arrivesAtMs: nowMs + latencyMs,
      from: address,
      to: transmit.path.remote as SocketAddress,
      bytes: new Uint8Array(scratch.subarray(0, transmit.length)), // a copy: the scratch is for the next one
    });
  }
  for (;;) {
    const event = node.pollEvent();
    if (event === undefined) return any;
    any = true;
    events.push(event);
  }
}

/** 4. Nothing is left to do now: time goes on to the next deadline or arrival, and every node is told. */
function passTime(): void {
  const deadlines = peers.flatMap(({ node, isUp }) => (isUp ? [node.nextDeadline()?.atMs] : []));
  const instants = [...deadlines, network[0]?.arrivesAtMs].filter((atMs) => atMs !== undefined);
  nowMs = Math.max(nowMs, Math.min(...instants));
  for (const { node, isUp } of peers) if (isUp) node.handleTimeout(nowMs);
}

function addPeer(url: string): Peer {
  const id = new Uint8Array(32);
  random.fill(id);
  const node = new KadNode({ id: NodeId.fromBytes(id), random, sha256, addresses });
  const peer = { node, address: addresses.parse(url), events: [], isUp: true };
  node.handleNetworkEvent(nowMs, { type: "addressesChanged", addresses: [peer.address] });
  peers.push(peer);
  return peer;
}

/** The same seed, the same bytes, the same run: for a demonstration, not for a real network. */
function fillFromSeed(seed: number): (into: Uint8Array) => void {
  let state = seed;
  return (into) => {
    for (let i = 0; i < into.length; i++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      into[i] = state >>> 16;
    }
  };
}

function show(what: string, { end, stats }: QueryFinished): void {
  const { startedAtMs, durationMs, requests } = stats;
  console.log(
    `${String(startedAtMs).padStart(5)} ms  ${what}: ${end} after ${durationMs} ms, requests: ${requests}`,
  );
}
