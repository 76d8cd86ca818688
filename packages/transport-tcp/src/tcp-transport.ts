/**
 * TCP for a node inside Node's own event loop, on `node:net`: whole messages behind a length of four bytes.
 *
 * What makes it a transport is core's `Connections`: it says when to dial, how much may wait for whom, and what is closed.
 * Here are its sockets, and the one timer that calls it.
 */
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import {
  type Address,
  AddressTable,
  addressKinds,
  type Connection,
  type ConnectionLimits,
  type ConnectionStats,
  Connections,
  resolveConnectionLimits,
  type SendOutcome,
  SocketAddress,
  type Transmit,
  type Transport,
  type TransportSink,
  UsageError,
} from "@kad/core";
import { DeadlineTimer } from "./deadline-timer.ts";
import { maxFrameBytes } from "./framing.ts";
import { TcpListener } from "./tcp-listener.ts";
import { TcpSocket, type TcpSocketOwner } from "./tcp-socket.ts";

export interface TcpOptions {
  /**
   * Where to listen: `tcp://` URLs with an IP address, at most 16. Port 0 lets the system choose; `0.0.0.0` and `[::]` are
   * every address of their family. Absent or empty: it only dials.
   */
  readonly listen?: string | readonly string[];
  /**
   * What others are told to dial instead of where this listens: the outer address of a forwarded port, at most 16. Default:
   * the addresses listened at; for every address, those of the interfaces without loopback.
   */
  readonly announce?: string | readonly string[];
  /** Which families to dial. Default: those listened at; without any, those that this machine has. */
  readonly dial?: readonly TcpKind[];
  /** See core's `ConnectionLimits`. */
  readonly limits?: Partial<ConnectionLimits>;
  /** Connections that wait to be accepted, 1 to 65,535; the system has a limit of its own. Default: 511. */
  readonly backlog?: number;
}

/** The kinds of address that TCP carries. */
export type TcpKind = "tcp4" | "tcp6";

/** Counters since `open`; plain data that the caller owns. */
export interface TcpStats extends ConnectionStats {
  /** Times that a listener rested, since no descriptor was left. */
  readonly rests: number;
}

const tcpKinds = ["tcp4", "tcp6"] as const;
const maxUrls = 16;
const defaultBacklog = 511;
/** Long enough for some connections to close, short enough that nobody gives us up. */
const restMs = 1_000;

/** @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed */
export function tcp(options: TcpOptions = {}): TcpTransport {
  return new TcpTransport(options);
}

