/** Nodes in memory, each alone with a world of peers that answer: what a node and its contacts take, and nothing else. */
import { hash as digest } from "node:crypto";
import {
  AddressTable,
  type Contact,
  compareDistance,
  KadNode,
  NodeId,
  nativeProtocol,
  type Protocol,
  type Response,
} from "@kad/core";
import { SeededRandom } from "../seeded-random.ts";

const maxDatagramBytes = 1_200;
const perAnswer = 20;

const sha256 = (bytes: Uint8Array) => new Uint8Array(digest("sha256", bytes, "buffer"));

export class AnsweringWorld {
  readonly #random: SeededRandom;
  readonly #addresses: AddressTable = openTable();
  readonly #protocol: Protocol = nativeProtocol({ addresses: this.#addresses });
  readonly #peers: readonly Contact[];
  readonly #byAddress: ReadonlyMap<string, Contact>;
  readonly #asked = new Uint8Array(maxDatagramBytes);
  readonly #answered = new Uint8Array(maxDatagramBytes);
  #nowMs = 1_000;

  /** Peers in as many subnets. */
  constructor(peers: number) {
    this.#random = new SeededRandom(peers);
    this.#peers = Array.from({ length: peers }, (_, i) => ({
      id: NodeId.fromBytes(this.#random.bytes(32)),
      addresses: [this.#addresses.parse(`udp://${1 + (i >> 8)}.${i & 255}.1.1:4100`)],
    }));
    this.#byAddress = new Map(this.#peers.map((peer) => [peer.addresses[0]?.key ?? "", peer]));
  }

  /** With the addresses and the wire of the world, or with its own. */
  newNode(isShared: boolean): KadNode {
    const addresses = isShared ? this.#addresses : openTable();
    return new KadNode({
      id: NodeId.fromBytes(this.#random.bytes(32)),
      random: this.#random,
      sha256,
      addresses,
      ...(isShared && { protocol: this.#protocol }),
    });
  }

  /** Looks for its own id and for others, until it knows whom it can know. */
  fill(node: KadNode, lookups: number): void {
    const [seed] = this.#peers as [Contact];
    node.bootstrap(this.#nowMs, [{ addresses: seed.addresses }]);
    this.#run(node);
    for (let i = 0; i < lookups; i++) {
      node.findNode(this.#nowMs, NodeId.fromBytes(this.#random.bytes(32)), { results: perAnswer });
      this.#run(node);
    }
  }

  /** Answers whatever it asks, at once. */
  #run(node: KadNode): void {
    for (;;) {
      const transmit = node.pollTransmit(this.#nowMs, this.#asked);
      if (transmit === undefined) break;
      const { path } = transmit;
      const length = this.#answer(path.remote.key, this.#asked.subarray(0, transmit.length));
      this.#nowMs += 0.1;
      const bytes = this.#answered.subarray(0, length);
      node.handleNetworkEvent(this.#nowMs, { type: "message", from: path, bytes });
    }
    while (node.pollEvent() !== undefined);
  }

  #answer(address: string, question: Uint8Array): number {
    const message = this.#protocol.decode(question);
    const peer = this.#byAddress.get(address);
    if (message.kind !== "request" || peer === undefined) throw new Error("a question that is none");
    const { requestId, body } = message;
    const answer: Response =
      body.type === "findNode"
        ? { type: "nodes", contacts: this.#closest(body.target), token: undefined }
        : { type: "pong" };
    const envelope = { kind: "response", requestId, sender: peer.id, client: false, addresses: [] } as const;
    const into = this.#answered;
    const length = this.#protocol.encode({ ...envelope, body: answer }, into, into.length, false);
    if (length === undefined) throw new Error("an answer that does not fit");
    return length;
  }

  #closest(target: NodeId): readonly Contact[] {
    return this.#peers.toSorted((a, b) => compareDistance(target, a.id, b.id)).slice(0, perAnswer);
  }
}

function openTable(): AddressTable {
  const table = new AddressTable();
  table.setLink("udp4", { link: 1, maxBytes: maxDatagramBytes });
  return table;
}
