/** Real nodes on loopback sockets, inside this process's own loop. */
import { createHash, randomFillSync } from "node:crypto";
import { AddressTable, KadNode, NodeId, type QueryFinished, type QueryId, type Seed } from "@kad/core";
import { udp } from "@kad/transport-udp";
import { type RunningNode, runNode } from "../src/index.ts";

interface UdpNode {
  readonly machine: KadNode;
  readonly addresses: AddressTable;
  readonly node: RunningNode;
  /** How a query has ended, once it has. */
  end(query: QueryId): Promise<QueryFinished>;
  /** Who it is, to somebody with another table. */
  seedFor(other: UdpNode): Seed;
}

const started: RunningNode[] = [];

export async function startUdpNode(): Promise<UdpNode> {
  const addresses = new AddressTable();
  const machine = new KadNode({
    id: NodeId.fromBytes(randomFillSync(new Uint8Array(32))),
    addresses,
    random: { fill: (into) => void randomFillSync(into) },
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  });
  const ends = new Map<QueryId, QueryFinished>();
  const waiting = new Map<QueryId, (end: QueryFinished) => void>();
  const node = await runNode({
    transports: [udp({ listen: "udp://127.0.0.1:0" })],
    machine,
    addresses,
    onEvent(event) {
      if (event.type !== "queryFinished") return;
      ends.set(event.query, event);
      waiting.get(event.query)?.(event);
    },
  });
  started.push(node);
  const url = node.router.localAddresses[0]?.key ?? "none";
  const end = (query: QueryId): Promise<QueryFinished> =>
    new Promise((resolve) => {
      const ended = ends.get(query);
      if (ended === undefined) waiting.set(query, resolve);
      else resolve(ended);
    });
  const seedFor = (other: UdpNode): Seed => ({ id: machine.id, addresses: [other.addresses.parse(url)] });
  return { machine, addresses, node, end, seedFor };
}

/** For `afterEach`. */
export async function closeStarted(): Promise<void> {
  await Promise.all(started.splice(0).map((node) => node.close()));
}
