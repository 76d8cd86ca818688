/**
 * Options of `createNode` and of the operations of a node; `option-checks.ts` holds them to what is allowed.
 */
import type {
  Commands,
  Machine,
  NodeEvent,
  NodeId,
  NodeLimits,
  NodeOptions,
  Plugin,
  RecordStore,
  RecordValidator,
  Transport,
} from "@kad/core";
import type { DatagramLimits, Identity, NetworkKey, Policy, StreamLimits } from "@kad/crypto";
import type { TcpOptions } from "@kad/transport-tcp";
import type { UdpOptions } from "@kad/transport-udp";
import type { WebSocketOptions } from "@kad/transport-websocket";
import type { SeedInput } from "./seed-resolver.ts";

/** What stands in front of an address. */
export type Scheme = "udp" | "tcp" | "ws" | "wss";

export interface DhtUdpOptions extends Omit<UdpOptions, "listen"> {
  /**
   * `posix`: sockets by the system's own calls, in batches, under Node's loop. A node answers about twice as many requests
   * for the same work then. On Linux, with the package koffi. Default: `dgram`, which is everywhere.
   */
  readonly sockets?: "dgram" | "posix";
}

export interface SecurityOptions {
  /** Whether to have anything to do with a peer that has proven its id: a list of those who may, for one. Synchronous. */
  readonly admits?: Policy;
  /** Bounds of the channel over UDP: `DatagramLimits` of `@kad/crypto`. */
  readonly datagrams?: Partial<DatagramLimits>;
  /** Bounds of the channel over TCP and WebSocket: `StreamLimits`. */
  readonly streams?: Partial<StreamLimits>;
  /** How long a static key is in force, in ms, 1 min to 30 days; default 1 day. Whoever steals one reads the first messages that were sent to it, and no others. */
  readonly rotationMs?: number;
}

export interface CreateNodeOptions {
  /**
   * Where to listen: `udp://0.0.0.0:4100`, `tcp://[::]:0` (port 0: any free one), `ws://127.0.0.1:4200/kad`; several at once.
   * Others are told of all of them. Absent: a client, which asks and stands in nobody's table.
   */
  readonly listen?: string | readonly string[];
  /**
   * By what others may be dialled, beside what is listened with: `udp`, `tcp`, `ws`, `wss`. Default: by what the seeds are
   * reached; `udp` where nothing else says anything.
   */
  readonly dial?: readonly Scheme[];
  /** More of UDP: `announce`, buffers, and which sockets; see `@kad/transport-udp`. */
  readonly udp?: DhtUdpOptions;
  /** More of TCP: `announce`, `limits`, …; see `@kad/transport-tcp`. */
  readonly tcp?: Omit<TcpOptions, "listen">;
  /** More of WebSocket: `announce` (the public URL behind a proxy), `tls`, `origins`, …; see `@kad/transport-websocket`. */
  readonly webSocket?: Omit<WebSocketOptions, "listen">;
  /**
   * Transports of your own, not yet open, for kinds of address that nothing above has. With one that listens, say `mode:
   * "server"`.
   */
  readonly transports?: readonly Transport[];
  /**
   * Nodes of the network to join: URLs whose host may be a name, with the id where it is known. Absent or empty: the first
   * node of a network.
   */
  readonly bootstrap?: readonly SeedInput[];
  /**
   * Who the node is: its id comes from the public key, and others see it proven. From a file: `loadOrCreateIdentity(path)`.
   * Default: a new one, which is forgotten when the node closes.
   */
  readonly identity?: Identity;
  /**
   * Makes the network private: who has it not gets no answer, nor learns that there is anybody. From a file:
   * `loadNetworkKey(path)`. Default: none.
   */
  readonly networkKey?: NetworkKey;
  /** Name of the network, 1 to 255 bytes of UTF-8; nodes of different names do not understand each other. Default `kad`. */
  readonly network?: string;
  /**
   * More of the secure channels. `none` must be said: messages travel in plain text then, ids prove nothing, and only nodes
   * that say so too understand it. Default: everything is encrypted, and every peer has proven its id.
   */
  readonly security?: "none" | SecurityOptions;
  /** With `security: "none"` alone, since an identity has its own. 32 random bytes by default. */
  readonly id?: NodeId;
  /** `server` with `listen`, else `client`. */
  readonly mode?: "server" | "client";
  /** Core's limits, and `exempt`: networks that subnet limits do not count (`private`, `10.0.0.0/8`, `*.example`). */
  readonly limits?: Partial<NodeLimits> & { readonly exempt?: readonly string[] };
  /** How long seeds have to answer, in ms, 1 to 2^31 - 1; see {@link createNodeDefaults}. */
  readonly bootstrapTimeoutMs?: number;
  /** `false`: `createNode` resolves at once, and the seeds are asked in the background until one answers. */
  readonly bootstrapRequired?: boolean;
  /** Holders that must take a record, 0 to 255, or `put`, `set` and `announce` reject. */
  readonly minAccepted?: number;
  /** How long `close` may take to withdraw what is announced, in ms, 0 to 2^31 - 1; 0: it is left to expire. */
  readonly closeTimeoutMs?: number;
  /** Where records of others are held; in memory by default. */
  readonly store?: RecordStore;
  /** Record types beside `immutable`, `open` and (unless `security` is `none`) `mutable`, by name. */
  readonly validators?: Readonly<Record<string, RecordValidator>>;
  /**
   * Makes the machine from what a node is made from, for a layer around it that records or watches: `(options) =>
   * record(new KadNode(options), log)`. It stands between the node and the secure channels, so that what it sees is plain
   * text, of peers that are proven, and no key is among it. It must have the id of the options. Default: a `KadNode` alone.
   */
  readonly machine?: (options: NodeOptions) => Machine<NodeEvent> & Commands;
  /** Attached before anything is sent. */
  readonly plugins?: readonly Plugin[];
  /** Hears every error that has no caller, beside `node:error`. Without both, they go to `console.error`. */
  readonly report?: (error: unknown) => void;
  /** Ends joining: the sockets are closed and `createNode` rejects with its reason. Later aborts do nothing. */
  readonly signal?: AbortSignal;
}

