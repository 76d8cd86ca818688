/**
 * A walk that collects the providers of a key: FIND_VALUE (Kademlia §2.3) with many small values.
 *
 * Every answer of the walk brings the holder's first page, in an order drawn for us, beside contacts. When the walk is
 * over and more are wanted, holders with further pages are asked for them, the closest first, `parallelism` at a time. It
 * ends as soon as `limit` providers are known. What liars can cost is bounded: pages in all, and pages of one holder that
 * bring nobody new.
 */
import { copyBytes } from "./bytes.ts";
import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import { walkEnd } from "./find-query.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { Response, ResponseMessage } from "./protocol.ts";
import type { Provider } from "./provider.ts";
import { noCursor } from "./provider-keeper.ts";
import type { ProviderRules } from "./provider-rules.ts";
import { type Asked, type Query, type QueryStep, type WalkFigures, waitStep } from "./query.ts";
import type { FailureReason } from "./query-end.ts";
import type { RecordKey } from "./record.ts";
import type { Walk } from "./walk.ts";

export interface FindProvidersQueryOptions {
  readonly walk: Walk;
  readonly key: RecordKey;
  /** Never a result. */
  readonly self: NodeId;
  readonly limit: number;
  /** Holders asked for further pages at once. */
  readonly parallelism: number;
  readonly rules: ProviderRules;
  /** What we hold ourselves. */
  readonly local: readonly Provider[];
  /** Somebody names a provider that the rules refuse. */
  readonly onInvalid: (from: Path) => void;
}

/** `overdue`: nobody waits for its page, though it still counts. */
type PagerState = "ready" | "asked" | "overdue" | "ended";

/** A holder that has further pages. */
interface Pager {
  state: PagerState;
  /** Owned. */
  cursor: Uint8Array;
  /** Pages in a row without anybody new. */
  barren: number;
}

/** Further pages asked for in all: each brings one provider at least, or `limit` would be out of reach. */
const leastPages = 16;
/** An honest holder's pages are disjoint, but others may have named the same providers before. */
const mostBarren = 3;

export class FindProvidersQuery implements Query {
  readonly #options: FindProvidersQueryOptions;
  readonly #walk: Walk;
  readonly #found = new Map<string, Provider>();
  readonly #pagers = new Map<string, Pager>();
  #pagesLeft: number;
  #pagesUnderWay = 0;

  constructor(options: FindProvidersQueryOptions) {
    this.#options = options;
    this.#walk = options.walk;
    this.#pagesLeft = Math.max(leastPages, options.limit);
    this.#takeAll(options.local);
  }

