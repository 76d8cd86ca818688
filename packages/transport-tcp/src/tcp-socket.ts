/**
 * One TCP connection below core's `Connections`.
 */
import type { Socket } from "node:net";
import type { CloseReason, Connection, ConnectionSocket, Connections } from "@kad/core";
import { FramedSocket, type FramedSocketOwner } from "./framed-socket.ts";
import type { FrameFault } from "./framing.ts";
import { closeReasonOf } from "./socket-errors.ts";

/** What all sockets of a transport share. */
export interface TcpSocketOwner {
  readonly connections: Connections;
  readonly maxBytes: number;
  /** Something has happened to a connection: a deadline may be nearer than before. */
  touched(): void;
  /** Freed by the system. */
  onGone(socket: TcpSocket): void;
}

export class TcpSocket implements ConnectionSocket, FramedSocketOwner {
  /** The kernel's own keep-alives find out whether the other side is gone. */
  readonly isAnswered = false;
  /** Set as soon as there is one. */
  connection!: Connection;
  readonly #owner: TcpSocketOwner;
  readonly #framed: FramedSocket;

  /** @param socket connected, or on the way */
  constructor(owner: TcpSocketOwner, socket: Socket) {
    this.#owner = owner;
    this.#framed = new FramedSocket(socket, owner.maxBytes, this);
    if (socket.connecting) socket.once("connect", () => this.#onConnect());
  }

  get bufferedBytes(): number {
    return this.#framed.bufferedBytes;
  }

  send(bytes: Uint8Array): void {
    this.#framed.send(bytes);
  }

  flush(): void {
    this.#framed.flush();
  }

  keepAlive(): void {
    if (!this.connection.isDialled) return; // whoever has opened it wants it kept
    this.#framed.sendKeepAlive();
    this.#framed.flush();
  }

  end(): void {
    this.#framed.end();
  }

  destroy(reason: CloseReason): void {
    if (reason === "stalled") this.#framed.reset();
    else this.#framed.destroy();
  }

  /** Closes one that has not become a connection. */
  discard(): void {
    const { socket } = this.#framed;
    this.#framed.detach();
    socket.on("error", () => undefined);
    socket.destroy();
  }

  ref(): void {
    this.#framed.socket.ref();
  }

  unref(): void {
    this.#framed.socket.unref();
  }

  #onConnect(): void {
    this.#owner.connections.opened(performance.now(), this.connection);
    this.#owner.touched();
  }

  onMessage(bytes: Uint8Array): void {
    this.#owner.connections.received(this.connection, bytes);
  }

  onChunk(messages: number): void {
    this.#owner.connections.heard(performance.now(), this.connection, messages, this.#framed.heldBytes);
    this.#owner.touched();
  }

  onWritten(): void {
    if (this.connection.bufferedBytes === 0) return; // it was taken at once
    this.#owner.connections.drained(performance.now(), this.connection);
    this.#owner.touched();
  }

  onEnded(reason: "remote" | "truncated" | FrameFault): void {
    this.#owner.connections.closed(performance.now(), this.connection, reason);
    this.#owner.touched();
  }

  onClosed(error: Error | undefined): void {
    const { connection } = this;
    const isDialling = connection.isDialled && !connection.isOpen;
    const reason = error === undefined ? "remote" : closeReasonOf(error, isDialling);
    this.#owner.connections.closed(performance.now(), connection, reason);
    this.#owner.touched();
    this.#owner.onGone(this);
  }
}
