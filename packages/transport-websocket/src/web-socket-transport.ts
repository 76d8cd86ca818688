/**
 * WebSocket for a node, whatever opens the sockets: one message is one binary message.
 *
 * What makes it a transport is core's `Connections`: it says when to dial, how much may wait for whom, and what is closed.
 * A backend supplies sockets and, where it can, servers. Nothing here needs Node.
 */
import {
  type Address,
  type AddressTable,
  addressKinds,
  type Connection,
  type ConnectionSocket,
  type ConnectionStats,
  Connections,
  type SendOutcome,
  SocketAddress,
  type Transmit,
  type Transport,
  type TransportSink,
  UsageError,
} from "@kad/core";
import { DeadlineTimer } from "./deadline-timer.ts";
import { type CheckedOptions, maxMessageBytes, type WebSocketKind } from "./options.ts";

/** What sockets and servers of a transport share. */
export interface WebSocketOwner {
  readonly connections: Connections;
  readonly addresses: AddressTable;
  readonly options: CheckedOptions;
  readonly maxBytes: number;
  /** Of every socket, as soon as it is made. */
  adopt(socket: ReferencedSocket): void;
  /** The system has freed it. */
  onGone(socket: ReferencedSocket): void;
  /** Something has happened to a connection: a deadline may be nearer than before. */
  touched(): void;
  report(error: unknown): void;
}

/** A socket that can be told whether it keeps the process alive. */
export interface ReferencedSocket extends ConnectionSocket {
  ref?(): void;
  unref?(): void;
}

/** A listening server. */
export interface WebSocketListener {
  /** Where others reach it. */
  readonly dialable: readonly SocketAddress[];
  /** Takes no more connections. */
  stop(): void;
  /** After `stop`: closes what has not become a connection, and resolves when the system has freed everything. */
  free(): Promise<void>;
  ref(): void;
  unref(): void;
}

export interface WebSocketBackend {
  /** How often to look at what waits, where sockets do not tell. */
  readonly drainCheckMs?: number;
  /** @throws for a URL that it cannot dial */
  dial(owner: WebSocketOwner, connection: Connection, url: string): ReferencedSocket;
  /** @throws (rejects) ListenError that names the address */
  listen?(owner: WebSocketOwner, address: SocketAddress): Promise<WebSocketListener>;
}

