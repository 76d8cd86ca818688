/**
 * Handshakes that others begin. To a HELLO we answer without keeping anything; the work of a HANDSHAKE is only done for
 * who has shown that it hears us, cheapest checks first.
 */
import {
  copyBytes,
  type InstantMs,
  type NodeId,
  type OpenedMessage,
  type Path,
  type Transmit,
} from "@kad/core";
import { equalCodes, keyOf, readI32, readU32, writeU32 } from "../bytes.ts";
import { completed, identityOf, shortCertificateBytes } from "../certificate.ts";
import { Fifo } from "../fifo.ts";
import { Handshake } from "../noise/handshake.ts";
import { IK, withPsks } from "../noise/patterns.ts";
import { type PeerPath, peerPath } from "../peer-path.ts";
import { drawSeed, keyBytes } from "../provider.ts";
import type { StaticKey } from "../static-keys.ts";
import { SourceBuckets, TokenBucket } from "../token-bucket.ts";
import type { DatagramContext } from "./context.ts";
import { Cookies } from "./cookies.ts";
import {
  acceptHeadBytes,
  acceptOverheadBytes,
  acceptType,
  challengeBytes,
  cidBytes,
  commonVersion,
  cookieBytes,
  datagramPrologue,
  handshakeHeadBytes,
  handshakeOverheadBytes,
  helloBytes,
  helloHead,
  helloHeadBytes,
  helloKeyAt,
  helloMac,
  maxDatagramBytes,
  resetBytes,
  resetType,
  writeChallenge,
} from "./packets.ts";
import { SeenHandshakes } from "./seen-handshakes.ts";
import { Session } from "./session.ts";
import type { DatagramDropReason } from "./stats.ts";

/** What is said without a session. Written when it is polled, as far as that can wait. */
type Answer =
  | { readonly type: "challenge"; readonly path: Path; readonly head: Uint8Array; readonly version: number }
  | { readonly type: "accept"; readonly path: PeerPath; readonly bytes: Uint8Array }
  | { readonly type: "reset"; readonly path: Path; readonly cid: number; readonly counter: number };

/** A handshake whose second message is not written yet: the first message to the peer goes with it. */
interface Accepting {
  readonly noise: Handshake;
  /** By which the handshake is known when it comes again. */
  readonly key: string;
}

/** What is checked of a HANDSHAKE before anything is computed. */
interface Claim {
  readonly wire: Uint8Array;
  readonly version: number;
  readonly cid: number;
  readonly cookie: Uint8Array;
  readonly key: Uint8Array;
  readonly head: Uint8Array;
}

const maxAnswers = 256;
const maxPrefixes = 1_024;
/** At once, as a multiple of what is allowed each second. */
const prefixBurst = 4;

export class Responder {
  readonly #context: DatagramContext;
  readonly #pattern: typeof IK;
  readonly #cookies: Cookies;
  readonly #seen: SeenHandshakes;
  readonly #answers: Fifo<Answer> = new Fifo(maxAnswers);
  /** In the order in which they came. */
  readonly #accepting = new Map<Session, Accepting>();
  readonly #hellos: TokenBucket;
  readonly #handshakes: TokenBucket;
  readonly #prefixes: SourceBuckets;
  readonly #resets: TokenBucket;

  constructor(context: DatagramContext, nowMs: InstantMs) {
    const { credentials, limits } = context;
    const { hellosPerSecond, handshakesPerSecond, handshakesPerSecondAndPrefix, resetsPerSecond } = limits;
    this.#context = context;
    this.#pattern = credentials.network.isPrivate ? withPsks(IK, [0]) : IK;
    this.#cookies = new Cookies(credentials.provider, credentials.keys, credentials.secondOf(nowMs));
    this.#seen = new SeenHandshakes(limits.maxSeenHandshakes);
    this.#hellos = new TokenBucket(hellosPerSecond, hellosPerSecond, nowMs);
    this.#handshakes = new TokenBucket(handshakesPerSecond, handshakesPerSecond, nowMs);
    this.#resets = new TokenBucket(resetsPerSecond, resetsPerSecond, nowMs);
    const burst = prefixBurst * handshakesPerSecondAndPrefix;
    this.#prefixes = new SourceBuckets(handshakesPerSecondAndPrefix, burst, maxPrefixes);
  }

  get queued(): number {
    return this.#answers.length;
  }

