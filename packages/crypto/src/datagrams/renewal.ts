/**
 * When a session gets another one beside it, by a whole new handshake: it is old, much used, attacked, or its peer seems
 * to have lost it. The old one is used until the new one is there.
 */
import type { InstantMs, Path } from "@kad/core";
import { readI32, readU32 } from "../bytes.ts";
import type { DatagramContext } from "./context.ts";
import type { Initiator } from "./initiator.ts";
import { resetBytes } from "./packets.ts";
import type { Session } from "./session.ts";

/** WIRE.md §3.4: after an hour by its initiator; by the acceptor, if that has not happened a minute later. */
const renewAfterMs = 3_600_000;
const acceptorWaitsMs = 60_000;
const renewAfterMessages = 2 ** 31;
/** The bound of ChaCha20-Poly1305 is 2^36 (RFC 9001 §6.6). */
const renewAfterForgeries = 2 ** 20;
/** Nothing has come since a request so long ago. */
const silentMs = 4_000;
const renewAgainMs = 30_000;
/** RESET: at most one handshake in so long for each session, if it names one of the last messages. */
const resetAgainMs = 5_000;
const resetCounters = 64;

export class Renewal {
  readonly #context: DatagramContext;
  readonly #initiator: Initiator;

  constructor(context: DatagramContext, initiator: Initiator) {
    this.#context = context;
    this.#initiator = initiator;
  }

  /** A session is about to be used. */
  onUse(nowMs: InstantMs, session: Session): void {
    const { unansweredSinceMs, renewedAtMs, isInitiator, createdAtMs, sendCounter, failedOpens } = session;
    const isSilent = unansweredSinceMs !== undefined && nowMs - unansweredSinceMs >= silentMs;
    const isDue =
      isSilent ||
      nowMs - createdAtMs >= renewAfterMs + (isInitiator ? 0 : acceptorWaitsMs) ||
      sendCounter >= renewAfterMessages ||
      failedOpens >= renewAfterForgeries;
    if (isDue && (renewedAtMs === undefined || nowMs - renewedAtMs >= renewAgainMs))
      this.#renew(nowMs, session);
  }

  /** A RESET: a hint, never the end of a session, since anybody who has seen a packet could send it. `wire` is borrowed. */
  onReset(nowMs: InstantMs, from: Path, wire: Uint8Array): void {
    const { counters, table } = this.#context;
    if (wire.length !== resetBytes) {
      counters.dropped.badLength++;
      return;
    }
    const session = this.#sentTo(from, readI32(wire, 1));
    const age = session === undefined ? -1 : session.sendCounter - 1 - readU32(wire, 5);
    if (session === undefined || age < 0 || age >= resetCounters) {
      counters.dropped.unexpectedReset++;
      return;
    }
    const { renewedAtMs } = session;
    const isRecent = renewedAtMs !== undefined && nowMs - renewedAtMs < resetAgainMs;
    if (isRecent || table.usable(session.peer) !== session) counters.dropped.resetIgnored++;
    else this.#renew(nowMs, session);
  }

  #sentTo(from: Path, remoteCid: number): Session | undefined {
    const { table } = this.#context;
    const there = table.at(from.remote.key);
    let session = there && table.newestOf(there.peer);
    while (session !== undefined && session.remoteCid !== remoteCid) session = session.older;
    return session?.path.remote.key === from.remote.key ? session : undefined;
  }

  #renew(nowMs: InstantMs, session: Session): void {
    session.renewedAtMs = Math.floor(nowMs);
    session.failedOpens = 0;
    if (!this.#initiator.isAsking(session.path.remote, session.peer)) this.#initiator.renew(nowMs, session);
  }
}
