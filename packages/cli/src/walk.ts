/**
 * How a walk through the network went, and what it means for the exit code when it found nothing.
 */
import type { QueryEnd, QueryStats } from "@kad/core";
import { exitCode } from "./exit-code.ts";
import { Failure } from "./failure.ts";
import { roundedMs } from "./json.ts";
import { plural, shownMs } from "./text.ts";

/** What one operation took. */
export type Effort = Pick<QueryStats, "requests" | "rounds" | "hops" | "durationMs">;

/** `24 requests, 3 rounds, 1 hop, 12 ms`. */
export function describeEffort({ requests, rounds, hops, durationMs }: Effort): string {
  const walk = `${plural(requests, "request")}, ${plural(rounds, "round")}, ${plural(hops, "hop")}`;
  return `${walk}, ${shownMs(durationMs)}`;
}

/** The same for `--json`. */
export function effortFields({ requests, rounds, hops, durationMs }: Effort): Effort {
  return { requests, rounds, hops, durationMs: roundedMs(durationMs) };
}

/** Of a walk that came back empty: `undefined` when it went to its end, so that there is nothing to find. */
export function failureOfWalk(end: QueryEnd): Failure | undefined {
  switch (end) {
    case "converged":
      return undefined;
    case "exhausted":
      return new Failure(exitCode.unreachable, "nobody answered any more; is the network still there?");
    case "timedOut":
      return new Failure(
        exitCode.failed,
        "the time was up before the closest nodes had answered; see --timeout",
      );
    case "cancelled":
    case "closed":
      return new Failure(exitCode.failed, `the search ended early (${end})`);
  }
}
