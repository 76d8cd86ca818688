/**
 * One request from its first sending to its answer or its end: what {@link Rpc} remembers of it.
 */
import type { Address } from "./address.ts";
import type { Seed } from "./contact.ts";
import type { QueryId } from "./events.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { Request, RequestId, ResponseMessage } from "./protocol.ts";
import type { FailureReason } from "./query-end.ts";
import { Timer } from "./timers.ts";

/** Who asked, and hears what becomes of it: a query, or maintenance. Exactly one of the two ends is called, once. */
export interface RequestOwner {
  readonly queryId: QueryId | undefined;
  /** End: the answer. Byte fields of `response` are borrowed. */
  onResponse(nowMs: InstantMs, request: PendingRequest, response: ResponseMessage, from: Path): void;
  /** The soft timeout has passed: another may be asked beside it. */
  onSlow(nowMs: InstantMs, request: PendingRequest): void;
  /** Its last attempt is late too: nobody should wait for it, though its answer still counts. */
  onOverdue(nowMs: InstantMs, request: PendingRequest): void;
  /** End: no answer will be known any more. */
  onFailure(nowMs: InstantMs, request: PendingRequest, reason: FailureReason): void;
}

export type RequestState = "waiting" | "inFlight" | "slow" | "overdue" | "ended";

/** One sending, or several with the same id. */
export interface Attempt extends RequestId {
  readonly request: PendingRequest;
  readonly address: Address;
  /** `undefined` once it was sent twice with the same id: the answer then tells no time (Karn). */
  sentAtMs: InstantMs | undefined;
  /** Which part of the send window counts it, `undefined` once answered. */
  window: number | undefined;
  /** A layer below holds it back. */
  deferred: boolean;
  failed: boolean;
}

/** What a request's timer calls. */
export interface RequestKeeper {
  onDue(nowMs: InstantMs, request: PendingRequest): void;
}

export interface PendingRequestOptions {
  readonly to: Seed;
  readonly addresses: readonly Address[];
  readonly body: Request;
  readonly owner: RequestOwner;
  /** Times that it is sent again. */
  readonly retries: number;
  readonly maxBytes: number;
}

/** One request to one peer. Its deadline is the earliest of: next attempt, hard timeout. */
export class PendingRequest extends Timer {
  override readonly reason = "request";
  readonly to: Seed;
  /** Those of the peer's that we can dial, the one to try first in front. */
  readonly addresses: readonly Address[];
  readonly body: Request;
  /** `undefined` once the query has ended: the answer still teaches us about the peer. */
  owner: RequestOwner | undefined;
  state: RequestState = "waiting";
  /** @internal one for each id used */
  readonly attempts: Attempt[] = [];
  /** @internal times that it was sent */
  sendings = 0;
  /** @internal */
  nextAtMs: InstantMs | undefined = undefined;
  /** When its first attempt was written. */
  beganAtMs: InstantMs = 0;
  /** @internal */
  hardAtMs: InstantMs = 0;
  /** @internal an attempt of it waits to be sent */
  queued = false;
  /** @internal once to each address, and again after its soft timeout */
  maxSendings: number;
  /** @internal its silence has been counted against the peer */
  isCounted = false;
  /** @internal */
  readonly maxBytes: number;
  readonly #keeper: RequestKeeper;

  constructor(keeper: RequestKeeper, options: PendingRequestOptions) {
    super();
    const { to, addresses, body, owner, retries, maxBytes } = options;
    this.#keeper = keeper;
    this.to = to;
    this.addresses = addresses;
    this.body = body;
    this.owner = owner;
    this.maxSendings = addresses.length + retries;
    this.maxBytes = maxBytes;
  }

  override onDue(nowMs: InstantMs): void {
    this.#keeper.onDue(nowMs, this);
  }
}
