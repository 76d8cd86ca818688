/** One bound socket of one address family. */
import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from "node:dgram";
import "node:process"; // without it, in a program that does not use it, Deno (2.9) never tells that a socket has closed
import { type AddressTable, listenErrorOf, type SocketAddress } from "@kad/core";
import type { SendSlot } from "./send-slots.ts";
import { type BoundSocket, dialableAddresses, isLoopback } from "./udp-addresses.ts";

export interface UdpSocketOptions {
  /** Where to bind; the port may be 0, and the host unspecified. */
  readonly listen: SocketAddress;
  /** SO_RCVBUF and SO_SNDBUF in bytes; `undefined` leaves what the system has. */
  readonly recvBufferBytes: number | undefined;
  readonly sendBufferBytes: number | undefined;
  /** `bytes` is a view of dgram's buffer. */
  readonly onMessage: (socket: UdpSocket, bytes: Uint8Array, remote: RemoteInfo) => void;
  readonly onError: (error: Error) => void;
}

type LookUp = NonNullable<SocketOptions["lookup"]>;

/** Addresses are numbers already: a synchronous lookup sends at once instead of in a later tick. */
const lookUpIpv4: LookUp = (host, _options, callback) => callback(null, host, 4);
const lookUpIpv6: LookUp = (host, _options, callback) => callback(null, host, 6);

export class UdpSocket implements BoundSocket {
  readonly kind: "udp4" | "udp6";
  readonly #listen: SocketAddress;
  readonly #socket: Socket;
  #port = 0;
  #local: SocketAddress | undefined;

  private constructor(socket: Socket, { listen, onMessage, onError }: UdpSocketOptions) {
    this.kind = listen.family === 6 ? "udp6" : "udp4";
    this.#listen = listen;
    this.#socket = socket;
    socket.on("message", (message, remote) => {
      onMessage(this, new Uint8Array(message.buffer, message.byteOffset, message.byteLength), remote);
    });
    socket.on("error", onError);
  }

  /** @throws (rejects) ListenError that names the address */
  static bind(options: UdpSocketOptions, addresses: AddressTable): Promise<UdpSocket> {
    const { listen, recvBufferBytes, sendBufferBytes } = options;
    const isIpv6 = listen.family === 6;
    return new Promise((resolve, reject) => {
      const socket = createSocket({
        type: isIpv6 ? "udp6" : "udp4",
        ipv6Only: isIpv6, // an IPv4 peer would otherwise have two addresses, and the port would be taken in both families
        lookup: isIpv6 ? lookUpIpv6 : lookUpIpv4,
        ...(recvBufferBytes === undefined ? {} : { recvBufferSize: recvBufferBytes }),
        ...(sendBufferBytes === undefined ? {} : { sendBufferSize: sendBufferBytes }),
      });
      const fail = (error: Error): void => {
        socket.close();
        reject(listenErrorOf(listen.key, error));
      };
      socket.once("error", fail);
      socket.bind({ address: listen.host, port: listen.port, exclusive: true }, () => {
        socket.off("error", fail);
        const bound = new UdpSocket(socket, options);
        bound.#onBound(addresses);
        resolve(bound);
      });
    });
  }

  #onBound(addresses: AddressTable): void {
    this.#port = this.#socket.address().port;
    this.#local = addresses.fromSocket(this.kind, this.#listen.host, this.#port);
  }

  get local(): SocketAddress | undefined {
    return this.#local;
  }

  get isLoopback(): boolean {
    return isLoopback(this.#listen.host);
  }

  /** Where others reach this socket. */
  dialable(addresses: AddressTable): SocketAddress[] {
    return dialableAddresses(this.kind, this.#local, this.#port, addresses);
  }

  /** The slot is in use until its `onDone`, which is called later, never from inside this. */
  send(slot: SendSlot, length: number, to: SocketAddress): void {
    this.#socket.send(slot.bytes, 0, length, to.port, to.host, slot.onDone);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.close(resolve);
    });
  }
}
