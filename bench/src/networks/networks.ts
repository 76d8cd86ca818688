/** The networks that are compared, by name. Each is loaded only in the process that measures it. */
import { versionIn } from "../trees.ts";
import type { NetworkMaker } from "./network.ts";

interface Contestant {
  /** As tables name it. */
  readonly label: string;
  readonly load: () => Promise<NetworkMaker>;
  /** Whether a lookup can be told how many results it is to bring. */
  readonly takesResults: boolean;
  readonly idBytes: number;
}

export const contestants: Readonly<Record<string, Contestant>> = {
  kad: {
    label: "@kad/core on dgram",
    load: async () => (await import("./kad-network.ts")).kadNetwork,
    takesResults: true,
    idBytes: 32,
  },
  dht: {
    label: "@kad/dht createNode, in plain text",
    load: async () => (await import("./dht-network.ts")).plainDhtNetwork,
    takesResults: true,
    idBytes: 32,
  },
  secureDht: {
    label: "@kad/dht createNode, encrypted",
    load: async () => (await import("./dht-network.ts")).dhtNetwork,
    takesResults: true,
    idBytes: 32,
  },
  bittorrent: {
    label: `bittorrent-dht ${versionIn(["bittorrent-dht"])}`,
    load: async () => (await import("./bittorrent-network.ts")).bittorrentNetwork,
    takesResults: false,
    idBytes: 20,
  },
  dhtRpc: {
    label: `dht-rpc ${versionIn(["dht-rpc"])}`,
    load: async () => (await import("./dht-rpc-network.ts")).dhtRpcNetwork,
    takesResults: false,
    idBytes: 32,
  },
};

export function contestant(name: string): Contestant {
  const found = contestants[name];
  if (found === undefined) throw new Error(`no network "${name}"`);
  return found;
}