  next(_nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    if (this.#found.size >= this.#options.limit) return { type: "end", end: "converged" };
    const step = this.#walk.next(canAsk);
    if (step.type === "wait") return waitStep;
    if (step.type === "ask") return this.#ask(step.contact, noCursor);
    return this.#nextPage(canAsk);
  }

  onResponse(_nowMs: InstantMs, asked: Asked, response: ResponseMessage, from: Path): void {
    const peer = asked.to as Contact;
    const { body } = response;
    const pager = this.#pagerOf(asked);
    const before = this.#found.size;
    const isValid = body.type !== "providers" || this.#takeAll(body.providers);
    if (!isValid) this.#options.onInvalid(from);
    if (body.type !== "providers" || !isValid) {
      if (pager === undefined) this.#walk.onFailure(peer.id);
      else this.#end(pager);
      return;
    }
    if (pager === undefined) this.#onFirstPage(peer, body);
    else this.#onPage(pager, body, this.#found.size > before);
  }

  onSlow(asked: Asked): void {
    if (this.#pagerOf(asked) === undefined) this.#walk.onSlow((asked.to as Contact).id);
  }

  onOverdue(asked: Asked): void {
    const pager = this.#pagerOf(asked);
    if (pager === undefined) this.#walk.onOverdue((asked.to as Contact).id);
    else {
      if (pager.state === "asked") this.#pagesUnderWay--;
      pager.state = "overdue";
    }
  }

  onFailure(_nowMs: InstantMs, asked: Asked, _reason: FailureReason): void {
    const pager = this.#pagerOf(asked);
    if (pager === undefined) this.#walk.onFailure((asked.to as Contact).id);
    else this.#end(pager);
  }

  result(): QueryResult {
    return { type: "providers", providers: [...this.#found.values()], contacts: this.#walk.closest() };
  }

  figures(): WalkFigures {
    return this.#walk;
  }

  #ask(to: Contact, cursor: Uint8Array): QueryStep {
    return { type: "ask", to, body: { type: "getProviders", key: this.#options.key, cursor } };
  }

  #nextPage(canAsk: (to: Seed) => boolean): QueryStep {
    let isWaiting = this.#pagesUnderWay > 0;
    if (this.#pagesLeft > 0 && this.#pagesUnderWay < this.#options.parallelism) {
      for (const contact of this.#walk.closest()) {
        const pager = this.#pagers.get(contact.id.key);
        if (pager?.state !== "ready") continue;
        isWaiting = true;
        if (!canAsk(contact)) continue;
        pager.state = "asked";
        this.#pagesLeft--;
        this.#pagesUnderWay++;
        return this.#ask(contact, pager.cursor);
      }
    }
    if (isWaiting) return waitStep;
    return { type: "end", end: this.#found.size > 0 ? "converged" : walkEnd(this.#walk) };
  }

  #onFirstPage(peer: Contact, page: Extract<Response, { type: "providers" }>): void {
    this.#walk.onResponse(peer.id, page.contacts);
    if (page.cursor.length > 0 && !this.#pagers.has(peer.id.key))
      this.#pagers.set(peer.id.key, { state: "ready", cursor: copyBytes(page.cursor), barren: 0 });
  }

  #onPage(pager: Pager, page: Extract<Response, { type: "providers" }>, hasNew: boolean): void {
    if (pager.state === "asked") this.#pagesUnderWay--;
    pager.barren = hasNew ? 0 : pager.barren + 1;
    const hasMore = page.cursor.length > 0 && page.providers.length > 0 && pager.barren < mostBarren;
    pager.state = hasMore ? "ready" : "ended";
    if (hasMore) pager.cursor = copyBytes(page.cursor);
  }

  #end(pager: Pager): void {
    if (pager.state === "asked") this.#pagesUnderWay--;
    pager.state = "ended";
  }

  /** A request with a cursor is for a further page; it does not concern the walk. */
  #pagerOf({ to, body }: Asked): Pager | undefined {
    if (body.type !== "getProviders" || body.cursor.length === 0) return undefined;
    return this.#pagers.get((to as Contact).id.key);
  }

  /** Their metadata are borrowed. `false`: one of them is refused by the rules, and none behind it was looked at. */
  #takeAll(providers: readonly Provider[]): boolean {
    const { key, self, limit, rules } = this.#options;
    for (const provider of providers) {
      const { id } = provider.contact;
      if (id.key === self.key) continue;
      if (this.#found.size >= limit && !this.#found.has(id.key)) continue;
      if (rules.faultOf(key, id, provider.meta) !== undefined) return false;
      this.#take(provider);
    }
    return true;
  }

  #take({ contact, meta, lifetimeMs: claimedMs }: Provider): void {
    const lifetimeMs = Math.min(claimedMs, this.#options.rules.longestMs(meta));
    const known = this.#found.get(contact.id.key);
    if (!(lifetimeMs > 0) || (known !== undefined && !this.#isNewer(meta, lifetimeMs, known))) return;
    this.#found.set(contact.id.key, { contact, meta: copyBytes(meta), lifetimeMs });
  }

  /** Of two that name the same provider, the one that lives longer is the newer, unless the rules know better. */
  #isNewer(meta: Uint8Array, lifetimeMs: number, known: Provider): boolean {
    const order = this.#options.rules.newer(meta, known.meta);
    return order > 0 || (!(order < 0) && lifetimeMs > known.lifetimeMs);
  }
}
