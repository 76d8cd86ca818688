/**
 * What a transport of streams counts: a counter for every reason to refuse or to close, a gauge beside every bound.
 */
import type { CloseReason } from "./connection.ts";
import type { Gauge } from "./stats.ts";

/** Why a connection of others was turned away. */
export type AcceptRefusal =
  | "full" // as many as there may be
  | "hostFull" // as many as one host may have
  | "duplicate" // another has the same address at its other end, as behind two proxies
  | "closing"
  | "noAddress" // its other end is at no address that a message could name, such as one with a zone
  | "handshake" // the transport's own: a wrong path or origin, no upgrade, too slow
  | "noResources"; // no descriptor is left

export interface ConnectionStats {
  readonly accepted: Gauge;
  readonly dialled: Gauge;
  readonly queuedBytes: Gauge;
  readonly partialBytes: Gauge;
  readonly backOffs: Gauge;
  /** Connections that were ever open. */
  readonly opened: { readonly accepted: number; readonly dialled: number };
  readonly refused: Readonly<Record<AcceptRefusal, number>>;
  /** Connections and dials that have ended, by reason. */
  readonly closed: Readonly<Record<CloseReason, number>>;
  /** Messages that found no room in the queue of their connection. */
  readonly queueFull: number;
  /** Messages to an address whose last dial failed a moment ago. */
  readonly backedOff: number;
  /** Replies for which there was no room, or no connection any more. */
  readonly lostReplies: number;
}

export class ConnectionCounters {
  readonly opened = { accepted: 0, dialled: 0 };
  readonly refused: Record<AcceptRefusal, number> = {
    full: 0,
    hostFull: 0,
    duplicate: 0,
    closing: 0,
    noAddress: 0,
    handshake: 0,
    noResources: 0,
  };
  readonly closed: Record<CloseReason, number> = {
    remote: 0,
    truncated: 0,
    reset: 0,
    malformed: 0,
    tooLarge: 0,
    slow: 0,
    stalled: 0,
    silent: 0,
    idle: 0,
    evicted: 0,
    ended: 0,
    shutdown: 0,
    unreachable: 0,
    timedOut: 0,
    noResources: 0,
  };
  queueFull = 0;
  backedOff = 0;
  lostReplies = 0;

  snapshot(
    gauges: Pick<ConnectionStats, "accepted" | "dialled" | "queuedBytes" | "partialBytes" | "backOffs">,
  ): ConnectionStats {
    const { queueFull, backedOff, lostReplies } = this;
    return {
      ...gauges,
      opened: { ...this.opened },
      refused: { ...this.refused },
      closed: { ...this.closed },
      queueFull,
      backedOff,
      lostReplies,
    };
  }
}
