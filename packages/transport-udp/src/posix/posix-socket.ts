/** One bound, non-blocking socket of one address family, made by the system's own calls. */
import { type AddressTable, listenErrorOf, type SocketAddress } from "@kad/core";
import {
  afInet,
  type NativeBlock,
  readSockaddrPort,
  sockaddrBytes,
  sockaddrStride,
  writeSockaddr,
} from "@kad/native";
import { type BoundSocket, dialableAddresses, isLoopback } from "../udp-addresses.ts";
import { kindOf, type UdpKind } from "../udp-options.ts";
import { ipv6Level, setStatusFlags, sockDgram } from "./platform.ts";
import type { SocketCalls } from "./socket-calls.ts";

export interface PosixSocketOptions {
  /** Where to bind; the port may be 0, and the host unspecified. */
  readonly listen: SocketAddress;
  readonly recvBufferBytes: number | undefined;
  readonly sendBufferBytes: number | undefined;
}

export class PosixSocket implements BoundSocket {
  readonly fd: number;
  readonly kind: UdpKind;
  readonly isLoopback: boolean;
  readonly #calls: SocketCalls;
  #port = 0;
  #local: SocketAddress | undefined;

  private constructor(calls: SocketCalls, fd: number, listen: SocketAddress) {
    this.#calls = calls;
    this.fd = fd;
    this.kind = kindOf(listen);
    this.isLoopback = isLoopback(listen.host);
  }

  /** @throws ListenError that names the address; nothing stays open then */
  static bind(calls: SocketCalls, options: PosixSocketOptions, addresses: AddressTable): PosixSocket {
    const { listen } = options;
    const { native, platform, layout } = calls;
    const scratch = native.allocate(sockaddrStride + 8, "the address of a socket");
    let socket: PosixSocket | undefined;
    try {
      const family = listen.family === 6 ? layout.afInet6 : afInet;
      const type = sockDgram | (platform.nonBlockingType ?? 0);
      const fd = native.checked("socket", calls.socket(family, type, 0));
      socket = new PosixSocket(calls, fd, listen);
      socket.#configure(options, scratch);
      socket.#bind(listen, scratch, addresses);
      return socket;
    } catch (error) {
      socket?.close();
      throw listenErrorOf(listen.key, error);
    } finally {
      scratch.release();
    }
  }

  get local(): SocketAddress | undefined {
    return this.#local;
  }

  /** Where others reach this socket. */
  dialable(addresses: AddressTable): SocketAddress[] {
    return dialableAddresses(this.kind, this.#local, this.#port, addresses);
  }

  close(): void {
    this.#calls.close(this.fd);
  }

  #configure({ recvBufferBytes, sendBufferBytes }: PosixSocketOptions, scratch: NativeBlock): void {
    const { platform, native, fcntl } = this.#calls;
    if (platform.nonBlockingType === undefined)
      native.checked("fcntl", fcntl(this.fd, setStatusFlags, "int", platform.nonBlockingFlag));
    // An IPv4 peer would otherwise have two addresses, and the port would be taken in both families.
    if (this.kind === "udp6") this.#setOption(scratch, ipv6Level, platform.ipv6Only, 1);
    this.#setOption(scratch, platform.solSocket, platform.soRecvBuffer, recvBufferBytes);
    this.#setOption(scratch, platform.solSocket, platform.soSendBuffer, sendBufferBytes);
  }

  #setOption(scratch: NativeBlock, level: number, name: number, value: number | undefined): void {
    if (value === undefined) return;
    scratch.u32[0] = value;
    this.#calls.native.checked(
      "setsockopt",
      this.#calls.setsockopt(this.fd, level, name, scratch.address, 4),
    );
  }

  #bind(listen: SocketAddress, scratch: NativeBlock, addresses: AddressTable): void {
    const { native, layout, bind, getsockname } = this.#calls;
    writeSockaddr(listen, this.kind, layout, scratch.bytes, 0);
    native.checked("bind", bind(this.fd, scratch.address, sockaddrBytes(this.kind)));
    scratch.u32[sockaddrStride / 4] = sockaddrStride;
    native.checked("getsockname", getsockname(this.fd, scratch.address, scratch.address + sockaddrStride));
    this.#port = readSockaddrPort(scratch.bytes, 0);
    this.#local = addresses.fromSocket(this.kind, listen.host, this.#port);
  }
}
