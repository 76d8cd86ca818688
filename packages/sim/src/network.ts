/**
 * What is between hosts: packets are lost, late, doubled, out of order, kept out by partitions and NATs, and dropped where a
 * line is full or a packet too large.
 *
 * A packet's fate is drawn from streams of its sender, so that what one host does changes nothing for the others but by
 * the packets that they get.
 */
import { type Address, type SocketAddress, UsageError } from "@kad/core";
import { type DelayModel, internetDelays, usualJitterMs } from "./delay.ts";
import { Distribution } from "./distribution.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Nat } from "./nat.ts";
import type { Observers } from "./observer.ts";
import { type DropReason, PacketPool, type PooledPacket } from "./packet.ts";
import type { SimHost } from "./sim-host.ts";
import type { Timeline } from "./timeline.ts";
import { type InstantUs, toUs } from "./virtual-time.ts";

/** What every packet meets. Shares are 0 to 1. */
export interface NetworkConditions {
  readonly delay: DelayModel;
  /** Added to each trip, in ms. */
  readonly jitterMs: Distribution;
  /** Share of packets that get lost. */
  readonly loss: number;
  /** Share of packets that arrive twice. */
  readonly duplication: number;
  /** Share of packets that are held back by `heldBackMs`, so that later ones overtake them. */
  readonly reordering: number;
  readonly heldBackMs: Distribution;
  /** Largest packet with its headers (MTU): larger ones are dropped. */
  readonly maxPacketBytes: number;
}

export const defaultConditions: NetworkConditions = Object.freeze({
  delay: internetDelays(),
  jitterMs: usualJitterMs,
  loss: 0,
  duplication: 0,
  reordering: 0,
  heldBackMs: Distribution.uniform(5, 200),
  maxPacketBytes: 1_500,
});

/** What else happens between two hosts, in this direction. */
export interface LinkFault {
  /** Nothing gets through. */
  readonly cut?: boolean;
  /** Share lost besides. */
  readonly loss?: number;
  readonly addedDelayMs?: number;
}

/** Asked for every packet; `undefined`: nothing. The same at every call, for all that decides it. */
export type LinkRule = (from: SimHost, to: SimHost) => LinkFault | undefined;

export interface NetworkCounters {
  sent: number;
  delivered: number;
  duplicated: number;
  /** Bytes of messages sent, without headers. */
  bytesSent: number;
  readonly dropped: Record<DropReason, number>;
}

export class Network {
  readonly counters: NetworkCounters = {
    sent: 0,
    delivered: 0,
    duplicated: 0,
    bytesSent: 0,
    dropped: {
      loss: 0,
      cut: 0,
      uplinkFull: 0,
      downlinkFull: 0,
      tooLarge: 0,
      nobody: 0,
      down: 0,
      nat: 0,
    },
  };
  readonly #timeline: Timeline;
  readonly #observers: Observers;
  readonly #pool = new PacketPool((nowUs, packet) => this.#arrive(nowUs, packet));
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #nats = new Map<string, Nat>();
  #conditions: NetworkConditions;
  #rules: readonly LinkRule[] = [];

  constructor(timeline: Timeline, observers: Observers, conditions: Partial<NetworkConditions>) {
    this.#timeline = timeline;
    this.#observers = observers;
    this.#conditions = checkedConditions({ ...defaultConditions, ...conditions });
  }

  get conditions(): NetworkConditions {
    return this.#conditions;
  }

  /** Packets under way. */
  get inFlight(): number {
    return this.#pool.inFlight;
  }

  /**
   * Changes some of the conditions, for what is sent from now on.
   * @throws UsageError `invalidOption`
   */
  set(changes: Partial<NetworkConditions>): void {
    this.#conditions = checkedConditions({ ...this.#conditions, ...changes });
  }

  /** Adds a rule for what is sent from now on; the returned function takes it away again. */
  addRule(rule: LinkRule): () => void {
    this.#rules = [...this.#rules, rule];
    return () => {
      this.#rules = this.#rules.filter((other) => other !== rule);
    };
  }

