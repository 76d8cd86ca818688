/** Of several instants the earliest, as a deadline. */
import type { Deadline, InstantMs } from "@kad/core";

/** What is `undefined` has nothing to wait for. */
export function earliest(
  ...deadlines: readonly (readonly [atMs: InstantMs | undefined, reason: string])[]
): Deadline | undefined {
  let first: Deadline | undefined;
  for (const [atMs, reason] of deadlines)
    if (atMs !== undefined && (first === undefined || atMs < first.atMs)) first = { atMs, reason };
  return first;
}
