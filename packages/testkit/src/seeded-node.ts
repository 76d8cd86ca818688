import { type AddressTable, KadNode, NodeId, type NodeOptions } from "@kad/core";
import { seededRandom } from "./seeded-random.ts";
import { sha256 } from "./sha256.ts";

/** A node whose id and whose every draw come from a number. */
export function seededNode(
  addresses: AddressTable,
  seed: number,
  options: Partial<NodeOptions> = {},
): KadNode {
  return new KadNode({ ...seededOptions(addresses, seed), ...options });
}

/** What a node is built from, with id and random source from a number. */
export function seededOptions(addresses: AddressTable, seed: number): NodeOptions {
  const random = seededRandom(seed);
  const id = new Uint8Array(32);
  random.fill(id);
  return { id: NodeId.fromBytes(id), random, sha256, addresses };
}
