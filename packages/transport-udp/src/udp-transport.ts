/**
 * UDP for a node inside Node's own event loop, on `node:dgram`.
 *
 * One datagram is one message. IPv4 and IPv6 have sockets of their own, and each is a link of its own. A datagram is never
 * fragmented by us, nor larger than what every path on the Internet carries: 1,200 bytes (RFC 9000 §14.1 for the figure).
 */
import type { RemoteInfo } from "node:dgram";
import {
  type Address,
  type AddressTable,
  type Gauge,
  type SendOutcome,
  type SocketAddress,
  sendFailureOf,
  systemCodeOf,
  type Transmit,
  type Transport,
  type TransportSink,
  UsageError,
} from "@kad/core";
import { type SendSlot, SendSlots } from "./send-slots.ts";
import { carriedAddress, socketFor } from "./udp-addresses.ts";
import {
  kindOf,
  maxDatagramBytes,
  type ResolvedUdpOptions,
  resolveUdpOptions,
  type UdpKind,
  type UdpOptions,
} from "./udp-options.ts";
import { UdpSocket } from "./udp-socket.ts";

/** Counters since `open`; plain data that the caller owns. */
export interface UdpStats {
  readonly received: number;
  /** Datagrams from an address that nobody could answer: port 0, or a link-local one. */
  readonly dropped: number;
  /** Datagrams that the kernel has not taken yet, for each family. */
  readonly queued: Readonly<Record<UdpKind, Gauge>>;
}

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
  readonly #options: ResolvedUdpOptions;
  /** Of the kinds that it carries. */
  readonly #slots: { readonly [K in UdpKind]?: SendSlots };
  #sockets: readonly UdpSocket[] = none;
  #byKind: Readonly<Record<UdpKind, readonly UdpSocket[]>> = noSockets;
  #sink: TransportSink | undefined;
  #addresses: AddressTable | undefined;
  #localAddresses: readonly Address[] = none;
  #isReferenced = true;
  #closing: Promise<void> | undefined;
  #received = 0;
  #dropped = 0;

  /** Use {@link udp}. */
  constructor(options: UdpOptions) {
    this.#options = resolveUdpOptions(options);
    this.kinds = this.#options.kinds;
    this.#slots = {
      ...(this.kinds.includes("udp4") && { udp4: this.#makeSlots("udp4") }),
      ...(this.kinds.includes("udp6") && { udp6: this.#makeSlots("udp6") }),
    };
  }

  /** @throws (rejects) ListenError that names the address; UsageError when opened before */
  async open(sink: TransportSink, addresses: AddressTable): Promise<void> {
    if (this.#addresses !== undefined || this.#closing !== undefined) {
      throw new UsageError("invalidArgument", "a transport is opened once");
    }
    this.#addresses = addresses;
    const listen = this.#options.listen.map((url) => addresses.parse(url, { listening: true }));
    const announce = this.#options.announce?.map((url) => addresses.parse(url));
    const binding = await Promise.allSettled(listen.map((address) => this.#bind(address, addresses)));
    const bound = binding.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const failed = binding.find((result) => result.status === "rejected");
    if (failed !== undefined || this.#closing !== undefined) {
      await Promise.all(bound.map((socket) => socket.close()));
      if (failed !== undefined) throw failed.reason;
      return;
    }
    const sockets = [...bound];
    this.#sockets = sockets;
    this.#byKind = { udp4: ofKind(sockets, "udp4"), udp6: ofKind(sockets, "udp6") };
    this.#localAddresses = announce ?? [...sockets.flatMap((socket) => socket.dialable(addresses))];
    this.#sink = sink;
    if (!this.#isReferenced) this.unref();
  }

  /** `full` when {@link UdpOptions.maxQueuedBytes} wait for the kernel. What fails later is told to the sink. */
  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    const to = carriedAddress(transmit.path.remote, this.kinds, this.#addresses);
    const kind = kindOf(to);
    const socket = socketFor(this.#byKind[kind], to, transmit.path.local);
    if (socket === undefined) return "unreachable";
    if (bytes.length > maxDatagramBytes) {
      this.#sink?.sendFailed(to, transmit.tag, "tooLarge");
      return "queued";
    }
    const slot = this.#slots[kind]?.take();
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
    const limit = this.#options.maxQueued;
    const gauge = (slots: SendSlots | undefined): Gauge => ({ used: slots?.used ?? 0, limit });
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
    this.#sockets = none;
    this.#byKind = noSockets;
    this.#localAddresses = none;
    await Promise.all(Object.values(this.#slots).map(whenIdle));
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

  #makeSlots(kind: UdpKind): SendSlots {
    return new SendSlots(
      this.#options.maxQueued,
      (slot: SendSlot, error: Error) =>
        this.#sink?.sendFailed(slot.to as SocketAddress, slot.tag, sendFailureOf(systemCodeOf(error))),
      () => this.#sink?.flow(kind, true),
    );
  }
}

const none: readonly never[] = [];
const noSockets = { udp4: none, udp6: none } as const;

/** The very array where all are. */
function ofKind(sockets: readonly UdpSocket[], kind: UdpKind): readonly UdpSocket[] {
  return sockets.every((socket) => socket.kind === kind)
    ? sockets
    : sockets.filter((socket) => socket.kind === kind);
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
