/**
 * Events that wait to be polled, in the order in which they were emitted.
 *
 * Ends of queries and timers have reserved room and are never dropped: their number is bounded by what the caller itself
 * began. Application messages have a bound of their own. A query's progress stands in the queue once, however often it
 * progresses, and is made when polled. The rest is dropped and counted when nobody polls.
 */
import type { NodeEvent, QueryId } from "./events.ts";
import { LeanSet } from "./lean-map.ts";
import type { NodeLimits } from "./options.ts";
import { Ring } from "./ring.ts";

type Entry = NodeEvent | { readonly type: "progress"; readonly query: QueryId };

export interface EventQueueOptions {
  readonly limits: NodeLimits;
  /** Builds the newest progress of a query when it is polled; `undefined` when it has ended since. */
  readonly queries: { progress(query: QueryId): NodeEvent | undefined };
}

export class EventQueue {
  readonly #entries = new Ring<Entry>();
  readonly #options: EventQueueOptions;
  readonly #progressing = new LeanSet<QueryId>();
  #messages = 0;
  #others = 0;
  readonly dropped: { queryProgressed: number; other: number } = { queryProgressed: 0, other: 0 };

  constructor(options: EventQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#entries.length;
  }

  get messages(): number {
    return this.#messages;
  }

  get messagesFull(): boolean {
    return this.#messages >= this.#options.limits.maxQueuedMessages;
  }

  /** Events that can be dropped and wait. */
  get others(): number {
    return this.#others;
  }

  push(event: NodeEvent): void {
    switch (event.type) {
      case "queryFinished":
      case "timer":
        this.#entries.push(event);
        return;
      case "messageReceived":
        this.#messages++;
        this.#entries.push(event);
        return;
      case "queryProgressed":
      case "nodeDiscovered":
      case "requestTimedOut":
      case "peerMisbehaved":
      case "error":
        if (this.#others >= this.#options.limits.maxQueuedEvents) {
          this.dropped.other++;
          return;
        }
        this.#others++;
        this.#entries.push(event);
    }
  }

  /** Marks a query as progressed; repeated marks are one event. */
  progressed(query: QueryId): void {
    if (this.#progressing.has(query)) {
      this.dropped.queryProgressed++;
      return;
    }
    this.#progressing.add(query);
    this.#entries.push({ type: "progress", query });
  }

  poll(): NodeEvent | undefined {
    for (;;) {
      const entry = this.#entries.shift();
      if (entry === undefined) return undefined;
      if (entry.type !== "progress") {
        if (entry.type === "messageReceived") this.#messages--;
        else if (entry.type !== "queryFinished" && entry.type !== "timer") this.#others--;
        return entry;
      }
      this.#progressing.delete(entry.query);
      const progress = this.#options.queries.progress(entry.query);
      if (progress !== undefined) return progress;
    }
  }
}
