/**
 * The shape that every layer has: a machine without I/O, clock or randomness of its own.
 *
 * Bytes and instants go in through `handle…`, bytes and events come out through `poll…`, and `nextDeadline` says when
 * `handleTimeout` wants to be called. The same calls in the same order always give the same outputs, which is what makes
 * a run replayable. A node is a machine; a secure channel around a node is a machine around a machine.
 */
import type { Address } from "./address.ts";
import type { NodeId } from "./node-id.ts";

/** Milliseconds on the host's monotonic clock; only differences mean anything. Fractions are allowed. */
export type InstantMs = number;

/** Where a message came from or goes to. */
export interface Path {
  readonly remote: Address;
  readonly local?: Address;
  /** The peer's id, proven by a layer below (a secure channel); absent on a plain wire. */
  readonly peer?: NodeId;
  /** Whether the remote can be dialled at this very address: true on UDP, false for an accepted connection. */
  readonly dialable: boolean;
}

export type NetworkEvent =
  /** A whole message has arrived. `bytes` is borrowed until the call returns, and is never a Node `Buffer`. */
  | { readonly type: "message"; readonly from: Path; readonly bytes: Uint8Array }
  /** A layer below holds this transmit back (handshake, dial); `sent` or `sendFailed` will follow. */
  | { readonly type: "deferred"; readonly tag: number }
  /** A deferred transmit has left now. Unknown and answered tags are ignored. */
  | { readonly type: "sent"; readonly tag: number }
  /** With a tag that request alone failed; without one the whole path is down. */
  | { readonly type: "sendFailed"; readonly to: Address; readonly tag?: number; readonly reason: SendFailure }
  /** A link is full (`open: false`), or free again. */
  | { readonly type: "flow"; readonly link: number; readonly open: boolean }
  /** The addresses at which we can be reached, in order of preference; replaces the earlier list. */
  | { readonly type: "addressesChanged"; readonly addresses: readonly Address[] }
  /** At start, hourly and after a jump. No deadline depends on it; only validators and certificates read it. */
  | { readonly type: "wallClock"; readonly unixMs: number };

/** `queueFull` means: ask again later. Only `unreachable`, `handshakeFailed` and `wrongPeer` count against a peer. */
export type SendFailure =
  | "queueFull"
  | "unreachable"
  | "tooLarge"
  | "handshakeFailed"
  | "wrongPeer"
  | "closed";

/** One message to send; its bytes are `into[0..length)` of the poll that returned it, until the next call on the machine. */
export interface Transmit {
  readonly path: Path;
  /** Who should receive it, where that is known: a secure channel refuses another peer. */
  readonly peer: NodeId | undefined;
  /** In bytes. */
  readonly length: number;
  /** u32 that names this request in `sent` and `sendFailed`; 0 is a reply. */
  readonly tag: number;
  /** A layer below holds it back (handshake, dial): a `sent` event will follow. */
  readonly deferred?: true;
  /** The connection ends with this message, or at once when the message is empty. Only a secure channel over streams says so. */
  readonly closes?: true;
}

/** The next instant at which the machine wants `handleTimeout`; the reason is for logs and tests only. */
export interface Deadline {
  readonly atMs: InstantMs;
  readonly reason: string;
}

export interface Machine<E> {
  /** Never throws on remote bytes. */
  handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void;
  /** Early or repeated calls do nothing. */
  handleTimeout(nowMs: InstantMs): void;
  /**
   * A transition, not a getter: picks, numbers and starts the next message, and writes it to `into[0..length)`.
   * `undefined`: nothing to send until another input, or a deadline.
   */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined;
  pollEvent(): E | undefined;
  /** Absolute; `undefined`: nothing to wait for. May change after any call. */
  nextDeadline(): Deadline | undefined;
  /** Ends everything. What was queued can still be polled; a second call does nothing. */
  close(nowMs: InstantMs): void;
  /** Closed, and nothing left to poll. */
  readonly drained: boolean;
}
