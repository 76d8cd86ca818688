/**
 * Sockets as a loop keeps them: those that listen, and clients that carry messages.
 */
import type { Server, Socket } from "node:net";
import { UsageError } from "@kad/core";
import { FramedSocket, type FramedSocketOwner } from "../framed-socket.ts";
import type { FrameFault } from "../framing.ts";
import { SocketError } from "./socket-error.ts";

/** Callbacks of a socket that listens. */
export interface ListenerHandlers<UserData> {
  /** Somebody has connected. `client` reads nothing until it is added to a loop; who does not want it destroys it. */
  onRead(client: Socket, listener: ListeningSocket<UserData>): void;
  onError?(error: SocketError, listener: ListeningSocket<UserData>): void;
}

/** Callbacks of a client. */
export interface ClientHandlers<UserData> {
  /** A whole message; the bytes are borrowed until it returns. */
  onRead(message: Uint8Array, socket: ClientSocket<UserData>): void;
  /** It is connected, where it was not when it was added; or there is room again after `send` has answered `full`. */
  onWrite?(socket: ClientSocket<UserData>): void;
  /** How it ended, or what a callback threw. Without this, what callbacks throw ends the loop. */
  onError?(error: SocketError, socket: ClientSocket<UserData>): void;
}

/** A socket that is in a loop. */
export interface LoopSocket<UserData> {
  readonly kind: "listening" | "client";
  /** What was given with it. */
  readonly userData: UserData;
}

export interface ListeningSocket<UserData> extends LoopSocket<UserData> {
  readonly kind: "listening";
  readonly server: Server;
}

export interface ClientSocket<UserData> extends LoopSocket<UserData> {
  readonly kind: "client";
  readonly socket: Socket;
  /** Bytes that wait for the other side to read. */
  readonly bufferedBytes: number;
  /**
   * Sends a message of 1 byte up to the loop's limit, copied. Those of one turn leave in one write. `full`: it was not
   * taken, since too much waits already; `onWrite` tells when there is room again.
   * @throws UsageError `invalidArgument` for a message of another length; `closed` when it is not in the loop any more
   */
  send(message: Uint8Array): "sent" | "full";
  /** What was sent leaves; then it closes. It leaves the loop at once. */
  close(): void;
}

/** What a socket needs of its loop. @internal */
export interface LoopCore {
  isRunning(): boolean;
  readonly maxMessageBytes: number;
  readonly maxQueuedBytes: number;
  /** Calls back; what it throws goes where the socket wants it, and what it sends is flushed afterwards. */
  dispatch(member: LoopMember, callback: () => void): void;
  /** It has something to flush. */
  sends(client: { flush(): void }): void;
  leave(member: LoopMember): void;
}

/** Connections that are kept while the loop stands still; the system holds more. */
const maxHeld = 1_024;

/** A socket as its loop sees it. @internal */
export abstract class LoopMember {
  abstract readonly kind: "listening" | "client";
  protected readonly loop: LoopCore;
  /** What happened while the loop stood still. */
  #held: (() => void)[] = [];

  constructor(loop: LoopCore) {
    this.loop = loop;
  }

  /** Whether somebody takes the error. */
  abstract fail(error: SocketError): boolean;

  abstract pause(): void;

  /** Gives the socket back to who has added it. */
  abstract detach(): void;

