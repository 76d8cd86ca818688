/**
 * A walk that finds the closest nodes and then stores a record on them: STORE (Kademlia §2.3).
 *
 * Each answer of the walk brings a write token, which proves to the holder that we receive at our address. A holder
 * whose token was too old is asked for a new one, once.
 */
import { copyBytes } from "./bytes.ts";
import type { Contact, Seed } from "./contact.ts";
import type { FailureReason, QueryResult } from "./events.ts";
import { reportContacts, walkEnd } from "./find-query.ts";
import type { InstantMs } from "./machine.ts";
import type { Request, ResponseMessage, WireRecord } from "./protocol.ts";
import { type Asked, type Query, type QueryStep, type WalkFigures, waitStep } from "./query.ts";
import type { Walk } from "./walk.ts";

export interface PutQueryOptions {
  readonly walk: Walk;
  /** Owned by the query. */
  readonly record: WireRecord;
  readonly results: number;
  /** How many holders are needed to be safe, given the closest found: more than `results` when they lie too densely. */
  readonly safeResults: (closest: readonly Contact[]) => number;
}

/** `stale`: its token was refused, a new one is to be asked for. */
type HolderState = "unasked" | "stale" | "asked" | "overdue" | "ended";

interface Holder {
  readonly contact: Contact;
  state: HolderState;
  renewed: boolean;
}

export class PutQuery implements Query {
  readonly #options: PutQueryOptions;
  readonly #walk: Walk;
  readonly #tokens = new Map<string, Uint8Array>();
  /** `undefined` while the walk is under way. */
  #holders: Holder[] | undefined = undefined;
  #asked = 0;
  readonly #accepted: Contact[] = [];
  readonly #refusals: Partial<Record<FailureReason, number>> = {};

  constructor(options: PutQueryOptions) {
    this.#options = options;
    this.#walk = options.walk;
  }

  next(_nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    return this.#holders === undefined
      ? this.#nextOfWalk(canAsk)
      : this.#nextOfStoring(this.#holders, canAsk);
  }

  onResponse(_nowMs: InstantMs, asked: Asked, response: ResponseMessage): void {
    const peer = asked.to as Contact;
    const holder = this.#holder(peer);
    if (asked.body.type === "findNode") {
      if (response.body.type === "nodes" && response.body.token !== undefined) {
        this.#tokens.set(peer.id.key, copyBytes(response.body.token));
      }
      if (holder === undefined) reportContacts(this.#walk, peer, response);
      else if (response.body.type === "nodes") holder.state = "unasked";
      else this.#refuse(holder, "badToken");
      return;
    }
    if (holder === undefined) return;
    if (response.body.type === "refused") this.#onRefused(holder, response.body.reason);
    else {
      holder.state = "ended";
      this.#accepted.push(peer);
    }
  }

  onSlow(asked: Asked): void {
    this.#walk.onSlow((asked.to as Contact).id);
  }

  onOverdue(asked: Asked): void {
    const holder = this.#holder(asked.to as Contact);
    if (holder === undefined) this.#walk.onOverdue((asked.to as Contact).id);
    else holder.state = "overdue";
  }

  onFailure(_nowMs: InstantMs, asked: Asked, reason: FailureReason): void {
    const peer = asked.to as Contact;
    const holder = this.#holder(peer);
    if (holder === undefined) this.#walk.onFailure(peer.id);
    else this.#refuse(holder, reason);
  }

  result(): QueryResult {
    const refusals = { ...this.#refusals };
    for (const holder of this.#holders ?? []) {
      if (holder.state === "asked" || holder.state === "overdue")
        refusals.noAnswer = (refusals.noAnswer ?? 0) + 1;
    }
    return {
      type: "stored",
      asked: this.#asked,
      accepted: this.#accepted.length,
      holders: [...this.#accepted],
      refusals,
    };
  }

  figures(): WalkFigures {
    return this.#walk;
  }

  #nextOfWalk(canAsk: (to: Seed) => boolean): QueryStep {
    const step = this.#walk.next(canAsk);
    if (step.type === "wait") return waitStep;
    if (step.type === "ask") return { type: "ask", to: step.contact, body: this.#findNode() };
    const closest = this.#walk.closest();
    const safe = this.#options.safeResults(closest);
    if (safe > closest.length) {
      this.#walk.widen(safe);
      const more = this.#walk.next(canAsk);
      if (more.type === "ask") return { type: "ask", to: more.contact, body: this.#findNode() };
      if (more.type === "wait") return waitStep;
    }
    this.#holders = this.#walk.closest().map((contact) => ({ contact, state: "unasked", renewed: false }));
    if (this.#holders.length === 0) return { type: "end", end: walkEnd(this.#walk) };
    return this.#nextOfStoring(this.#holders, canAsk);
  }

  #nextOfStoring(holders: readonly Holder[], canAsk: (to: Seed) => boolean): QueryStep {
    let unsettled = false;
    for (const holder of holders) {
      if (holder.state === "ended" || holder.state === "overdue") continue;
      unsettled = true;
      if (holder.state === "asked" || !canAsk(holder.contact)) continue;
      return {
        type: "ask",
        to: holder.contact,
        body: holder.state === "stale" ? this.#renew(holder) : this.#store(holder),
      };
    }
    return unsettled ? waitStep : { type: "end", end: "converged" };
  }

  #store(holder: Holder): Request {
    if (!holder.renewed) this.#asked++;
    holder.state = "asked";
    return { type: "putValue", token: this.#tokens.get(holder.contact.id.key), record: this.#options.record };
  }

  #renew(holder: Holder): Request {
    holder.state = "asked";
    holder.renewed = true;
    return this.#findNode();
  }

  #findNode(): Request {
    return { type: "findNode", target: this.#walk.target, wantToken: true };
  }

  #onRefused(holder: Holder, reason: FailureReason): void {
    if (reason === "badToken" && !holder.renewed) holder.state = "stale";
    else this.#refuse(holder, reason);
  }

  #refuse(holder: Holder, reason: FailureReason): void {
    holder.state = "ended";
    this.#refusals[reason] = (this.#refusals[reason] ?? 0) + 1;
  }

  #holder(peer: Contact): Holder | undefined {
    return this.#holders?.find((holder) => holder.contact.id.equals(peer.id));
  }
}
