import { NodeId } from "@kad/core";

/**
 * An id of one byte, whose distances a reader sees: `tinyId(0b0000_0011)`. For a node that uses them, give it
 * `nativeProtocol({ addresses, idBytes: 1 })`.
 */
export function tinyId(bits: number): NodeId {
  return NodeId.fromBytes(Uint8Array.of(bits));
}
