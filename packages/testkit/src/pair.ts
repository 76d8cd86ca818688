/**
 * Two machines on one clock, and a link between them that does what a script says. Everything is a function of the
 * options, and no real time passes. Borrowed buffers are overwritten with 0xAA after every call.
 */
import {
  AddressTable,
  copyBytes,
  type InstantMs,
  KadNode,
  type NodeEvent,
  type NodeOptions,
  type QueryFinished,
  type QueryId,
  type SocketAddress,
  type Transmit,
} from "@kad/core";
import type { CommandedMachine } from "./commanded-machine.ts";
import { ExpectationError } from "./expectations.ts";
import { Link, type LinkScript } from "./link.ts";
import { poisonByte } from "./poison.ts";
import { seededOptions } from "./seeded-node.ts";

export interface PairOptions<M extends CommandedMachine = KadNode> {
  /** What the two are; by default a `KadNode` each. It may be a machine around one. */
  readonly machine?: (options: NodeOptions) => M;
  /** What becomes of each message; by default it arrives after 10 ms. */
  readonly link?: LinkScript;
  /** Ids and draws of the two come from it; 1 by default. */
  readonly seed?: number;
  /** Largest message of the link, and room for each poll, in bytes; 1,200 by default. */
  readonly maxBytes?: number;
  /** By default a new table. Its udp4 addresses are given this link. */
  readonly addresses?: AddressTable;
  /** In what the first and the second node differ from what the seed gives. */
  readonly a?: Partial<NodeOptions>;
  readonly b?: Partial<NodeOptions>;
}

/** A message that was polled, and a copy of its bytes. */
export interface PairSent {
  readonly atMs: InstantMs;
  readonly transmit: Transmit;
  readonly bytes: Uint8Array;
}

export interface PairSide<M extends CommandedMachine = KadNode> {
  readonly machine: M;
  readonly address: SocketAddress;
  /** Polled so far, in their order. */
  readonly events: NodeEvent[];
  readonly sent: PairSent[];
  /** `false`: nothing is delivered to it, and it is not called. */
  isUp: boolean;
}

const startMs = 1_000;
const defaultDelayMs = 10;
const defaultFinishMs = 120_000;
/** Steps at one instant before it is called a livelock. */
const maxStepsAtOnce = 10_000;

export class Pair<M extends CommandedMachine = KadNode> {
  nowMs: InstantMs = startMs;
  readonly addresses: AddressTable;
  /** Its script may be replaced at any time. */
  readonly link: Link;
  readonly a: PairSide<M>;
  readonly b: PairSide<M>;
  readonly #into: Uint8Array;

  constructor(options: PairOptions<M> = {}) {
    const {
      link = () => [defaultDelayMs],
      maxBytes = 1_200,
      addresses = new AddressTable(),
      seed = 1,
    } = options;
    const make = options.machine ?? ((node: NodeOptions) => new KadNode(node) as CommandedMachine as M);
    this.addresses = addresses;
    this.link = new Link(link);
    this.#into = new Uint8Array(maxBytes);
    addresses.setLink("udp4", { link: 1, maxBytes });
    const sideOf = (i: number, changes: Partial<NodeOptions> = {}): PairSide<M> => ({
      machine: make({ ...seededOptions(addresses, 2 * seed + i), ...changes }),
      address: addresses.parse(`udp://10.0.${i}.1:4000`),
      events: [],
      sent: [],
      isUp: true,
    });
    this.a = sideOf(0, options.a);
    this.b = sideOf(1, options.b);
    for (const { machine, address } of this.#sides) {
      machine.handleNetworkEvent(this.nowMs, { type: "addressesChanged", addresses: [address] });
    }
  }

