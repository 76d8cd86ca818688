/**
 * Promises over queries: a command goes in through the driver, a `QueryId` comes back, and the one `queryFinished` that
 * every query has settles its promise.
 *
 * The map is the whole state. An entry stands in it from before the driver pumps (a query may end within the very call
 * that began it) until its `queryFinished`, or until the node is closed.
 */
import type { Commands, Driver, InstantMs, QueryFinished, QueryId, QueryResult } from "@kad/core";
import { onAbort } from "./abort.ts";
import { NodeClosed } from "./errors.ts";

/** Hears what a query has found so far, and at its end what it has found at all, before its promise settles. */
export type ResultObserver = (result: QueryResult) => void;

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly observe?: ResultObserver | undefined;
  /** Told before anything is sent. */
  readonly onBegin?: ((query: QueryId) => void) | undefined;
}

export class QueryPromises {
  readonly #driver: Pick<Driver, "run">;
  readonly #commands: Pick<Commands, "cancel">;
  /** Made for the first of them and gone with the last: most nodes of an application have none most of the time. */
  #pending: Map<QueryId, PendingQuery> | undefined = undefined;
  #closed = false;

  constructor(driver: Pick<Driver, "run">, commands: Pick<Commands, "cancel">) {
    this.#driver = driver;
    this.#commands = commands;
  }

  /** Queries whose promise has not settled: at most the node's `maxQueries`, and those that end in this turn. */
  get size(): number {
    return this.#pending?.size ?? 0;
  }

  /**
   * Begins a query and resolves with its end, whatever it is. Rejects with `signal.reason` after an abort, with
   * {@link NodeClosed} when the node is closed before the end, and with what `begin` throws.
   */
  async run(begin: (nowMs: InstantMs) => QueryId, options: RunOptions = {}): Promise<QueryFinished> {
    const { signal, observe, onBegin } = options;
    signal?.throwIfAborted();
    if (this.#closed) throw new NodeClosed();
    return await new Promise<QueryFinished>((resolve, reject) => {
      this.#driver.run((nowMs) => {
        const query = begin(nowMs);
        onBegin?.(query);
        const cancel = (): void => void this.cancel(query);
        this.#pending ??= new Map();
        this.#pending.set(query, new PendingQuery({ resolve, reject, signal, observe, cancel }));
      });
    });
  }

  /** `false`: it has ended already. */
  cancel(query: QueryId): boolean {
    return (
      this.#pending?.has(query) === true && this.#driver.run((nowMs) => this.#commands.cancel(nowMs, query))
    );
  }

  onProgress(query: QueryId, result: QueryResult): void {
    this.#pending?.get(query)?.observe?.(result);
  }

  onFinished(finished: QueryFinished): void {
    const pending = this.#pending?.get(finished.query);
    if (this.#pending?.delete(finished.query) === true && this.#pending.size === 0) this.#pending = undefined;
    pending?.settle(finished, this.#closed);
  }

  /** From here on `run` rejects. */
  refuse(): void {
    this.#closed = true;
  }

  /** After `refuse`: what is cancelled rejects with {@link NodeClosed}, as at the node's end. */
  cancelAll(): void {
    try {
      for (const query of [...(this.#pending?.keys() ?? [])]) this.cancel(query);
    } catch {
      // The node has broken: it takes no more commands, and ends its queries by itself.
    }
  }

  /** After the node's end: whatever has not heard of its own is rejected. */
  rejectAll(): void {
    const pending = [...(this.#pending?.values() ?? [])];
    this.#pending = undefined;
    for (const query of pending) query.reject(new NodeClosed());
  }
}

interface PendingQueryParts {
  readonly resolve: (finished: QueryFinished) => void;
  readonly reject: (error: unknown) => void;
  readonly cancel: () => void;
  readonly signal: AbortSignal | undefined;
  readonly observe: ResultObserver | undefined;
}

/** Listens to its signal as long as it is pending, and no longer: signals outlive queries. */
class PendingQuery {
  readonly observe: ResultObserver | undefined;
  readonly #parts: PendingQueryParts;
  readonly #release: (() => void) | undefined;

  constructor(parts: PendingQueryParts) {
    this.#parts = parts;
    this.observe = parts.observe;
    this.#release = parts.signal === undefined ? undefined : onAbort(parts.signal, parts.cancel);
  }

  settle(finished: QueryFinished, isClosing: boolean): void {
    const { signal, resolve } = this.#parts;
    const { end, result } = finished;
    this.observe?.(result);
    if (signal?.aborted === true) this.reject(signal.reason);
    else if (end === "closed" || (isClosing && end === "cancelled")) this.reject(new NodeClosed());
    else {
      this.#release?.();
      resolve(finished);
    }
  }

  reject(error: unknown): void {
    this.#release?.();
    this.#parts.reject(error);
  }
}
