/**
 * UDP on `uv_udp_t`: needs nothing of the system but libuv, and so carries wherever libuv does. On Linux `posixUdp` of
 * `@kad/transport-udp/posix` is faster, which the loop watches through `uv_poll_t`.
 */

import { networkInterfaces } from "node:os";
import {
  type Address,
  type AddressTable,
  listenErrorOf,
  type SendFailure,
  type SendOutcome,
  SocketAddress,
  sendFailureOf,
  AddressTable as Table,
  type Transmit,
  type Transport,
  type TransportSink,
  UsageError,
} from "@kad/core";
import { readSockaddr, SystemError, sockaddrLayout, sockaddrStride, writeSockaddr } from "@kad/native";
import { type UvUdp, uvIpv6Only } from "./uv-binding.ts";
import type { UvHandles } from "./uv-handles.ts";

export interface UvUdpOptions {
  /**
   * Where to listen: `udp://` URLs with an IP address, at most 16. Port 0 lets the system choose; `0.0.0.0` and `[::]` are
   * every address of their family. Default: `udp://0.0.0.0:0`.
   */
  readonly listen?: string | readonly string[];
  /** What others are told to dial instead, at most 16. Default: where it listens; for every address, those of the interfaces. */
  readonly announce?: string | readonly string[];
  /** Datagrams that the kernel has not taken yet, 1 to 65,536. Default: 873, a mebibyte of the longest. */
  readonly maxQueued?: number;
}

/** A transport whose handles live in the loop of the node that carries it. */
export interface UvTransport extends Transport {
  /** Called once, before `open`. */
  joinLoop(handles: UvHandles): void;
}

/** The kinds of address that UDP carries. */
export type UvUdpKind = "udp4" | "udp6";

interface Socket {
  readonly udp: UvUdp;
  readonly kind: UvUdpKind;
  readonly isLoopback: boolean;
  /** `undefined`: every address. */
  readonly local: SocketAddress | undefined;
  readonly port: number;
}

const maxDatagramBytes = 1_200;
const maxUrls = 16;
const defaultMaxQueued = 873;

/** @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed */
export function uvUdp(options: UvUdpOptions = {}): UvUdpTransport {
  return new UvUdpTransport(options);
}

/** See {@link Transport}. */
export class UvUdpTransport implements UvTransport {
  readonly kinds: readonly UvUdpKind[];
  readonly maxBytes: number = maxDatagramBytes;
  readonly #listen: readonly string[];
  readonly #announce: readonly string[] | undefined;
  readonly #maxQueued: number;
  readonly #layout = sockaddrLayout();
  readonly #to = new Uint8Array(sockaddrStride);
  readonly #fullKinds = new Set<UvUdpKind>();
  #handles: UvHandles | undefined;
  #sockets: readonly Socket[] = [];
  #sink: TransportSink | undefined;
  #addresses: AddressTable | undefined;
  #localAddresses: readonly Address[] = [];
  #queued = 0;
  #dropped = 0;
  #isOpened = false;
  #isReferenced = true;

  /** Use {@link uvUdp}. */
  constructor({ listen = "udp://0.0.0.0:0", announce, maxQueued = defaultMaxQueued }: UvUdpOptions) {
    this.#listen = checkUrls("listen", listen);
    this.#announce = announce === undefined ? undefined : checkUrls("announce", announce);
    if (!Number.isInteger(maxQueued) || maxQueued < 1 || maxQueued > 65_536) {
      throw new UsageError(
        "invalidOption",
        `maxQueued: ${String(maxQueued)}; allowed is a whole number from 1 to 65536`,
      );
    }
    this.#maxQueued = maxQueued;
    const table = new Table();
    const kinds = this.#listen.map((url) => kindOf(table.parse(url, { listening: true })));
    this.kinds = (["udp4", "udp6"] as const).filter((kind) => kinds.includes(kind));
  }

  joinLoop(handles: UvHandles): void {
    this.#handles ??= handles;
  }

