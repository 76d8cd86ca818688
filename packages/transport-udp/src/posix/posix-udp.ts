/**
 * UDP for a node in a loop that blocks: non-blocking sockets made by the system's own calls, with a descriptor each, read and
 * written in batches of up to 64. No promise, no timer, and no part of Node's event loop.
 *
 * Linux, through koffi. macOS has the same calls without batches; that way is tested on Linux, but has not been run there.
 */
import {
  type Address,
  type AddressTable,
  type Gauge,
  type PolledSocket,
  type PolledTransport,
  type SendOutcome,
  sendFailureOf,
  type Transmit,
  type TransportSink,
  UsageError,
} from "@kad/core";
import { readSockaddr } from "@kad/native";
import { carriedAddress, socketFor } from "../udp-addresses.ts";
import {
  kindOf,
  maxDatagramBytes,
  type ResolvedUdpOptions,
  resolveUdpOptions,
  type UdpKind,
  type UdpOptions,
} from "../udp-options.ts";
import { Endpoint, type EndpointEvents } from "./endpoint.ts";
import { PosixSocket } from "./posix-socket.ts";
import { ReceiveBatch } from "./receive-batch.ts";
import type { QueueRoom } from "./send-queue.ts";
import { type SocketCalls, socketCalls } from "./socket-calls.ts";

/** Counters since `open`; plain data that the caller owns. */
export interface PosixUdpStats {
  readonly received: number;
  /** Datagrams from an address that nobody could answer (port 0, a link-local one), or longer than 1,200 bytes. */
  readonly dropped: number;
  /** System calls that brought or took at least one datagram. */
  readonly receiveCalls: number;
  readonly sendCalls: number;
  /** Datagrams that the kernel has not taken yet, for each family. */
  readonly queued: Readonly<Record<UdpKind, Gauge>>;
}

/**
 * @throws UnavailableError where koffi is missing or the platform is another one, which says what to install or to use
 * instead; UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed
 */
export function posixUdp(options: UdpOptions = {}): PosixUdpTransport {
  return new PosixUdpTransport(options, socketCalls());
}

/** See {@link PolledTransport}. */
export class PosixUdpTransport implements PolledTransport {
  readonly kinds: readonly UdpKind[];
  readonly maxBytes: number = maxDatagramBytes;
  readonly #options: ResolvedUdpOptions;
  readonly #calls: SocketCalls;
  readonly #rooms: Readonly<Record<UdpKind, QueueRoom>>;
  /** Kinds that were answered `full`. */
  readonly #fullKinds = new Set<UdpKind>();
  #endpoints: readonly Endpoint[] = [];
  #byKind: Readonly<Record<UdpKind, readonly Endpoint[]>> = { udp4: [], udp6: [] };
  #batch: ReceiveBatch | undefined;
  #sink: TransportSink | undefined;
  #addresses: AddressTable | undefined;
  #announced: readonly Address[] | undefined;
  #localAddresses: readonly Address[] = [];
  #state: "new" | "open" | "closed" = "new";
  /** Above zero: a message of the batch is being handed on. */
  #handingOn = 0;
  #received = 0;
  #dropped = 0;
  #closedCalls = { receive: 0, send: 0 };

  /** Use {@link posixUdp}. @internal */
  constructor(options: UdpOptions, calls: SocketCalls) {
    this.#options = resolveUdpOptions(options);
    this.#calls = calls;
    this.kinds = this.#options.kinds;
    const limit = this.#options.maxQueued;
    this.#rooms = { udp4: { used: 0, limit }, udp6: { used: 0, limit } };
  }

