/**
 * UDP for a node inside Node's own event loop, on `node:dgram`.
 *
 * One datagram is one message. IPv4 and IPv6 have sockets of their own, and each is a link of its own. A datagram is never
 * fragmented by us, nor larger than what every path on the Internet carries: 1,200 bytes (RFC 9000 §14.1 for the figure).
 */
import type { RemoteInfo } from "node:dgram";
import {
  type Address,
  AddressTable,
  type Gauge,
  type SendOutcome,
  SocketAddress,
  type Transmit,
  type Transport,
  type TransportSink,
  UsageError,
} from "@kad/core";
import { type SendSlot, SendSlots } from "./send-slots.ts";
import { sendFailureOf } from "./socket-errors.ts";
import { isLoopback, UdpSocket } from "./udp-socket.ts";

export interface UdpOptions {
  /**
   * Where to listen: `udp://` URLs with an IP address, at most 16. Port 0 lets the system choose; `0.0.0.0` and `[::]` are
   * every address of their family. Default: `udp://0.0.0.0:0`.
   */
  readonly listen?: string | readonly string[];
  /**
   * What others are told to dial instead of where this listens: the outer address of a forwarded port, at most 16. Default:
   * the addresses listened at; for every address, those of the interfaces without loopback.
   */
  readonly announce?: string | readonly string[];
  /** The kernel's receive buffer of each socket, in bytes, 1 or more; the system caps it. Default: the system's. */
  readonly recvBufferBytes?: number;
  /** The kernel's send buffer of each socket, in bytes, 1 or more. Default: the system's. */
  readonly sendBufferBytes?: number;
  /** Datagrams of one family that the kernel has not taken yet, in bytes, 1,200 to 64 MiB. Default: 1 MiB. */
  readonly maxQueuedBytes?: number;
}

/** Counters since `open`; plain data that the caller owns. */
export interface UdpStats {
  readonly received: number;
  /** Datagrams from an address that nobody could answer: port 0, or a link-local one. */
  readonly dropped: number;
  /** Datagrams that the kernel has not taken yet, for each family. */
  readonly queued: Readonly<Record<UdpKind, Gauge>>;
}

/** The kinds of address that UDP carries. */
export type UdpKind = "udp4" | "udp6";

const maxDatagramBytes = 1_200;
const maxUrls = 16;
const defaultQueuedBytes = 2 ** 20;
/** A kernel that takes nothing for so long holds up no close. */
const closeTimeoutMs = 100;

/** @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed */
export function udp(options: UdpOptions = {}): UdpTransport {
  return new UdpTransport(options);
}

/** See {@link Transport}. */
export class UdpTransport implements Transport {
  readonly kinds: readonly UdpKind[];
  readonly maxBytes: number = maxDatagramBytes;
  readonly #options: UdpOptions;
  readonly #listen: readonly string[];
  readonly #announce: readonly string[] | undefined;
  readonly #slots: Readonly<Record<UdpKind, SendSlots>>;
  #sockets: readonly UdpSocket[] = [];
  #byKind: Readonly<Record<UdpKind, readonly UdpSocket[]>> = { udp4: [], udp6: [] };
  #sink: TransportSink | undefined;
  #addresses: AddressTable | undefined;
  #localAddresses: readonly Address[] = [];
  #isReferenced = true;
  #closing: Promise<void> | undefined;
  #received = 0;
  #dropped = 0;

