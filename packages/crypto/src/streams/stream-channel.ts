/**
 * The secure channel over streams: Noise XX at the start of each connection, then messages sealed in order.
 *
 * A connection is known by the address of its path, as the transport gives it. The transport dials when something is sent
 * to an address that it has no connection with; it tells by `sendFailed` without a tag that a connection has ended, before
 * it dials the same address anew; and it closes a connection after a transmit that `closes` it.
 *
 * Nonces are counted and not sent, so what is sealed has to leave, in its order. One that the transport refuses at once,
 * with `queueFull`, is kept as it is and goes out later; one that is lost in another way ends the connection.
 */
import {
  type AddressCodec,
  type ChannelEvent,
  type ChannelInput,
  type Deadline,
  type InstantMs,
  type NodeId,
  type OpenedMessage,
  type Path,
  type SecureChannel,
  type SendFailure,
  type Transmit,
  UsageError,
} from "@kad/core";
import { identityOf } from "../certificate.ts";
import { ChannelEvents } from "../channel-events.ts";
import type { Credentials } from "../credentials.ts";
import { sooner } from "../deadlines.ts";
import { HeldMessages } from "../held-messages.ts";
import type { TransportKeys } from "../noise/handshake.ts";
import { peerPath } from "../peer-path.ts";
import { guarded, type Policy } from "../policy.ts";
import { Connection, type Outgoing } from "./connection.ts";
import { ConnectionTable } from "./connection-table.ts";
import { resolveStreamLimits, type StreamLimits } from "./limits.ts";
import { maxHandshakeBytes, maxSealedBytes, streamKinds, streamOverheadBytes } from "./packets.ts";
import { SealedStream } from "./sealed-stream.ts";
import { StreamCounters, type StreamEnd, type StreamRefusal, type StreamStats } from "./stats.ts";
import { StreamAcceptor } from "./stream-acceptor.ts";
import { InitiatorHandshake, type Proven, type ResponderHandshake } from "./stream-handshake.ts";
import { StreamSender } from "./stream-sender.ts";

export interface StreamChannelOptions {
  readonly credentials: Credentials;
  /** Says which addresses limits do not count: those without a group. */
  readonly addresses: AddressCodec;
  /** Whether to have anything to do with a peer whose handshake is good otherwise. */
  readonly admits?: Policy;
  readonly limits?: Partial<StreamLimits>;
  /** The host's monotonic clock now. */
  readonly nowMs: InstantMs;
}

const nothing = new Uint8Array(0);
/** WIRE.md §4: another connection takes its place; the acceptor waits a little for the initiator to see to it. */
const maxAgeMs = 24 * 3_600_000;
const acceptorWaitsMs = 60_000;
/** A retired connection is closed when it has been silent for so long. */
const silenceMs = 10_000;
/** Of what waits, so much may be one connection's. */
const shareOfOne = 8;
/** Of messages that were refused at once. */
const spareEvents = 1_024;

/** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
export function secureStreams(options: StreamChannelOptions): StreamChannel {
  return new StreamChannel(options);
}

export class StreamChannel implements SecureChannel {
  readonly overheadBytes: number = streamOverheadBytes;
  /** Our own id: that of the identity. */
  readonly id: NodeId;
  readonly #credentials: Credentials;
  readonly #admits: Policy;
  readonly #limits: StreamLimits;
  readonly #counters = new StreamCounters();
  readonly #table: ConnectionTable;
  readonly #held: HeldMessages;
  readonly #events: ChannelEvents;
  readonly #acceptor: StreamAcceptor;
  readonly #sender: StreamSender;
  readonly #opened: Uint8Array = new Uint8Array(maxSealedBytes);
  #partsBytes = 0;
  /** Nothing is due before. */
  #dueMs: InstantMs | undefined;
  #nowMs: InstantMs;
  #isClosed = false;

  /** @internal See {@link secureStreams}. */
  constructor({ credentials, addresses, admits, limits = {}, nowMs }: StreamChannelOptions) {
    const { handshakesPerSecond } = credentials.provider;
    this.#limits = resolveStreamLimits(limits, { handshakesPerSecond });
    const { maxHeldMessages, maxHeldBytes, maxConnections } = this.#limits;
    this.id = credentials.id;
    this.#credentials = credentials;
    this.#table = new ConnectionTable(credentials.id);
    this.#held = new HeldMessages(maxHeldMessages, maxHeldBytes);
    this.#events = new ChannelEvents(2 * maxHeldMessages + spareEvents);
    this.#admits = guarded(admits, this.#events);
    this.#acceptor = new StreamAcceptor(credentials, addresses, this.#limits, this.#table, nowMs);
    this.#sender = new StreamSender({
      held: this.#held,
      events: this.#events,
      counters: this.#counters,
      maxClosings: 2 * maxConnections,
    });
    this.#nowMs = nowMs;
  }

  open(nowMs: InstantMs, from: Path, wire: Uint8Array): OpenedMessage | undefined {
    const now = this.#enter(nowMs);
    if (this.#isClosed) {
      this.#counters.unexpectedMessages++;
      return undefined;
    }
    if (wire.length === 0) return undefined; // a sign of life
    const connection = this.#table.at(from.remote.key);
    if (connection === undefined) {
      this.#onFirst(now, from, wire);
      return undefined;
    }
    const { stage } = connection;
    if (stage.type === "open") return this.#onSealed(now, connection, stage.stream, wire);
    if (stage.type === "dialling") this.#onSecond(now, connection, stage.handshake, wire);
    else this.#onThird(now, connection, stage.handshake, wire);
    return undefined;
  }

  seal(
    nowMs: InstantMs,
    to: Transmit,
    plaintext: Uint8Array,
    into: Uint8Array,
  ): number | "pending" | "refused" {
    const now = this.#enter(nowMs);
    if (this.#isClosed) return this.#refuse(to, "closed");
    if (plaintext.length > this.#limits.maxMessageBytes) return this.#refuse(to, "tooLarge");
    const connection = this.#connectionFor(now, to);
    if (typeof connection === "string") return this.#refuse(to, connection);
    const { remote, dialable } = to.path;
    if (connection.key === remote.key && connection.path.dialable === dialable) {
      const length = this.#sender.seal(connection, to.tag, plaintext, into);
      if (length !== undefined) return length;
    }
    const { maxHeldBytes } = this.#limits;
    const hasRoom =
      connection.outgoing.length < connection.outgoing.limit &&
      connection.outgoingBytes + plaintext.length <= Math.max(maxHeldBytes / shareOfOne, plaintext.length);
    const message = hasRoom ? this.#held.hold(to, plaintext) : undefined;
    if (message === undefined) return this.#refuse(to, "heldFull");
    connection.outgoing.push({ message, offset: 0 });
    connection.outgoingBytes += plaintext.length;
    this.#sender.wake(connection);
    return "pending";
  }

  handleNetworkEvent(nowMs: InstantMs, event: ChannelInput): void {
    const now = this.#enter(nowMs);
    if (event.type === "wallClock") this.#credentials.onWallClock(now, event.unixMs);
    else if (event.type === "flow") this.#sender.onFlow(event.link, event.open);
    else if (event.type === "sendFailed") this.#onSendFailed(now, event);
  }

  handleTimeout(nowMs: InstantMs): void {
    const now = this.#enter(nowMs);
    if (this.#dueMs === undefined || now < this.#dueMs) return;
    this.#dueMs = undefined;
    for (const connection of this.#table.all()) {
      const atMs = this.#dueOf(connection);
      if (atMs === undefined) continue;
      if (atMs > now) this.#setDue(atMs);
      else if (connection.isRetired) this.#endWithGoodbye(connection, "replaced");
      else if (!connection.isOpen) this.#end(connection, "timedOut", true);
    }
    const blockedMs = this.#sender.handleTimeout(now);
    if (blockedMs !== undefined) this.#setDue(blockedMs);
  }

  /** @throws UsageError `invalidArgument` when `into` has not the 1,024 bytes of a handshake's messages */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    this.#enter(nowMs);
    if (into.length < maxHandshakeBytes) {
      throw new UsageError(
        "invalidArgument",
        `into: ${into.length} bytes; allowed are ${maxHandshakeBytes} and more`,
      );
    }
    return this.#sender.pollTransmit(into);
  }

  pollEvent(): ChannelEvent | undefined {
    const error = this.#credentials.takeError();
    return error === undefined ? this.#events.poll() : { type: "error", error };
  }

  nextDeadline(): Deadline | undefined {
    if (this.#isClosed) return undefined;
    return sooner(undefined, this.#dueMs, "connection is closed or tried again");
  }

  close(nowMs: InstantMs): void {
    this.#enter(nowMs);
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const connection of this.#table.all()) this.#endWithGoodbye(connection, "closed");
  }

  get drained(): boolean {
    return this.#isClosed && this.#sender.closings === 0 && this.#events.length === 0;
  }

  /** A snapshot; plain data that the caller owns. */
  stats(): StreamStats {
    const { maxConnections, maxHandshakes, maxPartsBytes } = this.#limits;
    return this.#counters.snapshot({
      connections: { used: this.#table.size, limit: maxConnections },
      handshakes: { used: this.#table.answering, limit: maxHandshakes },
      heldMessages: this.#held.messages,
      heldBytes: this.#held.bytes,
      partsBytes: { used: this.#partsBytes, limit: maxPartsBytes },
      prefixes: this.#acceptor.prefixes,
      rememberedCertificates: this.#credentials.rememberedCertificates,
    });
  }

  #enter(nowMs: InstantMs): InstantMs {
    if (nowMs > this.#nowMs) this.#nowMs = nowMs;
    this.#credentials.handleTimeout(this.#nowMs);
    return this.#nowMs;
  }

  /** The first message of a connection that somebody has opened to us. Cheapest checks first. */
  #onFirst(nowMs: InstantMs, from: Path, wire: Uint8Array): void {
    const handshake = this.#acceptor.answer(nowMs, from, wire);
    if (typeof handshake === "string") {
      if (handshake === "unexpected") this.#counters.unexpectedMessages++;
      else this.#counters.connectionsEnded[handshake]++;
      this.#sender.close(from, undefined, nothing);
      return;
    }
    const connection = this.#newConnection(nowMs, from, false, { type: "answering", handshake });
    connection.ready.push(handshake.second);
    this.#sender.wake(connection);
  }

  #onSecond(nowMs: InstantMs, connection: Connection, handshake: InitiatorHandshake, wire: Uint8Array): void {
    const proven = handshake.onSecond(nowMs, wire);
    if (typeof proven === "string") {
      this.#end(connection, proven, true);
      return;
    }
    // Before we show who we are.
    this.#failOthers(connection, proven.peer);
    const isWanted = connection.outgoing.length > 0;
    const third = isWanted ? this.#checked(connection, proven, () => handshake.third()) : "wrongPeer";
    if (typeof third === "string") {
      this.#end(connection, third, true);
      return;
    }
    connection.ready.push(third);
    this.#onProven(nowMs, connection, proven.peer, handshake.split());
  }

  #onThird(nowMs: InstantMs, connection: Connection, handshake: ResponderHandshake, wire: Uint8Array): void {
    const proven = handshake.onThird(nowMs, wire);
    const keys =
      typeof proven === "string" ? proven : this.#checked(connection, proven, () => handshake.split());
    if (typeof proven === "string" || typeof keys === "string")
      this.#end(connection, keys as StreamEnd, true);
    else this.#onProven(nowMs, connection, proven.peer, keys);
  }

  /** The host's policy comes last. */
  #checked<T>(connection: Connection, { peer, certificate }: Proven, then: () => T): T | "refusedByPolicy" {
    return this.#admits(peer, identityOf(certificate), connection.path) ? then() : "refusedByPolicy";
  }

  #onProven(nowMs: InstantMs, connection: Connection, peer: NodeId, keys: TransportKeys): void {
    const { isInitiator } = connection;
    const retired = this.#table.open(connection, peer);
    connection.stage = { type: "open", stream: new SealedStream(this.#credentials.provider, keys) };
    connection.path = peerPath(connection.path, peer);
    connection.openedAtMs = nowMs;
    connection.lastReceivedAtMs = nowMs;
    this.#counters.connectionsOpened[isInitiator ? "initiator" : "responder"]++;
    if (retired !== undefined) this.#setDue(nowMs + silenceMs);
    this.#sender.wake(connection);
  }

  #onSealed(
    nowMs: InstantMs,
    connection: Connection,
    stream: SealedStream,
    wire: Uint8Array,
  ): OpenedMessage | undefined {
    const { maxMessageBytes, maxPartsBytes } = this.#limits;
    const opened = stream.open(wire, this.#opened, maxMessageBytes);
    switch (opened.type) {
      case "forged":
      case "badLength":
      case "tooLarge":
        this.#end(connection, opened.type, true);
        return undefined;
      case "close":
        this.#end(connection, "closedByPeer", true);
        return undefined;
      case "part":
        this.#partsBytes += opened.bytes;
        connection.lastReceivedAtMs = nowMs;
        if (this.#partsBytes > maxPartsBytes) this.#end(connection, "tooLarge", true);
        return undefined;
      case "message":
        this.#partsBytes -= opened.freed;
        connection.lastReceivedAtMs = nowMs;
        this.#counters.messagesReceived++;
        return { from: connection.path as OpenedMessage["from"], plaintext: opened.body };
      case "unknownKind":
        this.#counters.unknownKinds++;
        return undefined;
      case "nothing":
        connection.lastReceivedAtMs = nowMs;
        return undefined;
    }
  }

  /** The connection for a message; one is begun where there is none and it may be dialled. */
  #connectionFor(nowMs: InstantMs, to: Transmit): Connection | StreamRefusal {
    const { path, peer, tag } = to;
    const there = this.#replacedIfOld(nowMs, this.#table.at(path.remote.key));
    const ofPeer = peer && this.#replacedIfOld(nowMs, this.#table.of(peer));
    const isReply = tag === 0;
    if (there?.isOpen) {
      const isTheirs = peer === undefined || there.peer?.equals(peer) === true;
      if (isTheirs) return there.isRetired && !isReply ? (ofPeer ?? there) : there;
      return ofPeer ?? "wrongPeer";
    }
    if (ofPeer !== undefined) return ofPeer;
    return there ?? (path.dialable ? this.#dial(nowMs, path) : "noConnection");
  }

  #dial(nowMs: InstantMs, path: Path): Connection | StreamRefusal {
    const credentials = this.#credentials;
    if (this.#table.size >= this.#limits.maxConnections) return "connectionsFull";
    const own = credentials.staticAt(credentials.secondOf(nowMs));
    if (own === undefined) return "noConnection";
    const handshake = new InitiatorHandshake(credentials, own);
    const connection = this.#newConnection(nowMs, path, true, { type: "dialling", handshake });
    connection.ready.push(handshake.first);
    return connection;
  }

  #newConnection(nowMs: InstantMs, path: Path, isInitiator: boolean, stage: Connection["stage"]): Connection {
    const maxOutgoing = Math.ceil(this.#limits.maxHeldMessages / shareOfOne);
    const connection = new Connection(path, isInitiator, stage, nowMs, maxOutgoing);
    this.#table.add(connection);
    this.#setDue(this.#dueOf(connection) as InstantMs);
    return connection;
  }

  #replacedIfOld(nowMs: InstantMs, connection: Connection | undefined): Connection | undefined {
    if (connection?.isOpen !== true) return connection;
    const lifetimeMs = maxAgeMs + (connection.isInitiator ? 0 : acceptorWaitsMs);
    if (nowMs - connection.openedAtMs < lifetimeMs) return connection;
    this.#endWithGoodbye(connection, "tooOld");
    return undefined;
  }

  #onSendFailed(nowMs: InstantMs, event: Extract<ChannelInput, { type: "sendFailed" }>): void {
    const connection = this.#table.at(event.to.key);
    if (connection === undefined) return;
    const isDown = event.tag === undefined;
    if (
      event.tag !== undefined &&
      event.reason === "queueFull" &&
      this.#sender.onQueueFull(nowMs, connection, event.tag)
    ) {
      this.#setDue(connection.blockedUntilMs as InstantMs);
      return;
    }
    if (isDown) this.#end(connection, connection.isOpen ? "truncated" : "unreachable", false, event.reason);
    else this.#end(connection, connection.isOpen ? "sendFailed" : "unreachable", true, event.reason);
  }

  #dueOf({ stage, beganAtMs, isRetired, lastReceivedAtMs }: Connection): InstantMs | undefined {
    const { dialTimeoutMs, handshakeTimeoutMs } = this.#limits;
    if (stage.type === "dialling") return beganAtMs + dialTimeoutMs;
    if (stage.type === "answering") return beganAtMs + handshakeTimeoutMs;
    return isRetired ? lastReceivedAtMs + silenceMs : undefined;
  }

  #setDue(atMs: InstantMs): void {
    if (this.#dueMs === undefined || atMs < this.#dueMs) this.#dueMs = atMs;
  }

  /** Fails what waits for others than `peer`. */
  #failOthers(connection: Connection, peer: NodeId): void {
    const { outgoing } = connection;
    for (let left = outgoing.length; left > 0; left--) {
      const entry = outgoing.shift() as Outgoing;
      const { message } = entry;
      if (message.peer === undefined || message.peer.equals(peer)) {
        outgoing.push(entry);
        continue;
      }
      connection.outgoingBytes -= message.bytes.length;
      this.#drop(message, "wrongPeer");
    }
  }

  #endWithGoodbye(connection: Connection, reason: StreamEnd): void {
    const { stage, ready } = connection;
    // What is sealed and has not left would be missing in front of it.
    if (stage.type !== "open" || ready.length > 0) {
      this.#end(connection, reason, true);
      return;
    }
    const goodbye = new Uint8Array(streamOverheadBytes);
    stage.stream.seal(Uint8Array.of(streamKinds.close), goodbye);
    this.#end(connection, reason, true, undefined, goodbye);
  }

  /** @param isClosing whether the transport is to close it @param cause of the transport @param lastWord sealed */
  #end(
    connection: Connection,
    reason: StreamEnd,
    isClosing: boolean,
    cause?: SendFailure,
    lastWord: Uint8Array = nothing,
  ): void {
    if (connection.isEnded) return;
    connection.isEnded = true;
    const { isOpen, path, peer, outgoing, stage } = connection;
    this.#table.remove(connection);
    this.#sender.forget(connection);
    if (stage.type === "open") this.#partsBytes -= stage.stream.partsBytes;
    this.#counters.connectionsEnded[reason]++;
    if (isClosing) this.#sender.close(path, peer, lastWord);
    const failure = isOpen || this.#isClosed ? "closed" : failureOf(reason, cause);
    for (let next = outgoing.shift(); next !== undefined; next = outgoing.shift())
      this.#drop(next.message, failure);
  }

  #drop(message: Parameters<HeldMessages["release"]>[0], failure: SendFailure): void {
    this.#held.release(message);
    this.#events.sendFailed(message.path.remote, message.tag, failure);
  }

  #refuse(to: Transmit, reason: StreamRefusal): "refused" {
    this.#counters.refused[reason]++;
    const isSaid = reason === "closed" || reason === "tooLarge" || reason === "wrongPeer";
    this.#events.sendFailed(to.path.remote, to.tag, isSaid ? reason : "queueFull");
    return "refused";
  }
}

/** What a connection that never opened was to who waited for it. */
function failureOf(reason: StreamEnd, cause: SendFailure | undefined): SendFailure {
  if (reason === "wrongPeer") return "wrongPeer";
  return reason === "unreachable" ? (cause ?? "unreachable") : "handshakeFailed";
}
