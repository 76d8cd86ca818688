/**
 * The same nodes and drivers as in `kad-network.ts` on a wire in memory, in one synchronous loop: no socket, no promise, no
 * timer. What is left is what the core itself costs.
 */
import { hash as digest } from "node:crypto";
import {
  type Address,
  AddressTable,
  type Commands,
  type Deadline,
  Driver,
  type Host,
  KadNode,
  type Machine,
  type NodeEvent,
  NodeId,
  type Outlet,
  type Path,
  type QueryFinished,
  type QueryId,
  type SecureChannel,
  type SendOutcome,
  type Transmit,
} from "@kad/core";
import { secure } from "@kad/crypto";
import { SeededRandom } from "../seeded-random.ts";

/** Each datagram takes so long: time passes, while none is waited for. */
const datagramMs = 0.01;
const timerStepMs = 10;
const settleMs = 2_000;
const firstPort = 20_000;
const maxDatagramBytes = 1_200;

interface Datagram {
  readonly bytes: Uint8Array;
  length: number;
  from: number;
  to: number;
}

export interface MemoryLookup {
  readonly ids: readonly NodeId[];
  readonly requests: number;
  readonly rounds: number;
}

/** A secure channel, and the id that it proves. */
interface ChannelOfNode {
  readonly id: NodeId;
  readonly channel: SecureChannel;
}

export interface MemoryNetworkOptions {
  readonly seed?: number;
  /** Puts a channel around each node. */
  readonly channel?: ((addresses: AddressTable, nowMs: number) => ChannelOfNode) | undefined;
  /** As core does by default, where no channel proves addresses. */
  readonly padRequests?: boolean;
}

export class MemoryNetwork {
  readonly peers: readonly MemoryPeer[];
  readonly random: SeededRandom;
  nowMs = 0;
  readonly #queue: Datagram[] = [];
  readonly #free: Datagram[] = [];
  readonly #pumps: (() => void)[] = [];
  #head = 0;

  constructor(size: number, { seed = 1, channel, padRequests = true }: MemoryNetworkOptions = {}) {
    this.random = new SeededRandom(seed);
    this.peers = Array.from(
      { length: size },
      (_, index) => new MemoryPeer(this, index, { channel, padRequests }),
    );
    for (const peer of this.peers.slice(1)) peer.bootstrap();
    this.run();
    this.pass(settleMs);
  }

  send(from: number, to: number, bytes: Uint8Array): SendOutcome {
    if (to < 0 || to >= this.peers.length) return "unreachable";
    const datagram = this.#free.pop() ?? { bytes: new Uint8Array(maxDatagramBytes), length: 0, from, to };
    datagram.bytes.set(bytes);
    datagram.length = bytes.length;
    datagram.from = from;
    datagram.to = to;
    this.#queue.push(datagram);
    return "sent";
  }

  /** Runs once what a driver wants to be run soon. */
  schedule(pump: () => void): void {
    this.#pumps.push(pump);
  }

