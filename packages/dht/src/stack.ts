/**
 * What stands below a {@link DhtNode}: the machine in its secure channels, its driver, the loop and the sockets, put
 * together from options.
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
import { defined } from "./option-checks.ts";
import type { CreateNodeOptions } from "./options.ts";
import type { Security } from "./security.ts";
import { type NodeConnections, transportsOf } from "./transports.ts";

export interface Stack {
  readonly machine: Machine<NodeEvent> & Commands;
  /** `undefined` where plain text was asked for. */
  readonly security: Security | undefined;
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
  const secured = options.security === "none" ? undefined : await import("./security.ts");
  const addresses = new AddressTable({ exempt, overheadBytes: secured?.overheadBytes ?? 0 });
  const { transports, isListening, connections, carried } = await transportsOf(options);
  const security = await secured?.Security.open(options, addresses, carried);
  const nodeOptions: NodeOptions = {
    random: randomPool,
    sha256,
    addresses,
    limits,
    mode: options.mode ?? (isListening ? "server" : "client"),
    ...defined({ store: options.store, validators: options.validators }),
    ...(security?.machineOptions ?? { id: options.id ?? randomId() }),
  };
  const node = options.machine?.(nodeOptions) ?? new KadNode(nodeOptions);
  const machine = security?.around(node) ?? node;
  const running = await runNode({ machine, transports, addresses, ...hooks });
  return { machine, security, addresses, limits, running, isListening, connections };
}

function randomId(): NodeId {
  const bytes = new Uint8Array(keyBytes);
  randomPool.fill(bytes);
  return NodeId.fromBytes(bytes);
}