  /** Nothing gets from any of the first to any of the second. One way: for a whole partition, cut both. */
  cut(from: Iterable<SimHost>, to: Iterable<SimHost>): () => void {
    const senders = new Set(from);
    const receivers = new Set(to);
    return this.addRule((sender, receiver) =>
      senders.has(sender) && receivers.has(receiver) ? cutLink : undefined,
    );
  }

  /** Splits the network in parts that hear nothing of each other. Whoever is in no part reaches all. */
  partition(parts: readonly Iterable<SimHost>[]): () => void {
    const partOf = new Map<SimHost, number>();
    for (const [index, hosts] of parts.entries()) for (const host of hosts) partOf.set(host, index);
    return this.addRule((sender, receiver) => {
      const a = partOf.get(sender);
      const b = partOf.get(receiver);
      return a !== undefined && b !== undefined && a !== b ? cutLink : undefined;
    });
  }

  /** @internal */
  bind(endpoint: Endpoint): void {
    const { key } = endpoint.address;
    if (this.#endpoints.has(key)) throw new UsageError("invalidArgument", `address ${key}: it is taken`);
    this.#endpoints.set(key, endpoint);
  }

  /** @internal */
  unbind(endpoint: Endpoint): void {
    if (this.#endpoints.get(endpoint.address.key) === endpoint) this.#endpoints.delete(endpoint.address.key);
  }

  /** @internal */
  addNat(nat: Nat): void {
    this.#nats.set(nat.ip, nat);
  }

  /** Who would get a packet for this address now, NATs looked through; `undefined`: nobody. */
  endpointAt(address: Address): Endpoint | undefined {
    return this.#endpoints.get(address.key) ?? this.#behindNat(address as SocketAddress);
  }

  /** A host sends: the message is copied. @internal */
  send(from: Endpoint, to: Address, bytes: Uint8Array): void {
    const nowUs = this.#timeline.nowUs;
    const packetBytes = bytes.length + from.headerBytes;
    const { uplink } = from.host;
    const leftAtUs = uplink === undefined ? nowUs : uplink.take(nowUs, packetBytes);
    this.counters.sent++;
    this.counters.bytesSent += bytes.length;
    const packet = this.#pool.take(bytes);
    packet.number = this.counters.sent;
    packet.from = from;
    packet.source = from.nat === undefined ? from.path : from.nat.translate(nowUs, from, to as SocketAddress);
    packet.to = to;
    packet.target = this.endpointAt(to);
    this.#observers.onSend(nowUs, packet);
    if (leftAtUs === undefined) this.#drop(nowUs, packet, "uplinkFull");
    else if (packetBytes > this.#conditions.maxPacketBytes) this.#drop(nowUs, packet, "tooLarge");
    else if (packet.target === undefined) this.#drop(nowUs, packet, this.#isNat(to) ? "nat" : "nobody");
    else this.#carry(nowUs, leftAtUs, packet, packet.target);
  }

  #carry(nowUs: InstantUs, leftAtUs: InstantUs, packet: PooledPacket, target: Endpoint): void {
    const { loss, duplication } = this.#conditions;
    const { host } = packet.from;
    const fault = this.#faultOf(host, target.host);
    // Both drawn in any case, and delays from another stream: what is switched on shifts nothing else.
    const isLost = host.random.chance(1 - (1 - loss) * (1 - fault.loss));
    const isDoubled = host.random.chance(duplication);
    const delayUs = this.#delayUs(host, target, fault.addedDelayMs);
    if (fault.cut || isLost) {
      this.#drop(nowUs, packet, fault.cut ? "cut" : "loss");
      return;
    }
    if (isDoubled) {
      this.counters.duplicated++;
      const copy = this.#pool.copy(packet);
      this.#timeline.add(leftAtUs + this.#delayUs(host, target, fault.addedDelayMs), copy);
    }
    this.#timeline.add(leftAtUs + delayUs, packet);
  }

  #delayUs(from: SimHost, target: Endpoint, addedMs: number): number {
    const { delay, jitterMs, reordering, heldBackMs } = this.#conditions;
    const ms = delay.baseMs(from.place, target.host.place) + jitterMs.draw(from.timing) + addedMs;
    const isHeldBack = from.timing.chance(reordering);
    return toUs(isHeldBack ? ms + heldBackMs.draw(from.timing) : ms);
  }

  #faultOf(from: SimHost, to: SimHost): Required<LinkFault> {
    if (this.#rules.length === 0) return noFault;
    let cut = false;
    let passed = 1;
    let addedDelayMs = 0;
    for (const rule of this.#rules) {
      const fault = rule(from, to);
      if (fault === undefined) continue;
      cut ||= fault.cut === true;
      passed *= 1 - (fault.loss ?? 0);
      addedDelayMs += fault.addedDelayMs ?? 0;
    }
    return { cut, loss: 1 - passed, addedDelayMs };
  }

  #arrive(nowUs: InstantUs, packet: PooledPacket): void {
    const target = packet.target as Endpoint;
    const { downlink } = target.host;
    if (downlink === undefined || packet.isThroughLine) {
      this.#deliver(nowUs, packet, target);
      return;
    }
    const throughAtUs = downlink.take(nowUs, packet.bytes.length + target.headerBytes);
    packet.isThroughLine = true;
    if (throughAtUs === undefined) this.#drop(nowUs, packet, "downlinkFull");
    else this.#timeline.add(throughAtUs, packet);
  }

