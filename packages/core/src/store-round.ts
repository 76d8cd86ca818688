/**
 * Tells a list of holders to store something, with the write token that each has given us: the second half of STORE
 * (Kademlia §2.3). A holder whose token is missing or was refused as too old is asked for a new one, once.
 */
import { copyBytes } from "./bytes.ts";
import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { Request, ResponseMessage } from "./protocol.ts";
import { type Asked, type QueryStep, waitStep } from "./query.ts";
import type { FailureReason } from "./query-end.ts";

/**
 * The request that stores, as it is to be sent now; a holder to which a layer below has proven us gives no token and needs
 * none.
 */
export type StoreRequest = (token: Uint8Array | undefined, nowMs: InstantMs) => Request;

/** `stale`: it has no token for us, or not a good one. */
type HolderState = "unasked" | "stale" | "asked" | "overdue" | "ended";

interface Holder {
  readonly contact: Contact;
  state: HolderState;
  renewed: boolean;
  isCounted: boolean;
  /** It has been told, and has not refused: as far as we know it stores. */
  isTold: boolean;
}

export interface StoreRoundOptions {
  readonly target: NodeId;
  readonly holders: readonly Contact[];
  readonly request: StoreRequest;
  /** By the holder's id; `undefined`: each is asked for one first. */
  readonly tokens: Map<string, Uint8Array> | undefined;
}

export class StoreRound {
  readonly #options: StoreRoundOptions;
  readonly #tokens: Map<string, Uint8Array>;
  readonly #holders: readonly Holder[];
  readonly #byId = new Map<string, Holder>();
  #asked = 0;
  readonly #accepted: Contact[] = [];
  readonly #refusals: Partial<Record<FailureReason, number>> = {};

  constructor(options: StoreRoundOptions) {
    this.#options = options;
    this.#tokens = options.tokens ?? new Map<string, Uint8Array>();
    const state = options.tokens === undefined ? "stale" : "unasked";
    this.#holders = options.holders.map((contact) => ({
      contact,
      state,
      renewed: false,
      isCounted: false,
      isTold: false,
    }));
    for (const holder of this.#holders) this.#byId.set(holder.contact.id.key, holder);
  }

  /** Whether this very contact is a holder's: what is reported of others, or of where a holder was before, is another's. */
  has(peer: Contact): boolean {
    return this.#byId.get(peer.id.key)?.contact === peer;
  }

  /** Holders that have been told and have not refused, whether or not they have answered. */
  told(): Contact[] {
    return this.#holders.filter(({ isTold }) => isTold).map(({ contact }) => contact);
  }

  next(nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    let unsettled = false;
    for (const holder of this.#holders) {
      if (holder.state === "ended" || holder.state === "overdue") continue;
      unsettled = true;
      if (holder.state === "asked" || !canAsk(holder.contact)) continue;
      if (!holder.isCounted) this.#asked++;
      holder.isCounted = true;
      return {
        type: "ask",
        to: holder.contact,
        body: holder.state === "stale" ? this.#renew(holder) : this.#store(nowMs, holder),
      };
    }
    return unsettled ? waitStep : { type: "end", end: "converged" };
  }

  onResponse(asked: Asked, response: ResponseMessage): void {
    const holder = this.#byId.get((asked.to as Contact).id.key);
    if (holder === undefined) return;
    const { body } = response;
    if (asked.body.type === "findNode") {
      if (body.type !== "nodes") this.#refuse(holder, "badToken");
      else {
        if (body.token !== undefined) this.#tokens.set(holder.contact.id.key, copyBytes(body.token));
        holder.state = "unasked";
      }
    } else if (body.type === "refused") this.#onRefused(holder, body.reason);
    else {
      holder.state = "ended";
      this.#accepted.push(holder.contact);
    }
  }

  onOverdue(peer: Contact): void {
    const holder = this.#byId.get(peer.id.key);
    if (holder !== undefined) holder.state = "overdue";
  }

  onFailure(peer: Contact, reason: FailureReason): void {
    const holder = this.#byId.get(peer.id.key);
    if (holder !== undefined) this.#refuse(holder, reason);
  }

  result(): QueryResult {
    const refusals = { ...this.#refusals };
    for (const { state } of this.#holders) {
      if (state === "asked" || state === "overdue") refusals.noAnswer = (refusals.noAnswer ?? 0) + 1;
    }
    return {
      type: "stored",
      asked: this.#asked,
      accepted: this.#accepted.length,
      holders: [...this.#accepted],
      refusals,
    };
  }

  #store(nowMs: InstantMs, holder: Holder): Request {
    holder.state = "asked";
    holder.isTold = true;
    return this.#options.request(this.#tokens.get(holder.contact.id.key), nowMs);
  }

  #renew(holder: Holder): Request {
    holder.state = "asked";
    holder.renewed = true;
    return { type: "findNode", target: this.#options.target, wantToken: true };
  }

  #onRefused(holder: Holder, reason: FailureReason): void {
    holder.isTold = false;
    if (reason === "badToken" && !holder.renewed) holder.state = "stale";
    else this.#refuse(holder, reason);
  }

  #refuse(holder: Holder, reason: FailureReason): void {
    holder.state = "ended";
    this.#refusals[reason] = (this.#refusals[reason] ?? 0) + 1;
  }
}
