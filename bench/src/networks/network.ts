/** A network of nodes in this process, whatever they are made of: what all lookup benchmarks work on. */
export interface Network {
  /** Of every node, in order. */
  readonly ids: readonly Uint8Array[];
  /** Looks from node `asker` for the nodes nearest to `target`, as many as `results` where the implementation lets us say so. */
  findNode(asker: number, target: Uint8Array, results: number): Promise<Found>;
  /** Requests that all nodes have sent so far, whatever for. */
  requests(): number;
  /** Contacts in the tables of all nodes. */
  contacts(): number;
  /** Bytes that all nodes have sent so far, without headers of the network; where the implementation counts them. */
  bytesSent?(): number;
  close(): Promise<void>;
}

export interface Found {
  /** Ids of those who answered, the nearest first; ours, or the answer's own. */
  readonly ids: readonly Uint8Array[];
  /** Requests that had to wait for one another, where the implementation counts them. */
  readonly rounds?: number;
}

/** Resolves when every node has joined. */
export type NetworkMaker = (size: number) => Promise<Network>;
