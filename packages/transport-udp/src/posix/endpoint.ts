/** A bound socket with its queue, as a loop that waits for descriptors sees it. */
import type { AddressTable, PolledSocket, SocketAddress } from "@kad/core";
import type { BoundSocket } from "../udp-addresses.ts";
import type { UdpKind } from "../udp-options.ts";
import type { PosixSocket } from "./posix-socket.ts";
import type { ReceiveBatch } from "./receive-batch.ts";
import { type QueueRoom, SendQueue } from "./send-queue.ts";
import type { SocketCalls } from "./socket-calls.ts";

/** What the transport does for each of its sockets. */
export interface EndpointEvents {
  /** Slot `slot` of the batch has a datagram. `false`: the rest of the batch is of no use any more. */
  readonly onDatagram: (endpoint: Endpoint, slot: number) => boolean;
  readonly onFailure: (to: SocketAddress, tag: number, errno: number) => void;
  /** A call failed for a reason that concerns no one datagram. `isLost`: the descriptor is no socket of ours any more. */
  readonly onError: (endpoint: Endpoint, call: string, errno: number, isLost: boolean) => void;
  /** Something has left. */
  readonly onSent: (endpoint: Endpoint) => void;
}

export interface EndpointOptions {
  readonly calls: SocketCalls;
  readonly socket: PosixSocket;
  readonly batch: ReceiveBatch;
  readonly room: QueueRoom;
  readonly events: EndpointEvents;
}

export class Endpoint implements PolledSocket, BoundSocket {
  readonly fd: number;
  readonly kind: UdpKind;
  readonly isLoopback: boolean;
  readonly local: SocketAddress | undefined;
  readonly #options: EndpointOptions;
  readonly #queue: SendQueue;
  #receiveCalls = 0;
  #isReading = false;
  #isClosed = false;

  constructor(options: EndpointOptions) {
    const { socket, calls, room, events } = options;
    this.#options = options;
    this.fd = socket.fd;
    this.kind = socket.kind;
    this.isLoopback = socket.isLoopback;
    this.local = socket.local;
    this.#queue = new SendQueue({ calls, kind: socket.kind, room, onFailure: events.onFailure });
  }

  get receiveCalls(): number {
    return this.#receiveCalls;
  }

  get sendCalls(): number {
    return this.#queue.calls;
  }

  get wantsWrite(): boolean {
    return this.#queue.isBlocked;
  }

  dialable(addresses: AddressTable): SocketAddress[] {
    return this.#options.socket.dialable(addresses);
  }

  /** See {@link PolledSocket.receive}. From inside a message that it hands on, it does nothing. */
  receive(max: number): number {
    if (this.#isReading || this.#isClosed) return 0;
    this.#isReading = true;
    try {
      return this.#receive(max);
    } finally {
      this.#isReading = false;
    }
  }

  writable(): void {
    this.flush();
  }

  /** `false`: as many wait as may. */
  send(to: SocketAddress, tag: number, bytes: Uint8Array): boolean {
    const queue = this.#queue;
    if (queue.push(to, tag, bytes)) {
      if (queue.hasFullChunk && !queue.isBlocked) this.flush();
      return true;
    }
    if (queue.isBlocked) return false;
    this.flush();
    return queue.push(to, tag, bytes);
  }

  flush(): void {
    if (this.#queue.length === 0) return;
    const { events } = this.#options;
    const errno = this.#queue.flush(this.fd);
    events.onSent(this);
    if (errno > 0) events.onError(this, "send", errno, true);
  }

  /** What waits comes to nothing; the descriptor is left alone. */
  abandon(errno: number): void {
    if (this.#isClosed) return;
    this.#queue.failAll(errno);
    this.#isClosed = true;
    this.#queue.release();
  }

  /** Sends what the kernel still takes. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue.flush(this.fd);
    this.#queue.release();
    this.#options.socket.close();
  }

  #receive(max: number): number {
    const { batch, events } = this.#options;
    let messages = 0;
    while (messages < max) {
      const wanted = Math.min(max - messages, batch.size);
      const read = batch.read(this.fd, wanted);
      if (read < 0) {
        this.#onReadError(-read);
        return messages;
      }
      if (read > 0) this.#receiveCalls++;
      messages += read;
      for (let slot = 0; slot < read; slot++) if (!events.onDatagram(this, slot)) return messages;
      if (read < wanted) return messages;
    }
    return messages;
  }

  #onReadError(errno: number): void {
    const { eAgain, eBadf, eNotSock } = this.#options.calls.platform;
    if (errno === eAgain) return;
    this.#options.events.onError(this, "recv", errno, errno === eBadf || errno === eNotSock);
  }
}
