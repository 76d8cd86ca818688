/** How queries end, and why a peer gave no answer. */
import type { RefusalReason } from "./protocol.ts";

/**
 * Why a query ended. `converged`: the closest have answered (or the one peer has). `exhausted`: candidates ran out and
 * none answered. `timedOut`: its deadline came; the result holds what there was.
 */
export type QueryEnd = "converged" | "exhausted" | "timedOut" | "cancelled" | "closed";

/** Why a single-peer query (`ping`, `send`) got no answer. */
export type FailureReason =
  | RefusalReason
  | "noAnswer"
  | "unreachable"
  | "wrongPeer"
  | "tooLarge"
  | "busy"
  | "closed";