  get gauges(): Readonly<
    Record<"queuedAnswers" | "seenHandshakes" | "keptAccepts" | "prefixes", { used: number; limit: number }>
  > {
    const { size, kept, limits } = this.#seen;
    return {
      queuedAnswers: { used: this.#answers.length, limit: maxAnswers },
      seenHandshakes: { used: size, limit: limits.seen },
      keptAccepts: { used: kept, limit: limits.kept },
      prefixes: { used: this.#prefixes.size, limit: maxPrefixes },
    };
  }

  /**
   * A HELLO. `wire` is borrowed.
   * @param yields whether our own attempt with that address and key goes first
   */
  onHello(nowMs: InstantMs, from: Path, wire: Uint8Array, yields: (key: Uint8Array) => boolean): void {
    const reason = this.#helloFault(nowMs, from, wire, yields);
    if (reason !== undefined) this.#context.counters.dropped[reason]++;
  }

  /**
   * A HANDSHAKE: the session, and the message that came with it. `wire` is borrowed. The session's keys are there once
   * its ACCEPT is written.
   */
  onHandshake(
    nowMs: InstantMs,
    from: Path,
    wire: Uint8Array,
    onSession: (session: Session) => void,
  ): OpenedMessage | undefined {
    const { counters } = this.#context;
    const claim = this.#claimOf(nowMs, from, wire);
    if (typeof claim === "string") {
      counters.dropped[claim]++;
      return undefined;
    }
    const own = this.#context.credentials.staticAt(readU32(claim.cookie, 0)) as StaticKey;
    const result = this.#run(nowMs, from, claim, own);
    if (typeof result === "string") {
      counters.dropped[result]++;
      return undefined;
    }
    const { session, message } = result;
    counters.sessionsOpened.responder++;
    onSession(session);
    return message.length > 0 ? { from: session.path, plaintext: message } : undefined;
  }

  /** DATA of a session that we do not have: the peer is told, where rate and network allow. */
  onUnknownSession(nowMs: InstantMs, path: Path, wire: Uint8Array): void {
    if (this.#context.limits.resetsPerSecond === 0 || !this.#resets.take(nowMs)) return;
    this.#answers.push({ type: "reset", path, cid: readI32(wire, 1), counter: readU32(wire, 5) });
  }

  /** A session of this peer at this address whose ACCEPT is still to be written. */
  acceptingAt(peer: NodeId | undefined, addressKey: string): Session | undefined {
    if (this.#accepting.size === 0) return undefined;
    const { table } = this.#context;
    const newest = peer === undefined ? table.at(addressKey) : table.newestOf(peer);
    for (let session = newest; session !== undefined; session = session.older)
      if (session.state === "accepting" && session.path.remote.key === addressKey) return session;
    return undefined;
  }

  /** Whether a message fits into an ACCEPT. */
  static fits(message: Uint8Array, into: Uint8Array): boolean {
    return message.length + acceptOverheadBytes <= Math.min(into.length, maxDatagramBytes);
  }

  /** Writes the ACCEPT with a message, perhaps empty, and returns its length; the session has its keys from then on. */
  writeAccept(session: Session, message: Uint8Array, into: Uint8Array): number {
    const { noise, key } = this.#accepting.get(session) as Accepting;
    this.#accepting.delete(session);
    into[0] = acceptType;
    writeU32(into, 1, session.remoteCid);
    const payload = new Uint8Array(cidBytes + message.length);
    writeU32(payload, 0, session.cid);
    payload.set(message, cidBytes);
    // The initiator's keys have been used before: none of them is of small order.
    const length = noise.writeMessage(payload, into, acceptHeadBytes) as number;
    const { send, receive } = noise.split();
    session.setKeys(send, receive);
    session.state = "unconfirmed";
    this.#seen.keep(key, session.path, copyBytes(into, 0, length));
    this.#context.counters.sent.accept++;
    return length;
  }

  /** The session is gone, with an ACCEPT perhaps that was never written. */
  forget(session: Session): void {
    this.#accepting.delete(session);
  }

  /** Answers without a session, then ACCEPTs that no message goes with. */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    for (let answer = this.#answers.shift(); answer !== undefined; answer = this.#answers.shift()) {
      const length = this.#writeAnswer(nowMs, answer, into);
      if (length !== undefined) return { path: answer.path, peer: answer.path.peer, length, tag: 0 };
    }
    if (this.#accepting.size === 0) return undefined;
    for (const session of this.#accepting.keys()) {
      const length = this.writeAccept(session, nothing, into);
      return { path: session.path, peer: session.peer, length, tag: 0 };
    }
    return undefined;
  }

  #helloFault(
    nowMs: InstantMs,
    from: Path,
    wire: Uint8Array,
    yields: (key: Uint8Array) => boolean,
  ): DatagramDropReason | undefined {
    const { credentials, prefixOf } = this.#context;
    if (wire.length !== helloBytes) return "badLength";
    const mac = helloMac(credentials.provider, credentials.network, wire);
    if (!equalCodes(mac, wire.subarray(helloBytes - mac.length))) return "helloForged";
    const version = commonVersion(wire[1] as number, wire[2] as number);
    if (version === undefined) return "badVersion";
    if (wire[3] !== 0) return "badFlags";
    if (readU32(wire, 4) === 0) return "badCid";
    if (prefixOf(from.remote) !== undefined && !this.#hellos.take(nowMs)) return "hellosLimited";
    if (yields(wire.subarray(helloKeyAt, helloHeadBytes))) return "simultaneous";
    if (credentials.staticAt(credentials.secondOf(nowMs)) === undefined) return "notReady";
    const head = copyBytes(wire, 0, helloHeadBytes);
    return this.#answers.push({ type: "challenge", path: from, head, version })
      ? undefined
      : "challengesFull";
  }

  /** Cheapest first. */
  #claimOf(nowMs: InstantMs, from: Path, wire: Uint8Array): Claim | DatagramDropReason {
    const { credentials, prefixOf } = this.#context;
    if (wire.length < handshakeOverheadBytes || wire.length > maxDatagramBytes) return "badLength";
    const [, version, theirMin, theirMax] = wire as unknown as readonly [number, number, number, number];
    if (version !== commonVersion(theirMin, theirMax)) return "badVersion";
    const cid = readI32(wire, 4);
    if (cid === 0) return "badCid";
    const second = credentials.secondOf(nowMs);
    const cookie = copyBytes(wire, 4 + cidBytes, 4 + cidBytes + cookieBytes);
    const own = credentials.staticAt(readU32(cookie, 0));
    if (!this.#cookies.isFresh(second, cookie) || own === undefined) return "cookieExpired";
    const key = copyBytes(wire, handshakeHeadBytes, handshakeHeadBytes + keyBytes);
    const head = helloHead(theirMin, theirMax, cid, key);
    if (!this.#cookies.isOurs(second, cookie, from.remote, head, own.certificate)) return "cookieForged";
    if (this.#seen.has(keyOf(key))) {
      const kept = this.#seen.repeat(keyOf(key));
      if (kept !== undefined) this.#answers.push({ type: "accept", path: kept.path, bytes: kept.bytes });
      return "handshakeRepeated";
    }
    const prefix = prefixOf(from.remote);
    if (prefix !== undefined) {
      if (!this.#prefixes.take(nowMs, prefix)) return "prefixLimited";
      if (!this.#handshakes.take(nowMs)) return "handshakesLimited";
    }
    return { wire, version, cid, cookie, key, head };
  }

  #run(
    nowMs: InstantMs,
    from: Path,
    { wire, version, cid, cookie, key, head }: Claim,
    own: StaticKey,
  ): { readonly session: Session; readonly message: Uint8Array } | DatagramDropReason {
    const { credentials, admits, newCid, prefixOf } = this.#context;
    const { provider, network, keys, publicKey } = credentials;
    const noise = new Handshake({
      provider,
      pattern: this.#pattern,
      role: "responder",
      prologue: datagramPrologue({
        network,
        versions: [head[1] as number, head[2] as number, version],
        cid,
        cookie,
        identity: publicKey,
      }),
      static: own.pair,
      ephemeral: () => provider.x25519(drawSeed(keys)),
      psks: network.psk && [network.psk],
    });
    const payload = noise.readMessage(wire.subarray(handshakeHeadBytes));
    if (payload === undefined) return "handshakeForged";
    const certificate = completed(payload, noise.remoteStatic as Uint8Array);
    const peer = credentials.check(nowMs, certificate);
    if (typeof peer === "string") return peer;
    if (!admits(peer, identityOf(certificate), from)) return "refusedByPolicy";
    const second = credentials.secondOf(nowMs);
    const name = keyOf(key);
    if (!this.#seen.add(second, name)) {
      // Full within the life of a cookie: with all cookies void, none of those seen can come again.
      this.#cookies.voidAll(second);
      this.#seen.clear();
      this.#seen.add(second, name);
    }
    const session = new Session({
      cid: newCid(),
      remoteCid: cid,
      isInitiator: false,
      path: peerPath(from, peer),
      nowMs,
      memory: this.#context.memory.take(),
      prefix: prefixOf(from.remote),
    });
    this.#accepting.set(session, { noise, key: name });
    return { session, message: payload.subarray(shortCertificateBytes) };
  }

  #writeAnswer(nowMs: InstantMs, answer: Answer, into: Uint8Array): number | undefined {
    const { credentials, counters } = this.#context;
    switch (answer.type) {
      case "challenge": {
        const { path, head, version } = answer;
        const second = credentials.secondOf(nowMs);
        const own = credentials.staticAt(second);
        if (own === undefined) return undefined;
        const { certificate } = own;
        const cookie = this.#cookies.issue(second, path.remote, head, certificate);
        writeChallenge(
          credentials.provider,
          credentials.network,
          { version, head, cookie, certificate },
          into,
        );
        counters.sent.challenge++;
        return challengeBytes;
      }
      case "accept":
        into.set(answer.bytes);
        counters.sent.accept++;
        return answer.bytes.length;
      case "reset":
        into[0] = resetType;
        writeU32(into, 1, answer.cid);
        writeU32(into, 5, answer.counter);
        counters.sent.reset++;
        return resetBytes;
    }
  }
}

const nothing = new Uint8Array(0);