/** See {@link Transport}. */
export class TcpTransport implements Transport {
  readonly kinds: readonly TcpKind[];
  readonly maxBytes: number = maxFrameBytes;
  readonly #listen: readonly string[];
  readonly #announce: readonly string[] | undefined;
  readonly #kindBits: number;
  readonly #limits: ConnectionLimits;
  readonly #backlog: number;
  readonly #sockets = new Set<TcpSocket>();
  readonly #timer = new DeadlineTimer((nowMs) => {
    this.#connections?.handleTimeout(nowMs);
    this.#timer.arm(this.#connections?.nextDeadlineMs);
  });
  #connections: Connections | undefined;
  #owner!: TcpSocketOwner;
  #addresses: AddressTable | undefined;
  #listeners: readonly TcpListener[] = [];
  #localAddresses: readonly Address[] = [];
  #sink: TransportSink | undefined;
  /** The instant of what is sent until the next flush: reading the clock costs as much as sending. */
  #turnMs: number | undefined;
  #isReferenced = true;
  #closing: Promise<void> | undefined;
  #rests = 0;

  /** Use {@link tcp}. */
  constructor(options: TcpOptions) {
    this.#listen = urlsOf("listen", options.listen ?? []);
    this.#announce = options.announce === undefined ? undefined : urlsOf("announce", options.announce);
    this.#limits = resolveConnectionLimits(options.limits ?? {});
    this.#backlog = checkBacklog(options.backlog ?? defaultBacklog);
    const table = new AddressTable(); // only to read: the node's own table comes with open
    const listenKinds = this.#listen.map((url) => kindOf(checkUrl("listen", url, table)));
    for (const url of this.#announce ?? []) checkUrl("announce", url, table);
    const dial = options.dial === undefined ? undefined : checkKinds(options.dial);
    const kinds = dial ?? (listenKinds.length > 0 ? [] : hostKinds());
    this.kinds = tcpKinds.filter((kind) => kinds.includes(kind) || listenKinds.includes(kind));
    this.#kindBits = this.kinds.reduce((bits, kind) => bits | (1 << addressKinds.indexOf(kind)), 0);
  }

  /** @throws (rejects) ListenError that names the address; UsageError when opened before */
  async open(sink: TransportSink, addresses: AddressTable): Promise<void> {
    if (this.#addresses !== undefined || this.#closing !== undefined) {
      throw new UsageError("invalidArgument", "a transport is opened once");
    }
    this.#addresses = addresses;
    const connections = new Connections({
      limits: this.#limits,
      maxBytes: this.maxBytes,
      source: (address) => addresses.source(address),
      dial: (connection) => this.#dial(connection),
    });
    this.#connections = connections;
    this.#owner = {
      connections,
      maxBytes: this.maxBytes,
      touched: () => this.#timer.arm(connections.nextDeadlineMs),
      onGone: (socket) => this.#sockets.delete(socket),
    };
    this.#sink = sink;
    connections.open(sink);
    const announce = this.#announce?.map((url) => addresses.parse(url));
    const listen = this.#listen.map((url) => addresses.parse(url, { listening: true }));
    const binding = await Promise.allSettled(listen.map((address) => this.#bind(address)));
    const listeners = binding.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const failed = binding.find((result) => result.status === "rejected");
    if (failed !== undefined || this.#closing !== undefined) {
      for (const listener of listeners) listener.close();
      if (failed !== undefined) {
        await this.close();
        throw failed.reason;
      }
      return;
    }
    this.#listeners = listeners;
    this.#localAddresses =
      listeners.length === 0
        ? []
        : (announce ?? listeners.flatMap((listener) => listener.dialable(addresses)));
    if (!this.#isReferenced) this.unref();
  }

  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    const { remote } = transmit.path;
    if ((remote.kind & this.#kindBits) === 0) throw this.#wrongKind(remote);
    this.#turnMs ??= performance.now();
    return this.#connections?.send(this.#turnMs, transmit, bytes) ?? "unreachable";
  }

  flush(): void {
    const connections = this.#connections;
    if (connections === undefined) return;
    connections.flush(this.#turnMs ?? performance.now());
    this.#turnMs = undefined;
    this.#timer.arm(connections.nextDeadlineMs);
  }

  get localAddresses(): readonly Address[] {
    return this.#localAddresses;
  }

  get stats(): TcpStats | undefined {
    const stats = this.#connections?.stats;
    return stats === undefined ? undefined : { ...stats, rests: this.#rests };
  }

  ref(): void {
    this.#isReferenced = true;
    for (const listener of this.#listeners) listener.ref();
    for (const socket of this.#sockets) socket.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    for (const listener of this.#listeners) listener.unref();
    for (const socket of this.#sockets) socket.unref();
  }

  /** Resolves once every socket is closed; what was sent before leaves first, within `limits.closeTimeoutMs`. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    const connections = this.#connections;
    this.#sink = undefined;
    this.#localAddresses = [];
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
    if (connections === undefined) return;
    await new Promise<void>((resolve) => {
      connections.close(performance.now(), resolve);
      this.#timer.arm(connections.nextDeadlineMs);
    });
    this.#timer.close();
  }

  #bind(listen: SocketAddress): Promise<TcpListener> {
    return TcpListener.bind({
      listen,
      backlog: this.#backlog,
      keepAliveMs: this.#limits.keepAliveMs,
      restMs,
      onConnection: (socket) => this.#onConnection(kindOf(listen), socket),
      onShortage: () => {
        this.#connections?.refused("noResources");
        this.#rests++;
      },
      onError: (error) => this.#sink?.report(error),
    });
  }

  #onConnection(kind: TcpKind, socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    const remote = this.#addresses?.fromSocket(kind, remoteAddress ?? "", remotePort ?? 0);
    const connections = this.#owner.connections;
    if (remote === undefined) {
      connections.refused("noAddress");
      socket.destroy();
      return;
    }
    const tcpSocket = new TcpSocket(this.#owner, socket);
    const connection = connections.accept(performance.now(), remote, tcpSocket);
    if (connection === undefined) {
      tcpSocket.discard();
      return;
    }
    this.#adopt(tcpSocket, connection);
    this.#owner.touched();
  }

  #dial(connection: Connection): TcpSocket {
    const remote = this.#resolve(connection.path.remote);
    const socket = connect({
      host: remote.host,
      port: remote.port,
      family: remote.family === 6 ? 6 : 4,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: this.#limits.keepAliveMs,
    });
    const tcpSocket = new TcpSocket(this.#owner, socket);
    this.#adopt(tcpSocket, connection);
    return tcpSocket;
  }

  /** Another table may have made the address. */
  #resolve(remote: Address): SocketAddress {
    const own =
      remote instanceof SocketAddress ? remote : this.#addresses?.decode(remote.wire, 0, remote.wire.length);
    if (own?.scheme === "tcp") return own;
    throw this.#wrongKind(remote);
  }

  #wrongKind({ key }: Address): UsageError {
    return new UsageError("invalidAddress", `${key}: this transport carries ${this.kinds.join(" and ")}`);
  }

  #adopt(socket: TcpSocket, connection: Connection): void {
    socket.connection = connection;
    this.#sockets.add(socket);
    if (!this.#isReferenced) socket.unref();
  }
}

/** Families of which this machine has an address. */
function hostKinds(): readonly TcpKind[] {
  const families = Object.values(networkInterfaces()).flatMap((of) => of?.map(({ family }) => family) ?? []);
  return families.includes("IPv6") ? tcpKinds : ["tcp4"];
}

function urlsOf(option: string, given: string | readonly string[]): readonly string[] {
  const urls = typeof given === "string" ? [given] : [...given];
  if (urls.length <= maxUrls && (urls.length > 0 || option === "listen")) return urls;
  const least = option === "listen" ? 0 : 1;
  throw new UsageError(
    "invalidOption",
    `${option}: ${urls.length} addresses; allowed are ${least} to ${maxUrls}`,
  );
}

/** @throws UsageError `invalidAddress` for what is no tcp URL with an IP address; a name is for who has a resolver */
function checkUrl(option: string, url: string, table: AddressTable): SocketAddress {
  const address = table.parse(url, { listening: option === "listen" });
  if (address.scheme === "tcp") return address;
  throw new UsageError("invalidAddress", `${option}: "${url}"; allowed is tcp://IP:PORT`);
}

function checkKinds(kinds: readonly TcpKind[]): readonly TcpKind[] {
  const wrong = kinds.find((kind) => !tcpKinds.includes(kind));
  if (wrong === undefined) return kinds;
  throw new UsageError("invalidOption", `dial: ${String(wrong)}; allowed are ${tcpKinds.join(" and ")}`);
}

function checkBacklog(backlog: number): number {
  if (Number.isInteger(backlog) && backlog >= 1 && backlog <= 65_535) return backlog;
  throw new UsageError("invalidOption", `backlog: ${String(backlog)}; allowed are 1 to 65535`);
}

function kindOf(address: SocketAddress): TcpKind {
  return address.family === 6 ? "tcp6" : "tcp4";
}
