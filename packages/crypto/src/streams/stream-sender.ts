/**
 * What connections have to send, in turn: one message of each, or one part. And what the transport could not take.
 */
import { copyBytes, type InstantMs, type NodeId, type Path, type Transmit } from "@kad/core";
import type { ChannelEvents } from "../channel-events.ts";
import { Fifo } from "../fifo.ts";
import type { HeldMessages } from "../held-messages.ts";
import type { Connection } from "./connection.ts";
import { partBytes, streamKinds, streamOverheadBytes } from "./packets.ts";
import type { StreamCounters } from "./stats.ts";

export interface StreamSenderOptions {
  readonly held: HeldMessages;
  readonly events: ChannelEvents;
  readonly counters: StreamCounters;
  /** Ends that wait to be sent. */
  readonly maxClosings: number;
}

/** The last word on a connection, empty where there is no session. */
interface Closing {
  readonly path: Path;
  readonly peer: NodeId | undefined;
  readonly bytes: Uint8Array;
}

/** What the transport could not take is tried again after this, or when it says that there is room. */
const blockedMs = 50;

export class StreamSender {
  readonly #options: StreamSenderOptions;
  readonly #closings: Fifo<Closing>;
  /** Connections that have something to send, in turn. */
  readonly #busy = new Set<Connection>();
  /** Those that cannot send now. */
  readonly #blocked = new Set<Connection>();
  readonly #closedLinks = new Set<number>();
  /** What left last, sealed: the transport may not take it. */
  #last: Connection | undefined;
  #lastTag = 0;
  #lastLength = 0;
  readonly #lastBytes: Uint8Array = new Uint8Array(partBytes + streamOverheadBytes);
  readonly #plain: Uint8Array = new Uint8Array(1 + partBytes);

  constructor(options: StreamSenderOptions) {
    this.#options = options;
    this.#closings = new Fifo(options.maxClosings);
  }

  /** Ends that wait to be sent. */
  get closings(): number {
    return this.#closings.length;
  }

  /** It may have something to send now. */
  wake(connection: Connection): void {
    if (connection.hasToSend && !this.#blocked.has(connection)) this.#busy.add(connection);
  }

  /** The transport is to end this connection, after a last word. */
  close(path: Path, peer: NodeId | undefined, bytes: Uint8Array): void {
    this.#closings.push({ path, peer, bytes });
  }

  /** It has ended. */
  forget(connection: Connection): void {
    this.#busy.delete(connection);
    this.#blocked.delete(connection);
  }

  /**
   * Seals a message at once, where nothing is to go out before it and it fits one part; `undefined`: it has to wait. The
   * transport hears of it under `tag`.
   */
  seal(connection: Connection, tag: number, message: Uint8Array, into: Uint8Array): number | undefined {
    const { stage } = connection;
    const fits = message.length <= partBytes && message.length + streamOverheadBytes <= into.length;
    const isFree = !connection.hasToSend && !this.#blocked.has(connection);
    if (stage.type !== "open" || !fits || !isFree || this.#closedLinks.has(connection.path.remote.link))
      return undefined;
    this.#plain[0] = streamKinds.end;
    this.#plain.set(message, 1);
    const length = stage.stream.seal(this.#plain.subarray(0, 1 + message.length), into);
    this.#remember(connection, tag, into, length);
    return length;
  }

  pollTransmit(into: Uint8Array): Transmit | undefined {
    this.#last = undefined;
    const closing = this.#closings.shift();
    if (closing !== undefined) {
      const { path, peer, bytes } = closing;
      into.set(bytes);
      return { path, peer, length: bytes.length, tag: 0, closes: true };
    }
    for (const connection of this.#busy) {
      this.#busy.delete(connection);
      if (this.#closedLinks.has(connection.path.remote.link)) {
        this.#blocked.add(connection);
        continue;
      }
      const length = this.#next(connection, into);
      if (length === undefined) continue;
      if (connection.hasToSend) this.#busy.add(connection); // behind the others
      this.#remember(connection, 0, into, length);
      return { path: connection.path, peer: connection.peer, length, tag: 0 };
    }
    return undefined;
  }

  /**
   * The transport could not take what left last: it goes out later, as it is, since nothing may be sealed in its place.
   * Its sender hears that it was sent. `false`: that was another one, and this one is lost.
   */
  onQueueFull(nowMs: InstantMs, connection: Connection, tag: number): boolean {
    if (this.#last !== connection || this.#lastTag !== tag) return false;
    this.#last = undefined;
    this.#options.events.sent(tag);
    connection.ready.unshift(copyBytes(this.#lastBytes, 0, this.#lastLength));
    this.#busy.delete(connection);
    this.#blocked.add(connection);
    connection.blockedUntilMs = nowMs + blockedMs;
    return true;
  }

  onFlow(link: number, isOpen: boolean): void {
    if (!isOpen) {
      this.#closedLinks.add(link);
      return;
    }
    this.#closedLinks.delete(link);
    for (const connection of this.#blocked)
      if (connection.path.remote.link === link) this.#unblock(connection);
  }

  /** Tries what is blocked again; returns when to come back. */
  handleTimeout(nowMs: InstantMs): InstantMs | undefined {
    let dueMs: InstantMs | undefined;
    for (const connection of this.#blocked) {
      const { blockedUntilMs } = connection;
      if (blockedUntilMs === undefined) continue; // its link is closed
      if (blockedUntilMs <= nowMs) this.#unblock(connection);
      else dueMs = Math.min(dueMs ?? blockedUntilMs, blockedUntilMs);
    }
    return dueMs;
  }

  #remember(connection: Connection, tag: number, bytes: Uint8Array, length: number): void {
    this.#last = connection;
    this.#lastTag = tag;
    this.#lastLength = length;
    this.#lastBytes.set(bytes.subarray(0, length));
    this.#options.counters.messagesSent++;
  }

  #unblock(connection: Connection): void {
    connection.blockedUntilMs = undefined;
    if (this.#closedLinks.has(connection.path.remote.link)) return;
    this.#blocked.delete(connection);
    this.wake(connection);
  }

  /** Writes its next message at the start of `into`; `undefined`: there is none. */
  #next(connection: Connection, into: Uint8Array): number | undefined {
    const ready = connection.ready.shift();
    if (ready !== undefined) {
      into.set(ready);
      return ready.length;
    }
    const { stage, outgoing } = connection;
    const next = outgoing.peek();
    if (stage.type !== "open" || next === undefined) return undefined;
    const { bytes, tag } = next.message;
    const size = Math.min(bytes.length - next.offset, partBytes, into.length - streamOverheadBytes);
    const isEnd = next.offset + size === bytes.length;
    this.#plain[0] = isEnd ? streamKinds.end : streamKinds.part;
    this.#plain.set(bytes.subarray(next.offset, next.offset + size), 1);
    const length = stage.stream.seal(this.#plain.subarray(0, 1 + size), into);
    next.offset += size;
    if (!isEnd) return length;
    outgoing.shift();
    connection.outgoingBytes -= bytes.length;
    this.#options.held.release(next.message);
    this.#options.events.sent(tag);
    return length;
  }
}
