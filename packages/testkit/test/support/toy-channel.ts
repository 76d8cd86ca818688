/**
 * A secure channel for datagrams that is no more than a toy: whoever knows the network's secret may claim any id, and the
 * cipher is an XOR. But it has all that the suite looks at: a handshake, sessions by connection id, a window against
 * replay, sizes that amplify nothing, bounds, and goodbyes. With a fault it is wrong in one thing.
 *
 *     HELLO  1 | id 32 | nonce 8 | check 8 | zeros to 90
 *     ACCEPT 2 | id 32 | nonce 8 of the HELLO | nonce 8 | check 8
 *     DATA   3 | connection 4 | counter 4 | sealed (kind 1 | body) | check 8
 */
import {
  type Address,
  type ChannelEvent,
  type ChannelInput,
  copyBytes,
  type Deadline,
  equalBytes,
  type Gauge,
  type InstantMs,
  NodeId,
  type OpenedMessage,
  type Path,
  type SecureChannel,
  type Transmit,
  toHex,
} from "@kad/core";
import { type MakeSecurePeer, type SeededRandom, sha256 } from "../../src/index.ts";

export type ToyFault =
  | "cuts long messages"
  | "says who is claimed"
  | "hands over Buffers"
  | "keeps the caller's plaintext"
  | "needs more room than it says"
  | "does not encrypt"
  | "repeats its keystream"
  | "never says that it was sent"
  | "says that it was sent twice"
  | "never gives up"
  | "gives up twice"
  | "does not hear of the network"
  | "does not look at the peer"
  | "does not check messages"
  | "checks all but the counter"
  | "does not check handshakes"
  | "is torn down by what it cannot open"
  | "throws at short packets"
  | "has no window"
  | "has one key for both directions"
  | "has a window of one"
  | "takes any order"
  | "takes old handshakes"
  | "sends a hello once"
  | "drops a hello while it has sent one"
  | "answers at length"
  | "keeps everything"
  | "keeps all sessions"
  | "sends again at every timeout"
  | "draws from elsewhere"
  | "says no goodbye"
  | "forgets what waits when it is closed"
  | "is never drained";

interface Session {
  readonly peer: NodeId;
  readonly path: Path;
  readonly key: Uint8Array;
  readonly isInitiator: boolean;
  sent: number;
  /** Counters that have been seen; the toy forgets none. */
  readonly seen: Set<number>;
  highest: number;
}

interface Waiting {
  readonly tag: number;
  readonly plaintext: Uint8Array;
  readonly peer: NodeId | undefined;
}

interface Attempt {
  readonly path: Path;
  readonly nonce: Uint8Array;
  readonly givesUpAtMs: InstantMs;
  readonly waiting: Waiting[];
  waitingBytes: number;
  sendings: number;
  nextAtMs: InstantMs;
  hasWrongPeer: boolean;
}

interface Outgoing {
  readonly path: Path;
  readonly packet: Uint8Array;
  readonly tag: number;
}

const secret = sha256(Uint8Array.of(1, 2, 3));
const helloBytes = 90;
const checkBytes = 8;
const dataHeader = 9;
const retryMs = 600;
const maxSendings = 5;
const giveUpMs = 5_000;
const maxWaitingBytes = 65_536;
const maxSessions = 64;

let elsewhere = 0;

class ToyChannel implements SecureChannel {
  readonly overheadBytes: number;
  readonly #id: NodeId;
  readonly #random: SeededRandom;
  readonly #fault: ToyFault | undefined;
  readonly #isStream: boolean;
  /** Addresses whose stream was closed by a packet that was not right. */
  readonly #broken = new Set<string>();
  /** By connection id in hex; a session is used for sending once it is in {@link #current}. */
  readonly #sessions = new Map<string, Session>();
  readonly #current = new Map<string, Session>();
  readonly #attempts = new Map<string, Attempt>();
  readonly #outgoing: Outgoing[] = [];
  readonly #events: ChannelEvent[] = [];
  #isClosed = false;

