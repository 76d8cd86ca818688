/**
 * What stands between every node of a simulation and its sockets: a secure channel, for one. The simulator knows no
 * cryptography; it only leaves to the stack which ids there can be, since a channel proves them.
 */
import type { AddressCodec, InstantMs, NodeId } from "@kad/core";
import type { NodeMachine } from "./machine-layer.ts";
import type { RandomStream } from "./random-stream.ts";

export interface NodeStack {
  /** Bytes that it adds to a message of a node. */
  readonly overheadBytes: number;
  /** Another id that a node can have. Called when a host is made, and when it comes back under a new id. */
  newId(random: RandomStream): NodeId;
  /** What is driven in place of `node`. Called at each start of a host; `node.id` is one that {@link newId} gave. */
  wrap(node: NodeMachine, surroundings: StackSurroundings): NodeMachine;
}

export interface StackSurroundings {
  /** The host's monotonic clock now. */
  readonly nowMs: InstantMs;
  /** Its wall clock now. */
  readonly unixMs: number;
  /** Its own, for this stack alone. */
  readonly random: RandomStream;
  readonly addresses: AddressCodec;
}
