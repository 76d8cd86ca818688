/** Where the cases for secure channels play: three peers on one clock, and a link that does what the case says. */
import {
  AddressTable,
  type ChannelEvent,
  copyBytes,
  type Gauge,
  type InstantMs,
  type NodeId,
  type OpenedMessage,
  type SecureChannel,
  type SocketAddress,
  type Transmit,
} from "@kad/core";
import { ExpectationError, expectEqual, nth } from "../../expectations.ts";
import { type Arrival, Link } from "../../link.ts";
import { poisonByte } from "../../poison.ts";
import { type SeededRandom, seededRandom } from "../../seeded-random.ts";
import type { CaseStage, SuiteCase, SuiteOptions } from "../../suite.ts";

export interface SecurePeerOptions {
  /** Which peer: 0, 1 or 2. Each has an identity of its own, the same at every call. */
  readonly peer: number;
  /** For everything that is drawn, keys too: in a test they may be known. */
  readonly random: SeededRandom;
}

export interface SecurePeer {
  readonly channel: SecureChannel;
  /** The id that it proves to others. */
  readonly id: NodeId;
  /** The bounds of the channel, by name. Absent: the case about them is skipped. */
  readonly gauges?: () => Readonly<Record<string, Gauge>>;
}

/** A new channel; all that are made trust each other, as nodes of one network do. */
export type MakeSecurePeer = (options: SecurePeerOptions) => SecurePeer;

export interface SecureChannelSuiteOptions extends SuiteOptions {
  /** `datagrams` (by default) may be lost, doubled, reordered and forged one by one; `streams` are broken by the first change. */
  readonly carries?: "datagrams" | "streams";
  /** Largest plaintext, in bytes; by default 900. */
  readonly maxPlaintextBytes?: number;
  /** How many bits of handshakes are changed, drawn over all their packets, each in a handshake of its own; by default 40. */
  readonly handshakeFlips?: number;
}

export interface ChannelTraits {
  readonly carries: "datagrams" | "streams";
  readonly hasGauges: boolean;
}

export type ChannelCase = SuiteCase<ChannelStage, ChannelTraits>;

export function channelTraitsOf(make: MakeSecurePeer, options: SecureChannelSuiteOptions): ChannelTraits {
  const { gauges } = make({ peer: 0, random: seededRandom(1) });
  return { carries: options.carries ?? "datagrams", hasGauges: gauges !== undefined };
}

export interface Received {
  readonly from: OpenedMessage["from"];
  readonly plaintext: Uint8Array;
  readonly isPlain: boolean;
}

/** What the channel was given to seal, and what came of it. */
export type Sealed = "sealed" | "pending" | "refused";

/** A channel, and all that has come out of it. */
export interface Side extends SecurePeer {
  readonly address: SocketAddress;
  readonly received: Received[];
  readonly events: ChannelEvent[];
  /** Every packet that has left it, in order. */
  readonly packets: Uint8Array[];
}

/** What a channel itself wants to send. */
interface Polled {
  readonly to: SocketAddress;
  readonly packet: Uint8Array;
  /** The connection ends with it. */
  readonly closes: boolean;
}

const startMs = 1_000;
const startUnixMs = 1_767_225_600_000;
/** Beyond all handshakes and their deadlines. */
const longMs = 120_000;
const roomBytes = 70_000;
const defaultPlaintextBytes = 900;
const defaultFlips = 40;
const maxStepsAtOnce = 10_000;

export class ChannelStage implements CaseStage {
  nowMs: InstantMs = startMs;
  readonly link: Link = new Link(() => [10]);
  readonly addresses: AddressTable = new AddressTable();
  readonly maxPlaintextBytes: number;
  readonly carries: "datagrams" | "streams";
  readonly handshakeFlips: number;
  readonly #make: MakeSecurePeer;
  readonly #sides: Side[] = [];
  readonly #into: Uint8Array = new Uint8Array(roomBytes);
  #emitted = 0;
  /** Numbers of the packets on the link that end a connection. */
  readonly #closing = new Set<number>();
  /** Of requests that only show that something gets through. */
  #lastTag = 1_000_000;

  constructor(make: MakeSecurePeer, options: SecureChannelSuiteOptions) {
    this.#make = make;
    this.maxPlaintextBytes = options.maxPlaintextBytes ?? defaultPlaintextBytes;
    this.carries = options.carries ?? "datagrams";
    this.handshakeFlips = options.handshakeFlips ?? defaultFlips;
    this.addresses.setLink("udp4", { link: 1, maxBytes: roomBytes });
  }

  /** Peer 0, 1 or 2, or a second one with the identity of one of them, at an address of its own. */
  side(peer: number, seed: number = peer + 1): Side {
    const address = this.addresses.parse(`udp://10.0.${this.#sides.length}.1:4000`);
    const made = this.#make({ peer, random: seededRandom(seed) });
    const side: Side = { ...made, address, received: [], events: [], packets: [] };
    side.channel.handleNetworkEvent(this.nowMs, { type: "wallClock", unixMs: startUnixMs });
    this.#sides.push(side);
    return side;
  }

