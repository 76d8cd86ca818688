/**
 * What a query is to the pool that runs it: a source of requests, told what becomes of each.
 */

import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { Request, ResponseMessage } from "./protocol.ts";
import type { FailureReason, QueryEnd } from "./query-end.ts";

export type QueryStep =
  | ({ readonly type: "ask" } & Asked)
  /** Nothing to ask until a report. */
  | { readonly type: "wait" }
  | { readonly type: "end"; readonly end: QueryEnd };

export const waitStep: QueryStep = { type: "wait" };

/** Names one request of a query while it is under way: what `ask` gave comes back in every report. */
export interface Asked {
  readonly to: Seed;
  readonly body: Request;
  /** Times it is sent again, where that is not the node's usual number. */
  readonly retries?: number | undefined;
}

/** Who has answered, at the address where it did if that can be dialled. */
export function contactOf(response: ResponseMessage, { to }: Asked, from: Path): Contact {
  return { id: response.sender, addresses: from.dialable ? [from.remote] : to.addresses };
}

/** How far a walk has come; single-peer queries answer with their one request. */
export interface WalkFigures {
  readonly rounds: number;
  readonly hops: number;
}

export interface Query {
  /** The next request, or the end. `canAsk` passes over whoever cannot be reached now. */
  next(nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep;
  onResponse(nowMs: InstantMs, asked: Asked, response: ResponseMessage, from: Path): void;
  /** Its soft timeout has passed. */
  onSlow(asked: Asked): void;
  /** Nobody should wait for it, though its answer still counts. */
  onOverdue(asked: Asked): void;
  onFailure(nowMs: InstantMs, asked: Asked, reason: FailureReason): void;
  /** What there is so far; after the end, what there is at all. */
  result(): QueryResult;
  figures(): WalkFigures;
  /** Called once, after the end: what was borrowed from others (queue room) goes back. */
  release?(): void;
}
