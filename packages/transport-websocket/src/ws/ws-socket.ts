/**
 * One WebSocket of the `ws` package, of a server or of a client, below core's `Connections`.
 */
import type { Socket } from "node:net";
import type { CloseReason, Connection } from "@kad/core";
import type { RawData, WebSocket } from "ws";
import { closeCodeOf, reasonOf } from "../close-codes.ts";
import type { ReferencedSocket, WebSocketOwner } from "../web-socket-transport.ts";

/** An option of `ws` that its types do not have yet: how long the other side has to say goodbye, in ms. */
export interface CloseTimeout {
  readonly closeTimeout: number;
}

const sendOptions = { binary: true, compress: false } as const;

export class WsSocket implements ReferencedSocket {
  /** Every WebSocket answers pings. */
  readonly isAnswered = true;
  /** Set as soon as there is one. */
  connection!: Connection;
  readonly #owner: WebSocketOwner;
  readonly #webSocket: WebSocket;
  /** Below the WebSocket; `undefined` until the server has agreed, and in Bun, whose `ws` shows none. */
  #raw: Socket | undefined;
  /** Copies of what this turn has said, or what waits until the kernel takes the turn before. */
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  /** Whether the socket below tells of each chunk; where it does not, only whole messages are seen. */
  #tellsChunks = false;
  /** In the chunk at hand. */
  #messages = 0;
  #controls = 0;
  /** Bytes since the last whole message: what half a message takes at most. */
  #unfinishedBytes = 0;
  #isReferenced = true;
  #error: (Error & { readonly code?: string }) | undefined;

  /** @param raw of a server's socket; a client's comes with the answer to its request */
  constructor(owner: WebSocketOwner, webSocket: WebSocket, raw?: Socket) {
    this.#owner = owner;
    this.#webSocket = webSocket;
    webSocket.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
    webSocket.on("ping", () => this.#onControl());
    webSocket.on("pong", () => this.#onControl());
    webSocket.on("error", (error) => this.#onError(error));
    webSocket.on("close", (code) => this.#onClose(code));
    if (raw !== undefined) this.#watch(raw);
    else {
      webSocket.once("upgrade", ({ socket }: { readonly socket?: Socket | null }) => {
        this.#raw = socket ?? undefined;
      });
      webSocket.once("open", () => this.#onOpen());
    }
  }

  get bufferedBytes(): number {
    return this.#gatheredBytes + this.#webSocket.bufferedAmount;
  }

  send(bytes: Uint8Array): void {
    const copy = Buffer.allocUnsafe(bytes.length);
    copy.set(bytes);
    this.#gathered.push(copy);
    this.#gatheredBytes += bytes.length;
  }

  flush(): void {
    // While the kernel takes nothing, what is said gathers here and leaves in one piece.
    if (this.#gathered.length > 0 && this.#webSocket.bufferedAmount === 0) this.#write();
  }

  keepAlive(): void {
    if (this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.ping();
  }

  end(reason: CloseReason): void {
    if (this.#gathered.length > 0) this.#write();
    this.#webSocket.close(closeCodeOf(reason), reason);
  }

  destroy(reason: CloseReason): void {
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (reason === "slow") {
      this.#webSocket.close(closeCodeOf(reason), reason); // `ws` cuts it off after closeTimeout
      return;
    }
    // What a stalled peer has not taken would else stay in the kernel until that gives up.
    if (reason === "stalled") this.#raw?.resetAndDestroy?.();
    this.#webSocket.terminate();
  }

  /** Closes one that has not become a connection. */
  discard(): void {
    this.#raw?.off("data", this.#onChunk);
    this.#webSocket.removeAllListeners();
    this.#webSocket.on("error", () => undefined);
    this.#webSocket.close(1_013, "too many connections"); // try again later
  }

  ref(): void {
    this.#isReferenced = true;
    this.#raw?.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    this.#raw?.unref();
  }

  /** After the listener of `ws`, so that the messages of a chunk are known when it has been read. */
  #watch(raw: Socket): void {
    this.#raw = raw;
    raw.on("data", this.#onChunk);
  }

  #onOpen(): void {
    const raw = this.#raw;
    if (raw !== undefined) {
      raw.setNoDelay(true);
      if (!this.#isReferenced) raw.unref();
      this.#watch(raw);
    }
    this.#owner.connections.opened(performance.now(), this.connection);
    this.#owner.touched();
  }

  #write(): void {
    const gathered = this.#gathered;
    const last = gathered.length - 1;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#raw?.cork();
    for (let i = 0; i < last; i++) this.#webSocket.send(gathered[i] as Buffer, sendOptions);
    this.#webSocket.send(gathered[last] as Buffer, sendOptions, this.#onWritten);
    this.#raw?.uncork();
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error !== undefined && error !== null) return; // the socket closes
    this.flush();
    if (this.connection.bufferedBytes === 0) return; // it was taken at once
    this.#owner.connections.drained(performance.now(), this.connection);
    this.#owner.touched();
  };

  #onMessage(data: RawData, isBinary: boolean): void {
    if (!isBinary) {
      this.#webSocket.close(closeCodeOf("malformed"), "binary messages only");
      this.#end("malformed");
      return;
    }
    this.#messages++;
    const { buffer, byteOffset, byteLength } = data as Buffer;
    if (byteLength === 0) return; // nothing that anybody could mean
    this.#owner.connections.received(this.connection, new Uint8Array(buffer, byteOffset, byteLength));
    if (!this.#tellsChunks) this.#hear(1, undefined);
  }

  #onControl(): void {
    this.#controls++;
    if (!this.#tellsChunks) this.#hear(0, undefined);
  }

  readonly #onChunk = (chunk: Buffer): void => {
    this.#tellsChunks = true;
    if (!this.connection.isOpen) return;
    const messages = this.#messages;
    const isControl = messages === 0 && this.#controls > 0;
    this.#messages = 0;
    this.#controls = 0;
    // What follows the last message of a chunk is not known here; a chunk that brings none belongs to one under way.
    if (messages > 0) this.#unfinishedBytes = 0;
    else if (!isControl) this.#unfinishedBytes += chunk.length;
    this.#hear(messages, this.#unfinishedBytes > 0 ? this.#unfinishedBytes : undefined);
  };

  #hear(messages: number, heldBytes: number | undefined): void {
    this.#owner.connections.heard(performance.now(), this.connection, messages, heldBytes);
    this.#owner.touched();
  }

  /** `ws` closes it by itself, with the code that fits. */
  #onError(error: Error & { readonly code?: string }): void {
    this.#error = error;
    const code = error.code ?? "";
    if (this.connection.isOpen && code.startsWith("WS_ERR_")) {
      this.#end(code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" ? "tooLarge" : "malformed");
    }
  }

  #onClose(code: number): void {
    const { connection } = this;
    const isDialling = connection.isDialled && !connection.isOpen;
    if (isDialling) this.#end(isShortage(this.#error) ? "noResources" : "unreachable");
    else if (this.#error === undefined) this.#end(reasonOf(code, this.#unfinishedBytes > 0));
    else this.#end("reset");
    this.#owner.onGone(this);
  }

  #end(reason: CloseReason): void {
    this.#owner.connections.closed(performance.now(), this.connection, reason);
    this.#owner.touched();
  }
}

/** Want of something on this host: no fault of the peer's. */
function isShortage(error: { readonly code?: string } | undefined): boolean {
  return ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL", "EAGAIN"].includes(error?.code ?? "");
}
