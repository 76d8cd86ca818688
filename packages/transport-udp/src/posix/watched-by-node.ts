/**
 * Any transport for blocking loops, under Node's own event loop: `koffi.node.poll` watches its descriptors, and each time
 * that one is readable a batch is read.
 *
 * A descriptor that somebody else closes says nothing more; the next send notices.
 */
import {
  type Address,
  type AddressKind,
  type AddressTable,
  type PolledSocket,
  type PolledTransport,
  type SendOutcome,
  SocketWatches,
  type Transmit,
  type Transport,
  type TransportSink,
  turnMessages,
} from "@kad/core";
import { guarded, type KoffiPollHandle } from "@kad/native";
import { getDescriptorFlags } from "./platform.ts";
import { type SocketCalls, socketCalls } from "./socket-calls.ts";

/** @throws UnavailableError, which says what to install or to use instead */
export function watchedByNode(transport: PolledTransport): Transport {
  return new WatchedTransport(transport);
}

class WatchedTransport implements Transport {
  readonly kinds: readonly AddressKind[];
  readonly maxBytes: number;
  readonly #transport: PolledTransport;
  readonly #calls: SocketCalls = socketCalls();
  readonly #handles = new Set<KoffiPollHandle>();
  readonly #watches: SocketWatches<KoffiPollHandle | undefined>;
  #sink: TransportSink | undefined;
  #isReferenced = true;
  #hasLost = false;

  constructor(transport: PolledTransport) {
    this.#transport = transport;
    this.kinds = transport.kinds;
    this.maxBytes = transport.maxBytes;
    this.#watches = new SocketWatches({
      add: (socket, wantsWrite) => this.#add(socket, wantsWrite),
      change: (handle, socket, wantsWrite) => this.#change(handle, socket, wantsWrite),
      remove: (handle) => this.#remove(handle),
    });
  }

  get localAddresses(): readonly Address[] {
    return this.#transport.localAddresses;
  }

  open(sink: TransportSink, addresses: AddressTable): void {
    this.#transport.open(sink, addresses);
    this.#sink = sink;
    this.#watch();
  }

  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    return this.#transport.send(transmit, bytes);
  }

  flush(): void {
    this.#transport.flush();
    this.#watch();
  }

  ref(): void {
    this.#isReferenced = true;
    for (const handle of this.#handles) handle.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    for (const handle of this.#handles) handle.unref();
  }

  /** Handles first: a descriptor that is still watched may be another one's number by the next turn. */
  close(): void {
    this.#sink = undefined;
    this.#transport.flush();
    this.#watches.clear();
    this.#transport.close();
  }

  /** Once more, where one has turned out to be gone. */
  #watch(): void {
    do {
      this.#hasLost = false;
      this.#watches.update(this.#transport.sockets);
    } while (this.#hasLost);
  }

  #add(socket: PolledSocket, writable: boolean): KoffiPollHandle | undefined {
    if (this.#isGone(socket)) return undefined;
    const { node } = this.#calls.native.koffi;
    const handle = node.poll(socket.fd, { readable: true, writable }, this.#listener(socket));
    this.#handles.add(handle);
    if (!this.#isReferenced) handle.unref();
    return handle;
  }

  #change(handle: KoffiPollHandle | undefined, socket: PolledSocket, writable: boolean): void {
    if (handle !== undefined && !this.#isGone(socket))
      handle.start({ readable: true, writable }, this.#listener(socket));
  }

  #remove(handle: KoffiPollHandle | undefined): void {
    if (handle !== undefined && this.#handles.delete(handle)) handle.close();
  }

  /** libuv ends the process when it is to watch what is no descriptor any more. */
  #isGone(socket: PolledSocket): boolean {
    if (this.#calls.fcntl(socket.fd, getDescriptorFlags, "int", 0) >= 0) return false;
    this.#hasLost = true;
    socket.receive(1); // lets the transport notice
    return true;
  }

  #listener(socket: PolledSocket): Parameters<KoffiPollHandle["start"]>[1] {
    return guarded(
      (status, events) => this.#onEvents(socket, status, events.writable),
      (error) => this.#sink?.report(error),
    );
  }

  #onEvents(socket: PolledSocket, status: number, isWritable: boolean): void {
    if (this.#sink === undefined) return;
    if (isWritable) socket.writable();
    socket.receive(turnMessages); // an error too: reading tells which one
    if (status < 0) this.#watches.remove(socket);
    else if (this.#sink !== undefined) this.#watch();
  }
}
