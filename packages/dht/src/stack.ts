/**
 * What stands below a {@link DhtNode}: the machine, its driver, the loop and the sockets, put together from options.
 */
import {
  AddressTable,
  type Commands,
  type DriverOptions,
  KadNode,
  type Machine,
  type NodeEvent,
  NodeId,
  type NodeLimits,
  type NodeOptions,
  resolveLimits,
} from "@kad/core";
import { type RunningNode, runNode } from "@kad/loop-node";
import { randomPool, sha256 } from "./hash.ts";
import { keyBytes } from "./key.ts";
import { type CreateNodeOptions, defined } from "./options.ts";
import { type NodeConnections, transportsOf } from "./transports.ts";

export interface Stack {
  readonly machine: Machine<NodeEvent> & Commands;
  readonly addresses: AddressTable;
  readonly limits: NodeLimits;
  readonly running: RunningNode;
  /** Whether others are to reach this node. */
  readonly isListening: boolean;
  readonly connections: () => NodeConnections;
}

/**
 * Binds the sockets and starts the loop; nothing is sent yet.
 * @throws (rejects) UsageError `invalidOption` or `invalidAddress`; ListenError. Nothing stays open then
 */
export async function openStack(
  options: CreateNodeOptions,
  hooks: Required<Pick<DriverOptions, "onEvent">> & { readonly report: (error: unknown) => void },
): Promise<Stack> {
  const { exempt = [], ...given } = options.limits ?? {};
  const limits = resolveLimits(given);
  const addresses = new AddressTable({ exempt });
  const { transports, isListening, connections } = await transportsOf(options);
  const nodeOptions: NodeOptions = {
    id: options.id ?? randomId(),
    random: randomPool,
    sha256,
    addresses,
    limits,
    mode: options.mode ?? (isListening ? "server" : "client"),
    ...defined({ store: options.store, validators: options.validators }),
  };
  const machine = options.machine?.(nodeOptions) ?? new KadNode(nodeOptions);
  const running = await runNode({ machine, transports, addresses, ...hooks });
  return { machine, addresses, limits, running, isListening, connections };
}

function randomId(): NodeId {
  const bytes = new Uint8Array(keyBytes);
  randomPool.fill(bytes);
  return NodeId.fromBytes(bytes);
}
