/**
 * Two channels as one, for a node that has datagrams and streams: each message goes to the channel of its kind of address.
 */
import {
  type Address,
  type ChannelEvent,
  type ChannelInput,
  type Deadline,
  type InstantMs,
  type NodeId,
  type OpenedMessage,
  type Path,
  type SecureChannel,
  type Transmit,
  UsageError,
} from "@kad/core";

/** Bits of `Address.kind`: udp4 and udp6. All others are connections. */
const datagramKinds = 0b11;

/**
 * One channel for {@link secure}: `datagrams` for UDP, `streams` for TCP and WebSocket. Both should share their
 * credentials.
 * @throws UsageError `invalidOption` when they are of different identities
 */
export function channelsByKind(channels: {
  readonly datagrams: SecureChannel & { readonly id: NodeId };
  readonly streams: SecureChannel & { readonly id: NodeId };
}): SecureChannel & { readonly id: NodeId } {
  const { datagrams, streams } = channels;
  if (!datagrams.id.equals(streams.id)) {
    throw new UsageError(
      "invalidOption",
      `streams: the identity of ${streams.id.toHex()}; allowed is that of datagrams, ${datagrams.id.toHex()}`,
    );
  }
  return new ChannelsByKind(datagrams, streams);
}

class ChannelsByKind implements SecureChannel {
  readonly overheadBytes: number;
  readonly id: NodeId;
  readonly #datagrams: SecureChannel;
  readonly #streams: SecureChannel;
  #isStreamsTurn = false;

  constructor(datagrams: SecureChannel & { readonly id: NodeId }, streams: SecureChannel) {
    this.#datagrams = datagrams;
    this.#streams = streams;
    this.overheadBytes = Math.max(datagrams.overheadBytes, streams.overheadBytes);
    this.id = datagrams.id;
  }

  open(nowMs: InstantMs, from: Path, wire: Uint8Array): OpenedMessage | undefined {
    return this.#of(from.remote).open(nowMs, from, wire);
  }

  seal(
    nowMs: InstantMs,
    to: Transmit,
    plaintext: Uint8Array,
    into: Uint8Array,
  ): number | "pending" | "refused" {
    return this.#of(to.path.remote).seal(nowMs, to, plaintext, into);
  }

  handleNetworkEvent(nowMs: InstantMs, event: ChannelInput): void {
    if (event.type === "sendFailed") {
      this.#of(event.to).handleNetworkEvent(nowMs, event);
      return;
    }
    this.#datagrams.handleNetworkEvent(nowMs, event);
    this.#streams.handleNetworkEvent(nowMs, event);
  }

  handleTimeout(nowMs: InstantMs): void {
    this.#datagrams.handleTimeout(nowMs);
    this.#streams.handleTimeout(nowMs);
  }

  /** In turn, so that neither holds the other back. */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    this.#isStreamsTurn = !this.#isStreamsTurn;
    const [first, second] = this.#isStreamsTurn
      ? [this.#streams, this.#datagrams]
      : [this.#datagrams, this.#streams];
    return first.pollTransmit(nowMs, into) ?? second.pollTransmit(nowMs, into);
  }

  pollEvent(): ChannelEvent | undefined {
    return this.#datagrams.pollEvent() ?? this.#streams.pollEvent();
  }

  nextDeadline(): Deadline | undefined {
    const [one, other] = [this.#datagrams.nextDeadline(), this.#streams.nextDeadline()];
    if (one === undefined || other === undefined) return one ?? other;
    return one.atMs <= other.atMs ? one : other;
  }

  close(nowMs: InstantMs): void {
    this.#datagrams.close(nowMs);
    this.#streams.close(nowMs);
  }

  get drained(): boolean {
    return this.#datagrams.drained && this.#streams.drained;
  }

  #of({ kind }: Address): SecureChannel {
    return (kind & datagramKinds) === 0 ? this.#streams : this.#datagrams;
  }
}
