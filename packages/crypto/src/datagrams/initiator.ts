/**
 * Handshakes that we begin: HELLO, and once the peer has proven itself and its address, HANDSHAKE.
 *
 * One attempt for each address, whoever is expected there: who answers is learnt from the CHALLENGE. An answer of somebody
 * whom nobody wants is ignored and does not end the attempt, since anyone on the path could send one first.
 */
import {
  type Address,
  compareBytes,
  copyBytes,
  type InstantMs,
  type NodeId,
  type OpenedMessage,
  type Path,
  type SendFailure,
  type Transmit,
} from "@kad/core";
import { readI32 } from "../bytes.ts";
import { identityOf, shortCertificateBytes, staticOf } from "../certificate.ts";
import type { HeldMessage } from "../held-messages.ts";
import { nodeIdOf } from "../identity.ts";
import { Handshake } from "../noise/handshake.ts";
import { IK, withPsks } from "../noise/patterns.ts";
import { peerPath } from "../peer-path.ts";
import { drawSeed } from "../provider.ts";
import { type Attempt, type HandshakeStage, wants } from "./attempt.ts";
import type { DatagramContext } from "./context.ts";
import {
  acceptHeadBytes,
  acceptOverheadBytes,
  challengeBytes,
  cidBytes,
  commonVersion,
  cookieIn,
  datagramPrologue,
  handshakeHeadBytes,
  handshakeOverheadBytes,
  handshakeType,
  helloBytes,
  helloHead,
  helloKeyAt,
  maxDatagramBytes,
  maxVersion,
  minVersion,
  openChallenge,
  writeHello,
} from "./packets.ts";
import { Session } from "./session.ts";

/**
 * Each packet five times, the pauses doubling up to a bound, give or take a fifth: at 0, 0.4, 1.2, 2.4 and 3.6 s. With a
 * third of loss one first request in ten fails; with three sendings it would be one in three, as in plain text.
 */
const maxSendings = 5;
const firstPauseMs = 400;
const maxPauseMs = 1_200;
const jitterShare = 0.2;
/** A cookie lives ten seconds at its maker; two are left for the way. */
const cookieMs = 8_000;
/** One honest answer and some racers. */
const maxChallenges = 8;
/** A packet that a full link has not taken is tried again after this. */
const queueFullMs = 50;
const maxHeldPerAttempt = 16;

export class Initiator {
  readonly #context: DatagramContext;
  readonly #pattern: typeof IK;
  /** By address. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #byCid = new Map<number, Attempt>();
  /** Nothing is due before. */
  #dueMs: InstantMs | undefined;

  constructor(context: DatagramContext) {
    this.#context = context;
    this.#pattern = context.credentials.network.isPrivate ? withPsks(IK, [0]) : IK;
  }

  get attempts(): number {
    return this.#attempts.size;
  }

  get nextDeadlineMs(): InstantMs | undefined {
    return this.#dueMs;
  }

  hasCid(cid: number): boolean {
    return this.#byCid.has(cid);
  }

  /** Whether a handshake that would give a session with this peer at this address is under way. */
  isAsking(address: Address, peer: NodeId): boolean {
    const attempt = this.#attempts.get(address.key);
    return attempt !== undefined && wants(attempt, peer);
  }

  /** Whether our own attempt with that address goes before theirs: one that is further, else the larger ephemeral key. */
  goesFirst(address: Address, theirKey: Uint8Array): boolean {
    const attempt = this.#attempts.get(address.key);
    if (attempt === undefined) return false;
    return attempt.stage.type === "handshake" || compareBytes(attempt.ephemeral.publicKey, theirKey) > 0;
  }

  /** Keeps a copy of a message and begins a handshake for it, where none is under way. */
  hold(nowMs: InstantMs, to: Transmit, plaintext: Uint8Array): "pending" | "attemptsFull" | "heldFull" {
    const attempt = this.#attempts.get(to.path.remote.key) ?? this.#begin(nowMs, to.path);
    if (attempt === undefined) return "attemptsFull";
    const message =
      attempt.held.length < maxHeldPerAttempt ? this.#context.held.hold(to, plaintext) : undefined;
    if (message !== undefined) attempt.held.push(message);
    else if (attempt.held.length === 0 && attempt.wanted === undefined && attempt.stage.type === "hello")
      this.#remove(attempt);
    return message === undefined ? "heldFull" : "pending";
  }

  /** Begins a handshake for a session beside the one that there is. */
  renew(nowMs: InstantMs, { path, peer }: Session): void {
    const attempt = this.#attempts.get(path.remote.key) ?? this.#begin(nowMs, path);
    if (attempt !== undefined) attempt.wanted ??= peer;
  }

