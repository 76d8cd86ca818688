/**
 * What goes through sessions: DATA is sealed and opened, replays are found out, and a peer whose address has changed is
 * followed.
 *
 * A packet is looked up, checked against the window, opened, and only then leaves a trace: what is forged or repeated
 * changes nothing but a counter.
 */
import {
  copyBytes,
  equalBytes,
  type InstantMs,
  type OpenedMessage,
  type Path,
  type Transmit,
} from "@kad/core";
import { readU32, writeU32 } from "../bytes.ts";
import { Fifo } from "../fifo.ts";
import { writeCounterNonce } from "../noise/nonce.ts";
import { type PeerPath, peerPath } from "../peer-path.ts";
import { keyBytes, nonceBytes } from "../provider.ts";
import type { DatagramContext } from "./context.ts";
import {
  dataHeadBytes,
  dataOverheadBytes,
  dataType,
  kinds,
  maxDatagramBytes,
  pathTokenBytes,
} from "./packets.ts";
import { counterLimit, type Session } from "./session.ts";

/** What is learnt of a peer from its packets. */
export interface TrafficObserver {
  /** It was found at another address. */
  onMoved(session: Session): void;
  /** It has the keys of a session that it began. */
  onConfirmed(session: Session): void;
}

/** An unproven address is sent at most so many times what came from it (RFC 9000 §8). */
export const amplification = 3;
/** A candidate that has not answered for so long makes room for another. */
const candidateMs = 3_000;
const askAgainMs = 1_000;
const nothing = new Uint8Array(0);
/** Of evicted sessions, waiting to be sent; peers that hear of nothing find out by RESET. */
const maxGoodbyes = 64;

// What is used for every packet is copied here: a copy of a few bytes costs less than a view of them. One for all channels,
// each of which is done with it before it returns: with many nodes in a process it stays in the processor's cache.
const nonce: Uint8Array = new Uint8Array(nonceBytes);
const head: Uint8Array = new Uint8Array(dataHeadBytes);
const key: Uint8Array = new Uint8Array(keyBytes);
const keyWords: Uint32Array = new Uint32Array(key.buffer);
const toSeal: Uint8Array = new Uint8Array(maxDatagramBytes);

function copyHead(from: Uint8Array, to: Uint8Array): void {
  for (let i = 0; i < dataHeadBytes; i++) to[i] = from[i] as number;
}

export class Traffic {
  readonly #context: DatagramContext;
  readonly #observer: TrafficObserver;
  readonly #opened: Uint8Array = new Uint8Array(maxDatagramBytes);
  /** Sessions that have something to say of their own: each one packet of a kind at most. */
  readonly #waiting = new Set<Session>();
  readonly #goodbyes: Fifo<{ readonly path: PeerPath; readonly bytes: Uint8Array }> = new Fifo(maxGoodbyes);

  constructor(context: DatagramContext, observer: TrafficObserver) {
    this.#context = context;
    this.#observer = observer;
  }

  /** Writes DATA at the start of `into` and returns its length; the caller has made sure of the room. */
  seal(nowMs: InstantMs, session: Session, kind: number, body: Uint8Array, into: Uint8Array): number {
    const { credentials, counters } = this.#context;
    const length = dataOverheadBytes + body.length;
    head[0] = dataType;
    writeU32(head, 1, session.remoteCid);
    writeU32(head, 5, session.sendCounter);
    copyHead(head, into);
    session.copySendKey(keyWords);
    toSeal[0] = kind;
    toSeal.set(body, 1);
    writeCounterNonce(nonce, session.sendCounter++);
    credentials.provider.seal(
      key,
      nonce,
      head,
      toSeal.subarray(0, 1 + body.length),
      into.subarray(dataHeadBytes, length),
    );
    session.lastUsedAtMs = Math.floor(nowMs);
    counters.sent.data++;
    return length;
  }

