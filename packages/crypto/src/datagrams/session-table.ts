/**
 * All sessions, bounded: by cid, by peer and by address.
 *
 * What makes room, in this order: what has expired, what is not confirmed, what was used longest ago. A peer has at most
 * two sessions: the one in use, and the one that replaces it, or that it replaces.
 */
import type { InstantMs, NodeId } from "@kad/core";
import type { PeerPath } from "../peer-path.ts";
import type { Session } from "./session.ts";
import type { SessionMemory } from "./session-memory.ts";

/** Why a session has ended. */
export type SessionEnd =
  | "idle" // nothing sent or received for an hour
  | "tooOld" // 75 minutes, in use or not
  | "replaced" // silent for 10 s beside a newer one that is in use, or a third one of the same peer
  | "evicted" // the table, or the share of its subnet or of unconfirmed ones, was full
  | "closedByPeer"
  | "closed";

export interface SessionTableOptions {
  readonly maxSessions: number;
  readonly maxSessionsPerPrefix: number;
  /** Where the memory of ended sessions goes back to. */
  readonly memory: SessionMemory;
  readonly onEnd: (session: Session, end: SessionEnd) => void;
}

/** WIRE.md §3.4. Idle: as long as the interval at which buckets are refreshed, so that a refresh needs no handshake. */
const idleMs = 3_600_000;
const maxAgeMs = 4_500_000;
const silenceMs = 10_000;
const maxPerPeer = 2;

export class SessionTable {
  readonly #options: SessionTableOptions;
  readonly #byCid = new Map<number, Session>();
  /** The newest of each peer; the others hang on it. */
  readonly #byPeer = new Map<string, Session>();
  readonly #byAddress = new Map<string, Session>();
  readonly #byPrefix = new Map<string, number>();
  #unconfirmed = 0;
  /** Nothing ends by time before. */
  #sweepAtMs: InstantMs | undefined;

  constructor(options: SessionTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byCid.size;
  }

  /** Sessions that others began and that nothing has come on; at most a quarter of all. */
  get unconfirmed(): number {
    return this.#unconfirmed;
  }

