/**
 * Datagrams of one socket that wait for the end of the pump, or for room in the kernel. One `sendmmsg` takes up to 64.
 *
 * In order. `sendmmsg` stops at a message that fails: it is told, passed over, and the rest goes on.
 */
import type { SocketAddress } from "@kad/core";
import { sockaddrBytes, writeSockaddr } from "@kad/native";
import { maxDatagramBytes, type UdpKind } from "../udp-options.ts";
import { MessageSlots } from "./message-slots.ts";
import type { SocketCalls } from "./socket-calls.ts";

const chunkSlots = 64;

/** One call's worth. */
interface Chunk {
  readonly slots: MessageSlots;
  readonly to: SocketAddress[];
  readonly tags: number[];
  /** Those before it have left. */
  start: number;
  end: number;
}

/** Datagrams of one family that wait, in the queues of all its sockets. */
export interface QueueRoom {
  used: number;
  readonly limit: number;
}

export interface SendQueueOptions {
  readonly calls: SocketCalls;
  readonly kind: UdpKind;
  readonly room: QueueRoom;
  /** This one came to nothing. */
  readonly onFailure: (to: SocketAddress, tag: number, errno: number) => void;
}

export class SendQueue {
  readonly #options: SendQueueOptions;
  readonly #chunks: Chunk[];
  #length = 0;
  #calls = 0;
  #isBlocked = false;

  constructor(options: SendQueueOptions) {
    this.#options = options;
    this.#chunks = [this.#newChunk()];
  }

  get length(): number {
    return this.#length;
  }

  /** The kernel takes no more until the socket is writable. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** The bytes are copied. `false`: as many wait as may. */
  push(to: SocketAddress, tag: number, bytes: Uint8Array): boolean {
    const { kind, calls, room } = this.#options;
    if (room.used >= room.limit) return false;
    let chunk = this.#chunks.at(-1) as Chunk;
    if (chunk.end === chunkSlots) {
      chunk = this.#newChunk();
      this.#chunks.push(chunk);
    }
    const slot = chunk.end++;
    const { slots } = chunk;
    slots.block.bytes.set(bytes, slots.bytesAt(slot));
    slots.setLength(slot, bytes.length);
    slots.setAddressLength(slot, sockaddrBytes(kind));
    writeSockaddr(to, kind, calls.layout, slots.block.bytes, slots.addressAt(slot));
    chunk.to[slot] = to;
    chunk.tags[slot] = tag;
    this.#length++;
    room.used++;
    return true;
  }

  /** A whole call's worth waits: sending now keeps the memory small. */
  get hasFullChunk(): boolean {
    return this.#length >= chunkSlots;
  }

  /** System calls that took at least one. */
  get calls(): number {
    return this.#calls;
  }

  /** Sends until nothing waits or the kernel takes no more. Where the descriptor is no socket any more, that error's number. */
  flush(fd: number): number {
    this.#isBlocked = false;
    const { eAgain, eBadf, eIntr, eNotSock } = this.#options.calls.platform;
    while (this.#length > 0) {
      const chunk = this.#chunks[0] as Chunk;
      const sent = this.#send(fd, chunk);
      if (sent >= 0) {
        this.#calls++;
        this.#advance(chunk, sent);
      } else if (-sent === eAgain) {
        this.#isBlocked = true;
        return 0;
      } else if (-sent === eBadf || -sent === eNotSock) return -sent;
      else if (-sent !== eIntr) this.#fail(chunk, -sent);
    }
    return 0;
  }

  /** What waits comes to nothing. */
  failAll(errno: number): void {
    while (this.#length > 0) this.#fail(this.#chunks[0] as Chunk, errno);
  }

  release(): void {
    for (const { slots } of this.#chunks) slots.block.release();
  }

  #newChunk(): Chunk {
    const slots = new MessageSlots(
      this.#options.calls.native,
      chunkSlots,
      maxDatagramBytes,
      "the send buffer",
    );
    return { slots, to: [], tags: [], start: 0, end: 0 };
  }

  /** How many have left; negative: why the first one could not. */
  #send(fd: number, { slots, start, end }: Chunk): number {
    const { calls, kind } = this.#options;
    const { address } = slots.block;
    const sent =
      calls.sendmmsg === undefined
        ? calls.sendto(
            fd,
            address + slots.bytesAt(start),
            slots.lengthToSend(start),
            0,
            address + slots.addressAt(start),
            sockaddrBytes(kind),
          )
        : calls.sendmmsg(fd, address + slots.headerAt(start), end - start, 0);
    if (sent < 0) return -calls.native.errno();
    return calls.sendmmsg === undefined ? 1 : sent;
  }

  #fail(chunk: Chunk, errno: number): void {
    const [to, tag] = [chunk.to[chunk.start] as SocketAddress, chunk.tags[chunk.start] as number];
    this.#advance(chunk, 1);
    this.#options.onFailure(to, tag, errno);
  }

  /** An empty chunk begins anew; of several, only one is kept. */
  #advance(chunk: Chunk, by: number): void {
    chunk.start += by;
    this.#length -= by;
    this.#options.room.used -= by;
    if (chunk.start < chunk.end) return;
    chunk.start = 0;
    chunk.end = 0;
    chunk.to.length = 0;
    if (this.#chunks.length === 1) return;
    this.#chunks.shift();
    chunk.slots.block.release();
  }
}
