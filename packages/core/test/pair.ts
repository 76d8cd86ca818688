/**
 * A few nodes on one virtual clock, joined by a wire that delivers at once or after a delay.
 */
import { createHash } from "node:crypto";
import type { SocketAddress } from "../src/index.ts";
import {
  AddressTable,
  KadNode,
  type NodeEvent,
  NodeId,
  type NodeOptions,
  type QueryFinished,
  type QueryId,
} from "../src/index.ts";
import { RandomSource } from "../src/random-source.ts";

export const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(bytes).digest());

/** xorshift32: the same seed gives the same bytes. */
export function seededRandom(seed: number): { fill(into: Uint8Array): void; next(): number } {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return {
    next,
    fill(into) {
      for (let i = 0; i < into.length; i++) into[i] = next() >>> 11;
    },
  };
}

/** The same for one part of a node. */
export function randomSource(seed: number): RandomSource {
  return new RandomSource(seededRandom(seed), {
    report(error) {
      throw error;
    },
  });
}

export interface Host {
  readonly node: KadNode;
  readonly address: SocketAddress;
  readonly events: NodeEvent[];
  isUp: boolean;
}

interface Datagram {
  readonly atMs: number;
  readonly order: number;
  readonly from: SocketAddress;
  readonly to: string;
  readonly bytes: Uint8Array;
}

export interface NetworkOptions {
  readonly seed?: number;
  readonly delayMs?: number;
  /** Share of datagrams lost, 0 to 1. */
  readonly loss?: number;
  readonly limits?: NodeOptions["limits"];
  /** Whether borrowed buffers are overwritten once the call has returned; true unless a test compares the two. */
  readonly poison?: boolean;
  /** Sees every datagram that a node sends, also one that is lost. The bytes may be kept. */
  readonly onDatagram?: (nowMs: number, from: SocketAddress, to: string, bytes: Uint8Array) => void;
}

/** Hosts live in different /24s, so that subnet limits are really on. */
export class Network {
  nowMs = 1_000;
  readonly addresses = new AddressTable();
  readonly hosts: Host[] = [];
  readonly random: ReturnType<typeof seededRandom>;
  datagrams = 0;
  /** Who has sent to whom, lost datagrams included. */
  readonly log: { readonly from: string; readonly to: string }[] = [];
  readonly #options: NetworkOptions;
  readonly #wire: Datagram[] = [];
  readonly #byAddress = new Map<string, Host>();
  readonly #scratch = new Uint8Array(1_200);
  #order = 0;

  constructor(options: NetworkOptions = {}) {
    this.#options = options;
    this.random = seededRandom(options.seed ?? 1);
    this.addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
  }

  add(options: Partial<NodeOptions> = {}): Host {
    const i = this.hosts.length;
    const address = this.addresses.parse(`udp://${10 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.7:4000`);
    return this.addAt(address, options);
  }

  addAt(address: SocketAddress, options: Partial<NodeOptions> = {}): Host {
    const id = new Uint8Array(32);
    this.random.fill(id);
    const node = new KadNode({
      id: NodeId.fromBytes(id),
      random: this.random,
      sha256,
      addresses: this.addresses,
      limits: this.#options.limits ?? {},
      ...options,
    });
    const host: Host = { node, address, events: [], isUp: true };
    this.hosts.push(host);
    this.#byAddress.set(address.key, host);
    node.handleNetworkEvent(this.nowMs, { type: "addressesChanged", addresses: [address] });
    return host;
  }

  /** Everything that can happen at this instant happens. */
  settle(): void {
    for (;;) {
      let progress = false;
      for (const host of this.hosts) if (host.isUp && this.#drain(host)) progress = true;
      while (this.#wire[0] !== undefined && this.#wire[0].atMs <= this.nowMs) {
        this.#deliver(this.#wire.shift() as Datagram);
        progress = true;
      }
      if (!progress) return;
    }
  }

  /** Runs until `until` says so or `forMs` have passed; `false` when time ran out. */
  run(forMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + forMs;
    for (;;) {
      this.settle();
      if (until()) return true;
      const nextMs = this.#nextMs();
      if (nextMs === undefined || nextMs > endMs) {
        this.nowMs = endMs;
        return false;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const host of this.hosts) if (host.isUp) host.node.handleTimeout(this.nowMs);
    }
  }

  /** Runs until the query ends and returns its end. */
  finish(host: Host, query: QueryId, forMs = 120_000): QueryFinished {
    const find = () => host.events.find((event) => event.type === "queryFinished" && event.query === query);
    this.run(forMs, () => find() !== undefined);
    const end = find();
    if (end === undefined) throw new Error(`query ${query} did not end within ${forMs} ms`);
    return end as QueryFinished;
  }

  #drain(host: Host): boolean {
    let any = false;
    for (;;) {
      const transmit = host.node.pollTransmit(this.nowMs, this.#scratch);
      if (transmit === undefined) break;
      any = true;
      this.datagrams++;
      this.log.push({ from: host.address.key, to: transmit.path.remote.key });
      const bytes = new Uint8Array(this.#scratch.subarray(0, transmit.length));
      if (this.#options.poison !== false) this.#scratch.fill(0xaa);
      this.#options.onDatagram?.(this.nowMs, host.address, transmit.path.remote.key, Uint8Array.from(bytes));
      if ((this.random.next() % 10_000) / 10_000 < (this.#options.loss ?? 0)) continue;
      const atMs = this.nowMs + (this.#options.delayMs ?? 0);
      this.#wire.push({
        atMs,
        order: this.#order++,
        from: host.address,
        to: transmit.path.remote.key,
        bytes,
      });
    }
    for (let event = host.node.pollEvent(); event !== undefined; event = host.node.pollEvent())
      host.events.push(event);
    return any;
  }

  #deliver(datagram: Datagram): void {
    const host = this.#byAddress.get(datagram.to);
    if (host === undefined || !host.isUp) return;
    host.node.handleNetworkEvent(this.nowMs, {
      type: "message",
      from: { remote: datagram.from, dialable: true },
      bytes: datagram.bytes,
    });
    if (this.#options.poison !== false) datagram.bytes.fill(0xaa);
  }

  #nextMs(): number | undefined {
    let nextMs = this.#wire[0]?.atMs;
    for (const { node, isUp } of this.hosts) {
      const atMs = isUp ? node.nextDeadline()?.atMs : undefined;
      if (atMs !== undefined && (nextMs === undefined || atMs < nextMs)) nextMs = atMs;
    }
    return nextMs;
  }
}
