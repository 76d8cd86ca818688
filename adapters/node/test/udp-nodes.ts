/** Real nodes on loopback sockets, inside this process's own loop. */
import { createHash, randomFillSync } from "node:crypto";
import {
  AddressTable,
  KadNode,
  NodeId,
  type NodeOptions,
  type QueryFinished,
  type QueryId,
  type Seed,
} from "@kad/core";
import { udp } from "@kad/transport-udp";
import { type RunNodeOptions, type RunningNode, runNode } from "../src/index.ts";

export interface UdpNode {
  readonly machine: KadNode;
  readonly addresses: AddressTable;
  readonly node: RunningNode;
  /** Where it listens. */
  readonly url: string;
  /** How a query has ended, once it has. */
  end(query: QueryId): Promise<QueryFinished>;
  /** Who it is, to somebody with another table. */
  seedFor(other: UdpNode): Seed;
}

export function nodeOptions(addresses: AddressTable): NodeOptions {
  return {
    id: NodeId.fromBytes(randomFillSync(new Uint8Array(32))),
    addresses,
    random: { fill: (into) => void randomFillSync(into) },
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  };
}

export interface UdpNodeOptions extends Partial<RunNodeOptions> {
  readonly machine?: KadNode;
}

const started: RunningNode[] = [];

export async function startUdpNode(options: UdpNodeOptions = {}): Promise<UdpNode> {
  const addresses = options.addresses ?? new AddressTable();
  const machine = options.machine ?? new KadNode(nodeOptions(addresses));
  const ends = new Map<QueryId, QueryFinished>();
  const waiting = new Map<QueryId, (end: QueryFinished) => void>();
  const node = await runNode({
    transports: [udp({ listen: "udp://127.0.0.1:0" })],
    ...options,
    machine,
    addresses,
    onEvent(event) {
      options.onEvent?.(event);
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
  return { machine, addresses, node, url, end, seedFor };
}

/** For `afterEach`. */
export async function closeStarted(): Promise<void> {
  await Promise.all(started.splice(0).map((node) => node.close()));
}

/** Takes the loop away for so long, as a garbage collection or a parse of something large would. */
export function blockLoop(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}
