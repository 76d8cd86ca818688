/**
 * A walk that finds the closest nodes and then stores on them: STORE (Kademlia §2.3), for values and providers alike.
 *
 * Each answer of the walk brings a write token, which proves to the holder that we receive at our address.
 */
import { copyBytes } from "./bytes.ts";
import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import { reportContacts, walkEnd } from "./find-query.ts";
import type { InstantMs } from "./machine.ts";
import type { Request, ResponseMessage } from "./protocol.ts";
import { type Asked, type Query, type QueryStep, type WalkFigures, waitStep } from "./query.ts";
import type { FailureReason } from "./query-end.ts";
import { type StoreRequest, StoreRound } from "./store-round.ts";
import type { Walk } from "./walk.ts";

export interface PutQueryOptions {
  readonly walk: Walk;
  readonly request: StoreRequest;
  /** How many holders are needed to be safe, given the closest found: more than `results` when they lie too densely. */
  readonly safeResults: (closest: readonly Contact[]) => number;
}

const nobody: QueryResult = { type: "stored", asked: 0, accepted: 0, holders: [], refusals: {} };

export class PutQuery implements Query {
  readonly #options: PutQueryOptions;
  readonly #walk: Walk;
  readonly #tokens = new Map<string, Uint8Array>();
  /** `undefined` while the walk is under way. */
  #round: StoreRound | undefined = undefined;

  constructor(options: PutQueryOptions) {
    this.#options = options;
    this.#walk = options.walk;
  }

  next(nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    return this.#round === undefined ? this.#nextOfWalk(nowMs, canAsk) : this.#round.next(nowMs, canAsk);
  }

  onResponse(_nowMs: InstantMs, asked: Asked, response: ResponseMessage): void {
    const peer = asked.to as Contact;
    if (this.#round?.has(peer)) {
      this.#round.onResponse(asked, response);
      return;
    }
    const { body } = response;
    if (body.type === "nodes" && body.token !== undefined)
      this.#tokens.set(peer.id.key, copyBytes(body.token));
    reportContacts(this.#walk, peer, response);
  }

  onSlow(asked: Asked): void {
    this.#walk.onSlow((asked.to as Contact).id);
  }

  onOverdue(asked: Asked): void {
    const peer = asked.to as Contact;
    if (this.#round?.has(peer)) this.#round.onOverdue(peer);
    else this.#walk.onOverdue(peer.id);
  }

  onFailure(_nowMs: InstantMs, asked: Asked, reason: FailureReason): void {
    const peer = asked.to as Contact;
    if (this.#round?.has(peer)) this.#round.onFailure(peer, reason);
    else this.#walk.onFailure(peer.id);
  }

  result(): QueryResult {
    return this.#round?.result() ?? nobody;
  }

  /** Holders that store it as far as we know: told, and not refusing, whether or not they have answered. */
  told(): Contact[] {
    return this.#round?.told() ?? [];
  }

  figures(): WalkFigures {
    return this.#walk;
  }

  #nextOfWalk(nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
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
    const holders = this.#walk.closest();
    if (holders.length === 0) return { type: "end", end: walkEnd(this.#walk) };
    this.#round = new StoreRound({
      target: this.#walk.target,
      holders,
      request: this.#options.request,
      tokens: this.#tokens,
    });
    return this.#round.next(nowMs, canAsk);
  }

  #findNode(): Request {
    return { type: "findNode", target: this.#walk.target, wantToken: true };
  }
}
