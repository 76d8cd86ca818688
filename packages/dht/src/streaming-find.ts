/**
 * A find of nodes as a {@link StreamingQuery}: the contacts as they answer, and the closest at the end.
 */
import type { Contact, QueryEnd, QueryStats } from "@kad/core";
import { type Explained, explained } from "./explained.ts";
import { type StreamingQuery, type StreamingQueryOptions, streamingQuery } from "./streaming-query.ts";

export interface FindResult extends Explained {
  /** Those who answered, closest first. */
  readonly contacts: readonly Contact[];
  /** `timedOut`: what there was when the time was up. `cancelled`: a loop over it was left early. */
  readonly end: QueryEnd;
  readonly stats: QueryStats;
}

/**
 * Await it, or iterate over it, or both. The loop gives each contact once, in the order of their answers, and then ends as
 * the promise settles; leaving it early cancels the lookup. After an abort or a close it first gives what there was, then
 * throws.
 */
export interface StreamingFind extends StreamingQuery<Contact, FindResult> {}

export function streamingFind(
  runner: Pick<StreamingQueryOptions<Contact, Contact, FindResult>, "begin" | "cancel">,
): StreamingFind {
  return streamingQuery({
    begin: (hooks) => runner.begin(hooks),
    cancel: (query) => runner.cancel(query),
    foundIn: (result) => (result.type === "nodes" ? result.contacts : []),
    keyOf: ({ id }) => id.key,
    itemOf: (contact) => contact,
    outcomeOf: ({ result, end, stats, ...finished }) => ({
      contacts: result.type === "nodes" ? result.contacts : [],
      end,
      stats,
      ...explained(finished),
    }),
  });
}