  /** @throws ListenError that names the address; UsageError when opened before. Nothing stays open then */
  open(sink: TransportSink, addresses: AddressTable): void {
    if (this.#state !== "new") throw new UsageError("invalidArgument", "a transport is opened once");
    this.#state = "open";
    this.#addresses = addresses;
    this.#announced = this.#options.announce?.map((url) => addresses.parse(url));
    const batch = new ReceiveBatch(this.#calls);
    const sockets: PosixSocket[] = [];
    try {
      for (const url of this.#options.listen) {
        const listen = addresses.parse(url, { listening: true });
        sockets.push(PosixSocket.bind(this.#calls, { ...this.#options, listen }, addresses));
      }
    } catch (error) {
      for (const socket of sockets) socket.close();
      batch.release();
      this.#state = "closed";
      throw error;
    }
    this.#batch = batch;
    this.#sink = sink;
    this.#setEndpoints(sockets.map((socket) => this.#endpointOf(socket, batch)));
  }

  /** One for each address that it listens at, less those whose descriptor somebody else has closed. */
  get sockets(): readonly PolledSocket[] {
    return this.#endpoints;
  }

  /** Gathered until `flush`. `full` when {@link UdpOptions.maxQueuedBytes} wait. What fails is told to the sink. */
  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    const to = carriedAddress(transmit.path.remote, this.kinds, this.#addresses);
    const kind = kindOf(to);
    const endpoint = socketFor(this.#byKind[kind], to, transmit.path.local);
    if (endpoint === undefined) return "unreachable";
    if (bytes.length > maxDatagramBytes) {
      this.#sink?.sendFailed(to, transmit.tag, "tooLarge");
      return "queued";
    }
    if (endpoint.send(to, transmit.tag, bytes)) return "sent";
    this.#fullKinds.add(kind);
    return "full";
  }

  flush(): void {
    for (const endpoint of this.#endpoints) if (!endpoint.wantsWrite) endpoint.flush();
  }

  get localAddresses(): readonly Address[] {
    return this.#localAddresses;
  }

  get stats(): PosixUdpStats {
    const gauge = ({ used, limit }: QueueRoom): Gauge => ({ used, limit });
    const sum = (counts: readonly number[], before: number): number => counts.reduce((a, b) => a + b, before);
    return {
      received: this.#received,
      dropped: this.#dropped,
      receiveCalls: sum(
        this.#endpoints.map(({ receiveCalls }) => receiveCalls),
        this.#closedCalls.receive,
      ),
      sendCalls: sum(
        this.#endpoints.map(({ sendCalls }) => sendCalls),
        this.#closedCalls.send,
      ),
      queued: { udp4: gauge(this.#rooms.udp4), udp6: gauge(this.#rooms.udp6) },
    };
  }

  /** What the kernel takes at once still leaves; then every descriptor is closed. A second call does nothing. */
  close(): void {
    const wasOpen = this.#state === "open";
    this.#state = "closed";
    this.#sink = undefined;
    if (!wasOpen) return;
    for (const endpoint of this.#endpoints) {
      endpoint.close();
      this.#countCalls(endpoint);
    }
    this.#setEndpoints([]);
    if (this.#handingOn === 0) this.#releaseBatch(); // else somebody still borrows it
  }

  #endpointOf(socket: PosixSocket, batch: ReceiveBatch): Endpoint {
    const room = this.#rooms[socket.kind];
    return new Endpoint({ calls: this.#calls, socket, batch, room, events: this.#events });
  }

  #setEndpoints(endpoints: readonly Endpoint[]): void {
    const addresses = this.#addresses as AddressTable;
    this.#endpoints = endpoints;
    this.#byKind = {
      udp4: endpoints.filter(({ kind }) => kind === "udp4"),
      udp6: endpoints.filter(({ kind }) => kind === "udp6"),
    };
    this.#localAddresses =
      endpoints.length === 0 ? [] : (this.#announced ?? endpoints.flatMap((end) => end.dialable(addresses)));
  }

  readonly #events: EndpointEvents = {
    onDatagram: (endpoint, slot) => this.#onDatagram(endpoint, slot),
    onFailure: (to, tag, errno) => {
      this.#sink?.sendFailed(to, tag, sendFailureOf(this.#calls.native.errorOf("send", errno).code));
    },
    onError: (endpoint, call, errno, isLost) => {
      if (isLost) this.#lose(endpoint, errno);
      this.#sink?.report(this.#calls.native.errorOf(call, errno));
    },
    onSent: ({ kind }) => {
      const { used, limit } = this.#rooms[kind];
      if (used <= limit / 2 && this.#fullKinds.delete(kind)) this.#sink?.flow(kind, true);
    },
  };

  #onDatagram({ kind, local }: Endpoint, slot: number): boolean {
    const { slots } = this.#batch as ReceiveBatch;
    if (slots.block.isGone) return false;
    const length = slots.received(slot);
    const from = slots.block.bytes;
    const remote = readSockaddr(this.#addresses as AddressTable, kind, from, slots.addressAt(slot));
    if (remote === undefined || length > maxDatagramBytes) {
      this.#dropped++;
      return true;
    }
    this.#received++;
    const path = local === undefined ? { remote, dialable: true } : { remote, local, dialable: true };
    this.#handingOn++;
    try {
      this.#sink?.message(path, slots.view(slot, length));
    } finally {
      this.#handingOn--;
      if (this.#state === "closed" && this.#handingOn === 0) this.#releaseBatch();
    }
    if (slots.block.isGone) {
      const error =
        "borrowed bytes were transferred away, and with them all that came with them; allowed is to copy them";
      this.#sink?.report(new UsageError("invalidArgument", error));
    }
    return this.#state === "open";
  }

  /** Somebody has closed a descriptor of ours. Its number may be anybody's by now, so it is not closed again. */
  #lose(endpoint: Endpoint, errno: number): void {
    this.#countCalls(endpoint);
    this.#setEndpoints(this.#endpoints.filter((other) => other !== endpoint));
    endpoint.abandon(errno);
    this.#sink?.addressesChanged();
  }

  #countCalls({ receiveCalls, sendCalls }: Endpoint): void {
    this.#closedCalls.receive += receiveCalls;
    this.#closedCalls.send += sendCalls;
  }

  #releaseBatch(): void {
    this.#batch?.release();
    this.#batch = undefined;
  }
}
