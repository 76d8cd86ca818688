/**
 * The interface of what seals and opens messages below a node. Types alone: core knows nothing of cryptography.
 *
 * A channel is sans-I/O like every machine, but it stands beside one and not in its place: a stack
 * (`secure(machine, channel)`) hands it what has arrived and what is to leave, and turns its events into what the machine
 * inside understands. It maps message to message; framing ends in the transport. What the node sees of it is the proven
 * `peer` in a {@link Path}.
 */
import type { Address } from "./address.ts";
import type { KadError } from "./errors.ts";
import type { Deadline, InstantMs, NetworkEvent, Path, SendFailure, Transmit } from "./machine.ts";

/**
 * What the network tells beside messages: `sendFailed` without a tag means that the way to this address is down, and with
 * it the session of a stream; certificates are checked against `wallClock`.
 */
export type ChannelInput = Exclude<NetworkEvent, { readonly type: "message" }>;

/** A message that was opened. */
export interface OpenedMessage {
  /** As given to `open`, with the proven `peer`. */
  readonly from: Path & Required<Pick<Path, "peer">>;
  /** A plain `Uint8Array`, borrowed until the next call on the channel. */
  readonly plaintext: Uint8Array;
}

export type ChannelEvent =
  /** What `seal` has kept back has left. Once for each tag, and then no `sendFailed`. */
  | { readonly type: "sent"; readonly tag: number }
  /** What `seal` has kept back, or refused, comes to nothing. Once for each tag. */
  | {
      readonly type: "sendFailed";
      readonly to: Address;
      readonly tag: number;
      readonly reason: SendFailure;
    }
  /** Something of the host's has failed: an identity that did not sign, a policy that threw. */
  | { readonly type: "error"; readonly error: KadError };

/**
 * Built with its random source, which a recording may log, and with its keys (ephemeral ones and secrets of cookies),
 * which nothing may. Nothing that a stranger sends throws, or changes more than a counter.
 */
export interface SecureChannel {
  /** By how many bytes a sealed message is longer than its plaintext, at most. */
  readonly overheadBytes: number;
  /**
   * Takes what has arrived. At most one message comes of it; none of a handshake, of what was forged, changed, replayed
   * or is not for us. `wire` is borrowed until the call returns.
   */
  open(nowMs: InstantMs, from: Path, wire: Uint8Array): OpenedMessage | undefined;
  /**
   * Seals a message into `into`, which has room for `plaintext.length + overheadBytes`, and returns how many bytes it
   * takes. `pending`: there is no session yet; a copy is kept, within a bound, and an event says what became of it.
   * `refused`: nothing is kept (another peer than `to.peer` is there, no room); a `sendFailed` event says why. A reply
   * (tag 0) has no such events. `plaintext` is borrowed until the call returns, and may not overlap with `into`.
   */
  seal(
    nowMs: InstantMs,
    to: Transmit,
    plaintext: Uint8Array,
    into: Uint8Array,
  ): number | "pending" | "refused";
  handleNetworkEvent(nowMs: InstantMs, event: ChannelInput): void;
  /** Early or repeated calls do nothing. */
  handleTimeout(nowMs: InstantMs): void;
  /**
   * What the channel itself has to send: handshakes, what was kept back, goodbyes. Written to `into[0..length)`, ready to
   * leave. The tag is 0, or that of a message kept back which this one carries.
   */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined;
  pollEvent(): ChannelEvent | undefined;
  /** Absolute; `undefined`: nothing to wait for. */
  nextDeadline(): Deadline | undefined;
  /** Ends every session; goodbyes can still be polled, and the failure of what was kept back. A second call does nothing. */
  close(nowMs: InstantMs): void;
  /** Closed, and nothing left to poll. */
  readonly drained: boolean;
}
