/**
 * One WebSocket of a uWebSockets.js server below core's `Connections`.
 */
import type { CloseReason, Connection } from "@kad/core";
import { closeCodeOf } from "../close-codes.ts";
import type { ReferencedSocket, WebSocketOwner } from "../web-socket-transport.ts";
import type { UwsSocketHandle } from "./load-uws.ts";
import type { Outbox } from "./outbox.ts";

/** What `send` answers when nothing waits. */
const sentAtOnce = 1;

export class UwsSocket implements ReferencedSocket {
  /** Every WebSocket answers pings. */
  readonly isAnswered = true;
  /** Set as soon as there is one. */
  connection!: Connection;
  readonly #owner: WebSocketOwner;
  readonly #outbox: Outbox;
  /** `undefined` once it is closed: touching it would throw. */
  #socket: UwsSocketHandle | undefined;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  /** The system has not taken all; asking how much costs a call out of JavaScript. */
  #isBehind = false;
  /** Its message is being handed in: uWebSockets.js gathers what is sent to it now, and lets it leave with this read. */
  #isBeingRead = false;

  constructor(owner: WebSocketOwner, socket: UwsSocketHandle, outbox: Outbox) {
    this.#owner = owner;
    this.#socket = socket;
    this.#outbox = outbox;
  }

  get bufferedBytes(): number {
    if (!this.#isBehind || this.#socket === undefined) return this.#gatheredBytes;
    const bytes = this.#socket.getBufferedAmount();
    this.#isBehind = bytes > 0;
    return this.#gatheredBytes + bytes;
  }

  send(bytes: Uint8Array): void {
    if (this.#isBeingRead && this.#gathered.length === 0) {
      this.#send(bytes);
      return;
    }
    this.#gathered.push(this.#outbox.add(bytes));
    this.#gatheredBytes += bytes.length;
  }

  flush(): void {
    const gathered = this.#gathered;
    if (gathered.length === 1) this.#send(gathered[0] as Uint8Array);
    else if (gathered.length > 1) this.#socket?.cork(this.#sendAll);
    this.#forget();
  }

  keepAlive(): void {
    this.#socket?.ping();
  }

  end(reason: CloseReason): void {
    this.flush();
    this.#socket?.end(closeCodeOf(reason), reason);
  }

  destroy(reason: CloseReason): void {
    this.#forget();
    if (reason === "slow" || reason === "malformed") this.#socket?.end(closeCodeOf(reason), reason);
    else this.#socket?.close();
  }

  onMessage(nowMs: number, message: ArrayBuffer, isBinary: boolean): void {
    const bytes = new Uint8Array(message);
    if (!isBinary) this.fail("malformed", "binary messages only");
    else if (bytes.length > this.#owner.maxBytes) this.fail("tooLarge", "tooLarge");
    else if (bytes.length > 0) this.#receive(bytes);
    this.#owner.connections.heard(nowMs, this.connection, 1, undefined);
  }

  onPong(): void {
    this.#owner.connections.heard(performance.now(), this.connection, 0, undefined);
  }

  onDrain(): void {
    this.#owner.connections.drained(performance.now(), this.connection);
    this.#owner.touched();
  }

  onClose(reason: CloseReason): void {
    this.#socket = undefined;
    this.#forget();
    this.#owner.connections.closed(performance.now(), this.connection, reason);
    this.#owner.touched();
    this.#owner.onGone(this);
  }

  /** The other side has done what it may not; the reason is counted, and said. */
  fail(reason: "malformed" | "tooLarge", text: string): void {
    const socket = this.#socket;
    this.#owner.connections.closed(performance.now(), this.connection, reason);
    socket?.end(closeCodeOf(reason), text);
  }

  #receive(bytes: Uint8Array): void {
    this.#isBeingRead = true;
    try {
      this.#owner.connections.received(this.connection, bytes);
    } finally {
      this.#isBeingRead = false;
    }
  }

  readonly #sendAll = (): void => {
    for (const bytes of this.#gathered) this.#send(bytes);
  };

  #send(bytes: Uint8Array): void {
    if (this.#socket?.send(bytes, true, false) !== sentAtOnce) this.#isBehind = true;
  }

  #forget(): void {
    if (this.#gathered.length === 0) return;
    this.#outbox.giveBack(this.#gathered.length);
    this.#gathered = [];
    this.#gatheredBytes = 0;
  }
}
