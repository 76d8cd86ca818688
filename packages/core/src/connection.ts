/**
 * One connection of a transport, as {@link Connections} keeps it, and the socket below it as a transport supplies it.
 */
import type { InstantMs, Path } from "./machine.ts";
import { Timer } from "./timers.ts";

/** Why a connection has ended, or a dial has come to nothing. */
export type CloseReason =
  | "remote" // the peer has closed it, between two messages
  | "truncated" // the peer has closed it in the middle of a message
  | "reset" // it broke
  | "malformed" // the peer does not keep to the protocol of the transport
  | "tooLarge" // a message over the limit
  | "slow" // a message that had begun was not whole in time, or held memory when others needed it
  | "stalled" // it took nothing of what waited for it
  | "silent" // no sign of life, though it was asked for one
  | "idle" // no message for long
  | "evicted" // it made room for another dial
  | "ended" // a layer above has ended it (`Transmit.closes`)
  | "shutdown" // the transport has closed
  | "unreachable" // a dial was refused, or nothing is there
  | "timedOut" // a dial was not answered in time
  | "noResources"; // a dial failed for want of something here: descriptors, ports, memory

/** Reasons that say something of the peer's side of a dial. */
export function isPeersFault(reason: CloseReason): boolean {
  return reason !== "noResources" && reason !== "shutdown" && reason !== "evicted" && reason !== "ended";
}

/** What a transport supplies for each connection. None of the calls throws, and none calls back before it returns. */
export interface ConnectionSocket {
  /** Bytes that it was given and that the system has not taken; the framing may count or not. */
  readonly bufferedBytes: number;
  /** Whether the other side answers `keepAlive`: silence then means that it is gone. */
  readonly isAnswered: boolean;
  /** Takes a message, never of no bytes. `bytes` is borrowed until it returns; nothing needs to leave before `flush`. */
  send(bytes: Uint8Array): void;
  /** What was gathered goes out, in one piece where that is possible. */
  flush(): void;
  /** Asks for a sign of life, or keeps what lies between from forgetting the connection. */
  keepAlive(): void;
  /** Lets leave what it was given, then closes; `Connections.closed` tells when it has. No message comes from now on. */
  end(reason: CloseReason): void;
  /** Closes at once. Not called after `Connections.closed`. */
  destroy(reason: CloseReason): void;
}

/**
 * `dialling`: waits for `opened`. `ending`: what was sent may leave, nothing else happens. `closed`: the manager knows it
 * no more, and what a transport still says of it is ignored.
 */
export type ConnectionState = "dialling" | "open" | "ending" | "closed";

/** A message that waits for a dial. */
export interface WaitingMessage {
  readonly tag: number;
  /** Our own copy. */
  readonly bytes: Uint8Array;
}

/** What a connection's timer calls. */
export interface ConnectionKeeper {
  onDue(nowMs: InstantMs, connection: Connection): void;
}

/** Made by {@link Connections} only; transports hand it back in every report, and read `path` and `isOpen`. */
export class Connection extends Timer {
  override readonly reason = "connection";
  /** Of every message that comes from it. */
  readonly path: Path;
  /** We have opened it. */
  readonly isDialled: boolean;
  /** @internal */
  state: ConnectionState = "dialling";
  /** @internal */
  socket!: ConnectionSocket;
  /** @internal whom it counts for, where accepted connections of one host are limited */
  host: string | undefined = undefined;
  /** @internal */
  waiting: WaitingMessage[] = [];
  /** @internal has something to flush */
  isDirty = false;
  /** @internal bytes that wait, as they are counted in the sum of all */
  bufferedBytes = 0;
  /** @internal the system has not taken all that the socket was given */
  isBehind = false;
  /** @internal all that the socket was ever given */
  givenBytes = 0;
  /** @internal how much of that the system had taken when we looked last */
  takenBytes = 0;
  /** @internal when it last took some, while something waits */
  progressAtMs: InstantMs = 0;
  /** @internal when the message that is under way has begun */
  partialSinceMs: InstantMs | undefined = undefined;
  /** @internal memory that it takes */
  partialBytes = 0;
  /** @internal a message, either way */
  messageAtMs: InstantMs;
  /** @internal anything */
  heardAtMs: InstantMs;
  /** @internal the last sign of life asked for */
  askedAtMs: InstantMs;
  readonly #keeper: ConnectionKeeper;

  /** @internal */
  constructor(keeper: ConnectionKeeper, path: Path, isDialled: boolean, nowMs: InstantMs) {
    super();
    this.#keeper = keeper;
    this.path = path;
    this.isDialled = isDialled;
    this.messageAtMs = nowMs;
    this.heardAtMs = nowMs;
    this.askedAtMs = nowMs;
  }

  /** Whether messages may come from it, and go to it. */
  get isOpen(): boolean {
    return this.state === "open";
  }

  override onDue(nowMs: InstantMs): void {
    this.#keeper.onDue(nowMs, this);
  }
}
