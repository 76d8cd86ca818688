/**
 * What stands below a {@link DhtNode}: the machine, its driver, the loop and the sockets, put together from options.
 */
import { networkInterfaces } from "node:os";
import { AddressTable, type DriverOptions, KadNode, NodeId, type NodeLimits, resolveLimits } from "@kad/core";
import { type RunningNode, runNode } from "@kad/loop-node";
import { udp } from "@kad/transport-udp";
import { RandomPool, sha256 } from "./hash.ts";
import { keyBytes } from "./key.ts";
import { type CreateNodeOptions, defined } from "./options.ts";

export interface Stack {
  readonly machine: KadNode;
  readonly addresses: AddressTable;
  readonly limits: NodeLimits;
  readonly running: RunningNode;
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
  const listen = listenUrls(options);
  const random = new RandomPool();
  const machine = new KadNode({
    id: options.id ?? randomId(random),
    random,
    sha256,
    addresses,
    limits,
    mode: options.mode ?? (listen === undefined ? "client" : "server"),
    ...defined({ store: options.store, validators: options.validators }),
  });
  const transports = [udp({ listen: listen ?? clientSockets() })];
  const running = await runNode({ machine, transports, addresses, ...hooks });
  return { machine, addresses, limits, running };
}

/** `undefined`: nobody is to reach us. */
function listenUrls({ listen }: CreateNodeOptions): readonly string[] | undefined {
  const urls = typeof listen === "string" ? [listen] : listen;
  return urls === undefined || urls.length === 0 ? undefined : urls;
}

/** Any free port of every address family that this machine has. */
function clientSockets(): readonly string[] {
  const families = Object.values(networkInterfaces()).flatMap((of) => of?.map(({ family }) => family) ?? []);
  return families.includes("IPv6") ? ["udp://0.0.0.0:0", "udp://[::]:0"] : ["udp://0.0.0.0:0"];
}

function randomId(random: RandomPool): NodeId {
  const bytes = new Uint8Array(keyBytes);
  random.fill(bytes);
  return NodeId.fromBytes(bytes);
}