  /** How many packets have left anybody: the number of the next one on the link. */
  get sentPackets(): number {
    return this.#emitted;
  }

  /** Everybody leaves; time goes back to the start. */
  reset(): void {
    this.#sides.length = 0;
    this.nowMs = startMs;
  }

  /** Two that do not know each other. */
  two(): [Side, Side] {
    return [this.side(0), this.side(1)];
  }

  /** Two that have talked already, and have nothing under way. */
  met(): [Side, Side] {
    const [a, b] = this.two();
    this.send(a, b, bytesOf(0, 10), 1);
    this.until("the first message arrives", () => b.received.length > 0);
    this.send(b, a, bytesOf(1, 10), 0);
    this.until("the answer arrives", () => a.received.length > 0);
    this.run(5_000);
    for (const { received, events } of [a, b]) {
      received.length = 0;
      events.length = 0;
    }
    return [a, b];
  }

  /**
   * Seals a message and lets it leave; the plaintext is overwritten when `seal` has returned. With tag 0 it is a reply,
   * for which no handshake need begin.
   */
  send(from: Side, to: Side, plaintext: Uint8Array, tag: number, peer: NodeId | undefined = to.id): Sealed {
    const sealed = this.seal(from, to, plaintext, tag, peer);
    if (typeof sealed === "string") return sealed;
    this.emit(from, to.address, sealed);
    return "sealed";
  }

  /** Seals a message and gives its packet, which does not leave. */
  seal(
    from: Side,
    to: Side,
    plaintext: Uint8Array,
    tag: number,
    peer: NodeId | undefined = to.id,
  ): Uint8Array | "pending" | "refused" {
    const borrowed = copyBytes(plaintext);
    const path = { remote: to.address, dialable: true };
    const transmit: Transmit = { path, peer, length: plaintext.length, tag };
    const into = this.#into.subarray(0, plaintext.length + from.channel.overheadBytes);
    const length = from.channel.seal(this.nowMs, transmit, borrowed, into);
    borrowed.fill(poisonByte);
    if (typeof length === "string") return length;
    if (length > into.length) {
      const most = `${plaintext.length} bytes and ${from.channel.overheadBytes} more`;
      throw new ExpectationError(`expected: a sealed message has at most ${most}, not ${length}`);
    }
    const packet = copyBytes(into, 0, length);
    into.fill(poisonByte);
    return packet;
  }