  /** A message, where the packet holds one. `wire` is borrowed, and so is what is returned, until the next call. */
  open(nowMs: InstantMs, from: Path, session: Session, wire: Uint8Array): OpenedMessage | undefined {
    const { credentials, counters, table } = this.#context;
    const counter = readU32(wire, 5);
    const verdict = session.window.verdict(counter);
    if (verdict !== "new") {
      counters.dropped[verdict === "seen" ? "dataRepeated" : "dataTooOld"]++;
      return undefined;
    }
    writeCounterNonce(nonce, counter);
    copyHead(wire, head);
    session.copyReceiveKey(keyWords);
    const sealed = wire.subarray(dataHeadBytes);
    const isOpen = credentials.provider.open(key, nonce, head, sealed, this.#opened);
    if (!isOpen || counter === counterLimit) {
      session.failedOpens++;
      counters.dropped.dataForged++;
      return undefined;
    }
    const isNewest = session.window.isNewest(counter);
    session.window.add(counter);
    const wholeMs = Math.floor(nowMs);
    session.lastReceivedAtMs = wholeMs;
    session.lastUsedAtMs = wholeMs;
    session.unansweredSinceMs = undefined;
    session.isHeard = true;
    if (table.confirm(session)) this.#observer.onConfirmed(session);
    const path = this.#follow(nowMs, session, from, wire.length, isNewest);
    const body = this.#opened.subarray(1, wire.length - dataOverheadBytes + 1);
    return this.#take(session, path, this.#opened[0] as number, body);
  }

  /** An empty message, by which the peer sees that we have the keys of a session. */
  confirm(session: Session): void {
    session.isConfirming = true;
    this.#waiting.add(session);
  }

  /**
   * The session makes room for another: its peer is told, so that its next message goes through a handshake at once and is
   * not lost. Sealed now, since the keys are erased when this returns.
   */
  onEvicted(nowMs: InstantMs, session: Session): void {
    const canSay = session.state === "confirmed" && session.sendCounter < counterLimit;
    if (!canSay || this.#goodbyes.length === maxGoodbyes) return;
    const bytes = new Uint8Array(dataOverheadBytes + 1);
    this.seal(nowMs, session, kinds.close, Uint8Array.of(0), bytes);
    this.#goodbyes.push({ path: session.path, bytes });
  }

  /** Path challenges and their answers, empty messages, and goodbyes of sessions that were evicted. */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const goodbye = this.#goodbyes.shift();
    if (goodbye !== undefined) {
      const { path, bytes } = goodbye;
      into.set(bytes);
      return { path, peer: path.peer, length: bytes.length, tag: 0 };
    }
    if (this.#waiting.size === 0) return undefined;
    for (const session of this.#waiting) {
      const transmit = session.isEnded ? undefined : this.#next(nowMs, session, into);
      if (transmit !== undefined) return transmit;
      this.#waiting.delete(session);
    }
    return undefined;
  }

  #next(nowMs: InstantMs, session: Session, into: Uint8Array): Transmit | undefined {
    const { challenged, candidate, isConfirming } = session;
    if (challenged !== undefined) {
      session.challenged = undefined;
      return this.#say(nowMs, session, challenged.path, kinds.pathResponse, challenged.token, into);
    }
    if (candidate?.isAsking) {
      candidate.isAsking = false;
      candidate.sentBytes += dataOverheadBytes + pathTokenBytes;
      return this.#say(nowMs, session, candidate.path, kinds.pathChallenge, candidate.token, into);
    }
    if (!isConfirming) return undefined;
    session.isConfirming = false;
    return this.#say(nowMs, session, session.path, kinds.nothing, nothing, into);
  }

  #say(
    nowMs: InstantMs,
    session: Session,
    path: PeerPath,
    kind: number,
    body: Uint8Array,
    into: Uint8Array,
  ): Transmit {
    return { path, peer: session.peer, length: this.seal(nowMs, session, kind, body, into), tag: 0 };
  }

  #take(session: Session, from: PeerPath, kind: number, body: Uint8Array): OpenedMessage | undefined {
    const { counters, table } = this.#context;
    switch (kind) {
      case kinds.nothing:
        return undefined;
      case kinds.message:
        return { from, plaintext: body };
      case kinds.pathChallenge:
        if (body.length !== pathTokenBytes) break;
        session.challenged = { path: from, token: copyBytes(body) };
        this.#waiting.add(session);
        return undefined;
      case kinds.pathResponse: {
        const { candidate } = session;
        if (candidate === undefined || !equalBytes(candidate.token, body)) {
          counters.dropped.unexpectedResponse++;
          return undefined;
        }
        counters.pathsMoved++;
        table.move(session, candidate.path);
        this.#observer.onMoved(session);
        return undefined;
      }
      case kinds.close:
        table.remove(session, "closedByPeer");
        return undefined;
    }
    counters.dropped.unknownKind++;
    return undefined;
  }

  /**
   * Where an authentic packet came from. The newest one from another address makes that a candidate, which is asked
   * whether the peer hears us there: a copy that somebody sends from elsewhere moves nobody.
   */
  #follow(nowMs: InstantMs, session: Session, from: Path, bytes: number, isNewest: boolean): PeerPath {
    const { path, candidate, peer } = session;
    const { key } = from.remote;
    if (from.remote === path.remote || key === path.remote.key) {
      if (from.local?.key !== path.local?.key) session.path = peerPath(from, peer);
      return session.path;
    }
    if (candidate?.path.remote.key === key) {
      candidate.receivedBytes += bytes;
      if (nowMs - candidate.askedAtMs >= askAgainMs) {
        candidate.askedAtMs = nowMs;
        candidate.isAsking = true;
        this.#waiting.add(session);
      }
      return candidate.path;
    }
    const elsewhere = peerPath(from, peer);
    const isFree = candidate === undefined || nowMs - candidate.sinceMs >= candidateMs;
    if (!isNewest || !isFree) return elsewhere;
    const token = new Uint8Array(pathTokenBytes);
    this.#context.random.fill(token);
    session.candidate = {
      path: elsewhere,
      token,
      sinceMs: nowMs,
      receivedBytes: bytes,
      sentBytes: 0,
      askedAtMs: nowMs,
      isAsking: true,
    };
    this.#waiting.add(session);
    return elsewhere;
  }
}
