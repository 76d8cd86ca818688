/**
 * All queries of a node: whose turn it is to ask, when each ends, and that each ends exactly once.
 *
 * Queries that may have something to ask stand in a ring and take turns, one request each, so no early query starves a
 * late one. A query leaves the ring when it waits, and comes back when something is reported to it.
 */

import type { Seed } from "./contact.ts";
import type { EventQueue } from "./event-queue.ts";
import type { QueryFinished, QueryId, QueryStats } from "./events.ts";
import type { Explanation, QueryTrace } from "./explanation.ts";
import { LeanMap } from "./lean-map.ts";
import type { InstantMs, Path, Transmit } from "./machine.ts";
import type { NodeLimits } from "./options.ts";
import type { PeerHistory } from "./peer-history.ts";
import type { PendingRequest, RequestOwner } from "./pending-request.ts";
import type { RequestType, ResponseMessage } from "./protocol.ts";
import type { Asked, Query } from "./query.ts";
import type { FailureReason, QueryEnd } from "./query-end.ts";
import { Ring } from "./ring.ts";
import type { Rpc } from "./rpc.ts";
import { Timer, type TimerQueue } from "./timers.ts";

export interface QueryPoolOptions {
  readonly limits: NodeLimits;
  readonly timers: TimerQueue;
  readonly rpc: Rpc;
  /** Hears of queries that have progressed, and of those that have ended with nobody else to tell. */
  readonly events: Pick<EventQueue, "push" | "progressed">;
  /** Peers known to be failing: a walk asks them, but does not wait for them. */
  readonly history: Pick<PeerHistory, "isSuspect">;
}

/** How a query is run; the query itself knows nothing of it. */
export interface QuerySettings {
  readonly timeoutMs: number;
  readonly progress: boolean;
  /** Written to, where the query is to be explained. */
  readonly trace?: QueryTrace | undefined;
  /** For queries of the node's own: called instead of an event. */
  readonly onEnd?: (nowMs: InstantMs, finished: QueryFinished) => void;
}

export interface QueryProgress {
  readonly step: number;
  readonly query: Query;
  readonly explanation: Explanation | undefined;
}

/** A query under way, and the owner of its requests. Its own timer is its deadline. */
class RunningQuery extends Timer implements RequestOwner {
  override readonly reason: string = "query";
  readonly queryId: QueryId;
  readonly query: Query;
  readonly settings: QuerySettings;
  readonly requests: Set<PendingRequest> = new Set();
  readonly startedAtMs: InstantMs;
  requestCount = 0;
  responseCount = 0;
  failureCount = 0;
  step = 0;
  isReady = false;
  hasEnded = false;
  readonly #pool: QueryPool;

  constructor(pool: QueryPool, queryId: QueryId, query: Query, settings: QuerySettings, nowMs: InstantMs) {
    super();
    this.#pool = pool;
    this.queryId = queryId;
    this.query = query;
    this.settings = settings;
    this.startedAtMs = nowMs;
  }

  override onDue(nowMs: InstantMs): void {
    this.#pool.end(nowMs, this, "timedOut");
  }

  onResponse(nowMs: InstantMs, request: PendingRequest, response: ResponseMessage, from: Path): void {
    this.requests.delete(request);
    this.responseCount++;
    this.settings.trace?.answered(nowMs, request.to, response);
    this.query.onResponse(nowMs, request, response, from);
    this.#pool.onReport(nowMs, this);
    this.#pool.onProgress(this);
  }

  onSlow(nowMs: InstantMs, request: PendingRequest): void {
    this.settings.trace?.add(nowMs, request.to, { type: "slow" });
    this.query.onSlow(request);
    this.#pool.onReport(nowMs, this);
  }

  onOverdue(nowMs: InstantMs, request: PendingRequest): void {
    this.settings.trace?.add(nowMs, request.to, { type: "overdue" });
    this.query.onOverdue(request);
    this.#pool.onReport(nowMs, this);
  }

  onFailure(nowMs: InstantMs, request: PendingRequest, reason: FailureReason): void {
    this.requests.delete(request);
    this.failureCount++;
    this.settings.trace?.add(nowMs, request.to, { type: "failed", reason });
    this.query.onFailure(nowMs, request, reason);
    this.#pool.onReport(nowMs, this);
    this.#pool.onProgress(this);
  }

  stats(nowMs: InstantMs): QueryStats {
    const { rounds, hops } = this.query.figures();
    return {
      startedAtMs: this.startedAtMs,
      durationMs: nowMs - this.startedAtMs,
      requests: this.requestCount,
      responses: this.responseCount,
      failures: this.failureCount,
      rounds,
      hops,
    };
  }
}

export class QueryPool {
  readonly #options: QueryPoolOptions;
  readonly #running = new LeanMap<QueryId, RunningQuery>();
  readonly #ready = new Ring<RunningQuery>();
  readonly #canAsk: (to: Seed) => boolean;
  #lastId = 0;