  /** The loop runs from now on. */
  start(): void {
    for (const callback of this.#held.splice(0)) this.tell(callback);
  }

  /** Calls back as soon as the loop runs; `false`: too much waits for that already. */
  protected tell(callback: () => void): boolean {
    if (this.loop.isRunning()) this.loop.dispatch(this, callback);
    else if (this.#held.length >= maxHeld) return false;
    else this.#held.push(callback);
    return true;
  }

  protected forget(): void {
    this.#held = [];
  }
}

/** @internal */
export class LoopListener<UserData> extends LoopMember implements ListeningSocket<UserData> {
  readonly kind = "listening";
  readonly server: Server;
  readonly userData: UserData;
  readonly #handlers: ListenerHandlers<UserData>;
  /** Those who came while the loop stood still. */
  readonly #early = new Set<Socket>();

  constructor(loop: LoopCore, server: Server, handlers: ListenerHandlers<UserData>, userData: UserData) {
    super(loop);
    this.server = server;
    this.#handlers = handlers;
    this.userData = userData;
    server.on("connection", this.#onConnection);
    server.on("error", this.#onError);
    server.on("close", this.#onClose);
  }

  pause(): void {}

  detach(): void {
    this.server.off("connection", this.#onConnection);
    this.server.off("error", this.#onError);
    this.server.off("close", this.#onClose);
    this.forget();
    for (const client of this.#early) client.destroy();
    this.#early.clear();
  }

  fail(error: SocketError): boolean {
    this.#handlers.onError?.(error, this);
    return this.#handlers.onError !== undefined;
  }

  readonly #onConnection = (client: Socket): void => {
    this.#early.add(client);
    const isTold = this.tell(() => {
      this.#early.delete(client);
      this.#handlers.onRead(client, this);
    });
    if (isTold) return;
    this.#early.delete(client);
    client.destroy();
  };

  readonly #onError = (cause: Error): void => {
    this.tell(() => void this.fail(new SocketError("broken", cause.message, { cause })));
  };

  readonly #onClose = (): void => {
    this.detach();
    this.loop.leave(this);
  };
}

/** @internal */
export class LoopClient<UserData> extends LoopMember implements ClientSocket<UserData>, FramedSocketOwner {
  readonly kind = "client";
  readonly socket: Socket;
  readonly userData: UserData;
  readonly #handlers: ClientHandlers<UserData>;
  readonly #framed: FramedSocket;
  #isFull = false;
  #isIn = true;
  #isDirty = false;

  constructor(loop: LoopCore, socket: Socket, handlers: ClientHandlers<UserData>, userData: UserData) {
    super(loop);
    this.socket = socket;
    this.#handlers = handlers;
    this.userData = userData;
    socket.setNoDelay(true); // a turn's messages are joined here
    this.#framed = new FramedSocket(socket, loop.maxMessageBytes, this);
    if (socket.connecting) socket.once("connect", this.#onConnect);
    if (!loop.isRunning()) socket.pause();
  }

  get bufferedBytes(): number {
    return this.#framed.bufferedBytes;
  }

  send(message: Uint8Array): "sent" | "full" {
    const { length } = message;
    const { maxMessageBytes, maxQueuedBytes } = this.loop;
    if (length === 0 || length > maxMessageBytes)
      throw new UsageError(
        "invalidArgument",
        `message: ${length} bytes; allowed are 1 to ${maxMessageBytes} bytes`,
      );
    if (!this.#isIn) throw new UsageError("closed", "the socket is not in the loop any more");
    const waiting = this.#framed.bufferedBytes;
    if (waiting > 0 && waiting + length > maxQueuedBytes) {
      this.#isFull = true;
      return "full";
    }
    this.#framed.send(message);
    if (!this.#isDirty) {
      this.#isDirty = true;
      this.loop.sends(this);
    }
    return "sent";
  }

  close(): void {
    if (!this.#isIn) return;
    this.#leave();
    this.#framed.end();
    this.socket.resume(); // nothing is handed out any more, but the end of the other side has to be seen
  }

  flush(): void {
    this.#isDirty = false;
    if (this.#isIn) this.#framed.flush();
  }

  override start(): void {
    this.socket.resume();
    super.start();
  }

  pause(): void {
    this.socket.pause();
  }

  detach(): void {
    this.#isIn = false;
    this.forget();
    this.#framed.flush();
    this.#framed.detach();
    this.socket.off("connect", this.#onConnect);
    this.socket.pause();
  }

  fail(error: SocketError): boolean {
    this.#handlers.onError?.(error, this);
    return this.#handlers.onError !== undefined;
  }

  onMessage(bytes: Uint8Array): void {
    if (this.#isIn) this.loop.dispatch(this, () => this.#handlers.onRead(bytes, this));
  }

  onChunk(): void {}

  onWritten(): void {
    if (!this.#isFull || this.#framed.bufferedBytes > this.loop.maxQueuedBytes / 2) return;
    this.#isFull = false;
    this.#tellWrite();
  }

  onEnded(reason: "remote" | "truncated" | FrameFault): void {
    const code = reason === "remote" ? "ended" : reason;
    this.#end(code, endings[code]);
  }

  onClosed(error: Error | undefined): void {
    if (error === undefined) this.#end("ended", endings.ended);
    else this.#end("broken", error.message, error);
  }

  readonly #onConnect = (): void => this.#tellWrite();

  #tellWrite(): void {
    if (this.#isIn) this.tell(() => this.#handlers.onWrite?.(this));
  }

  #end(code: Exclude<SocketError["code"], "callbackFailed">, message: string, cause?: Error): void {
    if (!this.#isIn) return;
    this.#isIn = false;
    this.tell(() => {
      this.loop.leave(this);
      this.fail(new SocketError(code, message, cause === undefined ? {} : { cause }));
    });
  }

  #leave(): void {
    this.#isIn = false;
    this.forget();
    this.loop.leave(this);
  }
}

const endings = {
  ended: "the other side has closed the connection",
  truncated: "the other side has closed the connection in the middle of a message",
  tooLarge: "the other side announces a message over the limit",
} as const;