  /** Delivers until nothing is under way. */
  run(): void {
    for (;;) {
      const pump = this.#pumps.pop();
      if (pump !== undefined) pump();
      else if (this.#head === this.#queue.length) break;
      if (this.#head === this.#queue.length) continue;
      const datagram = this.#queue[this.#head++] as Datagram;
      this.nowMs += datagramMs;
      this.peers[datagram.to]?.receive(datagram);
      this.#free.push(datagram);
      if (this.#head === 4_096) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
    }
    this.#queue.length = 0;
    this.#head = 0;
  }

  /** Time in which timers fire: after joining, nodes look for those that joined with them. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) {
      this.nowMs += timerStepMs;
      for (const { driver } of this.peers) driver.pump();
      this.run();
    }
  }

  /** `concurrency` lookups under way at any time, by askers in turn. */
  lookups(count: number, concurrency: number, results: number, onFound: (found: MemoryLookup) => void): void {
    let begun = 0;
    const begin = () => {
      if (begun === count) return;
      const peer = this.peers[begun++ % this.peers.length] as MemoryPeer;
      peer.lookup(NodeId.fromBytes(this.random.bytes(32)), results, (found) => {
        onFound(found);
        begin();
      });
    };
    for (let i = 0; i < concurrency; i++) begin();
    this.run();
  }

  requests(): number {
    return this.peers.reduce((sum, { node }) => sum + node.stats().requestsSent, 0);
  }

  /** Messages of all nodes, and their bytes, without what a channel adds. */
  sent(): { readonly messages: number; readonly bytes: number } {
    let [messages, bytes] = [0, 0];
    for (const { node } of this.peers) {
      const { messagesSent, bytesSent } = node.stats();
      messages += messagesSent;
      bytes += bytesSent;
    }
    return { messages, bytes };
  }
}

class MemoryPeer implements Host, Outlet {
  readonly node: Machine<NodeEvent> & Commands;
  readonly driver: Driver;
  readonly maxBytes = maxDatagramBytes;
  readonly #network: MemoryNetwork;
  readonly #index: number;
  readonly #addresses = new AddressTable();
  readonly #paths: Path[] = [];
  readonly #indexes = new Map<Address, number>();
  readonly #waiting = new Map<QueryId, (finished: QueryFinished) => void>();

  constructor(
    network: MemoryNetwork,
    index: number,
    {
      channel: makeChannel,
      padRequests,
    }: Pick<MemoryNetworkOptions, "channel"> & { readonly padRequests: boolean },
  ) {
    this.#network = network;
    this.#index = index;
    this.#addresses.setLink("udp4", { link: 1, maxBytes: maxDatagramBytes });
    const below = makeChannel?.(this.#addresses, network.nowMs);
    const node = new KadNode({
      id: below?.id ?? NodeId.fromBytes(network.random.bytes(32)),
      random: { fill: (into) => void network.random.fill(into) },
      sha256: (bytes) => new Uint8Array(digest("sha256", bytes, "buffer")),
      addresses: this.#addresses,
      padRequests,
    });
    this.node = below === undefined ? node : secure(node, below.channel);
    this.driver = new Driver(this.node, this, this, {
      onEvent: (event) => {
        if (event.type !== "queryFinished") return;
        this.#waiting.get(event.query)?.(event);
        this.#waiting.delete(event.query);
      },
    });
    this.driver.deliver({ type: "addressesChanged", addresses: [this.#path(index).remote] });
    this.driver.pump();
  }

  nowMs(): number {
    return this.#network.nowMs;
  }

  arm(_deadline: Deadline | undefined): void {}

  schedule(pump: () => void): void {
    this.#network.schedule(pump);
  }

  report(error: unknown): void {
    throw error;
  }

  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    const { remote } = transmit.path;
    const known = this.#indexes.get(remote);
    const to = known ?? Number(remote.key.slice(-5)) - firstPort;
    if (known === undefined) this.#indexes.set(remote, to);
    return this.#network.send(this.#index, to, bytes);
  }

  flush(): void {}

  receive({ bytes, length, from }: Datagram): void {
    this.driver.deliver({ type: "message", from: this.#path(from), bytes: bytes.subarray(0, length) });
    this.driver.pump();
  }

  bootstrap(): void {
    const seeds = [{ addresses: [this.#path(0).remote] }];
    this.driver.run((nowMs) => this.node.bootstrap(nowMs, seeds));
  }

  lookup(target: NodeId, results: number, onFound: (found: MemoryLookup) => void): void {
    this.driver.run((nowMs) => {
      const query = this.node.findNode(nowMs, target, { results });
      this.#waiting.set(query, ({ result, stats }) => {
        const ids = result.type === "nodes" ? result.contacts.map(({ id }) => id) : [];
        onFound({ ids, requests: stats.requests, rounds: stats.rounds });
      });
    });
  }

  #path(index: number): Path {
    const known = this.#paths[index];
    if (known !== undefined) return known;
    const remote = this.#addresses.parse(`udp://127.0.0.1:${firstPort + index}`);
    const path = { remote, dialable: true };
    this.#paths[index] = path;
    return path;
  }
}