  /** A CHALLENGE. `wire` is borrowed. */
  onChallenge(nowMs: InstantMs, from: Path, wire: Uint8Array): void {
    const { credentials, counters } = this.#context;
    if (wire.length !== challengeBytes) {
      counters.dropped.badLength++;
      return;
    }
    const attempt = this.#byCid.get(readI32(wire, 2));
    const stage = attempt?.stage;
    const isExpected = attempt?.path.remote.key === from.remote.key && stage?.type === "hello";
    if (attempt === undefined || stage?.type !== "hello" || !isExpected) {
      counters.dropped.unexpectedChallenge++;
      return;
    }
    if (wire[1] !== commonVersion(minVersion, wire[1] as number)) {
      counters.dropped.badVersion++;
      return;
    }
    const certificate = openChallenge(credentials.provider, credentials.network, attempt.head, wire);
    if (certificate === undefined) {
      counters.dropped.challengeForged++;
      return;
    }
    // Anyone who saw the HELLO could have made it: what is checked for it is bounded.
    if (++stage.challenges > maxChallenges) {
      counters.dropped.challengesExceeded++;
      return;
    }
    this.#onCertificate(nowMs, attempt, wire, certificate);
  }

  /** An ACCEPT: the session, and the message that came with it. `wire` is borrowed. */
  onAccept(
    nowMs: InstantMs,
    from: Path,
    wire: Uint8Array,
    onSession: (session: Session, held: readonly HeldMessage[]) => void,
  ): OpenedMessage | undefined {
    const { counters, events, held } = this.#context;
    if (wire.length < acceptOverheadBytes) {
      counters.dropped.badLength++;
      return undefined;
    }
    const attempt = this.#byCid.get(readI32(wire, 1));
    const stage = attempt?.stage;
    const isExpected = attempt?.path.remote.key === from.remote.key && stage?.type === "handshake";
    if (attempt === undefined || stage?.type !== "handshake" || !isExpected) {
      counters.dropped.unexpectedAccept++;
      return undefined;
    }
    const payload = stage.noise.readMessage(wire.subarray(acceptHeadBytes));
    const remoteCid = payload === undefined ? 0 : readI32(payload, 0);
    if (payload === undefined || remoteCid === 0) {
      counters.dropped.acceptForged++;
      return undefined;
    }
    const { cid } = attempt;
    const { send, receive } = stage.noise.split();
    const path = peerPath(from, stage.peer);
    const memory = this.#context.memory.take();
    const session = new Session({
      cid,
      remoteCid,
      isInitiator: true,
      path,
      nowMs,
      memory,
      prefix: undefined,
    });
    session.setKeys(send, receive);
    this.#remove(attempt);
    counters.sessionsOpened.initiator++;
    const wanted = attempt.held.filter(({ peer }) => peer === undefined || peer.equals(stage.peer));
    for (const message of attempt.held) {
      if (wanted.includes(message)) continue;
      held.release(message);
      events.sendFailed(message.path.remote, message.tag, "wrongPeer");
    }
    onSession(session, wanted);
    return payload.length > cidBytes ? { from: path, plaintext: payload.subarray(cidBytes) } : undefined;
  }

  /**
   * There is a session, whoever began it: what waits for it is handed over, and attempts that nothing else waits for end.
   * But a HANDSHAKE that is out runs to its end: the peer may have a session from it already.
   */
  onSession(session: Session): HeldMessage[] {
    const taken: HeldMessage[] = [];
    const isFor = ({ peer, path }: HeldMessage): boolean =>
      peer === undefined ? path.remote.key === session.path.remote.key : peer.equals(session.peer);
    for (const attempt of this.#attempts.values()) {
      const { held, stage } = attempt;
      if (stage.type === "handshake" && stage.carried !== undefined && isFor(stage.carried)) {
        taken.push(stage.carried);
        stage.carried = undefined;
      }
      for (let i = held.length - 1; i >= 0; i--)
        if (isFor(held[i] as HeldMessage)) taken.push(...held.splice(i, 1));
      const isDone = attempt.wanted === undefined || attempt.wanted.equals(session.peer);
      if (stage.type === "handshake") attempt.isServed ||= stage.peer.equals(session.peer);
      else if (held.length === 0 && isDone) this.#remove(attempt);
    }
    return taken.reverse();
  }

