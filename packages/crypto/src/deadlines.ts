/** Deadlines of the parts of a channel: the earliest counts. */
import type { Deadline, InstantMs } from "@kad/core";

/** `first`, or what comes before it. What is `undefined` has nothing to wait for. */
export function sooner(
  first: Deadline | undefined,
  atMs: InstantMs | undefined,
  reason: string,
): Deadline | undefined {
  return atMs === undefined || (first !== undefined && first.atMs <= atMs) ? first : { atMs, reason };
}
