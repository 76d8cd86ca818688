/** Nodes as applications make them: `createNode` of @kad/dht, with a promise for every operation. */

import { NodeId } from "@kad/core";
import { createNode, type DhtNode } from "@kad/dht";
import type { Found, Network } from "./network.ts";

export async function dhtNetwork(size: number): Promise<Network> {
  const first = await open([]);
  const others = await Promise.all(Array.from({ length: size - 1 }, () => open(first.addresses)));
  const nodes = [first, ...others];
  return {
    ids: nodes.map(({ id }) => id.toBytes()),
    async findNode(asker, target, results): Promise<Found> {
      const { contacts, stats } = await (nodes[asker] as DhtNode).findNode(NodeId.fromBytes(target), {
        results,
      });
      return { ids: contacts.map(({ id }) => id.toBytes()), rounds: stats.rounds };
    },
    requests: () => nodes.reduce((sum, node) => sum + node.stats().requestsSent, 0),
    contacts: () => nodes.reduce((sum, { table }) => sum + table.size, 0),
    bytesSent: () => nodes.reduce((sum, node) => sum + node.stats().bytesSent, 0),
    async close() {
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}

function open(bootstrap: readonly string[]): Promise<DhtNode> {
  return createNode({ listen: "udp://127.0.0.1:0", bootstrap, security: "none" });
}