  constructor(options: QueryPoolOptions) {
    this.#options = options;
    this.#canAsk = (to) => options.rpc.isOpen(to.addresses);
  }

  get size(): number {
    return this.#running.size;
  }

  get full(): boolean {
    return this.#running.size >= this.#options.limits.maxQueries;
  }

  begin(nowMs: InstantMs, query: Query, settings: QuerySettings): QueryId {
    const id = ++this.#lastId;
    const running = new RunningQuery(this, id, query, settings, nowMs);
    this.#running.set(id, running);
    settings.trace?.begin(nowMs);
    this.#options.timers.set(running, nowMs + settings.timeoutMs);
    this.onReport(nowMs, running);
    return id;
  }

  /** `false`: no such query, or it has ended. */
  cancel(nowMs: InstantMs, id: QueryId): boolean {
    const running = this.#running.get(id);
    if (running === undefined) return false;
    this.end(nowMs, running, "cancelled");
    return true;
  }

  closeAll(nowMs: InstantMs): void {
    for (const running of [...this.#running.values()]) this.end(nowMs, running, "closed");
  }

  /** A link is open again: candidates that were passed over may be asked. */
  wakeAll(): void {
    for (const running of this.#running.values()) this.#makeReady(running);
  }

  progress(id: QueryId): QueryProgress | undefined {
    const running = this.#running.get(id);
    if (running === undefined) return undefined;
    const { query, settings } = running;
    return { step: ++running.step, query, explanation: settings.trace?.explanation() };
  }

  /** Writes the next request of whoever's turn it is. */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    for (;;) {
      const running = this.#ready.peek();
      if (running === undefined) return undefined;
      const hasRoom = running.hasEnded || this.#options.rpc.hasRoom(nowMs);
      if (!hasRoom) return undefined;
      // Making room may have ended it: what nobody waited for was forgotten.
      if (!running.hasEnded) {
        const step = running.query.next(nowMs, this.#canAsk);
        if (step.type === "ask") {
          this.#ready.shift();
          this.#ready.push(running);
          const transmit = this.#ask(nowMs, running, step, into);
          if (transmit !== undefined) return transmit;
          continue;
        }
        if (step.type === "end") this.end(nowMs, running, step.end);
      }
      this.#ready.shift();
      running.isReady = false;
    }
  }

  /** @internal a query's request has been reported on: it may have ended by that, or may ask again */
  onReport(nowMs: InstantMs, running: RunningQuery): void {
    if (running.hasEnded) return;
    const step = running.query.next(nowMs, never);
    if (step.type === "end") {
      this.end(nowMs, running, step.end);
      return;
    }
    this.#makeReady(running);
  }

  /** @internal its result may have changed */
  onProgress({ settings, hasEnded, queryId }: RunningQuery): void {
    if (settings.progress && !hasEnded) this.#options.events.progressed(queryId);
  }

  /** @internal */
  end(nowMs: InstantMs, running: RunningQuery, end: QueryEnd): void {
    if (running.hasEnded) return;
    running.hasEnded = true;
    this.#running.delete(running.queryId);
    this.#options.timers.clear(running);
    for (const request of running.requests) this.#options.rpc.detach(request);
    running.requests.clear();
    const { query, queryId, settings } = running;
    settings.trace?.ended(end);
    const explanation = settings.trace?.explanation();
    const finished: QueryFinished = {
      type: "queryFinished",
      query: queryId,
      end,
      result: query.result(),
      stats: running.stats(nowMs),
      ...(explanation === undefined ? {} : { explanation }),
    };
    query.release?.();
    if (settings.onEnd === undefined) this.#options.events.push(finished);
    else settings.onEnd(nowMs, finished);
  }

  #ask(nowMs: InstantMs, running: RunningQuery, asked: Asked, into: Uint8Array): Transmit | undefined {
    const { rpc, history } = this.#options;
    const request = rpc.create(asked.to, asked.body, running, asked.retries);
    running.requests.add(request);
    running.requestCount++;
    running.settings.trace?.add(nowMs, asked.to, { type: "asked", request: asked.body.type });
    const mayPass = isOfWalk(asked.body.type) && asked.retries === undefined;
    const suspect = mayPass && asked.to.addresses.every((address) => history.isSuspect(nowMs, address.key));
    const transmit = rpc.begin(nowMs, request, into);
    if (suspect && transmit !== undefined) rpc.expectNothing(nowMs, request);
    return transmit;
  }

  #makeReady(running: RunningQuery): void {
    if (running.isReady) return;
    running.isReady = true;
    this.#ready.push(running);
  }
}

/** A walk has others to ask. Where one peer alone is meant, it is given every chance. */
function isOfWalk(request: RequestType): boolean {
  return request === "findNode" || request === "getValue" || request === "getProviders";
}

function never(): boolean {
  return false;
}