  /**
   * The one packet of a message where a session stands: sealed at once, or polled, as a channel may want it. It does not
   * leave.
   */
  packetOf(from: Side, to: Side, plaintext: Uint8Array): Uint8Array {
    const sealed = this.seal(from, to, plaintext, ++this.#lastTag);
    const packets = sealed === "pending" ? this.poll(from).map(({ packet }) => packet) : [sealed];
    const [packet] = packets;
    if (packets.length !== 1 || packet === undefined || typeof packet === "string") {
      throw new ExpectationError(
        `expected: a message is one packet where a session stands, not ${packets.length}`,
      );
    }
    return packet;
  }

  /** A packet leaves. With `closes` the connection ends at the other side, when what is in it has been read. */
  emit(from: Side, to: { readonly key: string }, packet: Uint8Array, closes = false): void {
    from.packets.push(packet);
    if (closes) this.#closing.add(this.#emitted);
    this.#emitted++;
    this.link.send(this.nowMs, from.address, this.addresses.parse(to.key), packet);
  }

  /** Hands a packet to a channel, as if it came from an address; what was opened, if anything. */
  open(to: Side, from: SocketAddress, packet: Uint8Array): Received | undefined {
    const borrowed = copyBytes(packet);
    const opened = to.channel.open(this.nowMs, { remote: from, dialable: true }, borrowed);
    borrowed.fill(poisonByte);
    if (opened === undefined) return undefined;
    const { plaintext } = opened;
    const isPlain = Object.getPrototypeOf(plaintext) === Uint8Array.prototype;
    const received = { from: opened.from, plaintext: copyBytes(plaintext), isPlain };
    to.received.push(received);
    return received;
  }

  /** All that a channel itself wants to send now, without sending it, and its events. */
  poll(side: Side): Polled[] {
    const polled: Polled[] = [];
    for (;;) {
      const transmit = side.channel.pollTransmit(this.nowMs, this.#into);
      if (transmit === undefined) break;
      if (polled.length > maxStepsAtOnce) throw new ExpectationError("expected: polling ends");
      const packet = copyBytes(this.#into, 0, transmit.length);
      this.#into.fill(poisonByte);
      const to = this.addresses.parse(transmit.path.remote.key);
      polled.push({ to, packet, closes: transmit.closes === true });
    }
    for (let event = side.channel.pollEvent(); event !== undefined; event = side.channel.pollEvent()) {
      side.events.push(event);
    }
    return polled;
  }

  /** Everything that can happen at this instant happens. */
  settle(): void {
    let isMoving = true;
    for (let steps = 0; isMoving; steps++) {
      if (steps > maxStepsAtOnce) throw new ExpectationError(`expected: packets stop at ${this.nowMs} ms`);
      isMoving = false;
      for (const side of this.#sides) {
        for (const { to, packet, closes } of this.poll(side)) {
          this.emit(side, to, packet, closes);
          isMoving = true;
        }
      }
      for (let next = this.link.take(this.nowMs); next !== undefined; next = this.link.take(this.nowMs)) {
        const to = this.#sides.find(({ address }) => address.key === next?.to.key);
        if (to !== undefined) this.#arrive(to, next);
        isMoving = true;
      }
    }
  }

  #arrive(to: Side, { from, bytes, number }: Arrival): void {
    const remote = this.addresses.parse(from.key);
    const closes = this.#closing.has(number);
    if (!closes || bytes.length > 0) this.open(to, remote, bytes);
    if (!closes) return;
    to.channel.handleNetworkEvent(this.nowMs, { type: "sendFailed", to: remote, reason: "closed" });
  }

  /** Time passes, from one deadline or arrival to the next. */
  run(forMs: number, until: () => boolean = () => false): void {
    const endMs = this.nowMs + forMs;
    for (let steps = 0; ; steps++) {
      this.settle();
      if (until()) return;
      if (steps > maxStepsAtOnce)
        throw new ExpectationError(`expected: deadlines move on at ${this.nowMs} ms`);
      const deadlines = this.#sides.flatMap(({ channel }) => channel.nextDeadline()?.atMs ?? []);
      const nextMs = Math.min(...deadlines, this.link.nextArrivalMs ?? endMs, endMs);
      this.nowMs = Math.max(this.nowMs, nextMs);
      if (nextMs >= endMs) {
        this.nowMs = endMs;
        this.settle();
        return;
      }
      for (const { channel } of this.#sides) channel.handleTimeout(this.nowMs);
    }
  }

  until(what: string, isSo: () => boolean): void {
    this.run(longMs, isSo);
    if (!isSo()) throw new ExpectationError(`waited ${longMs} ms for this to happen: ${what}`);
  }

  /** That a request gets through, over a new session if need be, and sent again when it is lost: it may meet a handshake. */
  expectAlive(from: Side, to: Side, number: number): void {
    const before = to.received.length;
    for (let tries = 0; tries < 3 && to.received.length === before; tries++) {
      this.send(from, to, bytesOf(number, 33), ++this.#lastTag);
      this.run(3_000, () => to.received.length > before);
    }
    expectEqual("a message that is sent then", to.received.at(-1)?.plaintext, bytesOf(number, 33));
  }

  /**
   * A fresh pair exchanges two messages; the size of each packet on the way. With `flip`, one bit of one packet is changed:
   * whatever comes of it, nobody receives what was not sent, nor from whom it was not.
   */
  exchange(flip?: { readonly packet: number; readonly bit: number }): number[] {
    this.reset();
    const [a, b] = this.two();
    const sizes: number[] = [];
    this.link.script = ({ bytes, from, to }) => {
      sizes.push(bytes.length);
      if (flip === undefined || sizes.length - 1 !== flip.packet) return [10];
      const target = to.key === a.address.key ? a : b;
      const before = target.received.length;
      this.open(target, this.addresses.parse(from.key), flipped(bytes, flip.bit));
      const what = `messages out of packet ${flip.packet} with bit ${flip.bit} changed`;
      expectEqual(what, target.received.length - before, 0);
      return [];
    };
    this.send(a, b, bytesOf(3, 10), 1);
    this.run(200);
    this.send(b, a, bytesOf(4, 10), 2);
    this.run(longMs);
    for (const { from, plaintext } of [...b.received, ...a.received]) {
      const sender = from.remote.key === a.address.key ? a : b;
      expectEqual("a message", plaintext, bytesOf(sender === a ? 3 : 4, 10));
      expectEqual("whom it came from", from.peer.toHex(), sender.id.toHex());
    }
    this.link.script = () => [10];
    return sizes;
  }

  close(): void {}
}

/** Bytes that tell which message they are. */
export function bytesOf(number: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i < 2 ? number >> (8 * i) : number * 17 + i * 5));
}

export function numberOf(plaintext: Uint8Array): number {
  return nth(plaintext, 0) | (nth(plaintext, 1) << 8);
}

/** A copy with one bit changed. */
export function flipped(packet: Uint8Array, bit: number): Uint8Array {
  const changed = copyBytes(packet);
  changed[bit >> 3] = nth(changed, bit >> 3) ^ (1 << (bit & 7));
  return changed;
}

/** What a tag has come to, in the order told. */
export function fatesOf(side: Side, tag: number): string[] {
  return side.events.flatMap((event) => ("tag" in event && event.tag === tag ? [event.type] : []));
}
