/**
 * A datagram under way, and the pool that packets come from: what has arrived or was lost carries the next one.
 */
import type { Address, Malformed, Message, Path } from "@kad/core";
import type { Endpoint } from "./endpoint.ts";
import type { Task } from "./timeline.ts";
import type { InstantUs } from "./virtual-time.ts";

/** A datagram as observers see it; valid until the call returns. */
export interface Packet {
  /** Counted from 1; a duplicate has the number of the original. */
  readonly number: number;
  readonly from: Endpoint;
  /** The source that the receiver sees: of a sender behind a NAT, the NAT's. */
  readonly source: Path;
  readonly to: Address;
  /** Who had this address when the packet was sent; `undefined`: nobody. */
  readonly target: Endpoint | undefined;
  /** The message, without the headers of UDP and IP. */
  readonly bytes: Uint8Array;
  /** What the protocol that all hosts speak reads in it; read when it is first asked for. */
  readonly message: Message | Malformed;
}

/** Why a packet did not arrive. */
export type DropReason =
  | "loss"
  | "cut" // a partition
  | "uplinkFull"
  | "downlinkFull"
  | "tooLarge" // over the MTU
  | "nobody" // no host has this address
  | "down" // the host was down, asleep, or its buffer full
  | "nat"; // the receiver's NAT does not let it in

/** What a packet's bytes are filled with once the receiver has read them: nobody may keep a view of them. */
const poison = 0xaa;

/** Sizes of buffers: a short request, a padded one, an answer of the plain and of the secure wire. */
const bufferBytes = [128, 448, 896, 1_280];

export class PooledPacket implements Packet, Task {
  number = 0;
  from!: Endpoint;
  source!: Path;
  to!: Address;
  target: Endpoint | undefined;
  bytes!: Uint8Array;
  /** It has been through the receiver's line. */
  isThroughLine = false;
  readonly buffer: Uint8Array;
  /** Which of the pool's lists it goes back to; `undefined`: too large for any. */
  readonly size: number | undefined;
  #message: Message | Malformed | undefined;
  readonly #arrive: (nowUs: InstantUs, packet: PooledPacket) => void;

  constructor(
    buffer: Uint8Array,
    size: number | undefined,
    arrive: (nowUs: InstantUs, packet: PooledPacket) => void,
  ) {
    this.buffer = buffer;
    this.size = size;
    this.#arrive = arrive;
  }

  get message(): Message | Malformed {
    this.#message ??= this.from.host.simulation.protocol.decode(this.bytes);
    return this.#message;
  }

  /** The bytes are others from now on. */
  forget(): void {
    this.#message = undefined;
    this.target = undefined;
    this.isThroughLine = false;
  }

  run(nowUs: InstantUs): void {
    this.#arrive(nowUs, this);
  }
}

export class PacketPool {
  readonly #free: readonly PooledPacket[][] = bufferBytes.map(() => []);
  readonly #arrive: (nowUs: InstantUs, packet: PooledPacket) => void;
  #inFlight = 0;

  /** @param arrive called when a packet's time has come */
  constructor(arrive: (nowUs: InstantUs, packet: PooledPacket) => void) {
    this.#arrive = arrive;
  }

  /** Packets that were taken and not given back. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** A packet with a copy of these bytes. */
  take(bytes: Uint8Array): PooledPacket {
    this.#inFlight++;
    let size = 0;
    while (size < bufferBytes.length && (bufferBytes[size] as number) < bytes.length) size++;
    const isPooled = size < bufferBytes.length;
    const packet =
      this.#free[size]?.pop() ??
      new PooledPacket(
        new Uint8Array(bufferBytes[size] ?? bytes.length),
        isPooled ? size : undefined,
        this.#arrive,
      );
    packet.buffer.set(bytes);
    packet.bytes = packet.buffer.subarray(0, bytes.length);
    return packet;
  }

  /** The same once more. */
  copy(packet: PooledPacket): PooledPacket {
    const copy = this.take(packet.bytes);
    copy.number = packet.number;
    copy.from = packet.from;
    copy.source = packet.source;
    copy.to = packet.to;
    copy.target = packet.target;
    return copy;
  }

  /** Nobody reads the packet any more: its bytes are overwritten at once. */
  giveBack(packet: PooledPacket): void {
    this.#inFlight--;
    packet.bytes.fill(poison);
    packet.forget();
    if (packet.size !== undefined) (this.#free[packet.size] as PooledPacket[]).push(packet);
  }
}
