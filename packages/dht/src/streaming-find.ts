/**
 * One lookup with two faces: a promise of its outcome, and an async iterator over the contacts as they answer.
 *
 *     const { contacts } = await node.findNode(target);
 *     for await (const contact of node.findNode(target)) console.log(contact.id.toHex());
 *
 * The lookup begins in a microtask, so that it knows by then whether somebody iterates: only then does the node report
 * progress. Whoever begins to iterate later receives what there is at the end.
 */
import type { Contact, QueryEnd, QueryFinished, QueryId, QueryResult, QueryStats } from "@kad/core";
import type { ResultObserver } from "./query-promises.ts";

export interface FindResult {
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
export interface StreamingFind extends Promise<FindResult>, AsyncIterable<Contact> {}

export interface FindRunner {
  begin(options: {
    readonly onBegin: (query: QueryId) => void;
    readonly observe?: ResultObserver;
  }): Promise<QueryFinished>;
  cancel(query: QueryId): void;
}

export function streamingFind(runner: FindRunner): StreamingFind {
  const stream = new ContactStream();
  const outcome = run(runner, stream);
  return Object.assign(outcome, {
    [Symbol.asyncIterator]: (): AsyncGenerator<Contact, void, undefined> => {
      stream.isWanted = true;
      outcome.catch(() => undefined); // whoever iterates hears of it in the loop
      return iterate(runner, stream, outcome);
    },
  });
}

async function run(runner: FindRunner, stream: ContactStream): Promise<FindResult> {
  await Promise.resolve();
  try {
    const onBegin = (query: QueryId): void => {
      stream.query = query;
    };
    const observe = (result: QueryResult): void => stream.add(contactsOf(result));
    const finished = await runner.begin(stream.isWanted ? { onBegin, observe } : { onBegin });
    const contacts = contactsOf(finished.result);
    stream.add(contacts);
    return { contacts, end: finished.end, stats: finished.stats };
  } finally {
    stream.end();
  }
}

async function* iterate(
  runner: FindRunner,
  stream: ContactStream,
  outcome: Promise<FindResult>,
): AsyncGenerator<Contact, void, undefined> {
  try {
    for (let next = 0; ; next++) {
      while (next >= stream.contacts.length && !stream.hasEnded) await stream.news();
      const contact = stream.contacts[next];
      if (contact === undefined) break;
      yield contact;
    }
    await outcome;
  } finally {
    if (stream.query !== undefined && !stream.hasEnded) runner.cancel(stream.query);
  }
}

function contactsOf(result: QueryResult): readonly Contact[] {
  return result.type === "nodes" ? result.contacts : [];
}

/** Contacts kept for loops over one lookup, beside those of its end; a walk of core remembers 200 by default. */
const maxStreamed = 1_024;

/** What has answered so far, for any number of readers, each at its own pace. */
class ContactStream {
  /** In the order of their answers, each once. */
  readonly contacts: Contact[] = [];
  readonly #seen = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  isWanted = false;
  hasEnded = false;
  query: QueryId | undefined;

  /** Contacts beyond the bound are left out until the end, which tells of the closest anyway. */
  add(contacts: readonly Contact[]): void {
    for (const contact of contacts) {
      if (this.#seen.size >= maxStreamed || this.#seen.has(contact.id.key)) continue;
      this.#seen.add(contact.id.key);
      this.contacts.push(contact);
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