  /** @throws ListenError that names the address; UsageError when opened before, or without a loop */
  open(sink: TransportSink, addresses: AddressTable): void {
    if (this.#handles === undefined) {
      throw new UsageError(
        "invalidArgument",
        "a transport on uv_udp_t opens in the loop of a node: give it to uvNode",
      );
    }
    if (this.#isOpened) throw new UsageError("invalidArgument", "a transport is opened once");
    this.#isOpened = true;
    this.#addresses = addresses;
    const sockets: Socket[] = [];
    try {
      for (const url of this.#listen) sockets.push(this.#bind(url, addresses, this.#handles));
    } catch (error) {
      for (const { udp } of sockets) this.#handles.close(udp);
      throw error;
    }
    this.#sink = sink;
    this.#sockets = sockets;
    const announced = this.#announce?.map((url) => addresses.parse(url));
    this.#localAddresses = announced ?? sockets.flatMap((socket) => dialable(socket, addresses));
    if (!this.#isReferenced) this.unref();
  }

  /** `full` when {@link UvUdpOptions.maxQueued} wait for the kernel. What fails later is told to the sink. */
  send({ path, tag }: Transmit, bytes: Uint8Array): SendOutcome {
    const to = this.#carried(path.remote);
    const kind = kindOf(to);
    const socket = this.#socketFor(kind, to, path.local);
    if (socket === undefined || this.#handles === undefined) return "unreachable";
    if (bytes.length > maxDatagramBytes) return this.#fail(to, tag, "tooLarge");
    writeSockaddr(to, kind, this.#layout, this.#to, 0);
    const { binding } = this.#handles;
    const sent = binding.uv_udp_try_send(socket.udp, bytes, this.#to);
    if (sent >= 0) return "sent";
    if (!isBusy(binding.uv_err_name(sent)))
      return this.#fail(to, tag, sendFailureOf(binding.uv_err_name(sent)));
    return this.#queue(socket, to, tag, bytes);
  }

  /** Nothing is gathered: libuv makes one system call for each datagram. */
  flush(): void {}

  get localAddresses(): readonly Address[] {
    return this.#localAddresses;
  }

  /** Datagrams from an address that nobody could answer, or longer than 1,200 bytes. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Datagrams that the kernel has not taken yet. */
  get queued(): number {
    return this.#queued;
  }

  ref(): void {
    this.#isReferenced = true;
    for (const { udp } of this.#sockets) this.#handles?.binding.uv_ref(udp);
  }

  unref(): void {
    this.#isReferenced = false;
    for (const { udp } of this.#sockets) this.#handles?.binding.uv_unref(udp);
  }

  /** What the kernel has not taken by now is lost. The handles close in the loop's next iteration. */
  close(): void {
    this.#isOpened = true;
    this.#sink = undefined;
    for (const { udp } of this.#sockets) this.#handles?.close(udp);
    this.#sockets = [];
    this.#localAddresses = [];
  }

  #bind(url: string, addresses: AddressTable, handles: UvHandles): Socket {
    const { binding, loop } = handles;
    const listen = addresses.parse(url, { listening: true });
    const kind = kindOf(listen);
    const udp = handles.add(binding.uv_udp_init(loop));
    try {
      const address = new Uint8Array(sockaddrStride);
      writeSockaddr(listen, kind, this.#layout, address, 0);
      const flags = kind === "udp6" ? uvIpv6Only : 0;
      this.#demand("uv_udp_bind", binding.uv_udp_bind(udp, address, flags), handles);
      const port = binding.uv_udp_getsockname(udp);
      const local = addresses.fromSocket(kind, listen.host, port);
      const socket: Socket = { udp, kind, port, local, isLoopback: isLoopback(listen.host) };
      const started = binding.uv_udp_recv_start(udp, (nread, bytes, from, isPartial) =>
        this.#onReceived(socket, nread, bytes, from, isPartial),
      );
      this.#demand("uv_udp_recv_start", started, handles);
      return socket;
    } catch (error) {
      handles.close(udp);
      throw listenErrorOf(url, error);
    }
  }

  #demand(call: string, code: number, { binding }: UvHandles): void {
    if (code < 0) throw new SystemError(call, -code, binding.uv_err_name(code));
  }

  #onReceived(
    { kind, local }: Socket,
    nread: number,
    bytes: Uint8Array,
    from: Uint8Array,
    isPartial: boolean,
  ): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    if (nread < 0) {
      const name = this.#handles?.binding.uv_err_name(nread) ?? "UNKNOWN";
      sink.report(new SystemError("uv_udp_recv", -nread, name));
      return;
    }
    const remote = readSockaddr(this.#addresses as AddressTable, kind, from, 0);
    if (remote === undefined || isPartial || bytes.length > maxDatagramBytes) {
      this.#dropped++;
      return;
    }
    sink.message(local === undefined ? { remote, dialable: true } : { remote, local, dialable: true }, bytes);
  }

  #queue(socket: Socket, to: SocketAddress, tag: number, bytes: Uint8Array): SendOutcome {
    const { binding } = this.#handles as UvHandles;
    if (this.#queued >= this.#maxQueued) {
      this.#fullKinds.add(socket.kind);
      return "full";
    }
    const code = binding.uv_udp_send(socket.udp, bytes, this.#to, (status) => this.#onSent(to, tag, status));
    if (code < 0) return this.#fail(to, tag, sendFailureOf(binding.uv_err_name(code)));
    this.#queued++;
    return "sent";
  }

  #onSent(to: SocketAddress, tag: number, status: number): void {
    this.#queued--;
    if (status < 0 && this.#handles !== undefined) {
      this.#sink?.sendFailed(to, tag, sendFailureOf(this.#handles.binding.uv_err_name(status)));
    }
    if (this.#queued > this.#maxQueued / 2) return;
    for (const kind of this.#fullKinds) this.#sink?.flow(kind, true);
    this.#fullKinds.clear();
  }

  #fail(to: SocketAddress, tag: number, reason: SendFailure): SendOutcome {
    this.#sink?.sendFailed(to, tag, reason);
    return "queued";
  }

  /** @throws UsageError `invalidAddress` for an address that it does not carry */
  #carried(remote: Address): SocketAddress {
    const to =
      remote instanceof SocketAddress ? remote : this.#addresses?.decode(remote.wire, 0, remote.wire.length);
    if (to?.scheme === "udp" && this.kinds.includes(kindOf(to))) return to;
    throw new UsageError(
      "invalidAddress",
      `${remote.key}: this transport carries ${this.kinds.join(" and ")}`,
    );
  }

  /** The socket that the peer's message came in by; else one that can reach the peer. */
  #socketFor(kind: UvUdpKind, to: SocketAddress, local: Address | undefined): Socket | undefined {
    const sockets =
      this.#sockets.length === 1 ? this.#sockets : this.#sockets.filter((one) => one.kind === kind);
    if (sockets.length <= 1) return sockets[0]?.kind === kind ? sockets[0] : undefined;
    const same = sockets.find((socket) => socket.local !== undefined && socket.local.key === local?.key);
    return same ?? sockets.find((socket) => socket.isLoopback === isLoopback(to.host)) ?? sockets[0];
  }
}

/** @throws UsageError `invalidAddress` for what is no udp URL with an IP address */
function checkUrls(option: string, given: string | readonly string[]): readonly string[] {
  const urls = typeof given === "string" ? [given] : [...given];
  if (urls.length < 1 || urls.length > maxUrls)
    throw new UsageError("invalidOption", `${option}: ${urls.length} addresses; allowed are 1 to ${maxUrls}`);
  const table = new Table();
  for (const url of urls) {
    if (table.parse(url, { listening: option === "listen" }).scheme === "udp") continue;
    throw new UsageError("invalidAddress", `${option}: "${url}"; allowed is udp://IP:PORT`);
  }
  return urls;
}

function kindOf(address: SocketAddress): UvUdpKind {
  return address.family === 6 ? "udp6" : "udp4";
}

function isLoopback(host: string): boolean {
  return host === "::1" || host.startsWith("127.");
}

/** Where others reach a socket; loopback and link-local addresses mean nothing elsewhere. */
function dialable({ kind, local, port }: Socket, addresses: AddressTable): SocketAddress[] {
  if (local !== undefined) return [local];
  const family = kind === "udp4" ? "IPv4" : "IPv6";
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(
      (entry) => entry.family === family && !entry.internal && !/^(fe[89ab]|169\.254\.)/i.test(entry.address),
    )
    .flatMap(({ address }) => addresses.fromSocket(kind, address, port) ?? []);
}

function isBusy(name: string): boolean {
  return name === "EAGAIN" || name === "ENOBUFS" || name === "ENOMEM";
}
