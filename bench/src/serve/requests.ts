/** What the load asks, and the node that is asked: its table is as full as that of a node in a large network. */
import { hash as digest } from "node:crypto";
import { AddressTable, KadNode, type Message, NodeId, nativeProtocol } from "@kad/core";
import { SeededRandom } from "../seeded-random.ts";

export type Kind = "ping" | "find";

/** How many differ: each find has another target. */
export const requestCount = 1_024;

/** Of somebody who stands in nobody's table. */
export function requests(kind: Kind): Uint8Array[] {
  const random = new SeededRandom(11);
  const addresses = new AddressTable();
  const protocol = nativeProtocol({ addresses });
  const into = new Uint8Array(1_200);
  const sender = NodeId.fromBytes(random.bytes(32));
  return Array.from({ length: requestCount }, (_, number) => {
    const target = NodeId.fromBytes(random.bytes(32));
    const message: Message = {
      kind: "request",
      requestId: { high: 7, low: number + 1 },
      sender,
      client: true,
      addresses: [],
      want: 1,
      body: kind === "ping" ? { type: "ping" } : { type: "findNode", target, wantToken: false },
    };
    return Uint8Array.from(into.subarray(0, protocol.encode(message, into, 1_200, true)));
  });
}

/** Bytes of an answer, as the node below gives them. */
export const answerBytes: Readonly<Record<Kind, number>> = { ping: 43, find: 845 };

/** Offered to the table, which keeps some of them. */
const defaultContacts = 2_000;

export interface ServedNode {
  readonly machine: KadNode;
  readonly addresses: AddressTable;
}

/** Made by hand, before a driver has it: whoever is asked answers at once. */
export function servedNode(nowMs: number, contacts: number = defaultContacts): ServedNode {
  const random = new SeededRandom(12);
  const addresses = new AddressTable();
  addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
  const protocol = nativeProtocol({ addresses });
  const machine = new KadNode({
    id: NodeId.fromBytes(random.bytes(32)),
    addresses,
    random: { fill: (into) => into.set(random.bytes(into.length)) },
    sha256: (bytes) => new Uint8Array(digest("sha256", bytes, "buffer")),
  });
  const [into, answer] = [new Uint8Array(1_200), new Uint8Array(1_200)];
  for (let i = 0; i < contacts; i++) {
    const id = NodeId.fromBytes(random.bytes(32));
    const address = addresses.parse(`udp://127.1.${i >> 8}.${i & 255}:4100`);
    machine.ping(nowMs, { id, addresses: [address] });
    const transmit = machine.pollTransmit(nowMs, into);
    if (transmit === undefined) throw new Error("the node does not ask");
    const asked = protocol.decode(into.subarray(0, transmit.length));
    if (asked.kind !== "request") throw new Error("the node has asked nothing");
    const { requestId } = asked;
    const body = { type: "pong" } as const;
    const response: Message = { kind: "response", requestId, sender: id, client: false, addresses: [], body };
    const length = protocol.encode(response, answer, 1_200, true);
    const from = { remote: address, dialable: true };
    machine.handleNetworkEvent(nowMs, { type: "message", from, bytes: answer.subarray(0, length) });
    while (machine.pollEvent() !== undefined);
  }
  addresses.setLink("udp4", undefined);
  return { machine, addresses };
}
