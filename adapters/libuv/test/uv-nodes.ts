/** Nodes on loopback in one libuv loop, or each in its own. */
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
import { type UvBinding, type UvLoop, type UvNode, type UvNodeOptions, uvNode, uvUdp } from "../src/index.ts";
import { MemoryUv } from "../src/memory/index.ts";

export interface TestNode {
  readonly machine: KadNode;
  readonly addresses: AddressTable;
  readonly node: UvNode;
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

export function start(binding: UvBinding, options: Partial<UvNodeOptions> = {}): TestNode {
  const addresses = new AddressTable();
  const machine = (options.machine as KadNode | undefined) ?? new KadNode(nodeOptions(addresses));
  const ends = new Map<QueryId, QueryFinished>();
  const node = uvNode({
    transports: [uvUdp({ listen: "udp://127.0.0.1:0" })],
    binding,
    ...(binding instanceof MemoryUv && { clock: clockOf(binding) }),
    ...options,
    machine,
    addresses,
    onEvent(event) {
      if (event.type === "queryFinished") ends.set(event.query, event);
      options.onEvent?.(event);
    },
  });
  return { machine, addresses, node, url: node.router.localAddresses[0]?.key ?? "none", ends };
}

function clockOf(memory: MemoryUv) {
  return { nowMs: () => memory.nowMs, unixMs: () => 1_700_000_000_000 + memory.nowMs };
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

/** Runs a loop that several nodes have joined until it is so, or 10 s of its own time have passed. */
export function runUntil(uv: UvBinding, loop: UvLoop, isDone: () => boolean): void {
  let ticks = 0;
  const ticker = uv.uv_timer_init(loop);
  uv.uv_timer_start(
    ticker,
    () => {
      if (++ticks > 10_000) throw new Error("nothing came of it within 10 s");
    },
    1,
    1,
  );
  while (!isDone()) uv.uv_run(loop, "once");
  uv.uv_close(ticker);
  uv.uv_run(loop, "nowait");
}
