/**
 * A walk that looks for the closest nodes: FIND_NODE (Kademlia §2.3).
 */

import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import type { InstantMs } from "./machine.ts";
import type { ResponseMessage } from "./protocol.ts";
import type { Asked, Query, QueryStep, WalkFigures } from "./query.ts";
import { waitStep } from "./query.ts";
import type { FailureReason } from "./query-end.ts";
import type { Walk } from "./walk.ts";

export class FindQuery implements Query {
  readonly #walk: Walk;

  constructor(walk: Walk) {
    this.#walk = walk;
  }

  next(_nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    const step = this.#walk.next(canAsk);
    if (step.type === "wait") return waitStep;
    if (step.type === "finished") return { type: "end", end: walkEnd(this.#walk) };
    return {
      type: "ask",
      to: step.contact,
      body: { type: "findNode", target: this.#walk.target, wantToken: false },
    };
  }

  onResponse(_nowMs: InstantMs, asked: Asked, response: ResponseMessage): void {
    reportContacts(this.#walk, asked.to as Contact, response);
  }

  onSlow(asked: Asked): void {
    this.#walk.onSlow((asked.to as Contact).id);
  }

  onOverdue(asked: Asked): void {
    this.#walk.onOverdue((asked.to as Contact).id);
  }

  onFailure(_nowMs: InstantMs, asked: Asked, _reason: FailureReason): void {
    this.#walk.onFailure((asked.to as Contact).id);
  }

  result(): QueryResult {
    return { type: "nodes", contacts: this.#walk.closest() };
  }

  figures(): WalkFigures {
    return this.#walk;
  }
}

/** A walk in which somebody answered has converged; one in which nobody did was exhausted. */
export function walkEnd(walk: Walk): "converged" | "exhausted" {
  return walk.answered > 0 ? "converged" : "exhausted";
}

/** Gives the contacts of an answer to the walk. A refusal is no answer, and a client, which stores nothing, no result. */
export function reportContacts(walk: Walk, peer: Contact, response: ResponseMessage): void {
  if (response.body.type === "nodes" && !response.client) walk.onResponse(peer.id, response.body.contacts);
  else walk.onFailure(peer.id);
}
