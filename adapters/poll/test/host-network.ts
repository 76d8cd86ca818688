/** Nodes whose host owns the socket: a network that is an array, in time that is a number. */
import { createHash } from "node:crypto";
import {
  AddressTable,
  copyBytes,
  KadNode,
  NodeId,
  type NodeOptions,
  type Seed,
  type Sha256,
} from "@kad/core";
import { hostSocket } from "../src/host-socket.ts";
import { type PollNode, type PollNodeOptions, pollNode } from "../src/index.ts";

interface Datagram {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

export interface HostedNode {
  readonly url: string;
  readonly machine: KadNode;
  readonly addresses: AddressTable;
  readonly node: PollNode;
}

export const sha256: Sha256 = (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest());

/** The same numbers in every run. */
function seeded(seed: number): NodeOptions["random"] {
  let state = seed;
  return {
    fill(into) {
      for (let i = 0; i < into.length; i++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        into[i] = state >>> 24;
      }
    },
  };
}

export function nodeOptions(addresses: AddressTable, seed: number): NodeOptions {
  const random = seeded(seed);
  const id = new Uint8Array(32);
  random.fill(id);
  return {
    id: NodeId.fromBytes(id),
    addresses,
    random,
    sha256,
  };
}

export class HostNetwork {
  nowMs = 1_000;
  readonly nodes: HostedNode[] = [];
  readonly underWay: Datagram[] = [];
  readonly clock = { nowMs: () => this.nowMs, unixMs: () => 1_700_000_000_000 + this.nowMs };

  add(options: Partial<PollNodeOptions> = {}): HostedNode {
    const url = `udp://192.0.2.${this.nodes.length + 1}:4100`;
    const addresses = new AddressTable();
    const machine = new KadNode(nodeOptions(addresses, this.nodes.length + 1));
    const socket = hostSocket({
      local: url,
      send: (bytes, to) => void this.underWay.push({ from: url, to: to.key, bytes: copyBytes(bytes) }),
    });
    const node = pollNode({ machine, addresses, transports: [socket], clock: this.clock, ...options });
    const hosted = { url, machine, addresses, node };
    this.nodes.push(hosted);
    return hosted;
  }

  /** What is under way arrives, and everybody takes a turn; when nothing is, time passes up to the next deadline. */
  step(turn: (node: PollNode) => void = (node) => void node.periodic()): void {
    if (this.underWay.length === 0) {
      const timeouts = this.nodes.map(({ node }) => node.getNextTimeoutMs() ?? Number.POSITIVE_INFINITY);
      this.nowMs += Math.min(...timeouts, 60_000);
    }
    for (const { from, to, bytes } of this.underWay.splice(0)) {
      const receiver = this.nodes.find(({ url }) => url === to);
      if (receiver?.node.closed === false) receiver.node.deliver(bytes, from);
    }
    for (const { node } of this.nodes) turn(node);
  }

  until(isDone: () => boolean, turn?: (node: PollNode) => void): void {
    for (let steps = 0; !isDone(); steps++) {
      if (steps > 10_000) throw new Error("nothing came of it in 10,000 steps");
      this.step(turn);
    }
  }

  close(): void {
    for (const { node } of this.nodes) void node.close();
  }
}

export function seedOf({ machine, url }: HostedNode, asker: HostedNode): Seed {
  return { id: machine.id, addresses: [asker.addresses.parse(url)] };
}
