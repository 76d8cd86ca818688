/**
 * A TCP socket that carries messages: whole ones out of it, and those of a turn joined into it.
 */
import type { Socket } from "node:net";
import { FrameWriter, giveBack } from "./frame-writer.ts";
import { type FrameFault, FrameReader } from "./framing.ts";

/** Who has the socket, and hears of it. */
export interface FramedSocketOwner {
  /** `bytes` is plain and borrowed until it returns. */
  onMessage(bytes: Uint8Array): void;
  /** After the messages of each chunk, of which there were so many. */
  onChunk(messages: number): void;
  /** The system has taken all of one write. */
  onWritten(): void;
  /** Nothing more will be read: the other side has ended, or cannot be understood. The socket is destroyed already. */
  onEnded(reason: "remote" | "truncated" | FrameFault): void;
  /** The system has freed it; with the error that it broke with. The last call. */
  onClosed(error: Error | undefined): void;
}

export class FramedSocket {
  readonly socket: Socket;
  readonly #owner: FramedSocketOwner;
  readonly #reader: FrameReader;
  readonly #writer = new FrameWriter();
  /** What is written to a TLS socket may be read later. */
  readonly #isEncrypted: boolean;
  #messages = 0;
  #error: Error | undefined;

  /** From here on it alone listens to the socket. */
  constructor(socket: Socket, maxBytes: number, owner: FramedSocketOwner) {
    this.socket = socket;
    this.#owner = owner;
    this.#reader = new FrameReader(maxBytes);
    this.#isEncrypted = "encrypted" in socket;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  /** Framed bytes that the system has not taken. */
  get bufferedBytes(): number {
    return this.#writer.bytes + this.socket.writableLength;
  }

  /** Memory that a half message takes; `undefined`: none has begun. */
  get heldBytes(): number | undefined {
    return this.#reader.isPartial ? this.#reader.heldBytes : undefined;
  }

  /** Copies the message; it leaves with the next `flush`. */
  send(message: Uint8Array): void {
    this.#writer.add(message);
  }

  sendKeepAlive(): void {
    this.#writer.addKeepAlive();
  }

  flush(): void {
    // While the kernel takes nothing, what is said gathers here and leaves in one piece.
    if (this.#writer.bytes > 0 && this.socket.writableLength === 0) this.#write(this.#writer.take());
  }

  /** What was sent leaves, then the socket closes. */
  end(): void {
    if (this.#writer.bytes > 0) this.#write(this.#writer.take(Number.POSITIVE_INFINITY));
    this.socket.end();
  }

  destroy(): void {
    this.#reader.end();
    this.#writer.clear();
    this.socket.destroy();
  }

  /** Closes with a reset: what the other side has not taken would else stay in the kernel until that gives up. */
  reset(): void {
    this.socket.resetAndDestroy(); // by itself this would wait until all has been written
    this.destroy();
  }

  /** Gives the socket back. What was read of a half message is lost, and what was not flushed. */
  detach(): void {
    this.#reader.end();
    this.#writer.clear();
    this.socket.off("data", this.#onData);
    this.socket.off("end", this.#onEnd);
    this.socket.off("error", this.#onError);
    this.socket.off("close", this.#onClose);
  }

  #write(chunks: readonly Buffer[]): void {
    const { socket } = this;
    const last = chunks.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i++) socket.write(chunks[i] as Buffer);
    socket.write(chunks[last] as Buffer, this.#onWritten);
    if (last > 0) socket.uncork();
    if (socket.writableLength === 0 && !this.#isEncrypted) giveBack(chunks);
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error !== undefined && error !== null) return; // the socket closes
    this.flush();
    this.#owner.onWritten();
  };

  readonly #onMessage = (bytes: Uint8Array): void => {
    this.#messages++;
    this.#owner.onMessage(bytes);
  };

  readonly #onData = (chunk: Buffer): void => {
    this.#messages = 0;
    const fault = this.#reader.push(chunk, this.#onMessage);
    if (fault === undefined) this.#owner.onChunk(this.#messages);
    else this.#end(fault);
  };

  /** Nobody reads what we would still say. */
  readonly #onEnd = (): void => this.#end(this.#reader.isPartial ? "truncated" : "remote");

  #end(reason: "remote" | "truncated" | FrameFault): void {
    this.socket.destroy();
    this.#owner.onEnded(reason);
  }

  readonly #onError = (error: Error): void => {
    this.#error = error;
  };

  readonly #onClose = (): void => {
    this.#reader.end();
    this.#owner.onClosed(this.#error);
  };
}
