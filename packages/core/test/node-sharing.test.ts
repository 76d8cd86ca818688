/**
 * Nodes of one process that are given one table of addresses and one wire: they share the objects for whom they know, and
 * nothing of what they know of them.
 */
import { describe, expect, it } from "vitest";
import {
  AddressTable,
  KadNode,
  NodeId,
  nativeProtocol,
  type Protocol,
  type ResponseMessage,
  type SocketAddress,
} from "../src/index.ts";
import { seededRandom, sha256 } from "./pair.ts";

const addresses = new AddressTable();
addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });

function id(byte: number): NodeId {
  return NodeId.fromBytes(new Uint8Array(32).fill(byte));
}

function nodeWith(protocol: Protocol, byte: number): KadNode {
  return new KadNode({ id: id(byte), random: seededRandom(byte), sha256, addresses, protocol });
}

const peer = { id: id(0xf0), address: addresses.parse("udp://192.0.2.1:4100") };

/** The peer asks the node, which pings it and hears its answer. */
function meet(node: KadNode, protocol: Protocol, nowMs: number): void {
  const bytes = new Uint8Array(1_200);
  const from = { remote: peer.address, dialable: true };
  const envelope = { sender: NodeId.fromBytes(peer.id.toBytes()), client: false, addresses: [] };
  const hear = (length: number | undefined): void =>
    node.handleNetworkEvent(nowMs, { type: "message", from, bytes: bytes.subarray(0, length) });
  const request = {
    kind: "request",
    requestId: { high: 1, low: 2 },
    want: 1,
    body: { type: "ping" },
  } as const;
  hear(protocol.encode({ ...envelope, ...request }, bytes, bytes.length, false));
  for (;;) {
    const transmit = node.pollTransmit(nowMs, bytes);
    if (transmit === undefined) return;
    const message = protocol.decode(bytes.subarray(0, transmit.length));
    if (message.kind !== "request") continue;
    const { requestId } = message;
    const pong: ResponseMessage = { ...envelope, kind: "response", requestId, body: { type: "pong" } };
    hear(protocol.encode(pong, bytes, bytes.length, false));
  }
}

/** Another node names the peer in an answer, so that the wire knows it. */
function name(protocol: Protocol, address: SocketAddress): void {
  const bytes = new Uint8Array(1_200);
  const contacts = [{ id: NodeId.fromBytes(peer.id.toBytes()), addresses: [address] }];
  const answer: ResponseMessage = {
    kind: "response",
    requestId: { high: 1, low: 1 },
    sender: id(9),
    client: false,
    addresses: [],
    body: { type: "nodes", contacts, token: undefined },
  };
  const length = protocol.encode(answer, bytes, bytes.length, false) as number;
  protocol.decode(Uint8Array.from(bytes.subarray(0, length)));
}

describe("nodes that share a wire", () => {
  it("have one object for a peer that asked them, once the wire knows it", () => {
    const protocol = nativeProtocol({ addresses });
    name(protocol, peer.address);
    const [one, other] = [nodeWith(protocol, 1), nodeWith(protocol, 2)];
    meet(one, protocol, 10);
    meet(other, protocol, 20);
    expect(one.table.get(peer.id)?.contact).toEqual({ id: peer.id, addresses: [peer.address] });
    expect(other.table.get(peer.id)?.contact).toBe(one.table.get(peer.id)?.contact);
  });

  it("take a peer for what they see of it, where the wire knows it at another address", () => {
    const protocol = nativeProtocol({ addresses });
    name(protocol, addresses.parse("udp://198.51.100.7:1"));
    const node = nodeWith(protocol, 1);
    meet(node, protocol, 10);
    expect(node.table.get(peer.id)?.contact).toEqual({ id: peer.id, addresses: [peer.address] });
  });

  it("share nothing of what they know of it", () => {
    const protocol = nativeProtocol({ addresses });
    name(protocol, peer.address);
    const [one, other] = [nodeWith(protocol, 1), nodeWith(protocol, 2)];
    meet(one, protocol, 10);
    meet(other, protocol, 20);
    one.ping(30, { id: peer.id, addresses: [peer.address] });
    while (one.pollTransmit(30, new Uint8Array(1_200)) !== undefined);
    for (let nowMs = 30; nowMs < 1_500; nowMs += 100) {
      one.handleTimeout(nowMs);
      while (one.pollTransmit(nowMs, new Uint8Array(1_200)) !== undefined);
    }
    expect(one.table.get(peer.id)?.lastSeenMs).toBe(10);
    expect(one.table.get(peer.id)?.failures).toBeGreaterThan(0);
    expect(other.table.get(peer.id)).toMatchObject({ lastSeenMs: 20, failures: 0, addedAtMs: 20 });
    one.close(1_500);
    expect(other.table.size).toBe(1);
  });
});
