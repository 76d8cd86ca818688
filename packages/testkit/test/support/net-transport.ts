/**
 * Framed TCP on `node:net`, as short as the suite for transports lets it be: a length of four bytes before each message.
 * For tests of that suite on real connections.
 */
import { createServer, type Server, Socket } from "node:net";
import {
  type Address,
  type AddressTable,
  ListenError,
  type Path,
  type SendOutcome,
  type Transmit,
  type Transport,
  type TransportSink,
  UsageError,
} from "@kad/core";

const maxMessageBytes = 2 ** 20;
/** What one connection may keep that the kernel has not taken. */
const maxQueuedBytes = 4 * 2 ** 20;

interface Connection {
  readonly socket: Socket;
  readonly path: Path;
  isOpen: boolean;
  /** Tags of what waits for the dial. */
  readonly waiting: { readonly tag: number; readonly frame: Uint8Array }[];
}

export class NetTransport implements Transport {
  readonly kinds = ["tcp4"] as const;
  readonly maxBytes = maxMessageBytes;
  readonly #port: number;
  readonly #connections = new Map<string, Connection>();
  #server: Server | undefined;
  #sink: TransportSink | undefined;
  #addresses: AddressTable | undefined;
  #local: Address | undefined;
  #closing: Promise<void> | undefined;

  constructor(port = 0) {
    this.#port = port;
  }

  async open(sink: TransportSink, addresses: AddressTable): Promise<void> {
    if (this.#addresses !== undefined) throw new UsageError("invalidArgument", "opened twice");
    this.#addresses = addresses;
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) =>
        reject(new ListenError("addressInUse", `tcp://127.0.0.1:${this.#port}`, error)),
      );
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#server = server;
    this.#local = addresses.fromSocket("tcp4", "127.0.0.1", (server.address() as { port: number }).port);
    this.#sink = sink;
  }

  send({ path, tag }: Transmit, bytes: Uint8Array): SendOutcome {
    const sink = this.#sink;
    if (sink === undefined) return "unreachable";
    if (bytes.length > maxMessageBytes) {
      sink.sendFailed(path.remote, tag, "tooLarge");
      return "queued";
    }
    const connection =
      this.#connections.get(path.remote.key) ?? (path.dialable ? this.#dial(path) : undefined);
    if (connection === undefined) return "unreachable";
    const waitingBytes = connection.waiting.reduce((sum, { frame }) => sum + frame.length, 0);
    if (waitingBytes + connection.socket.writableLength + bytes.length > maxQueuedBytes) {
      sink.sendFailed(path.remote, tag, "queueFull");
      return "queued";
    }
    const frame = new Uint8Array(4 + bytes.length);
    new DataView(frame.buffer).setUint32(0, bytes.length);
    frame.set(bytes, 4);
    if (connection.isOpen) {
      connection.socket.write(frame);
      return "sent";
    }
    connection.waiting.push({ tag, frame });
    sink.deferred(tag);
    return "queued";
  }

  flush(): void {}

  get localAddresses(): readonly Address[] {
    return this.#local === undefined ? [] : [this.#local];
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    this.#sink = undefined;
    this.#local = undefined;
    const sockets = [...this.#connections.values()].map(({ socket }) => socket);
    const ended = sockets.map((socket) => {
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.end();
      setTimeout(() => socket.destroy(), 100).unref();
      return closed;
    });
    const closed = new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
    await Promise.all([...ended, closed]);
  }

  #accept(socket: Socket): void {
    const remote = this.#addresses?.fromSocket("tcp4", socket.remoteAddress ?? "", socket.remotePort ?? 0);
    if (remote === undefined || this.#sink === undefined) socket.destroy();
    else this.#hold(socket, { remote, dialable: false }, true);
  }

  #dial(path: Path): Connection {
    const socket = new Socket();
    const connection = this.#hold(socket, { remote: path.remote, dialable: true }, false);
    socket.once("connect", () => {
      connection.isOpen = true;
      for (const { tag, frame } of connection.waiting.splice(0)) {
        socket.write(frame);
        this.#sink?.sent(tag);
      }
    });
    socket.connect(Number(path.remote.key.split(":").at(-1)), "127.0.0.1");
    return connection;
  }

  #hold(socket: Socket, path: Path, isOpen: boolean): Connection {
    const connection: Connection = { socket, path, isOpen, waiting: [] };
    this.#connections.set(path.remote.key, connection);
    socket.on("error", () => undefined); // "close" follows
    socket.once("close", () => this.#onClosed(connection));
    let unread: Uint8Array = new Uint8Array(0);
    socket.on("data", (chunk) => {
      unread = joined(unread, chunk);
      for (;;) {
        const length =
          unread.length < 4 ? undefined : new DataView(unread.buffer, unread.byteOffset).getUint32(0);
        if (length === undefined || unread.length < 4 + length) return;
        this.#sink?.message(path, unread.subarray(4, 4 + length));
        unread = unread.subarray(4 + length);
      }
    });
    return connection;
  }

  #onClosed(connection: Connection): void {
    const { remote } = connection.path;
    if (this.#connections.get(remote.key) === connection) this.#connections.delete(remote.key);
    for (const { tag } of connection.waiting) this.#sink?.sendFailed(remote, tag, "unreachable");
    if (connection.isOpen) this.#sink?.sendFailed(remote, undefined, "closed");
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Accepts, and never reads. */
export async function stalledListener(): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `tcp://127.0.0.1:${(server.address() as { port: number }).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}
