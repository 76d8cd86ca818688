/**
 * bittorrent-dht with its own k-rpc. A lookup is what it does itself to find nodes (k-rpc's `closest` with find_node), and
 * not its public `lookup`, which asks for torrents and so costs more.
 */

import { distanceOf } from "../id-distance.ts";
import { fromTree } from "../trees.ts";
import type { Found, Network } from "./network.ts";

interface Reply {
  readonly r?: { readonly id?: Uint8Array };
}

interface KRpc {
  readonly id: Uint8Array;
  readonly nodes: { count(): number };
  readonly socket: { readonly _tick: number; query(...given: readonly unknown[]): unknown };
  closest(
    target: Buffer,
    message: { readonly q: string; readonly a: object },
    visit: (reply: Reply) => void,
    done: (error: Error | null) => void,
  ): void;
}

interface BittorrentDht {
  readonly nodeId: Uint8Array;
  readonly _rpc: KRpc;
  listen(port: number, host: string, listening: () => void): void;
  once(event: "ready", listener: () => void): void;
  on(event: "error" | "warning", listener: (error: Error) => void): void;
  address(): { readonly port: number };
  destroy(done: () => void): void;
}

type Constructor = new (options: { readonly bootstrap: false | readonly string[] }) => BittorrentDht;

export async function bittorrentNetwork(size: number): Promise<Network> {
  const { Client } = (await import("bittorrent-dht")) as unknown as { readonly Client: Constructor };
  const counts = { requests: 0 };
  const first = await open(new Client({ bootstrap: false }), counts);
  const seed = `127.0.0.1:${first.address().port}`;
  const others = Array.from({ length: size - 1 }, async () => {
    const node = new Client({ bootstrap: [seed] });
    const ready = new Promise<void>((resolve) => node.once("ready", resolve));
    await open(node, counts);
    await ready;
    return node;
  });
  const nodes = [first, ...(await Promise.all(others))];
  return {
    ids: nodes.map(({ nodeId }) => nodeId),
    findNode: (asker, target) => lookup((nodes[asker] as BittorrentDht)._rpc, target),
    requests: () => counts.requests,
    contacts: () => nodes.reduce((sum, { _rpc }) => sum + _rpc.nodes.count(), 0),
    async close() {
      await Promise.all(nodes.map((node) => new Promise<void>((resolve) => node.destroy(resolve))));
    },
  };
}

/** All that answer are kept: it knows no number of results, and stops when its k = 20 closest have been asked. */
function lookup(rpc: KRpc, target: Uint8Array): Promise<Found> {
  const answered: Uint8Array[] = [];
  const bytes = Buffer.from(target);
  return new Promise((resolve, reject) => {
    rpc.closest(
      bytes,
      { q: "find_node", a: { id: rpc.id, target: bytes } },
      ({ r }) => {
        if (r?.id !== undefined) answered.push(r.id);
      },
      (error) => {
        if (error) reject(error);
        else resolve({ ids: answered.sort((a, b) => distanceOf(bytes, a) - distanceOf(bytes, b)) });
      },
    );
  });
}

async function open(node: BittorrentDht, counts: { requests: number }): Promise<BittorrentDht> {
  const { socket } = node._rpc;
  const query = socket.query.bind(socket);
  socket.query = (...given) => {
    counts.requests++;
    return query(...given);
  };
  node.on("error", (error) => {
    throw error;
  });
  node.on("warning", () => undefined);
  await new Promise<void>((resolve) => node.listen(0, "127.0.0.1", resolve));
  return node;
}

/** The release that is measured. */
export const bittorrentModules = ["bittorrent-dht", "k-rpc", "k-rpc-socket"] as const;

/** The bencode that its wire uses. */
export function wireBencode(): { encode(value: unknown): Buffer; decode(bytes: Uint8Array): unknown } {
  return fromTree([...bittorrentModules, "bencode"]) as ReturnType<typeof wireBencode>;
}
