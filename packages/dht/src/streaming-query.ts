/**
 * One query with two faces: a promise of its outcome, and an async iterator over what it finds, as it is found.
 *
 *     const { contacts } = await node.findNode(target);
 *     for await (const contact of node.findNode(target)) console.log(contact.id.toHex());
 *
 * The query begins in a microtask, so that it knows by then whether somebody iterates: only then does the node report
 * progress. Whoever begins to iterate later receives what there is at the end.
 */
import type { QueryFinished, QueryId, QueryResult } from "@kad/core";
import type { ResultObserver } from "./query-promises.ts";

/**
 * Await it, or iterate over it, or both. The loop gives each item once, in the order in which they are found, and then
 * ends as the promise settles; leaving it early cancels the query. After an abort or a close it first gives what there
 * was, then throws.
 */
export interface StreamingQuery<Item, Outcome> extends Promise<Outcome>, AsyncIterable<Item> {}

interface StreamHooks {
  readonly onBegin: (query: QueryId) => void;
  /** Absent: nobody iterates. */
  readonly observe?: ResultObserver;
}

/** `Found`: an item as core tells of it, again with every result from then on. */
export interface StreamingQueryOptions<Found, Item, Outcome> {
  readonly begin: (hooks: StreamHooks) => Promise<QueryFinished>;
  readonly cancel: (query: QueryId) => void;
  readonly foundIn: (result: QueryResult) => readonly Found[];
  /** What tells one from another. */
  readonly keyOf: (found: Found) => string;
  /** Called once for each. */
  readonly itemOf: (found: Found) => Item;
  readonly outcomeOf: (finished: QueryFinished) => Outcome;
}

export function streamingQuery<Found, Item, Outcome>(
  options: StreamingQueryOptions<Found, Item, Outcome>,
): StreamingQuery<Item, Outcome> {
  const stream = new ItemStream(options);
  const outcome = run(options, stream);
  return Object.assign(outcome, {
    [Symbol.asyncIterator]: (): AsyncGenerator<Item, void, undefined> => {
      stream.isWanted = true;
      outcome.catch(() => undefined); // whoever iterates hears of it in the loop
      return iterate(stream, outcome, options.cancel);
    },
  });
}

async function run<Found, Item, Outcome>(
  { begin, outcomeOf }: StreamingQueryOptions<Found, Item, Outcome>,
  stream: ItemStream<Found, Item>,
): Promise<Outcome> {
  await Promise.resolve();
  try {
    const onBegin = (query: QueryId): void => {
      stream.query = query;
    };
    const observe = (result: QueryResult): void => stream.add(result);
    const finished = await begin(stream.isWanted ? { onBegin, observe } : { onBegin });
    stream.add(finished.result);
    return outcomeOf(finished);
  } finally {
    stream.end();
  }
}

async function* iterate<Found, Item, Outcome>(
  stream: ItemStream<Found, Item>,
  outcome: Promise<Outcome>,
  cancel: (query: QueryId) => void,
): AsyncGenerator<Item, void, undefined> {
  try {
    for (let next = 0; ; next++) {
      while (next >= stream.items.length && !stream.hasEnded) await stream.news();
      if (next >= stream.items.length) break;
      yield stream.items[next] as Item;
    }
    await outcome;
  } finally {
    if (stream.query !== undefined && !stream.hasEnded) cancel(stream.query);
  }
}

/** Items kept for loops over one query: a walk of core remembers 200 contacts by default, a search 1,000 providers at most. */
const maxStreamed = 1_024;

/** What has been found so far, for any number of readers, each at its own pace. */
class ItemStream<Found, Item> {
  /** In the order in which they were found, each once. */
  readonly items: Item[] = [];
  readonly #options: Pick<StreamingQueryOptions<Found, Item, unknown>, "foundIn" | "keyOf" | "itemOf">;
  readonly #seen = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  isWanted = false;
  hasEnded = false;
  query: QueryId | undefined;

  constructor(options: Pick<StreamingQueryOptions<Found, Item, unknown>, "foundIn" | "keyOf" | "itemOf">) {
    this.#options = options;
  }

  /** Items beyond the bound are left out: the outcome tells of them. */
  add(result: QueryResult): void {
    const { foundIn, keyOf, itemOf } = this.#options;
    for (const found of foundIn(result)) {
      const key = keyOf(found);
      if (this.#seen.size >= maxStreamed || this.#seen.has(key)) continue;
      this.#seen.add(key);
      this.items.push(itemOf(found));
    }
    this.#wake();
  }

  end(): void {
    this.hasEnded = true;
    this.#wake();
  }

  news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
