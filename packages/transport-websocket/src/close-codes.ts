/**
 * Why a connection is closed, as WebSocket says it: a code of RFC 6455 §7.4.1 and a word.
 */
import type { CloseReason } from "@kad/core";

const codes: Partial<Record<CloseReason, number>> = {
  idle: 1_000, // normal closure
  evicted: 1_000,
  ended: 1_000,
  shutdown: 1_001, // going away
  malformed: 1_003, // data of a type that cannot be accepted: text
  slow: 1_008, // violates a policy
  tooLarge: 1_009,
};

/** `undefined`: the connection is cut off, since nobody listens at its other end. */
export function closeCodeOf(reason: CloseReason): number | undefined {
  return codes[reason];
}

/** Why the other side has closed it, or its library for it. */
export function reasonOf(code: number, isPartial: boolean): CloseReason {
  if (code === 1_009) return "tooLarge";
  if (code === 1_002 || code === 1_003 || code === 1_007) return "malformed";
  return code === 1_006 && isPartial ? "truncated" : "remote";
}