  /** The transport could not send there. */
  onSendFailed(nowMs: InstantMs, to: Address, reason: SendFailure): void {
    const attempt = this.#attempts.get(to.key);
    if (attempt === undefined) return;
    if (reason === "queueFull") {
      if (attempt.sendings === 0) return;
      attempt.sendings--;
      this.#setNext(attempt, nowMs + queueFullMs);
    } else if (reason !== "tooLarge") this.#fail(attempt, reason);
  }

  /** Gives up what has lasted too long. Early and repeated calls do nothing. */
  handleTimeout(nowMs: InstantMs): void {
    if (this.#dueMs === undefined || nowMs < this.#dueMs) return;
    for (const attempt of this.#attempts.values()) {
      const isSpent = attempt.sendings >= maxSendings || nowMs >= attempt.endsAtMs;
      if (attempt.nextAtMs <= nowMs && isSpent) this.#advance(nowMs, attempt);
    }
    this.#findDue();
  }

  /** The next HELLO or HANDSHAKE that is due; 1,200 bytes of `into` are enough. */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    if (this.#dueMs === undefined || nowMs < this.#dueMs) return undefined;
    for (const attempt of this.#attempts.values())
      if (attempt.nextAtMs <= nowMs && this.#advance(nowMs, attempt)) return this.#send(nowMs, attempt, into);
    this.#findDue();
    return undefined;
  }

  /** Ends every attempt. */
  close(): void {
    for (const attempt of this.#attempts.values()) this.#fail(attempt, "closed");
    this.#dueMs = undefined;
  }

  #begin(nowMs: InstantMs, path: Path): Attempt | undefined {
    const { limits } = this.#context;
    if (this.#attempts.size >= limits.maxAttempts) return undefined;
    const attempt: Attempt = {
      path,
      endsAtMs: nowMs + limits.handshakeTimeoutMs,
      wanted: undefined,
      held: [],
      sawOther: false,
      isServed: false,
      ...this.#newHello(),
      sendings: 0,
      nextAtMs: nowMs,
    };
    this.#attempts.set(path.remote.key, attempt);
    this.#byCid.set(attempt.cid, attempt);
    this.#setNext(attempt, nowMs);
    return attempt;
  }

  #newHello(): Pick<Attempt, "cid" | "ephemeral" | "head" | "stage"> {
    const { credentials, newCid } = this.#context;
    const cid = newCid();
    const ephemeral = credentials.provider.x25519(drawSeed(credentials.keys));
    const head = helloHead(minVersion, maxVersion, cid, ephemeral.publicKey);
    return { cid, ephemeral, head, stage: { type: "hello", challenges: 0 } };
  }

  /** From the start, with another key; for the same peer, even where its message has left already. */
  #restart(nowMs: InstantMs, attempt: Attempt): void {
    if (attempt.stage.type === "handshake") attempt.wanted ??= attempt.stage.peer;
    this.#byCid.delete(attempt.cid);
    Object.assign(attempt, this.#newHello());
    this.#byCid.set(attempt.cid, attempt);
    attempt.sendings = 0;
    this.#setNext(attempt, nowMs);
  }

  #onCertificate(nowMs: InstantMs, attempt: Attempt, wire: Uint8Array, certificate: Uint8Array): void {
    const { credentials, counters, admits } = this.#context;
    if (!wants(attempt, nodeIdOf(credentials.provider, identityOf(certificate)))) {
      attempt.sawOther = true;
      counters.dropped.wrongPeer++;
      return;
    }
    const peer = credentials.check(nowMs, certificate);
    if (typeof peer === "string") {
      counters.dropped[peer]++;
      return;
    }
    if (!admits(peer, identityOf(certificate), attempt.path)) {
      counters.dropped.refusedByPolicy++;
      return;
    }
    const stage = this.#newHandshake(nowMs, attempt, wire, certificate, peer);
    if (typeof stage === "string") {
      counters.dropped[stage]++;
      return;
    }
    attempt.stage = stage;
    attempt.sendings = 0;
    this.#setNext(attempt, nowMs);
  }

  #newHandshake(
    nowMs: InstantMs,
    { head, cid, ephemeral, held }: Attempt,
    wire: Uint8Array,
    certificate: Uint8Array,
    peer: NodeId,
  ): HandshakeStage | "notReady" | "smallOrderKey" {
    const { credentials } = this.#context;
    const { provider, network } = credentials;
    const own = credentials.staticAt(credentials.secondOf(nowMs));
    if (own === undefined) return "notReady";
    const version = wire[1] as number;
    const cookie = cookieIn(wire);
    const noise = new Handshake({
      provider,
      pattern: this.#pattern,
      role: "initiator",
      prologue: datagramPrologue({
        network,
        versions: [minVersion, maxVersion, version],
        cid,
        cookie,
        identity: identityOf(certificate),
      }),
      static: own.pair,
      ephemeral: () => ephemeral,
      remoteStatic: copyBytes(staticOf(certificate)),
      psks: network.psk && [network.psk],
    });
    const at = held.findIndex(
      ({ peer: expected, bytes }) =>
        (expected === undefined || expected.equals(peer)) &&
        bytes.length + handshakeOverheadBytes <= maxDatagramBytes,
    );
    const carried = held[at];
    const payload = new Uint8Array(shortCertificateBytes + (carried?.bytes.length ?? 0));
    payload.set(own.shortCertificate);
    if (carried !== undefined) payload.set(carried.bytes, shortCertificateBytes);
    const packet = new Uint8Array(handshakeOverheadBytes + payload.length - shortCertificateBytes);
    packet[0] = handshakeType;
    packet[1] = version;
    packet.set(head.subarray(1, 3), 2);
    packet.set(head.subarray(4, helloKeyAt), 4);
    packet.set(cookie, 4 + cidBytes);
    if (noise.writeMessage(payload, packet, handshakeHeadBytes) === undefined) return "smallOrderKey";
    if (carried !== undefined) held.splice(at, 1);
    return { type: "handshake", peer, noise, packet, carried, challengedAtMs: nowMs };
  }

  /** `true`: its packet is to be sent now. Else it has ended. */
  #advance(nowMs: InstantMs, attempt: Attempt): boolean {
    const { stage, sendings } = attempt;
    const isSpent = sendings >= maxSendings;
    if (isSpent && attempt.isServed && attempt.held.length === 0) {
      this.#remove(attempt);
      return false;
    }
    if (nowMs >= attempt.endsAtMs || (isSpent && stage.type === "hello")) {
      this.#fail(attempt, "handshakeFailed");
      return false;
    }
    const isStale = stage.type === "handshake" && nowMs - stage.challengedAtMs > cookieMs;
    if (isSpent || isStale) this.#restart(nowMs, attempt);
    return true;
  }