  /** Use {@link udp}. */
  constructor(options: UdpOptions) {
    this.#options = options;
    this.#listen = urlsOf("listen", options.listen ?? "udp://0.0.0.0:0");
    this.#announce = options.announce === undefined ? undefined : urlsOf("announce", options.announce);
    checkBytes("recvBufferBytes", options.recvBufferBytes, 1);
    checkBytes("sendBufferBytes", options.sendBufferBytes, 1);
    checkBytes("maxQueuedBytes", options.maxQueuedBytes, maxDatagramBytes);
    const table = new AddressTable(); // only to read: the node's own table comes with open
    const kinds = this.#listen.map((url) => kindOf(checkUrl("listen", url, table)));
    for (const url of this.#announce ?? []) checkUrl("announce", url, table);
    this.kinds = (["udp4", "udp6"] as const).filter((kind) => kinds.includes(kind));
    const limit = Math.floor((options.maxQueuedBytes ?? defaultQueuedBytes) / maxDatagramBytes);
    this.#slots = { udp4: this.#makeSlots("udp4", limit), udp6: this.#makeSlots("udp6", limit) };
  }

  /** @throws (rejects) ListenError that names the address; UsageError when opened before */
  async open(sink: TransportSink, addresses: AddressTable): Promise<void> {
    if (this.#addresses !== undefined || this.#closing !== undefined) {
      throw new UsageError("invalidArgument", "a transport is opened once");
    }
    this.#addresses = addresses;
    const listen = this.#listen.map((url) => addresses.parse(url, { listening: true }));
    const announce = this.#announce?.map((url) => addresses.parse(url));
    const binding = await Promise.allSettled(listen.map((address) => this.#bind(address, addresses)));
    const sockets = binding.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const failed = binding.find((result) => result.status === "rejected");
    if (failed !== undefined || this.#closing !== undefined) {
      await Promise.all(sockets.map((socket) => socket.close()));
      if (failed !== undefined) throw failed.reason;
      return;
    }
    this.#sockets = sockets;
    this.#byKind = {
      udp4: sockets.filter((socket) => socket.kind === "udp4"),
      udp6: sockets.filter((socket) => socket.kind === "udp6"),
    };
    this.#localAddresses = announce ?? sockets.flatMap((socket) => socket.dialable(addresses));
    this.#sink = sink;
    if (!this.#isReferenced) this.unref();
  }

  /** `full` when {@link UdpOptions.maxQueuedBytes} wait for the kernel. What fails later is told to the sink. */
  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    const to = this.#resolve(transmit.path.remote);
    const kind = kindOf(to);
    const socket = this.#socketFor(kind, to, transmit.path.local);
    if (socket === undefined) return "unreachable";
    if (bytes.length > maxDatagramBytes) {
      this.#sink?.sendFailed(to, transmit.tag, "tooLarge");
      return "queued";
    }
    const slot = this.#slots[kind].take();
    if (slot === undefined) return "full";
    slot.bytes.set(bytes);
    slot.to = to;
    slot.tag = transmit.tag;
    socket.send(slot, bytes.length, to);
    return "sent";
  }

  /** Nothing is gathered: dgram makes one system call for each datagram. */
  flush(): void {}

  get localAddresses(): readonly Address[] {
    return this.#localAddresses;
  }

  get stats(): UdpStats {
    const gauge = ({ used, limit }: SendSlots): Gauge => ({ used, limit });
    return {
      received: this.#received,
      dropped: this.#dropped,
      queued: { udp4: gauge(this.#slots.udp4), udp6: gauge(this.#slots.udp6) },
    };
  }

  ref(): void {
    this.#isReferenced = true;
    for (const socket of this.#sockets) socket.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    for (const socket of this.#sockets) socket.unref();
  }

  /** Resolves once every socket is closed; what was sent before leaves first, within 100 ms. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    const sockets = this.#sockets;
    this.#sink = undefined;
    this.#sockets = [];
    this.#byKind = { udp4: [], udp6: [] };
    this.#localAddresses = [];
    await Promise.all([whenIdle(this.#slots.udp4), whenIdle(this.#slots.udp6)]);
    await Promise.all(sockets.map((socket) => socket.close()));
  }

  #bind(listen: SocketAddress, addresses: AddressTable): Promise<UdpSocket> {
    const { recvBufferBytes, sendBufferBytes } = this.#options;
    return UdpSocket.bind(
      {
        listen,
        recvBufferBytes,
        sendBufferBytes,
        onMessage: (socket, bytes, remote) => this.#onMessage(socket, bytes, remote),
        onError: (error) => this.#sink?.report(error),
      },
      addresses,
    );
  }

  #onMessage(socket: UdpSocket, bytes: Uint8Array, { address, port }: RemoteInfo): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    const remote = this.#addresses?.fromSocket(socket.kind, address, port);
    if (remote === undefined) {
      this.#dropped++;
      return;
    }
    this.#received++;
    const { local } = socket;
    sink.message(local === undefined ? { remote, dialable: true } : { remote, local, dialable: true }, bytes);
  }

  #makeSlots(kind: UdpKind, limit: number): SendSlots {
    return new SendSlots(
      limit,
      maxDatagramBytes,
      (slot: SendSlot, error: Error) =>
        this.#sink?.sendFailed(slot.to as SocketAddress, slot.tag, sendFailureOf(error)),
      () => this.#sink?.flow(kind, true),
    );
  }

  /** @throws UsageError `invalidAddress` for an address that no transport of datagrams of this family carries */
  #resolve(remote: Address): SocketAddress {
    const to =
      remote instanceof SocketAddress ? remote : this.#addresses?.decode(remote.wire, 0, remote.wire.length);
    if (to?.scheme === "udp" && this.kinds.includes(kindOf(to))) return to;
    throw new UsageError(
      "invalidAddress",
      `${remote.key}: this transport carries ${this.kinds.join(" and ")}`,
    );
  }

  /** The socket that the peer's message came in by; else one that can reach the peer. */
  #socketFor(kind: UdpKind, to: SocketAddress, local: Address | undefined): UdpSocket | undefined {
    const sockets = this.#byKind[kind];
    if (sockets.length <= 1) return sockets[0];
    const same = local && sockets.find((socket) => socket.local?.key === local.key);
    return same ?? sockets.find((socket) => socket.isLoopback === isLoopback(to.host)) ?? sockets[0];
  }
}

function whenIdle(slots: SendSlots): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, closeTimeoutMs);
    slots.whenIdle(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function urlsOf(option: string, given: string | readonly string[]): readonly string[] {
  const urls = typeof given === "string" ? [given] : [...given];
  if (urls.length >= 1 && urls.length <= maxUrls) return urls;
  throw new UsageError("invalidOption", `${option}: ${urls.length} addresses; allowed are 1 to ${maxUrls}`);
}

/** @throws UsageError `invalidAddress` for what is no udp URL with an IP address; a name is for who has a resolver */
function checkUrl(option: string, url: string, table: AddressTable): SocketAddress {
  const address = table.parse(url, { listening: option === "listen" });
  if (address.scheme === "udp") return address;
  throw new UsageError("invalidAddress", `${option}: "${url}"; allowed is udp://IP:PORT`);
}

function kindOf(address: SocketAddress): UdpKind {
  return address.family === 6 ? "udp6" : "udp4";
}

function checkBytes(option: string, value: number | undefined, min: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= 2 ** 26)) return;
  throw new UsageError(
    "invalidOption",
    `${option}: ${String(value)}; allowed are ${min} to ${2 ** 26} bytes`,
  );
}