  get maxUnconfirmed(): number {
    return Math.max(1, Math.floor(this.#options.maxSessions / 4));
  }

  byCid(cid: number): Session | undefined {
    return this.#byCid.get(cid);
  }

  /** The newest session of a peer, the older ones hanging on it. */
  newestOf(peer: NodeId): Session | undefined {
    return this.#byPeer.get(peer.key);
  }

  /** The newest session whose proven address this is. */
  at(addressKey: string): Session | undefined {
    return this.#byAddress.get(addressKey);
  }

  all(): Iterable<Session> {
    return this.#byCid.values();
  }

  /**
   * The session to send to a peer with: the newest that is confirmed, else the newest. An acceptor waits for the peer to
   * use a new session before it does.
   */
  usable(peer: NodeId): Session | undefined {
    const newest = this.#byPeer.get(peer.key);
    for (let session = newest; session !== undefined; session = session.older)
      if (session.state === "confirmed") return session;
    return newest;
  }

  /** Takes a new session in, and others out to make room. */
  add(nowMs: InstantMs, session: Session): void {
    this.#makeRoom(nowMs, session);
    const { peer, path, prefix } = session;
    session.older = this.#byPeer.get(peer.key);
    this.#byCid.set(session.cid, session);
    this.#byPeer.set(peer.key, session);
    this.#byAddress.set(path.remote.key, session);
    if (session.state !== "confirmed") this.#unconfirmed++;
    if (prefix !== undefined) this.#byPrefix.set(prefix, (this.#byPrefix.get(prefix) ?? 0) + 1);
    this.#sweepBy(nowMs + (session.older === undefined ? idleMs : silenceMs));
    this.#dropThird(session);
  }

  remove(session: Session, end: SessionEnd): void {
    if (session.isEnded) return;
    this.#byCid.delete(session.cid);
    this.#unlink(session);
    const addressKey = session.path.remote.key;
    if (this.#byAddress.get(addressKey) === session) this.#byAddress.delete(addressKey);
    if (session.state !== "confirmed") this.#unconfirmed--;
    if (session.prefix !== undefined) {
      const left = (this.#byPrefix.get(session.prefix) ?? 1) - 1;
      if (left > 0) this.#byPrefix.set(session.prefix, left);
      else this.#byPrefix.delete(session.prefix);
    }
    this.#options.onEnd(session, end); // may still seal a last word
    session.isEnded = true;
    this.#options.memory.free(session.memory);
  }

  /** The peer has the keys. `false`: that was known. */
  confirm(session: Session): boolean {
    if (session.state === "confirmed") return false;
    session.state = "confirmed";
    this.#unconfirmed--;
    return true;
  }

  /** The peer hears us there. */
  move(session: Session, path: PeerPath): void {
    const former = session.path.remote.key;
    if (this.#byAddress.get(former) === session) this.#byAddress.delete(former);
    session.formerAddress = former;
    session.path = path;
    session.candidate = undefined;
    this.#byAddress.set(path.remote.key, session);
  }

  /** Ends what time has ended. Early and repeated calls do nothing. */
  sweep(nowMs: InstantMs): void {
    if (this.#sweepAtMs === undefined || nowMs < this.#sweepAtMs) return;
    this.#sweepAtMs = undefined;
    for (const newest of [...this.#byPeer.values()]) {
      let newer: Session | undefined;
      for (let session: Session | undefined = newest; session !== undefined; session = session.older) {
        const end = endByTime(nowMs, session, newer);
        if (end === undefined) {
          this.#sweepBy(nextEndMs(nowMs, session, newer));
          newer = session;
        } else this.remove(session, end);
      }
    }
  }

  get nextSweepMs(): InstantMs | undefined {
    return this.#sweepAtMs;
  }

  #sweepBy(atMs: InstantMs): void {
    if (this.#sweepAtMs === undefined || atMs < this.#sweepAtMs) this.#sweepAtMs = atMs;
  }

  #unlink(session: Session): void {
    const newest = this.#byPeer.get(session.peer.key);
    if (newest === session) {
      if (session.older === undefined) this.#byPeer.delete(session.peer.key);
      else this.#byPeer.set(session.peer.key, session.older);
      return;
    }
    for (let newer = newest; newer !== undefined; newer = newer.older) {
      if (newer.older !== session) continue;
      newer.older = session.older;
      return;
    }
  }

  /** A peer whose handshakes were lost on the way back begins others: those go before the one that is in use. */
  #dropThird(newest: Session): void {
    let count = 1;
    let dropped: Session | undefined;
    for (let session = newest.older; session !== undefined; session = session.older) {
      count++;
      if (dropped === undefined || dropped.state === "confirmed") dropped = session;
    }
    if (dropped !== undefined && count > maxPerPeer) this.remove(dropped, "replaced");
  }

  /** One at most goes for each reason: each session that comes takes one place. */
  #makeRoom(nowMs: InstantMs, { prefix, state }: Session): void {
    const { maxSessions, maxSessionsPerPrefix } = this.#options;
    if (prefix !== undefined && (this.#byPrefix.get(prefix) ?? 0) >= maxSessionsPerPrefix)
      this.#evict(nowMs, (session) => session.prefix === prefix);
    if (state !== "confirmed" && this.#unconfirmed >= this.maxUnconfirmed)
      this.#evict(nowMs, (session) => session.state !== "confirmed");
    if (this.#byCid.size >= maxSessions) this.#evict(nowMs, () => true);
  }

  #evict(nowMs: InstantMs, isEligible: (session: Session) => boolean): void {
    let worst: Session | undefined;
    let worstRank = 0;
    for (const session of this.#byCid.values()) {
      if (!isEligible(session)) continue;
      const rank =
        endByTime(nowMs, session, undefined) !== undefined ? 2 : session.state === "confirmed" ? 0 : 1;
      const isWorse =
        worst === undefined ||
        rank > worstRank ||
        (rank === worstRank && session.lastUsedAtMs < worst.lastUsedAtMs);
      if (!isWorse) continue;
      worst = session;
      worstRank = rank;
    }
    if (worst !== undefined) this.remove(worst, "evicted");
  }
}

function endByTime(nowMs: InstantMs, session: Session, newer: Session | undefined): SessionEnd | undefined {
  if (nowMs >= session.createdAtMs + maxAgeMs) return "tooOld";
  if (nowMs >= session.lastUsedAtMs + idleMs) return "idle";
  // The peer sends on the newer one: until it does, the older one may still be all that it has.
  if (newer?.isHeard && nowMs >= Math.max(session.lastReceivedAtMs, newer.createdAtMs) + silenceMs)
    return "replaced";
  return undefined;
}

function nextEndMs(nowMs: InstantMs, session: Session, newer: Session | undefined): InstantMs {
  const byTimeMs = Math.min(session.createdAtMs + maxAgeMs, session.lastUsedAtMs + idleMs);
  return newer === undefined ? byTimeMs : Math.min(byTimeMs, nowMs + silenceMs);
}