  #deliver(nowUs: InstantUs, packet: PooledPacket, target: Endpoint): void {
    const reason = this.#refusal(nowUs, packet, target);
    if (reason !== undefined) {
      this.#drop(nowUs, packet, reason);
      return;
    }
    this.counters.delivered++;
    this.#observers.onDelivery(nowUs, packet);
    target.host.receive(packet);
    this.#pool.giveBack(packet);
  }

  /** Whoever had the address when the packet was sent may have lost it since. */
  #refusal(nowUs: InstantUs, packet: PooledPacket, target: Endpoint): DropReason | undefined {
    const { nat } = target;
    if (nat === undefined) {
      if (this.#endpoints.get(target.address.key) !== target) return "nobody";
    } else {
      if (nat === packet.from.nat && !nat.hairpin) return "nat";
      const { port } = packet.to as SocketAddress;
      if (nat.admit(nowUs, port, packet.source.remote as SocketAddress) !== target) return "nat";
    }
    return target.host.isReceiving ? undefined : "down";
  }

  #drop(nowUs: InstantUs, packet: PooledPacket, reason: DropReason): void {
    this.counters.dropped[reason]++;
    this.#observers.onDrop(nowUs, packet, reason);
    this.#pool.giveBack(packet);
  }

  #behindNat(address: SocketAddress): Endpoint | undefined {
    if (this.#nats.size === 0) return undefined;
    return this.#nats.get(address.host)?.behind(this.#timeline.nowUs, address.port);
  }

  #isNat(address: Address): boolean {
    return this.#nats.has((address as SocketAddress).host);
  }
}

const cutLink: LinkFault = Object.freeze({ cut: true });
const noFault: Required<LinkFault> = Object.freeze({ cut: false, loss: 0, addedDelayMs: 0 });

function checkedConditions(conditions: NetworkConditions): NetworkConditions {
  for (const name of ["loss", "duplication", "reordering"] as const) {
    const share = conditions[name];
    if (!(share >= 0 && share <= 1)) {
      throw new UsageError("invalidOption", `network.${name}: ${share}; allowed is a share from 0 to 1`);
    }
  }
  const { maxPacketBytes } = conditions;
  if (!(maxPacketBytes > 0)) {
    throw new UsageError(
      "invalidOption",
      `network.maxPacketBytes: ${maxPacketBytes}; allowed is a number above 0`,
    );
  }
  return Object.freeze(conditions);
}
