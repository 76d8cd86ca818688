/**
 * One listening socket that rests while the process has no descriptors left.
 *
 * Under EMFILE libuv accepts what waits and closes it at once, without a word to us, and whoever dials believes for a moment
 * to have reached somebody. So we look for ourselves: when an accepted connection has taken the last descriptor, it is
 * closed, and the listener too for a while, so that others are refused and go elsewhere. Connections that there are go on.
 */
import { closeSync, openSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { devNull, networkInterfaces } from "node:os";
import { type AddressTable, listenErrorOf, type SocketAddress } from "@kad/core";
import { isShortage } from "./socket-errors.ts";

export interface TcpListenerOptions {
  /** Where to bind; the port may be 0, and the host unspecified. */
  readonly listen: SocketAddress;
  /** Connections that wait to be accepted; the system has a limit of its own. */
  readonly backlog: number;
  readonly keepAliveMs: number;
  /** How long it rests when descriptors are short. */
  readonly restMs: number;
  readonly onConnection: (socket: Socket) => void;
  /** It was the last descriptor. The listener closes for a while. */
  readonly onShortage: () => void;
  readonly onError: (error: Error) => void;
}

export class TcpListener {
  readonly kind: "tcp4" | "tcp6";
  readonly #options: TcpListenerOptions;
  #server: Server | undefined;
  #rest: NodeJS.Timeout | undefined;
  #port = 0;
  #isReferenced = true;
  #isClosed = false;

  private constructor(options: TcpListenerOptions) {
    this.#options = options;
    this.kind = options.listen.family === 6 ? "tcp6" : "tcp4";
  }

  /** @throws (rejects) ListenError that names the address */
  static async bind(options: TcpListenerOptions): Promise<TcpListener> {
    const listener = new TcpListener(options);
    await listener.#bind(options.listen.port);
    return listener;
  }

  /** Whether it takes connections now. */
  get isListening(): boolean {
    return this.#server !== undefined;
  }

  /**
   * Where others reach this socket: the address it is bound to; where that is every address, those of the interfaces,
   * without loopback and link-local ones, which mean nothing elsewhere.
   */
  dialable(addresses: AddressTable): SocketAddress[] {
    const bound = addresses.fromSocket(this.kind, this.#options.listen.host, this.#port);
    if (bound !== undefined) return [bound];
    const family = this.kind === "tcp4" ? "IPv4" : "IPv6";
    return Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .filter(
        (entry) =>
          entry.family === family && !entry.internal && !/^(fe[89ab]|169\.254\.)/i.test(entry.address),
      )
      .flatMap((entry) => addresses.fromSocket(this.kind, entry.address, this.#port) ?? []);
  }

  /** Takes no connection for a while. */
  rest(): void {
    const server = this.#server;
    if (server === undefined || this.#isClosed) return;
    this.#server = undefined;
    server.close();
    this.#restLonger();
  }

  ref(): void {
    this.#isReferenced = true;
    this.#server?.ref();
    this.#rest?.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    this.#server?.unref();
    this.#rest?.unref();
  }

  /** Those accepted before stay. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#rest);
    this.#server?.close();
    this.#server = undefined;
  }

  #bind(port: number): Promise<void> {
    const { listen, backlog, keepAliveMs } = this.#options;
    return new Promise((resolve, reject) => {
      const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs });
      const fail = (error: Error): void => reject(listenErrorOf(listen.key, error));
      server.once("error", fail);
      // Both families at once would give an IPv4 peer two addresses, and take the port in both.
      const where = { host: listen.host, port, backlog, ipv6Only: listen.family === 6, exclusive: true };
      server.listen(where, () => {
        server.off("error", fail);
        server.on("error", (error) => this.#onError(error));
        server.on("connection", (socket) => this.#onConnection(socket));
        if (!this.#isReferenced) server.unref();
        const address = server.address();
        this.#port = typeof address === "object" && address !== null ? address.port : port;
        if (this.#isClosed) server.close();
        else this.#server = server;
        resolve();
      });
    });
  }

  #onConnection(socket: Socket): void {
    if (hasSpareDescriptor()) {
      this.#options.onConnection(socket);
      return;
    }
    socket.destroy();
    this.#onShortage();
  }

  #onError(error: Error): void {
    if (isShortage(error)) this.#onShortage();
    else this.#options.onError(error);
  }

  #onShortage(): void {
    this.#options.onShortage();
    this.rest();
  }

  #restLonger(): void {
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      this.#bind(this.#port).catch(() => this.#restLonger());
    }, this.#options.restMs);
    if (!this.#isReferenced) this.#rest.unref();
  }
}

/** Costs two system calls, a few µs, for each connection. */
function hasSpareDescriptor(): boolean {
  try {
    closeSync(openSync(devNull, "r"));
    return true;
  } catch {
    return false;
  }
}
