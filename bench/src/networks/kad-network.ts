/** Nodes of @kad/core in Node's event loop, each on a UDP socket of its own, without the promises of @kad/dht above them. */
import { hash as digest, randomFillSync } from "node:crypto";
import { AddressTable, KadNode, NodeId, type QueryFinished, type QueryId } from "@kad/core";
import { type RunningNode, runNode } from "@kad/loop-node";
import { udp } from "@kad/transport-udp";
import type { Found, Network } from "./network.ts";

export async function kadNetwork(size: number): Promise<Network> {
  const nodes = await Promise.all(Array.from({ length: size }, () => KadPeer.open()));
  const [first, ...others] = nodes as [KadPeer, ...KadPeer[]];
  await Promise.all(others.map((node) => node.join(first)));
  return {
    ids: nodes.map(({ node }) => node.id.toBytes()),
    async findNode(asker, target, results): Promise<Found> {
      const { result, stats } = await (nodes[asker] as KadPeer).findNode(target, results);
      const contacts = result.type === "nodes" ? result.contacts : [];
      return { ids: contacts.map(({ id }) => id.toBytes()), rounds: stats.rounds };
    },
    requests: () => nodes.reduce((sum, { node }) => sum + node.stats().requestsSent, 0),
    contacts: () => nodes.reduce((sum, { node }) => sum + node.table.size, 0),
    bytesSent: () => nodes.reduce((sum, { node }) => sum + node.stats().bytesSent, 0),
    async close() {
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}

/** As an application's, one for all its nodes. */
const random = { fill: (into: Uint8Array) => void randomFillSync(into) };
const sha256 = (bytes: Uint8Array) => new Uint8Array(digest("sha256", bytes, "buffer"));

class KadPeer {
  readonly node: KadNode;
  readonly #addresses = new AddressTable();
  readonly #waiting = new Map<QueryId, (finished: QueryFinished) => void>();
  #running: RunningNode | undefined;

  private constructor() {
    this.node = new KadNode({
      id: NodeId.fromBytes(randomFillSync(new Uint8Array(32))),
      random,
      sha256,
      addresses: this.#addresses,
    });
  }

  static async open(): Promise<KadPeer> {
    const peer = new KadPeer();
    peer.#running = await runNode({
      machine: peer.node,
      transports: [udp({ listen: "udp://127.0.0.1:0" })],
      addresses: peer.#addresses,
      onEvent: (event) => {
        if (event.type !== "queryFinished") return;
        peer.#waiting.get(event.query)?.(event);
        peer.#waiting.delete(event.query);
      },
    });
    return peer;
  }

  async join(seed: KadPeer): Promise<void> {
    const address = seed.#opened.router.localAddresses[0];
    if (address === undefined) throw new Error("the first node has no address");
    const seeds = [{ addresses: [this.#addresses.parse(address.key)] }];
    const { end } = await this.#finished((nowMs) => this.node.bootstrap(nowMs, seeds));
    if (end !== "converged") throw new Error(`a node has not joined: ${end}`);
  }

  findNode(target: Uint8Array, results: number): Promise<QueryFinished> {
    const id = NodeId.fromBytes(target);
    return this.#finished((nowMs) => this.node.findNode(nowMs, id, { results }));
  }

  close(): Promise<void> {
    return this.#opened.close();
  }

  get #opened(): RunningNode {
    if (this.#running === undefined) throw new Error("the node is not open");
    return this.#running;
  }

  #finished(begin: (nowMs: number) => QueryId): Promise<QueryFinished> {
    return new Promise((resolve) => {
      this.#opened.driver.run((nowMs) => this.#waiting.set(begin(nowMs), resolve));
    });
  }
}