  constructor(id: NodeId, random: SeededRandom, isStream: boolean, fault?: ToyFault) {
    this.#id = id;
    this.#random = random;
    this.#fault = fault;
    this.#isStream = isStream;
    this.overheadBytes = fault === "needs more room than it says" ? 17 : 18;
  }

  get gauges(): Readonly<Record<string, Gauge>> {
    return { sessions: { used: this.#sessions.size, limit: maxSessions } };
  }

  open(_nowMs: InstantMs, from: Path, wire: Uint8Array): OpenedMessage | undefined {
    if (this.#fault === "throws at short packets" && wire.length < 5) throw new Error("the mutant throws");
    if (this.#isClosed || this.#broken.has(from.remote.key)) return undefined;
    let outcome: OpenedMessage | boolean = false;
    if (wire[0] === 1 && wire.length === helloBytes) outcome = this.#onHello(from, wire);
    else if (wire[0] === 2 && wire.length === 57) outcome = this.#onAccept(from, wire);
    else if (wire[0] === 3 && wire.length >= 18) outcome = this.#onData(from, wire);
    if (outcome === false && this.#isStream) this.#break(from);
    return typeof outcome === "boolean" ? undefined : outcome;
  }

  #break({ remote }: Path): void {
    this.#broken.add(remote.key);
    const session = this.#current.get(remote.key);
    if (session !== undefined) this.#forget(session);
    const attempt = this.#attempts.get(remote.key);
    if (attempt !== undefined) this.#giveUp(attempt, "handshakeFailed");
  }

  seal(
    nowMs: InstantMs,
    to: Transmit,
    plaintext: Uint8Array,
    into: Uint8Array,
  ): number | "pending" | "refused" {
    const { remote } = to.path;
    const session = this.#current.get(remote.key);
    if (session !== undefined) {
      const isRight =
        to.peer === undefined || to.peer.equals(session.peer) || this.#fault === "does not look at the peer";
      if (isRight) return this.#sealData(session, 1, plaintext, into);
      return this.#refuse(remote, to.tag, "wrongPeer");
    }
    if (this.#isClosed) return this.#refuse(remote, to.tag, "closed");
    const keptBytes = [...this.#attempts.values()].reduce((sum, one) => sum + one.waitingBytes, 0);
    if (keptBytes + plaintext.length > maxWaitingBytes && this.#fault !== "keeps everything") {
      return this.#refuse(remote, to.tag, "queueFull");
    }
    const attempt = this.#attempts.get(remote.key) ?? this.#begin(nowMs, to.path);
    const own = this.#fault === "keeps the caller's plaintext" ? plaintext : copyBytes(plaintext);
    attempt.waitingBytes += plaintext.length;
    attempt.waiting.push({ tag: to.tag, plaintext: own, peer: to.peer });
    return "pending";
  }

  handleNetworkEvent(_nowMs: InstantMs, event: ChannelInput): void {
    if (event.type !== "sendFailed" || event.tag !== undefined) return;
    if (this.#fault === "does not hear of the network") return;
    const attempt = this.#attempts.get(event.to.key);
    if (attempt !== undefined) this.#giveUp(attempt, "unreachable");
  }

  handleTimeout(nowMs: InstantMs): void {
    for (const attempt of [...this.#attempts.values()]) {
      if (this.#fault === "sends again at every timeout")
        attempt.nextAtMs = Math.min(attempt.nextAtMs, nowMs);
      if (nowMs >= attempt.givesUpAtMs && this.#fault !== "never gives up") {
        this.#giveUp(attempt, attempt.hasWrongPeer ? "wrongPeer" : "handshakeFailed");
      } else if (nowMs >= attempt.nextAtMs) this.#sendHello(nowMs, attempt);
    }
  }

  pollTransmit(_nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const next = this.#outgoing.shift();
    if (next === undefined) return undefined;
    into.set(next.packet);
    if (next.tag !== 0 && this.#fault !== "never says that it was sent") {
      this.#events.push({ type: "sent", tag: next.tag });
      if (this.#fault === "says that it was sent twice") this.#events.push({ type: "sent", tag: next.tag });
    }
    return { path: next.path, peer: undefined, length: next.packet.length, tag: next.tag };
  }

  pollEvent(): ChannelEvent | undefined {
    return this.#events.shift();
  }

  nextDeadline(): Deadline | undefined {
    const instants = [...this.#attempts.values()].map(({ nextAtMs, givesUpAtMs }) =>
      Math.min(nextAtMs, givesUpAtMs),
    );
    return instants.length === 0 ? undefined : { atMs: Math.min(...instants), reason: "handshake" };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const isForgetful = this.#fault === "forgets what waits when it is closed";
    if (isForgetful) this.#attempts.clear();
    for (const attempt of [...this.#attempts.values()]) this.#giveUp(attempt, "closed");
    for (const session of this.#current.values()) {
      if (this.#fault !== "says no goodbye")
        this.#push(session.path, this.#sealed(session, 4, new Uint8Array(0)), 0);
    }
    this.#current.clear();
    this.#sessions.clear();
  }

  get drained(): boolean {
    if (this.#fault === "is never drained") return false;
    return this.#isClosed && this.#outgoing.length === 0 && this.#events.length === 0;
  }

  #refuse(to: Address, tag: number, reason: "wrongPeer" | "queueFull" | "closed"): "refused" {
    if (tag !== 0) this.#events.push({ type: "sendFailed", to, tag, reason });
    return "refused";
  }

  #begin(nowMs: InstantMs, path: Path): Attempt {
    const nonce = this.#draw();
    const attempt: Attempt = {
      path,
      nonce,
      givesUpAtMs: nowMs + giveUpMs,
      waiting: [],
      waitingBytes: 0,
      sendings: 0,
      nextAtMs: nowMs,
      hasWrongPeer: false,
    };
    this.#attempts.set(path.remote.key, attempt);
    this.#sendHello(nowMs, attempt);
    return attempt;
  }

  #sendHello(nowMs: InstantMs, attempt: Attempt): void {
    attempt.sendings++;
    const isLast = attempt.sendings >= (this.#fault === "sends a hello once" ? 1 : maxSendings);
    attempt.nextAtMs = isLast ? Number.POSITIVE_INFINITY : nowMs + retryMs * attempt.sendings;
    const hello = new Uint8Array(helloBytes);
    hello[0] = 1;
    this.#id.writeTo(hello, 1);
    hello.set(attempt.nonce, 33);
    hello.set(check(secret, hello.subarray(0, 41)), 41);
    this.#push(attempt.path, hello, 0);
  }

  #onHello(from: Path, wire: Uint8Array): boolean {
    const isZero = wire.subarray(49).every((byte) => byte === 0);
    if (!isZero || !this.#isChecked(secret, wire.subarray(0, 41), wire.subarray(41, 49))) return false;
    if (this.#fault === "drops a hello while it has sent one" && this.#attempts.has(from.remote.key))
      return false;
    const peer = NodeId.fromBytes(wire, 1, 32);
    const theirs = copyBytes(wire, 33, 41);
    const ours = this.#fault === "takes old handshakes" ? new Uint8Array(8) : this.#draw();
    this.#remember(sessionOf(from, peer, [theirs, ours], false));
    const accept = new Uint8Array(57);
    accept[0] = 2;
    this.#id.writeTo(accept, 1);
    accept.set(theirs, 33);
    accept.set(ours, 41);
    accept.set(check(secret, accept.subarray(0, 49)), 49);
    this.#push({ remote: from.remote, dialable: true }, accept, 0);
    if (this.#fault === "answers at length")
      this.#push({ remote: from.remote, dialable: true }, new Uint8Array(500), 0);
    return true;
  }

  #onAccept(from: Path, wire: Uint8Array): boolean {
    const attempt = this.#attempts.get(from.remote.key);
    if (attempt === undefined || !equalBytes(attempt.nonce, wire.subarray(33, 41))) return false;
    if (!this.#isChecked(secret, wire.subarray(0, 49), wire.subarray(49))) return false;
    const peer = NodeId.fromBytes(wire, 1, 32);
    const isWanted = ({ peer: wanted }: Waiting): boolean =>
      wanted === undefined || wanted.equals(peer) || this.#fault === "does not look at the peer";
    const session = sessionOf(from, peer, [attempt.nonce, copyBytes(wire, 41, 49)], true);
    if (!attempt.waiting.some(isWanted)) {
      attempt.hasWrongPeer = true;
      return false;
    }
    this.#attempts.delete(from.remote.key);
    this.#remember(session);
    this.#current.set(from.remote.key, session);
    for (const one of attempt.waiting) {
      if (isWanted(one)) this.#push(attempt.path, this.#sealed(session, 1, one.plaintext), one.tag);
      else this.#refuse(from.remote, one.tag, "wrongPeer");
    }
    return true;
  }

  #remember(session: Session): void {
    this.#sessions.set(connectionOf(session), session);
    if (this.#sessions.size <= maxSessions || this.#fault === "keeps all sessions") return;
    const inUse = new Set(this.#current.values());
    for (const [connection, one] of this.#sessions) {
      if (inUse.has(one)) continue;
      this.#sessions.delete(connection);
      return;
    }
  }

  #sealed(session: Session, kind: number, plaintext: Uint8Array): Uint8Array {
    const packet = new Uint8Array(plaintext.length + 18);
    this.#sealData(session, kind, plaintext, packet);
    return packet;
  }

  #sealData(session: Session, kind: number, plaintext: Uint8Array, into: Uint8Array): number {
    const isCut = this.#fault === "cuts long messages" && plaintext.length > 500;
    const length = isCut ? 500 : plaintext.length;
    const end = dataHeader + 1 + length;
    const view = new DataView(into.buffer, into.byteOffset);
    into[0] = 3;
    into.set(session.key.subarray(0, 4), 1);
    view.setUint32(5, session.sent++);
    into[dataHeader] = kind;
    into.set(plaintext.subarray(0, length), dataHeader + 1);
    this.#crypt(session, session.isInitiator, into, end);
    const checked =
      this.#fault === "checks all but the counter" ? into.subarray(dataHeader, end) : into.subarray(0, end);
    const checksum = check(this.#directionKey(session, session.isInitiator), checked);
    if (end + checkBytes <= into.length) into.set(checksum, end);
    return end + checkBytes;
  }

  #onData(from: Path, wire: Uint8Array): OpenedMessage | boolean {
    const session = this.#sessions.get(toHex(wire.subarray(1, 5)));
    if (session === undefined) return false;
    const end = wire.length - checkBytes;
    const counter = new DataView(wire.buffer, wire.byteOffset).getUint32(5);
    const checked =
      this.#fault === "checks all but the counter" ? wire.subarray(dataHeader, end) : wire.subarray(0, end);
    const isRight = equalBytes(
      check(this.#directionKey(session, !session.isInitiator), checked),
      wire.subarray(end),
    );
    if (!isRight && this.#fault !== "does not check messages") {
      if (this.#fault === "is torn down by what it cannot open") this.#forget(session);
      return false;
    }
    const isOld =
      this.#fault === "has a window of one" ? counter <= session.highest : session.seen.has(counter);
    if (isOld && this.#fault !== "has no window") return false;
    if (this.#isStream && counter !== session.highest + 1 && this.#fault !== "takes any order") return false;
    session.seen.add(counter);
    session.highest = Math.max(session.highest, counter);
    const opened = copyBytes(wire, 0, end);
    this.#crypt(session, !session.isInitiator, opened, end);
    this.#current.set(from.remote.key, session);
    const kind = opened[dataHeader];
    if (kind === 4) this.#forget(session);
    if (kind !== 1) return kind === 4;
    const plaintext = copyBytes(opened, dataHeader + 1);
    return {
      from: { ...from, peer: this.#fault === "says who is claimed" ? this.#id : session.peer },
      plaintext: this.#fault === "hands over Buffers" ? Buffer.from(plaintext) : plaintext,
    };
  }

  #forget(session: Session): void {
    this.#sessions.delete(connectionOf(session));
    for (const [key, one] of this.#current) if (one === session) this.#current.delete(key);
  }

  /** XOR with a keystream, over what follows the header. */
  #crypt(session: Session, fromInitiator: boolean, bytes: Uint8Array, end: number): void {
    if (this.#fault === "does not encrypt") return;
    const isRepeated =
      this.#fault === "repeats its keystream" || this.#fault === "checks all but the counter";
    const counter = isRepeated ? new Uint8Array(4) : bytes.subarray(5, 9);
    for (let block = 0; dataHeader + 32 * block < end; block++) {
      const stream = sha256(Uint8Array.of(...this.#directionKey(session, fromInitiator), ...counter, block));
      for (let i = 0; i < 32; i++) {
        const at = dataHeader + 32 * block + i;
        if (at < end) bytes[at] = (bytes[at] ?? 0) ^ (stream[i] ?? 0);
      }
    }
  }

  #directionKey({ key }: Session, fromInitiator: boolean): Uint8Array {
    const direction = fromInitiator || this.#fault === "has one key for both directions" ? 1 : 2;
    return Uint8Array.of(...key, direction);
  }

  #isChecked(key: Uint8Array, bytes: Uint8Array, checksum: Uint8Array): boolean {
    return equalBytes(check(key, bytes), checksum) || this.#fault === "does not check handshakes";
  }

  #giveUp(attempt: Attempt, reason: "handshakeFailed" | "wrongPeer" | "unreachable" | "closed"): void {
    const to = attempt.path.remote;
    this.#attempts.delete(to.key);
    for (const { tag } of attempt.waiting) {
      if (tag === 0) continue;
      this.#events.push({ type: "sendFailed", to, tag, reason });
      if (this.#fault === "gives up twice") this.#events.push({ type: "sendFailed", to, tag, reason });
    }
  }

  #push(path: Path, packet: Uint8Array, tag: number): void {
    this.#outgoing.push({ path, packet, tag });
  }

  #draw(): Uint8Array {
    const bytes = new Uint8Array(8);
    this.#random.fill(bytes);
    if (this.#fault === "draws from elsewhere") bytes[0] = ++elsewhere;
    return bytes;
  }
}

function sessionOf(path: Path, peer: NodeId, nonces: readonly Uint8Array[], isInitiator: boolean): Session {
  const key = sha256(Uint8Array.of(...secret, ...nonces.flatMap((nonce) => [...nonce])));
  const own = { remote: path.remote, dialable: true };
  return { peer, path: own, key, isInitiator, sent: 0, seen: new Set(), highest: -1 };
}

function connectionOf({ key }: Session): string {
  return toHex(key.subarray(0, 4));
}

function check(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return copyBytes(sha256(Uint8Array.of(...key, ...bytes)), 0, checkBytes);
}

/** Peers that are all right, or all have one fault. */
export const toyPeers =
  (fault?: ToyFault, isStream = false): MakeSecurePeer =>
  ({ peer, random }) => {
    const id = NodeId.fromBytes(sha256(Uint8Array.of(peer)));
    const channel = new ToyChannel(id, random, isStream, fault);
    return { id, channel, gauges: () => channel.gauges };
  };
