/**
 * What carries messages: the contract of every transport, of the loop that waits for it, and of what lies above.
 *
 * A transport is a leaf: it moves whole messages between addresses (framing ends here), knows nothing of nodes, and never
 * chooses among a contact's addresses. `TransportRouter` holds several at once and speaks for them to the driver.
 */
import type { Address } from "./address.ts";
import type { AddressKind, AddressTable } from "./address-table.ts";
import type { Path, SendFailure, Transmit } from "./machine.ts";

/**
 * What became of a transmit. `sent`: it has left, or the kernel has it. `queued`: the transport keeps a copy and answers
 * for it (`sent` where it said `deferred`, `sendFailed` when it comes to nothing). `full`: the whole kind of address has
 * no room; the transport opens it again with `flow`. `unreachable`: nothing leads there.
 */
export type SendOutcome = "sent" | "queued" | "full" | "unreachable";

/** What takes a driver's transmits: a `TransportRouter`, a simulated network, or a test. */
export interface Outlet {
  /** Largest message that it takes on any link, in bytes: what the driver's scratch is made for. 1,200 when absent. */
  readonly maxBytes?: number;
  /** `bytes` are exactly the message, plain and borrowed until this returns: who needs them later copies them. */
  send(transmit: Transmit, bytes: Uint8Array): SendOutcome;
  /** The end of every pump: what was gathered goes out now (`sendmmsg`, joined writes). */
  flush(): void;
}

/** What a transport tells those above. Given by `open`; calls after the transport has closed do nothing. */
export interface TransportSink {
  /** A whole message. `bytes` is a plain `Uint8Array`, never a `Buffer`, borrowed until this returns. */
  message(from: Path, bytes: Uint8Array): void;
  /** A transmit that was answered `queued` waits for a dial or a handshake: `sent` or `sendFailed` will follow. */
  deferred(tag: number): void;
  /** A deferred transmit has left now. */
  sent(tag: number): void;
  /**
   * With a tag: this transmit, answered `sent` or `queued`, came to nothing. Without: the way to this address is down.
   * A single slow connection that can hold no more says `queueFull` here, and not `full` for all of its kind.
   */
  sendFailed(to: Address, tag: number | undefined, reason: SendFailure): void;
  /** After `full`, once there is room again. `open: false` closes a kind that fills up between two sends. */
  flow(kind: AddressKind, open: boolean): void;
  /** `localAddresses` has changed. */
  addressesChanged(): void;
  /** An error that concerns no one message. */
  report(error: unknown): void;
}

export interface Transport {
  /** The kinds of address that it carries; fixed from the start. No two transports of a node share one. */
  readonly kinds: readonly AddressKind[];
  /** Largest message, in bytes; fixed from the start. */
  readonly maxBytes: number;
  /**
   * Called once, before anything else; binds and listens. A transport for blocking loops returns nothing, and is open
   * then; others may return a promise. All addresses come from `addresses`.
   * @throws ListenError (or rejects) that names the address; nothing stays open then
   */
  open(sink: TransportSink, addresses: AddressTable): void | Promise<void>;
  /**
   * Only for addresses of its kinds, between open and close. Never throws on what the network does. A transmit that
   * `closes` ends its connection, after its bytes if there are any: that is not told as a failure. Datagrams never have it.
   */
  send(transmit: Transmit, bytes: Uint8Array): SendOutcome;
  flush(): void;
  /** Where others can reach us, the best first; empty where nobody can. */
  readonly localAddresses: readonly Address[];
  /**
   * What was sent before still leaves, within a short time of the transport's own; then every handle is freed. Nothing
   * reaches the sink after the call. A second call does nothing more.
   */
  close(): void | Promise<void>;
  /** Whether open sockets keep the process alive, where the platform asks; they do at first. */
  ref?(): void;
  unref?(): void;
}

/** One descriptor of a transport, as a loop that waits for descriptors (`poll`, `epoll`, `uv_poll_t`) sees it. */
export interface PolledSocket {
  readonly fd: number;
  /**
   * Reads without blocking until nothing is left or `max` messages went to the sink, and returns how many did; so as
   * many as `max` means: call again soon. For a listening socket, accepted connections count.
   */
  receive(max: number): number;
  /** Whether the loop should wait for room to write as well, and call `writable` then. */
  readonly wantsWrite: boolean;
  writable(): void;
}

/** A transport for a loop that blocks: it needs no promise, microtask or timer of the runtime. */
export interface PolledTransport extends Transport {
  open(sink: TransportSink, addresses: AddressTable): void;
  close(): void;
  /** What to wait for. Read it anew before every wait: connections come and go. */
  readonly sockets: readonly PolledSocket[];
}
