/**
 * How long a connection may go on as it does: without a message, without taking what waits for it, without a sign of life.
 */
import type { Connection } from "./connection.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import type { InstantMs } from "./machine.ts";

/** What a look at an open connection finds; `ask`: nothing was heard for long enough to ask for a sign of life. */
export type ConnectionVerdict = "stalled" | "slow" | "silent" | "idle" | "ask" | "fine";

/** A connection that others have opened waits so much longer, so that they close first: their next message then dials. */
const acceptedIdleFactor = 1.2;
/** Signs of life that are missed before a connection counts as dead. */
const missedKeepAlives = 3;

export class ConnectionDeadlines {
  readonly #limits: ConnectionLimits;
  /** How soon to look again while something waits. */
  readonly backlogCheckMs: number;

  /** @param drainCheckMs see `ConnectionsOptions` */
  constructor(limits: ConnectionLimits, drainCheckMs: number = Number.POSITIVE_INFINITY) {
    this.#limits = limits;
    this.backlogCheckMs = Math.min(limits.stallTimeoutMs, drainCheckMs);
  }

  verdict(nowMs: InstantMs, connection: Connection): ConnectionVerdict {
    const { stallTimeoutMs, messageTimeoutMs, keepAliveMs } = this.#limits;
    const { bufferedBytes, partialSinceMs, heardAtMs, askedAtMs, messageAtMs, socket } = connection;
    if (bufferedBytes > 0 && nowMs - connection.progressAtMs >= stallTimeoutMs) return "stalled";
    if (partialSinceMs !== undefined && nowMs - partialSinceMs >= messageTimeoutMs) return "slow";
    if (socket.isAnswered && nowMs - heardAtMs >= missedKeepAlives * keepAliveMs) return "silent";
    const isUsed = bufferedBytes > 0 || partialSinceMs !== undefined;
    if (!isUsed && nowMs - messageAtMs >= this.#idleTimeoutMs(connection)) return "idle";
    return nowMs - Math.max(heardAtMs, askedAtMs) >= keepAliveMs ? "ask" : "fine";
  }

  /** The earliest instant at which a verdict may change; what puts it off is seen when it comes. */
  next(nowMs: InstantMs, connection: Connection): InstantMs {
    const { stallTimeoutMs, messageTimeoutMs, keepAliveMs } = this.#limits;
    const { bufferedBytes, partialSinceMs, heardAtMs, askedAtMs, messageAtMs } = connection;
    let atMs = Math.max(heardAtMs, askedAtMs) + keepAliveMs;
    if (bufferedBytes > 0)
      atMs = Math.min(atMs, connection.progressAtMs + stallTimeoutMs, nowMs + this.backlogCheckMs);
    if (partialSinceMs !== undefined) atMs = Math.min(atMs, partialSinceMs + messageTimeoutMs);
    const idleAtMs = messageAtMs + this.#idleTimeoutMs(connection);
    return idleAtMs > nowMs ? Math.min(atMs, idleAtMs) : atMs;
  }

  #idleTimeoutMs({ isDialled }: Connection): number {
    return this.#limits.idleTimeoutMs * (isDialled ? 1 : acceptedIdleFactor);
  }
}
