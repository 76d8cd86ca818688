/**
 * Any transport for blocking loops, under Node's own event loop: `koffi.node.poll` watches its descriptors, and each time
 * that one is readable a batch is read.
 *
 * A descriptor that somebody else closes says nothing more; the next send notices.
 */
import type {
  Address,
  AddressKind,
  AddressTable,
  PolledSocket,
  PolledTransport,
  SendOutcome,
  Transmit,
  Transport,
  TransportSink,
} from "@kad/core";
import { guarded, type KoffiPollHandle } from "@kad/native";
import { getDescriptorFlags } from "./platform.ts";
import { type SocketCalls, socketCalls } from "./socket-calls.ts";

interface Watch {
  readonly handle: KoffiPollHandle;
  readonly wantsWrite: boolean;
}

/** Messages read before other things of Node's loop have their turn: as many as a node keeps replies for. */
const turnMessages = 256;

/** @throws UnavailableError, which says what to install or to use instead */
export function watchedByNode(transport: PolledTransport): Transport {
  return new WatchedTransport(transport);
}

class WatchedTransport implements Transport {
  readonly kinds: readonly AddressKind[];
  readonly maxBytes: number;
  readonly #transport: PolledTransport;
  readonly #calls: SocketCalls = socketCalls();
  readonly #watches = new Map<PolledSocket, Watch>();
  #sink: TransportSink | undefined;
  #isReferenced = true;

  constructor(transport: PolledTransport) {
    this.#transport = transport;
    this.kinds = transport.kinds;
    this.maxBytes = transport.maxBytes;
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
    for (const watch of this.#watches.values()) watch.handle.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    for (const watch of this.#watches.values()) watch.handle.unref();
  }

  /** Handles first: a descriptor that is still watched may be another one's number by the next turn. */
  close(): void {
    this.#sink = undefined;
    this.#transport.flush();
    for (const socket of [...this.#watches.keys()]) this.#unwatch(socket);
    this.#transport.close();
  }

  #watch(): void {
    const { sockets } = this.#transport;
    for (const socket of [...this.#watches.keys()]) if (!sockets.includes(socket)) this.#unwatch(socket);
    for (const socket of sockets) {
      const watch = this.#watches.get(socket);
      if (watch?.wantsWrite !== socket.wantsWrite) this.#start(socket, watch);
    }
  }

  /** libuv ends the process when it is to watch what is no descriptor any more. */
  #start(socket: PolledSocket, known: Watch | undefined): void {
    const { fcntl, native } = this.#calls;
    if (fcntl(socket.fd, getDescriptorFlags, "int", 0) < 0) {
      this.#unwatch(socket);
      socket.receive(1); // lets the transport notice
      return;
    }
    const events = { readable: true, writable: socket.wantsWrite };
    const listener = guarded(
      (status: number, { writable }: { readonly writable: boolean }) =>
        this.#onEvents(socket, status, writable),
      (error) => this.#sink?.report(error),
    );
    const handle = known?.handle;
    if (handle !== undefined) handle.start(events, listener);
    const watch = { handle: handle ?? native.koffi.node.poll(socket.fd, events, listener) };
    if (!this.#isReferenced) watch.handle.unref();
    this.#watches.set(socket, { ...watch, wantsWrite: socket.wantsWrite });
  }

  #unwatch(socket: PolledSocket): void {
    this.#watches.get(socket)?.handle.close();
    this.#watches.delete(socket);
  }

  #onEvents(socket: PolledSocket, status: number, isWritable: boolean): void {
    if (this.#sink === undefined) return;
    if (isWritable) socket.writable();
    socket.receive(turnMessages); // an error too: reading tells which one
    if (status < 0) this.#unwatch(socket);
    if (this.#sink !== undefined) this.#watch();
  }
}