  #send(nowMs: InstantMs, attempt: Attempt, into: Uint8Array): Transmit {
    const { credentials, counters, events, held } = this.#context;
    const { path, stage } = attempt;
    const plainPauseMs = Math.min(firstPauseMs * 2 ** attempt.sendings, maxPauseMs);
    const pauseMs = plainPauseMs * (1 + jitterShare * (2 * this.#share() - 1));
    attempt.sendings++;
    this.#setNext(attempt, Math.min(nowMs + pauseMs, attempt.endsAtMs));
    if (stage.type === "hello") {
      writeHello(credentials.provider, credentials.network, attempt.head, into);
      counters.sent.hello++;
      return { path, peer: undefined, length: helloBytes, tag: 0 };
    }
    into.set(stage.packet);
    counters.sent.handshake++;
    const { peer, carried, packet } = stage;
    if (carried === undefined) return { path, peer, length: packet.length, tag: 0 };
    stage.carried = undefined;
    held.release(carried);
    events.sent(carried.tag);
    return { path, peer, length: packet.length, tag: carried.tag };
  }

  #fail(attempt: Attempt, reason: SendFailure): void {
    const { counters, events, held } = this.#context;
    const { stage } = attempt;
    this.#remove(attempt);
    counters.attemptsFailed++;
    const isOther = attempt.sawOther && reason === "handshakeFailed";
    const carried = stage.type === "handshake" ? stage.carried : undefined;
    for (const message of carried === undefined ? attempt.held : [carried, ...attempt.held]) {
      held.release(message);
      const isWrong = isOther && message.peer !== undefined;
      events.sendFailed(message.path.remote, message.tag, isWrong ? "wrongPeer" : reason);
    }
  }

  #remove(attempt: Attempt): void {
    this.#attempts.delete(attempt.path.remote.key);
    this.#byCid.delete(attempt.cid);
  }

  #setNext(attempt: Attempt, atMs: InstantMs): void {
    attempt.nextAtMs = atMs;
    if (this.#dueMs === undefined || atMs < this.#dueMs) this.#dueMs = atMs;
  }

  #findDue(): void {
    this.#dueMs = undefined;
    for (const { nextAtMs } of this.#attempts.values())
      if (this.#dueMs === undefined || nextAtMs < this.#dueMs) this.#dueMs = nextAtMs;
  }

  /** 0 to just under 1. */
  #share(): number {
    const byte = new Uint8Array(1);
    this.#context.random.fill(byte);
    return (byte[0] as number) / 256;
  }
}
