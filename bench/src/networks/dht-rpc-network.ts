/** dht-rpc, on its own native UDP sockets. Its ids are hashes of addresses, so that its answers carry none. */
import { createSocket } from "node:dgram";
import { fromTree } from "../trees.ts";
import type { Network } from "./network.ts";

interface Query {
  readonly closestNodes: readonly { readonly id: Uint8Array }[];
  finished(): Promise<void>;
}

interface DhtRpc {
  readonly id: Uint8Array | null;
  readonly table: { toArray(): readonly object[] };
  readonly stats: { readonly requests: { readonly total: number } };
  fullyBootstrapped(): Promise<void>;
  findNode(target: Uint8Array): Query;
  destroy(): Promise<void>;
}

interface DhtRpcClass {
  new (options: object): DhtRpc;
  bootstrapper(port: number, host: string, options: object): DhtRpc;
}

const host = "127.0.0.1";

export async function dhtRpcNetwork(size: number): Promise<Network> {
  const DhtRpc = fromTree(["dht-rpc"]) as DhtRpcClass;
  const port = await freePort();
  const first = DhtRpc.bootstrapper(port, host, { host });
  await first.fullyBootstrapped();
  const options = { host, bootstrap: [{ host, port }], ephemeral: false, firewalled: false };
  const nodes = [first, ...Array.from({ length: size - 1 }, () => new DhtRpc(options))];
  await Promise.all(nodes.map((node) => node.fullyBootstrapped()));
  return {
    ids: nodes.map(({ id }) => {
      if (id === null) throw new Error("a dht-rpc node has no id: it has not become persistent");
      return Uint8Array.from(id);
    }),
    async findNode(asker, target) {
      const query = (nodes[asker] as DhtRpc).findNode(Buffer.from(target));
      await query.finished();
      return { ids: query.closestNodes.map(({ id }) => id) };
    },
    requests: () => nodes.reduce((sum, { stats }) => sum + stats.requests.total, 0),
    contacts: () => nodes.reduce((sum, { table }) => sum + table.toArray().length, 0),
    async close() {
      await Promise.all(nodes.map((node) => node.destroy()));
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.bind(0, host, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
