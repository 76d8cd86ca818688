/**
 * A walk that looks for a record: FIND_VALUE (Kademlia §2.3).
 *
 * It ends as soon as enough holders have answered: one where the key proves the value, else a quorum, of which the best
 * is taken. A holder answers with the value *instead of* contacts; when the walk needs more of them, the holder is asked
 * again with findNode. So is one whose record is of a type that we do not know or is over by our clock, which is no misbehaviour.
 */
import { copyBytes } from "./bytes.ts";
import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import { reportContacts, walkEnd } from "./find-query.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { ResponseMessage, WireRecord } from "./protocol.ts";
import { type Asked, type Query, type QueryStep, type WalkFigures, waitStep } from "./query.ts";
import type { FailureReason } from "./query-end.ts";
import type { DhtRecord, RecordKey } from "./record.ts";
import type { RecordTypes } from "./record-types.ts";
import type { Walk } from "./walk.ts";

/** `passedOver`: of a type that we do not know, or over by our clock: no misbehaviour, and no value either. */
type Verdict = "taken" | "passedOver" | "invalid";

export interface GetQueryOptions {
  readonly walk: Walk;
  readonly key: RecordKey;
  readonly types: RecordTypes;
  /** Holders to hear, over the record type's own. */
  readonly quorum: number | undefined;
  /** What we hold ourselves: it counts as one holder. */
  readonly local: WireRecord | undefined;
  readonly onInvalid: (from: Path) => void;
}

export class GetQuery implements Query {
  readonly #options: GetQueryOptions;
  readonly #walk: Walk;
  /** Those who have the best record so far. */
  #holders: Contact[] = [];
  /** By id: everybody who has had a value. */
  readonly #heard = new Set<string>();
  /** Holders that have not been asked for contacts yet. */
  readonly #silentHolders = new Set<Contact>();
  /** Those of them whose contacts the walk needs now. */
  #toReopen: Contact[] = [];
  #best: { readonly type: string; readonly record: WireRecord } | undefined = undefined;
  #values = 0;

  constructor(options: GetQueryOptions) {
    this.#options = options;
    this.#walk = options.walk;
    if (options.local !== undefined) this.#take(options.local);
  }

  next(_nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    if (this.#hasQuorum()) return { type: "end", end: "converged" };
    if (this.#toReopen.length > 0) return this.#nextOfHolders(canAsk);
    const step = this.#walk.next(canAsk);
    if (step.type === "wait") return waitStep;
    if (step.type === "ask")
      return { type: "ask", to: step.contact, body: { type: "getValue", key: this.#options.key } };
    this.#toReopen = this.#walk.closest().filter((contact) => this.#silentHolders.has(contact));
    if (this.#toReopen.length > 0) return this.#nextOfHolders(canAsk);
    return { type: "end", end: this.#best === undefined ? walkEnd(this.#walk) : "converged" };
  }

  onResponse(_nowMs: InstantMs, asked: Asked, response: ResponseMessage, from: Path): void {
    const peer = asked.to as Contact;
    if (response.body.type !== "value") {
      reportContacts(this.#walk, peer, response);
      return;
    }
    if (this.#heard.has(peer.id.key)) return; // it was asked at two addresses
    const { record } = response.body;
    const verdict = record.key.equals(this.#options.key) ? this.#take(record, peer) : "invalid";
    if (verdict === "invalid") {
      this.#walk.onFailure(peer.id);
      this.#options.onInvalid(from);
      return;
    }
    if (verdict === "taken") this.#heard.add(peer.id.key);
    this.#silentHolders.add(peer);
    this.#walk.onResponse(peer.id, []);
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
    return {
      type: "value",
      record: this.#record(),
      holders: [...this.#holders],
      contacts: this.#walk.closest(),
    };
  }

  figures(): WalkFigures {
    return this.#walk;
  }

  /** All at once: one after the other they would cost a round trip each. */
  #nextOfHolders(canAsk: (to: Seed) => boolean): QueryStep {
    const place = this.#toReopen.findIndex(canAsk);
    const [holder] = place < 0 ? [] : this.#toReopen.splice(place, 1);
    if (holder === undefined) return waitStep;
    this.#silentHolders.delete(holder);
    this.#walk.reopen(holder.id);
    return {
      type: "ask",
      to: holder,
      body: { type: "findNode", target: this.#options.key, wantToken: false },
    };
  }

  #record(): DhtRecord | undefined {
    if (this.#best === undefined) return undefined;
    const { type, record } = this.#best;
    return { type, key: record.key, body: record.body, lifetimeMs: record.lifetimeMs };
  }

  #hasQuorum(): boolean {
    if (this.#best === undefined) return false;
    const { quorum, types } = this.#options;
    return this.#values >= (quorum ?? types.quorumOf(this.#best.record.typeCode));
  }

  /** Of equal records, the one that lives longer is kept. `holder`: who has it, unless it is our own. */
  #take(record: WireRecord, holder?: Contact): Verdict {
    const { types } = this.#options;
    const type = types.nameOf(record.typeCode);
    if (type === undefined) return "passedOver";
    if (types.refusalOf(record) !== undefined) return "invalid";
    const longestMs = types.longestMs(record.typeCode, record.body);
    if (!(longestMs > 0)) return "passedOver";
    this.#values++;
    const heard = { ...record, lifetimeMs: Math.min(record.lifetimeMs, longestMs) };
    const order = this.#compare(heard);
    if (order > 0) this.#holders = [];
    if (order >= 0 && holder !== undefined) this.#holders.push(holder);
    const isLonger = order === 0 && heard.lifetimeMs > (this.#best?.record.lifetimeMs ?? 0);
    if (order > 0 || isLonger) this.#best = { type, record: { ...heard, body: copyBytes(record.body) } };
    return "taken";
  }

  /**
   * With the best so far: above zero for a better one, zero for the same. Of two types under one key the smaller code is
   * the better, as holders decide too.
   */
  #compare(record: WireRecord): number {
    const best = this.#best?.record;
    if (best === undefined) return 1;
    if (record.typeCode !== best.typeCode) return best.typeCode - record.typeCode;
    return this.#options.types.better(record.typeCode, record.body, best.body) ?? -1;
  }
}
