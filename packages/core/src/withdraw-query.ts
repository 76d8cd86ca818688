/**
 * Takes an announcement back from those who hold it. They are known, so no walk is needed: each is asked for a fresh
 * token and then told. Whoever cannot be reached forgets it when its lifetime ends.
 */
import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { ResponseMessage } from "./protocol.ts";
import type { Asked, Query, QueryStep, WalkFigures } from "./query.ts";
import type { FailureReason } from "./query-end.ts";
import { StoreRound } from "./store-round.ts";

/** A token, then the withdrawal. */
const figures: WalkFigures = { rounds: 2, hops: 0 };

export class WithdrawQuery implements Query {
  readonly #round: StoreRound;

  constructor(key: NodeId, holders: readonly Contact[]) {
    this.#round = new StoreRound({
      target: key,
      holders,
      tokens: undefined,
      request: (token) => ({ type: "addProvider", token, key, lifetimeMs: 0, meta: new Uint8Array(0) }),
    });
  }

  next(nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    return this.#round.next(nowMs, canAsk);
  }

  onResponse(_nowMs: InstantMs, asked: Asked, response: ResponseMessage): void {
    this.#round.onResponse(asked, response);
  }

  onSlow(_asked: Asked): void {}

  onOverdue(asked: Asked): void {
    this.#round.onOverdue(asked.to as Contact);
  }

  onFailure(_nowMs: InstantMs, asked: Asked, reason: FailureReason): void {
    this.#round.onFailure(asked.to as Contact, reason);
  }

  result(): QueryResult {
    return this.#round.result();
  }

  figures(): WalkFigures {
    return figures;
  }
}