/**
 * `bootstrapTimeoutMs`: core's hard timeout of a request (10 s, as in rust-libp2p and discv5): a seed that has not answered
 * by then, asked in two rounds and sent to again and again, is down for all that we can tell, and an application that starts
 * should hear so before its own health check gives up. `closeTimeoutMs` (ours): two round trips and a retransmission
 * of each, within what those who stop a process grant it.
 */
export const createNodeDefaults: Readonly<
  Required<
    Pick<CreateNodeOptions, "bootstrapTimeoutMs" | "bootstrapRequired" | "minAccepted" | "closeTimeoutMs">
  >
> = Object.freeze({
  bootstrapTimeoutMs: 10_000,
  bootstrapRequired: true,
  minAccepted: 1,
  closeTimeoutMs: 1_000,
});

/** For every operation. */
export interface OperationOptions {
  /** The operation rejects with its reason, and its query is cancelled. */
  readonly signal?: AbortSignal;
  /** The operation ends then with what it has, `timedOut`. 1 ms to 30 days; default `limits.queryTimeoutMs`, 60 s. */
  readonly timeoutMs?: number;
  /**
   * Whether to write down who is asked, skipped or dropped, and why: what the operation resolves with has it as
   * `explanation` (of `set`, that of its put), as have its `query:progress` and `query:end`. Default false.
   */
  readonly explain?: boolean;
}

/** For operations that walk through the network. */
export interface WalkOptions extends OperationOptions {
  /** Requests kept outstanding, 1 to 64; default 3. */
  readonly parallelism?: number;
  /** Disjoint paths, 1 to 8; default 1. More survive liars on some of them. */
  readonly paths?: number;
}

export interface FindNodeOptions extends WalkOptions {
  /** How many of the closest must have answered, 1 to 255; default 8. */
  readonly results?: number;
}

/** Whose name is meant; where security is `none`, nothing need be said, since all names are open. */
export interface Whose {
  /** The public key of the node that has set it, 32 bytes or 64 hexadecimal digits: its `publicKey`. */
  readonly owner?: Uint8Array | string | undefined;
  /** The name that anyone may overwrite. */
  readonly open?: boolean | undefined;
}

export interface GetOptions extends WalkOptions, Whose {
  /** Holders to hear before the best record is taken, 1 to 255; default 1 where the key proves the value, else 8. */
  readonly quorum?: number;
}

export interface PutOptions extends WalkOptions {
  /** Holders to store on, 1 to 255; default 20. */
  readonly results?: number;
  /** Holders that must take it, 0 to 255; default from `createNode`. */
  readonly minAccepted?: number;
  /** How long holders keep it, in ms, at most 24 h. Without it: 24 h, and this node renews it while it runs. */
  readonly lifetimeMs?: number;
  /** `false`: this node keeps no copy, and so never renews the record. Default true. */
  readonly keep?: boolean;
}

/** For records that have a sequence number. */
export interface SwapOptions extends PutOptions {
  /**
   * Compare-and-swap: the sequence number that the record to be replaced is known to have (`seq` of a `get`), 0 for none. A
   * larger one, here or at a holder, rejects with {@link Superseded}. No promise: the network has no centre, and where two
   * write at once, the larger sequence number stays in the end.
   */
  readonly expectedSeq?: number;
}

export interface SetOptions extends SwapOptions {
  /** Writes the name that anyone may overwrite. Default: the node's own, where it has an identity. */
  readonly open?: boolean;
}

export interface KeepAliveOptions extends Whose, OperationOptions {
  /** It is stored again when fewer holders have it, 1 to 255, or fewer than all where there are fewer nodes; default 10. */
  readonly floor?: number;
  /** How often it is looked for, in ms, 1 s to 24 h; default 1 h. */
  readonly intervalMs?: number;
}

export interface AnnounceOptions extends WalkOptions {
  /**
   * What others should know before they connect: text as UTF-8, or bytes, copied. 0 to 401 bytes, which are signed; 512
   * where security is `none`, and nobody proves them.
   */
  readonly meta?: Uint8Array | string;
  /** How long holders keep it if it is not renewed, in ms, from 10 s; default and maximum 1 h. */
  readonly lifetimeMs?: number;
  /** Holders to announce to, 1 to 255; default 20. */
  readonly results?: number;
  /** Holders that must take it, 0 to 255; default from `createNode`. */
  readonly minAccepted?: number;
}

export interface FindProvidersOptions extends WalkOptions {
  /** The search ends when so many are known, 1 to 1,000; default 100. */
  readonly limit?: number;
}
