/**
 * The secure channel over datagrams: HELLO, CHALLENGE, HANDSHAKE and ACCEPT begin a session, DATA goes through it, RESET
 * says that there is none. The bytes are in docs/secure-wire.md.
 *
 * This file finds out which part an input is for; the parts are handshakes of ours (`initiator.ts`), handshakes of others
 * (`responder.ts`), what goes through sessions (`traffic.ts`) and which sessions there are (`session-table.ts`).
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
  type Transmit,
  UsageError,
} from "@kad/core";
import { readI32 } from "../bytes.ts";
import { ChannelEvents } from "../channel-events.ts";
import type { Credentials } from "../credentials.ts";
import { sooner } from "../deadlines.ts";
import { type HeldMessage, HeldMessages } from "../held-messages.ts";
import { guarded, type Policy } from "../policy.ts";
import { prefixOf } from "../prefix.ts";
import type { RandomSource } from "../provider.ts";
import type { DatagramContext } from "./context.ts";
import { Initiator } from "./initiator.ts";
import { type DatagramLimits, resolveDatagramLimits } from "./limits.ts";
import { keysMs, Outbox } from "./outbox.ts";
import {
  acceptType,
  challengeType,
  cidBytes,
  dataOverheadBytes,
  dataType,
  handshakeType,
  helloType,
  kinds,
  maxDatagramBytes,
  resetType,
} from "./packets.ts";
import { Renewal } from "./renewal.ts";
import { Responder } from "./responder.ts";
import { counterLimit, type Session } from "./session.ts";
import { SessionMemory } from "./session-memory.ts";
import { SessionTable } from "./session-table.ts";
import { DatagramCounters, type DatagramRefusal, type DatagramStats, type PacketName } from "./stats.ts";
import { amplification, Traffic } from "./traffic.ts";

/** Bytes that a sealed message is longer than its plaintext. */
export const datagramOverheadBytes: number = dataOverheadBytes;

export interface DatagramChannelOptions {
  readonly credentials: Credentials;
  /** For cids, jitter and the tokens of path challenges; a recording may log it. Keys come from the credentials. */
  readonly random: RandomSource;
  /** Says which addresses limits do not count: those without a group. */
  readonly addresses: AddressCodec;
  /** Whether to have anything to do with a peer whose handshake is good otherwise. */
  readonly admits?: Policy;
  readonly limits?: Partial<DatagramLimits>;
  /** The host's monotonic clock now. */
  readonly nowMs: InstantMs;
}

const nameOfType: Readonly<Record<number, PacketName>> = {
  [helloType]: "hello",
  [challengeType]: "challenge",
  [handshakeType]: "handshake",
  [acceptType]: "accept",
  [dataType]: "data",
  [resetType]: "reset",
};

/** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
export function secureDatagrams(options: DatagramChannelOptions): DatagramChannel {
  return new DatagramChannel(options);
}

export class DatagramChannel implements SecureChannel {
  readonly overheadBytes: number = datagramOverheadBytes;
  /** Our own id: that of the identity. */
  readonly id: NodeId;
  readonly #context: DatagramContext;
  readonly #initiator: Initiator;
  readonly #responder: Responder;
  readonly #traffic: Traffic;
  readonly #outbox: Outbox;
  readonly #renewal: Renewal;
  /** Sessions whose peers are told that we close. */
  #goodbyes: Session[] = [];
  #nowMs: InstantMs;
  #isClosed = false;

  /** @internal See {@link secureDatagrams}. */
  constructor(options: DatagramChannelOptions) {
    const { credentials, random, addresses, admits, limits: given = {}, nowMs } = options;
    const limits = resolveDatagramLimits(given, {
      handshakesPerSecond: credentials.provider.handshakesPerSecond,
      ...(credentials.network.isPrivate && { resetsPerSecond: 0 }),
    });
    const { maxSessions, maxSessionsPerPrefix, maxHeldMessages, maxHeldBytes } = limits;
    const counters = new DatagramCounters();
    const events = new ChannelEvents(2 * maxHeldMessages + spareEvents);
    const memory = new SessionMemory();
    const table = new SessionTable({
      maxSessions,
      maxSessionsPerPrefix,
      memory,
      onEnd: (session, end) => {
        counters.sessionsEnded[end]++;
        this.#responder.forget(session);
        if (end === "evicted") this.#traffic.onEvicted(this.#nowMs, session);
      },
    });
    const context: DatagramContext = {
      credentials,
      random,
      limits,
      counters,
      table,
      memory,
      held: new HeldMessages(maxHeldMessages, maxHeldBytes),
      events,
      prefixOf: (address) => prefixOf(addresses, address),
      admits: guarded(admits, events),
      newCid: () => this.#newCid(),
    };
    this.#context = context;
    this.id = credentials.id;
    this.#nowMs = nowMs;
    this.#initiator = new Initiator(context);
    this.#responder = new Responder(context, nowMs);
    this.#traffic = new Traffic(context, {
      onMoved: (session) => this.#outbox.onMoved(session),
      onConfirmed: (session) => this.#outbox.onConfirmed(session),
    });
    this.#outbox = new Outbox(context, this.#traffic);
    this.#renewal = new Renewal(context, this.#initiator);
  }

  open(nowMs: InstantMs, from: Path, wire: Uint8Array): OpenedMessage | undefined {
    const now = this.#enter(nowMs);
    const { counters } = this.#context;
    const name = nameOfType[wire[0] ?? 0];
    if (name === undefined || this.#isClosed) {
      counters.dropped[this.#isClosed ? "closed" : "unknownType"]++;
      return undefined;
    }
    counters.received[name]++;
    switch (name) {
      case "hello":
        this.#responder.onHello(now, from, wire, (key) => this.#initiator.goesFirst(from.remote, key));
        return undefined;
      case "challenge":
        this.#initiator.onChallenge(now, from, wire);
        return undefined;
      case "handshake":
        return this.#responder.onHandshake(now, from, wire, (session) => this.#onSession(now, session, []));
      case "accept":
        return this.#initiator.onAccept(now, from, wire, (session, held) =>
          this.#onSession(now, session, held),
        );
      case "data":
        return this.#onData(now, from, wire);
      case "reset":
        this.#renewal.onReset(now, from, wire);
        return undefined;
    }
  }

  seal(
    nowMs: InstantMs,
    to: Transmit,
    plaintext: Uint8Array,
    into: Uint8Array,
  ): number | "pending" | "refused" {
    const now = this.#enter(nowMs);
    const { table } = this.#context;
    if (this.#isClosed) return this.#refuse(to, "closed");
    const length = plaintext.length + dataOverheadBytes;
    if (length > maxDatagramBytes || length > into.length) return this.#refuse(to, "tooLarge");
    const accepting = this.#responder.acceptingAt(to.peer, to.path.remote.key);
    if (accepting !== undefined && Responder.fits(plaintext, into))
      return this.#responder.writeAccept(accepting, plaintext, into);
    const usable = to.peer === undefined ? table.at(to.path.remote.key) : table.usable(to.peer);
    const session = accepting ?? usable;
    if (session === undefined || session.sendCounter >= counterLimit) return this.#begin(now, to, plaintext);
    if (session.state !== "confirmed" && now < session.createdAtMs + keysMs)
      return this.#hold(session, to, plaintext);
    this.#renewal.onUse(now, session);
    return this.#sealOn(now, session, to, plaintext, into);
  }

  handleNetworkEvent(nowMs: InstantMs, event: ChannelInput): void {
    const now = this.#enter(nowMs);
    if (event.type === "wallClock") this.#context.credentials.onWallClock(now, event.unixMs);
    else if (event.type === "sendFailed") this.#initiator.onSendFailed(now, event.to, event.reason);
  }

  handleTimeout(nowMs: InstantMs): void {
    const now = this.#enter(nowMs);
    if (this.#isClosed) return;
    this.#initiator.handleTimeout(now);
    this.#outbox.handleTimeout(now);
  }

  /** @throws UsageError `invalidArgument` when `into` has not the 1,200 bytes of a datagram */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const now = this.#enter(nowMs);
    if (into.length < maxDatagramBytes) {
      throw new UsageError(
        "invalidArgument",
        `into: ${into.length} bytes; allowed are ${maxDatagramBytes} and more`,
      );
    }
    if (this.#isClosed) return this.#nextGoodbye(now, into);
    return (
      this.#responder.pollTransmit(now, into) ??
      this.#traffic.pollTransmit(now, into) ??
      this.#outbox.pollTransmit(now, into) ??
      this.#initiator.pollTransmit(now, into)
    );
  }

  pollEvent(): ChannelEvent | undefined {
    const error = this.#context.credentials.takeError();
    return error === undefined ? this.#context.events.poll() : { type: "error", error };
  }

  nextDeadline(): Deadline | undefined {
    if (this.#isClosed) return undefined;
    const atMs = this.#initiator.nextDeadlineMs;
    const first = sooner(undefined, atMs, "handshake is sent again or given up");
    const second = sooner(first, this.#outbox.nextDeadlineMs, "message leaves without a sign of the peer");
    return sooner(second, this.#context.table.nextSweepMs, "session ends");
  }

  close(nowMs: InstantMs): void {
    this.#enter(nowMs);
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { table } = this.#context;
    this.#initiator.close();
    this.#outbox.close();
    for (const session of [...table.all()]) {
      if (session.state === "accepting") table.remove(session, "closed");
      else this.#goodbyes.push(session);
    }
  }

  get drained(): boolean {
    return this.#isClosed && this.#goodbyes.length === 0 && this.#context.events.length === 0;
  }

  /** A snapshot; plain data that the caller owns. */
  stats(): DatagramStats {
    const { counters, credentials, held, limits, table } = this.#context;
    return counters.snapshot({
      sessions: { used: table.size, limit: limits.maxSessions },
      unconfirmedSessions: { used: table.unconfirmed, limit: table.maxUnconfirmed },
      attempts: { used: this.#initiator.attempts, limit: limits.maxAttempts },
      heldMessages: held.messages,
      heldBytes: held.bytes,
      rememberedCertificates: credentials.rememberedCertificates,
      ...this.#responder.gauges,
    });
  }

  #enter(nowMs: InstantMs): InstantMs {
    if (nowMs > this.#nowMs) this.#nowMs = nowMs;
    const now = this.#nowMs;
    this.#context.credentials.handleTimeout(now);
    if (!this.#isClosed) this.#context.table.sweep(now);
    return now;
  }

  #onData(nowMs: InstantMs, from: Path, wire: Uint8Array): OpenedMessage | undefined {
    const { counters, table } = this.#context;
    if (wire.length < dataOverheadBytes || wire.length > maxDatagramBytes) {
      counters.dropped.badLength++;
      return undefined;
    }
    const cid = readI32(wire, 1);
    const session = table.byCid(cid);
    if (session !== undefined && session.state !== "accepting")
      return this.#traffic.open(nowMs, from, session, wire);
    counters.dropped.unknownSession++;
    // DATA may overtake the ACCEPT of a handshake that is under way.
    if (session === undefined && !this.#initiator.hasCid(cid))
      this.#responder.onUnknownSession(nowMs, from, wire);
    return undefined;
  }

  #onSession(nowMs: InstantMs, session: Session, held: readonly HeldMessage[]): void {
    this.#context.table.add(nowMs, session);
    const messages = [...held, ...this.#initiator.onSession(session)];
    for (const message of messages) this.#outbox.push(session, message);
    // Until something comes, the peer cannot know that we have the keys, nor may it use the session beside an older one.
    if (session.isInitiator && messages.length === 0) this.#traffic.confirm(session);
  }

  #begin(nowMs: InstantMs, to: Transmit, plaintext: Uint8Array): "pending" | "refused" {
    const outcome = this.#initiator.hold(nowMs, to, plaintext);
    return outcome === "pending" ? outcome : this.#refuse(to, outcome);
  }

  /** Keeps a message that goes out through a session with the next polls. */
  #hold(session: Session, to: Transmit, plaintext: Uint8Array): "pending" | "refused" {
    return this.#outbox.hold(session, to, plaintext) ? "pending" : this.#refuse(to, "heldFull");
  }

  /**
   * The node chooses among a peer's addresses. But what is meant for an address that the peer has left goes where it is
   * now, and so do answers to addresses that are not proven; one to a candidate may go there within the bound.
   */
  #sealOn(
    nowMs: InstantMs,
    session: Session,
    to: Transmit,
    plaintext: Uint8Array,
    into: Uint8Array,
  ): number | "pending" | "refused" {
    const { remote } = to.path;
    const { candidate, path } = session;
    if (remote !== path.remote && remote.key !== path.remote.key) {
      const { key } = remote;
      if (candidate?.path.remote.key === key) {
        const bytes = plaintext.length + dataOverheadBytes;
        if (candidate.sentBytes + bytes > amplification * candidate.receivedBytes)
          return this.#outbox.holdForProof(nowMs, session, to, plaintext)
            ? "pending"
            : this.#refuse(to, "unprovenPath");
        candidate.sentBytes += bytes;
      } else if (to.tag === 0 || key === session.formerAddress) return this.#hold(session, to, plaintext);
    }
    if (to.tag !== 0) session.unansweredSinceMs ??= Math.floor(nowMs);
    return this.#traffic.seal(nowMs, session, kinds.message, plaintext, into);
  }

  #nextGoodbye(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const { table } = this.#context;
    for (let session = this.#goodbyes.pop(); session !== undefined; session = this.#goodbyes.pop()) {
      if (session.isEnded) continue;
      const { path, peer } = session;
      const length = this.#traffic.seal(nowMs, session, kinds.close, closing, into);
      table.remove(session, "closed");
      return { path, peer, length, tag: 0 };
    }
    return undefined;
  }

  #refuse(to: Transmit, reason: DatagramRefusal): "refused" {
    const { counters, events } = this.#context;
    counters.refused[reason]++;
    const failure = reason === "tooLarge" || reason === "closed" ? reason : "queueFull";
    events.sendFailed(to.path.remote, to.tag, failure);
    return "refused";
  }

  /** Drawn; where chance is out of order, counted. */
  #newCid(): number {
    const bytes = new Uint8Array(cidBytes);
    this.#context.random.fill(bytes);
    let cid = readI32(bytes, 0);
    while (cid === 0 || this.#context.table.byCid(cid) !== undefined || this.#initiator.hasCid(cid))
      cid = (cid + 1) | 0;
    return cid;
  }
}

/** Reason of a goodbye: the channel closes. */
const closing = Uint8Array.of(0);
/** Of messages that were refused at once. */
const spareEvents = 1_024;
