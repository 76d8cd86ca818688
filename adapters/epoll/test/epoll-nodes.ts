/** Nodes on loopback sockets in epoll sets of their own, driven without Node's loop. */
import { createHash, randomFillSync } from "node:crypto";
import { readdirSync } from "node:fs";
import {
  AddressTable,
  KadNode,
  NodeId,
  type NodeOptions,
  type QueryFinished,
  type QueryId,
  type Seed,
} from "@kad/core";
import { UnavailableError } from "@kad/native";
import { posixUdp } from "@kad/transport-udp/posix";
import { type EpollNode, type EpollNodeOptions, epollNode } from "../src/index.ts";
import { epollCalls } from "../src/system-calls.ts";

/** Why they cannot be tried here; `undefined`: they can. */
export const whyNot: string | undefined = missing();

function missing(): string | undefined {
  try {
    epollCalls();
    return undefined;
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}

/** For titles. */
export const note: string = whyNot === undefined ? "" : `, skipped: ${whyNot}`;

export interface TestNode {
  readonly machine: KadNode;
  readonly addresses: AddressTable;
  readonly node: EpollNode;
  readonly url: string;
  readonly ends: Map<QueryId, QueryFinished>;
}

export function nodeOptions(addresses: AddressTable): NodeOptions {
  return {
    id: NodeId.fromBytes(randomFillSync(new Uint8Array(32))),
    addresses,
    random: { fill: (into) => void randomFillSync(into) },
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  };
}

const started: EpollNode[] = [];

export function start(options: Partial<EpollNodeOptions> = {}): TestNode {
  const addresses = options.addresses ?? new AddressTable();
  const machine = (options.machine as KadNode | undefined) ?? new KadNode(nodeOptions(addresses));
  const ends = new Map<QueryId, QueryFinished>();
  const node = epollNode({
    transports: [posixUdp({ listen: "udp://127.0.0.1:0" })],
    ...options,
    machine,
    addresses,
    onEvent(event) {
      if (event.type === "queryFinished") ends.set(event.query, event);
      options.onEvent?.(event);
    },
  });
  started.push(node);
  return { machine, addresses, node, url: node.router.localAddresses[0]?.key ?? "none", ends };
}

/** For `afterEach`. */
export function closeStarted(): void {
  for (const node of started.splice(0)) node.close();
}

export function seedOf({ machine, url }: TestNode, asker: TestNode): Seed {
  return { id: machine.id, addresses: [asker.addresses.parse(url)] };
}

export function silentSeed({ addresses }: TestNode): Seed {
  return { addresses: [addresses.parse("udp://127.0.0.1:9")] };
}

export function ping(from: TestNode, to: Seed, timeoutMs = 5_000): QueryId {
  return from.node.driver.run((nowMs) => from.machine.ping(nowMs, to, { timeoutMs }));
}

/** Turns everybody, in this very call, until `isDone` or 10 s have passed. */
export function turnUntil(nodes: readonly TestNode[], isDone: () => boolean): void {
  const untilMs = performance.now() + 10_000;
  while (!isDone()) {
    if (performance.now() > untilMs) throw new Error("nothing came of it within 10 s");
    for (const { node } of nodes) node.wait(nodes.length === 1 ? 100 : 1);
  }
}

/** Of this process. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