  get #sides(): readonly PairSide<M>[] {
    return [this.a, this.b];
  }

  /** The other one. */
  peerOf(side: PairSide<M>): PairSide<M> {
    return side === this.a ? this.b : this.a;
  }

  /** Hands bytes to one of them as if the other had sent them; they are copied first, and the copy is overwritten. */
  deliver(to: PairSide<M>, bytes: Uint8Array): void {
    const borrowed = copyBytes(bytes);
    const from = { remote: this.peerOf(to).address, dialable: true };
    to.machine.handleNetworkEvent(this.nowMs, { type: "message", from, bytes: borrowed });
    borrowed.fill(poisonByte);
  }

  /** Polls all that one of them has to send and to tell now, without sending it. */
  poll(side: PairSide<M>): PairSent[] {
    const polled: PairSent[] = [];
    for (;;) {
      const transmit = side.machine.pollTransmit(this.nowMs, this.#into);
      if (transmit === undefined) break;
      if (polled.length > maxStepsAtOnce) throw this.#livelock("polling never ends");
      const bytes = copyBytes(this.#into, 0, transmit.length);
      this.#into.fill(poisonByte);
      polled.push({ atMs: this.nowMs, transmit, bytes });
    }
    for (let event = side.machine.pollEvent(); event !== undefined; event = side.machine.pollEvent()) {
      side.events.push(event);
    }
    side.sent.push(...polled);
    return polled;
  }

  /** Everything that can happen at this instant happens. */
  settle(): void {
    let isMoving = true;
    for (let steps = 0; isMoving; steps++) {
      if (steps > maxStepsAtOnce) throw this.#livelock("messages never stop");
      isMoving = false;
      for (const side of this.#sides) if (side.isUp && this.#send(side)) isMoving = true;
      for (let next = this.link.take(this.nowMs); next !== undefined; next = this.link.take(this.nowMs)) {
        const to = this.#sides.find(({ address }) => address.key === next?.to.key);
        if (to?.isUp) this.deliver(to, next.bytes);
        isMoving = true;
      }
    }
  }

  /**
   * Time passes, from one deadline or arrival to the next, until `until` says so; `false` when `forMs` were over first.
   * @throws ExpectationError for an instant that never ends
   */
  run(forMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + forMs;
    let movedAtMs = Number.NEGATIVE_INFINITY;
    for (let steps = 0; ; steps++) {
      this.settle();
      if (until()) return true;
      if (this.nowMs > movedAtMs) steps = 0;
      if (steps > maxStepsAtOnce) throw this.#livelock("deadlines never move on");
      movedAtMs = this.nowMs;
      const nextMs = this.#nextMs();
      if (nextMs === undefined || nextMs > endMs) {
        this.nowMs = endMs;
        return false;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const { machine, isUp } of this.#sides) if (isUp) machine.handleTimeout(this.nowMs);
    }
  }

  /** Time passes until the query ends. @throws RangeError when it has not within `forMs`, two minutes by default */
  finish(side: PairSide<M>, query: QueryId, forMs: number = defaultFinishMs): QueryFinished {
    const isEnd = (event: NodeEvent): event is QueryFinished =>
      event.type === "queryFinished" && event.query === query;
    this.run(forMs, () => side.events.some(isEnd));
    const end = side.events.find(isEnd);
    if (end === undefined) throw new RangeError(`query ${query} has not ended within ${forMs} ms`);
    return end;
  }

  /** `a` joins through `b`, so that each knows the other. */
  join(): QueryFinished {
    return this.finish(this.a, this.a.machine.bootstrap(this.nowMs, [{ addresses: [this.b.address] }]));
  }

  #livelock(what: string): ExpectationError {
    return new ExpectationError(`expected: an instant that ends, but at ${this.nowMs} ms ${what}`);
  }

  #send(side: PairSide<M>): boolean {
    const polled = this.poll(side);
    for (const { transmit, bytes } of polled) {
      if (transmit.deferred) continue; // a layer in the stack holds it back: nothing is to be sent yet
      this.link.send(this.nowMs, side.address, transmit.path.remote, bytes);
    }
    return polled.length > 0;
  }

  #nextMs(): InstantMs | undefined {
    const deadlines = this.#sides.map(({ machine, isUp }) =>
      isUp ? machine.nextDeadline()?.atMs : undefined,
    );
    const instants = [...deadlines, this.link.nextArrivalMs].filter((atMs) => atMs !== undefined);
    return instants.length === 0 ? undefined : Math.min(...instants);
  }
}
