/**
 * One WebSocket of the platform, below core's `Connections`: of a browser, a worker, Deno, Bun, or Node from 22.
 */
import type { CloseReason, Connection, ConnectionSocket } from "@kad/core";
import { reasonOf } from "../close-codes.ts";
import type { WebSocketOwner } from "../web-socket-transport.ts";

/** What is used of the platform's `WebSocket`. */
export interface PlatformSocket {
  binaryType: string;
  readonly readyState: number;
  /** Bytes that were sent and have not left. No event tells when they have. */
  readonly bufferedAmount: number;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  send(bytes: Uint8Array): void;
  close(code?: number, reason?: string): void;
}

const openState = 1;

export class BrowserSocket implements ConnectionSocket {
  /** The platform answers pings, but sends none itself. */
  readonly isAnswered = false;
  readonly #owner: WebSocketOwner;
  readonly #connection: Connection;
  readonly #socket: PlatformSocket;

  constructor(owner: WebSocketOwner, connection: Connection, socket: PlatformSocket) {
    this.#owner = owner;
    this.#connection = connection;
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      owner.connections.opened(performance.now(), connection);
      owner.touched();
    };
    socket.onmessage = ({ data }: { readonly data: unknown }) => this.#onMessage(data);
    socket.onclose = ({ code }: { readonly code: number }) => {
      this.#end(connection.isOpen ? reasonOf(code, false) : "unreachable");
      owner.onGone(this);
    };
    socket.onerror = () => undefined; // says nothing, and `close` follows
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** The platform copies. */
  send(bytes: Uint8Array): void {
    if (this.#socket.readyState === openState) this.#socket.send(bytes);
  }

  /** The platform gathers by itself. */
  flush(): void {}

  keepAlive(): void {}

  /** Pages may send no other code of the protocol's than this. */
  end(reason: CloseReason): void {
    this.#socket.close(1_000, reason);
  }

  destroy(): void {
    this.#socket.close();
  }

  #onMessage(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) {
      this.#socket.close(3_003, "binary messages only"); // 1003, where pages may say it
      this.#end("malformed");
      return;
    }
    const { connections } = this.#owner;
    if (data.byteLength > 0) connections.received(this.#connection, new Uint8Array(data));
    connections.heard(performance.now(), this.#connection, 1, undefined);
    this.#owner.touched();
  }

  #end(reason: CloseReason): void {
    this.#owner.connections.closed(performance.now(), this.#connection, reason);
    this.#owner.touched();
  }
}
