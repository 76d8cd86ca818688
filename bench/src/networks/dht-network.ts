/** Nodes as applications make them: `createNode` of @kad/dht, with a promise for every operation; encrypted, or not. */

import { NodeId } from "@kad/core";
import { type CreateNodeOptions, createNode, type DhtNode } from "@kad/dht";
import type { Found, Network } from "./network.ts";

type Security = Pick<CreateNodeOptions, "security">;

/** Each pair that meets computes a handshake: 128 nodes at once would keep one process busy for longer than seeds are waited for. */
const joiningAtOnce = 16;

export function dhtNetwork(size: number): Promise<Network> {
  return networkOf(size, joiningAtOnce, {});
}

export function plainDhtNetwork(size: number): Promise<Network> {
  return networkOf(size, size, { security: "none" });
}

async function networkOf(size: number, atOnce: number, security: Security): Promise<Network> {
  const first = await open([], security);
  const nodes = [first];
  let begun = 1;
  const joinInTurn = async (): Promise<void> => {
    while (begun < size) {
      begun++;
      nodes.push(await open(first.addresses, security));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, joinInTurn));
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

function open(bootstrap: readonly string[], security: Security): Promise<DhtNode> {
  return createNode({ listen: "udp://127.0.0.1:0", bootstrap, ...security });
}