/** See {@link Transport}. Made by the `webSocket` function of a backend. */
export class WebSocketTransport implements Transport {
  readonly kinds: readonly WebSocketKind[];
  readonly maxBytes: number = maxMessageBytes;
  readonly #options: CheckedOptions;
  readonly #backend: WebSocketBackend;
  readonly #kindBits: number;
  readonly #timer: DeadlineTimer = new DeadlineTimer((nowMs) => {
    this.#owner?.connections.handleTimeout(nowMs);
    this.#touched();
  });
  readonly #sockets: Set<ReferencedSocket> = new Set();
  #owner: WebSocketOwner | undefined;
  #listeners: readonly WebSocketListener[] = [];
  #localAddresses: readonly Address[] = [];
  /** The instant of what is sent until the next flush: reading the clock costs as much as sending. */
  #turnMs: number | undefined;
  #isReferenced = true;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(options: CheckedOptions, backend: WebSocketBackend) {
    this.#options = options;
    this.#backend = backend;
    this.kinds = options.kinds;
    this.#kindBits = this.kinds.reduce((bits, kind) => bits | (1 << addressKinds.indexOf(kind)), 0);
  }

  /** @throws (rejects) ListenError that names the address; UsageError when opened before */
  async open(sink: TransportSink, addresses: AddressTable): Promise<void> {
    if (this.#owner !== undefined || this.#closing !== undefined) {
      throw new UsageError("invalidArgument", "a transport is opened once");
    }
    const { drainCheckMs } = this.#backend;
    const connections = new Connections({
      limits: this.#options.checkedLimits,
      maxBytes: this.maxBytes,
      source: (address) => addresses.source(address),
      dial: (connection) => this.#dial(connection),
      ...(drainCheckMs !== undefined && { drainCheckMs }),
    });
    connections.open(sink);
    const owner = {
      connections,
      addresses,
      options: this.#options,
      maxBytes: this.maxBytes,
      adopt: (socket: ReferencedSocket) => {
        this.#sockets.add(socket);
        if (!this.#isReferenced) socket.unref?.();
      },
      onGone: (socket: ReferencedSocket) => void this.#sockets.delete(socket),
      touched: () => this.#touched(),
      report: (error: unknown) => {
        if (this.#closing === undefined) sink.report(error);
      },
    };
    this.#owner = owner;
    const { listenUrls, announceUrls } = this.#options;
    const listen = listenUrls.map((url) => addresses.parse(url, { listening: true }));
    const announce = announceUrls?.map((url) => addresses.parse(url));
    const opening = await Promise.allSettled(
      listen.map(async (address) => await this.#backend.listen?.(owner, address)),
    );
    const listeners = opening.flatMap((result) =>
      result.status === "fulfilled" && result.value !== undefined ? [result.value] : [],
    );
    const failed = opening.find((result) => result.status === "rejected");
    this.#listeners = listeners;
    if (failed !== undefined || this.#closing !== undefined) {
      for (const listener of listeners) listener.stop();
      await Promise.all(listeners.map((listener) => listener.free()));
      if (failed === undefined) return;
      await this.close();
      throw failed.reason;
    }
    const reachable = listeners.flatMap(({ dialable }) => dialable);
    this.#localAddresses = listeners.length === 0 ? [] : (announce ?? reachable);
    if (!this.#isReferenced) this.unref();
  }

  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    const { remote } = transmit.path;
    if ((remote.kind & this.#kindBits) === 0) {
      throw new UsageError(
        "invalidAddress",
        `${remote.key}: this transport carries ${this.kinds.join(" and ")}`,
      );
    }
    this.#turnMs ??= performance.now();
    return this.#owner?.connections.send(this.#turnMs, transmit, bytes) ?? "unreachable";
  }

  flush(): void {
    this.#owner?.connections.flush(this.#turnMs ?? performance.now());
    this.#turnMs = undefined;
    this.#touched();
  }

  get localAddresses(): readonly Address[] {
    return this.#localAddresses;
  }

  /** Counters since `open`; plain data that the caller owns. */
  get stats(): ConnectionStats | undefined {
    return this.#owner?.connections.stats;
  }

  /** Whether sockets keep the process alive; where the platform does not ask, nothing happens. */
  ref(): void {
    this.#setReferenced(true);
  }

  unref(): void {
    this.#setReferenced(false);
  }

  /** Resolves once every socket is closed; what was sent before leaves first, within `limits.closeTimeoutMs`. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    const owner = this.#owner;
    this.#localAddresses = [];
    if (owner === undefined) return;
    const listeners = this.#listeners;
    for (const listener of listeners) listener.stop();
    await new Promise<void>((resolve) => {
      owner.connections.close(performance.now(), resolve);
      this.#touched();
    });
    for (const socket of this.#sockets) socket.destroy("shutdown"); // some are still saying goodbye
    await Promise.all(listeners.map((listener) => listener.free()));
    this.#timer.close();
  }

  #touched(): void {
    this.#timer.arm(this.#owner?.connections.nextDeadlineMs);
  }

  #dial(connection: Connection): ConnectionSocket {
    const owner = this.#owner as WebSocketOwner;
    const { remote } = connection.path;
    // Another table may have made the address.
    const own =
      remote instanceof SocketAddress ? remote : owner.addresses.decode(remote.wire, 0, remote.wire.length);
    if (own === undefined) throw new UsageError("invalidAddress", `${remote.key} is no address`);
    return this.#backend.dial(owner, connection, own.url);
  }

  #setReferenced(isReferenced: boolean): void {
    this.#isReferenced = isReferenced;
    for (const listener of this.#listeners) {
      if (isReferenced) listener.ref();
      else listener.unref();
    }
    for (const socket of this.#sockets) {
      if (isReferenced) socket.ref?.();
      else socket.unref?.();
    }
  }
}
