/**
 * One walk toward a target: whom to ask next, and when it is over. A pure iterator: it sends nothing and knows no time.
 *
 * Kademlia §2.3, with the changes that DESIGN.md §6 gives reasons for:
 * - α requests are outstanding to the *closest* candidates; a slow one frees its slot, and its place among those who are
 *   asked, but is still waited for;
 * - once the closest of all has *answered*, and so named nobody closer, the rest of the result set is asked at once (the
 *   end-game), which saves half of the rounds at the same number of requests; toward our own id only once the α closest
 *   have, since many may be joining beside us (decision 47);
 * - after α answers without progress the walk widens (rust-libp2p's "stalled").
 *
 * The stop rule stands in one place, {@link Lookup.next}: the walk is over when the `results` closest candidates that are
 * neither failed nor overdue have all answered. So it never ends while a closer candidate is unasked, and it always ends,
 * since every request ends and no more than `maxCandidates` peers are asked: liars who name ever closer ones do not lead
 * it on for ever.
 */
import type { Address } from "./address.ts";
import { boundAddresses, type Contact } from "./contact.ts";
import { compareDistance } from "./distance.ts";
import { groupsOf, SubnetCounter } from "./diversity.ts";
import type { SkipReason } from "./explanation.ts";
import type { NodeId } from "./node-id.ts";

export interface LookupOptions {
  readonly target: NodeId;
  /** Never a candidate. */
  readonly self: NodeId;
  /** How many of the closest must have answered, from 1. */
  readonly results: number;
  readonly parallelism: number;
  readonly stalledParallelism: number;
  /** Candidates remembered, the closest kept, and peers asked in all: at least `results` of both in any case. */
  readonly maxCandidates: number;
  /** Candidates of one subnet that are asked. */
  readonly maxPerSubnet: number;
  readonly groupOf: (address: Address) => string | undefined;
  /** More of those known to us, asked for once, when none of the seeds has answered. */
  readonly reserves?: (() => readonly Contact[]) | undefined;
  /** Told of everybody who is heard of and not taken, or dropped again. */
  readonly onSkip?: ((contact: Contact, reason: SkipReason) => void) | undefined;
}

/**
 * `unasked → asked → answered | failed`, where `slow` (it no longer takes a slot) and `overdue` (nobody waits for it any
 * more) may come between. Answers are taken in any of these. A candidate that is overdue or has failed becomes `unasked`
 * again, once, when others name it at an address where it was not asked: it has moved, or whoever named it first has lied.
 */
export type CandidateState = "unasked" | "asked" | "slow" | "overdue" | "answered" | "failed";

export interface Candidate {
  /** The one that was asked last. */
  readonly contact: Contact;
  readonly state: CandidateState;
  /** 0 for those we knew ourselves, else one more than the peer that named it. */
  readonly hops: number;
  /** Length of the longest chain of requests that led to asking it, in which each waited for the one before. */
  readonly round: number;
}

type MutableCandidate = { -readonly [K in keyof Candidate]: Candidate[K] } & {
  /** The round of the peer that named it: 0 for those we knew ourselves. */
  namedRound: number;
  /** Requests that have not ended. */
  pending: number;
  /** Where others have named it since it was asked. */
  elsewhere: readonly Address[] | undefined;
  /** It has been asked there. */
  isMoved: boolean;
};

export type LookupStep =
  | { readonly type: "ask"; readonly contact: Contact }
  /** Nothing to ask until something is reported. */
  | { readonly type: "wait" }
  | { readonly type: "finished" };

const wait: LookupStep = { type: "wait" };
const finished: LookupStep = { type: "finished" };

export class Lookup {
  readonly target: NodeId;
  readonly #options: LookupOptions;
  #results: number;
  /** How many of the closest must have answered before the rest is asked at once. */
  readonly #endGameAfter: number;
  /** Closest first. */
  readonly #candidates: MutableCandidate[] = [];
  readonly #byId = new Map<string, MutableCandidate>();
  /** Of those that have not failed. */
  readonly #subnets: SubnetCounter;
  #answered = 0;
  #asked = 0;
  /** In the state `asked`: inside their soft timeout, wherever they stand. */
  #outstanding = 0;
  /** The nearest that was dropped for want of room: what is no nearer is not taken again, so nobody is asked twice. */
  #horizon: NodeId | undefined = undefined;
  #answersWithoutProgress = 0;
  #rounds = 0;
  /** The round of the request of which something was reported last: what is asked next has waited for it. */
  #reportedRound = 0;
  #subnetRefusals = 0;
  #hasDrawnReserves = false;

  constructor(options: LookupOptions) {
    this.target = options.target;
    this.#options = options;
    this.#results = options.results;
    this.#endGameAfter = options.target.equals(options.self) ? options.parallelism : 1;
    this.#subnets = new SubnetCounter(options.maxPerSubnet);
  }

  get answered(): number {
    return this.#answered;
  }

  /** Longest chain of requests so far that had to wait for one another. */
  get rounds(): number {
    return this.#rounds;
  }

  /** Hops to the closest that has answered. */
  get hops(): number {
    return this.#candidates.find((candidate) => candidate.state === "answered")?.hops ?? 0;
  }

  /** Candidates passed over because others of their subnet were there. */
  get subnetRefusals(): number {
    return this.#subnetRefusals;
  }

  /** Those known to us at the start. */
  addSeeds(contacts: readonly Contact[]): void {
    for (const contact of contacts) this.#add(contact, 0, 0);
  }

  /** A peer that has answered without being asked through this walk (a seed whose id was unknown), and whom it named. */
  accept(contact: Contact, closer: readonly Contact[]): void {
    this.#add(contact, 0, 0);
    const candidate = this.#byId.get(contact.id.key);
    if (candidate?.state === "unasked") this.#markAsked(candidate, 1);
    if (!this.onResponse(contact.id, closer)) this.addSeeds(closer);
  }

  /** More of the closest must answer from now on (a put that goes on until it is safe). */
  widen(results: number): void {
    this.#results = Math.max(this.#results, results);
  }

  candidate(id: NodeId): Candidate | undefined {
    return this.#byId.get(id.key);
  }

  /**
   * Whom to ask next. The contact is taken as asked; report what becomes of it. `canAsk` says whether a contact can be
   * reached now: one that cannot is passed over and comes up again.
   */
  next(canAsk: (contact: Contact) => boolean = always): LookupStep {
    const mayAsk = this.#asked < this.#capacity;
    let alive = 0;
    let inWindow = 0;
    let unsettled = false;
    let overdue = false;
    let toAsk: MutableCandidate | undefined;
    let closestAnswered = 0;
    let closestRound = 0;
    let areClosestSettled = true;
    for (const candidate of this.#candidates) {
      const { state } = candidate;
      if (state === "failed" || (state === "unasked" && !mayAsk)) continue;
      if (state === "overdue") {
        overdue = true;
        continue;
      }
      if (alive < this.#results && state !== "answered") unsettled = true;
      alive++;
      if (state === "slow") continue;
      if (inWindow === this.#results) break;
      inWindow++;
      if (state !== "answered") areClosestSettled = false;
      else if (areClosestSettled && closestAnswered < this.#endGameAfter) {
        closestAnswered++;
        closestRound = Math.max(closestRound, candidate.round);
      }
      if (state === "unasked" && toAsk === undefined && canAsk(candidate.contact)) toAsk = candidate;
    }
    if (!unsettled && this.#answered === 0 && this.#drawReserves()) return this.next(canAsk);
    if (!unsettled) return overdue && this.#answered === 0 ? wait : finished;
    const isEndGame = closestAnswered >= Math.min(this.#endGameAfter, inWindow);
    if (toAsk === undefined || this.#outstanding >= this.#slots(isEndGame)) return wait;
    this.#asked++;
    // Where no slot of the walk was free, it has waited for the closest, too.
    const endGameRound = this.#outstanding >= this.#slots(false) ? closestRound : 0;
    this.#markAsked(toAsk, Math.max(toAsk.namedRound, this.#reportedRound, endGameRound) + 1);
    return { type: "ask", contact: toAsk.contact };
  }

  /** The peer has answered and named others. `false`, and no effect, when it was not asked or has ended already. */
  onResponse(id: NodeId, closer: readonly Contact[]): boolean {
    const candidate = this.#open(id);
    if (candidate === undefined) return false;
    candidate.pending--;
    this.#leave(candidate, "answered");
    this.#answered++;
    this.#rounds = Math.max(this.#rounds, candidate.round);
    const closestBefore = this.#candidates[0];
    for (const contact of closer) this.#add(contact, candidate.hops + 1, candidate.round);
    this.#answersWithoutProgress =
      this.#candidates[0] === closestBefore ? this.#answersWithoutProgress + 1 : 0;
    return true;
  }

  /** Its soft timeout has passed: another branch may start. `false`, and no effect, unless it was being asked. */
  onSlow(id: NodeId): boolean {
    const candidate = this.#byId.get(id.key);
    if (candidate?.state !== "asked") return false;
    this.#leave(candidate, "slow");
    return true;
  }

  /** Nobody waits for it any more, though a late answer still counts. Also for a peer known to be failing, once asked. */
  onOverdue(id: NodeId): boolean {
    const candidate = this.#byId.get(id.key);
    if (candidate?.state !== "asked" && candidate?.state !== "slow") return false;
    this.#leave(candidate, "overdue");
    this.#askElsewhere(candidate);
    return true;
  }

  /** It will not answer. `false`, and no effect, when it was not asked, has ended already, or is asked elsewhere too. */
  onFailure(id: NodeId): boolean {
    const candidate = this.#byId.get(id.key);
    if (candidate === undefined || candidate.pending === 0) return false;
    candidate.pending--;
    if (candidate.pending > 0 || this.#open(id) === undefined) return false;
    this.#leave(candidate, "failed");
    this.#subnets.remove(this.#groupsOf(candidate.contact));
    this.#askElsewhere(candidate);
    return true;
  }

  /** Asked again, with another request: a holder that gave a value instead of contacts. It must have answered. */
  reopen(id: NodeId): boolean {
    const candidate = this.#byId.get(id.key);
    if (candidate?.state !== "answered") return false;
    this.#markAsked(candidate, candidate.round + 1);
    this.#answered--;
    return true;
  }

  /** Up to `count` that have answered, closest first. */
  closest(count: number = this.#results): Contact[] {
    const contacts: Contact[] = [];
    for (const { state, contact } of this.#candidates) {
      if (state !== "answered") continue;
      contacts.push(contact);
      if (contacts.length === count) break;
    }
    return contacts;
  }

  /** Every candidate, closest first; for explanations and tests. */
  candidates(): readonly Candidate[] {
    return this.#candidates;
  }

  #slots(isEndGame: boolean): number {
    const { parallelism, stalledParallelism } = this.#options;
    if (isEndGame) return this.#results;
    return this.#answersWithoutProgress >= parallelism
      ? Math.max(parallelism, stalledParallelism)
      : parallelism;
  }

  #markAsked(candidate: MutableCandidate, round: number): void {
    candidate.state = "asked";
    candidate.pending++;
    candidate.round = round;
    this.#outstanding++;
  }

  /** Out of `asked`, `slow` or `overdue`. */
  #leave(candidate: MutableCandidate, state: CandidateState): void {
    if (candidate.state === "asked") this.#outstanding--;
    candidate.state = state;
    this.#reportedRound = candidate.round;
  }

  /** Whether there was anybody new among those known to us. */
  #drawReserves(): boolean {
    if (this.#hasDrawnReserves) return false;
    this.#hasDrawnReserves = true;
    const known = this.#byId.size;
    this.addSeeds(this.#options.reserves?.() ?? []);
    return this.#byId.size > known;
  }

  #open(id: NodeId): MutableCandidate | undefined {
    const candidate = this.#byId.get(id.key);
    if (candidate === undefined) return undefined;
    const { state } = candidate;
    return state === "asked" || state === "slow" || state === "overdue" ? candidate : undefined;
  }

  #add(contact: Contact, hops: number, namedRound: number): void {
    if (contact.id.key === this.#options.self.key) return;
    const known = this.#byId.get(contact.id.key);
    if (known !== undefined) {
      this.#hearAgain(known, contact.addresses);
      return;
    }
    const { onSkip } = this.#options;
    const place = this.#placeOf(contact.id);
    if (this.#isBeyondHorizon(contact.id) || place >= this.#capacity) {
      onSkip?.(contact, "tooFar");
      return;
    }
    const groups = this.#groupsOf(contact);
    if (!this.#subnets.fits(groups)) {
      this.#subnetRefusals++;
      onSkip?.(contact, "subnet");
      return;
    }
    this.#subnets.add(groups);
    const candidate: MutableCandidate = {
      contact,
      state: "unasked",
      hops,
      round: 0,
      namedRound,
      pending: 0,
      elsewhere: undefined,
      isMoved: false,
    };
    this.#candidates.splice(place, 0, candidate);
    this.#byId.set(contact.id.key, candidate);
    if (this.#candidates.length > this.#capacity) this.#dropFarthest();
  }

  /** Where a candidate is said to be too. Those who named it first are asked first. */
  #hearAgain(candidate: MutableCandidate, addresses: readonly Address[]): void {
    const { contact, state } = candidate;
    if (state === "answered" || candidate.isMoved || candidate.elsewhere !== undefined) return;
    const isKnown = ({ key }: Address): boolean => contact.addresses.some((address) => address.key === key);
    if (addresses.every(isKnown)) return;
    const others = addresses.filter((address) => !isKnown(address));
    if (state === "unasked") this.#setAddresses(candidate, [...contact.addresses, ...others]);
    else candidate.elsewhere = others;
    if (state === "overdue" || state === "failed") this.#askElsewhere(candidate);
  }

  #askElsewhere(candidate: MutableCandidate): void {
    const { elsewhere, contact } = candidate;
    if (elsewhere === undefined) return;
    candidate.elsewhere = undefined;
    candidate.isMoved = true;
    if (this.#setAddresses(candidate, [...elsewhere, ...contact.addresses])) candidate.state = "unasked";
  }

  /** `false`: subnets have no room for them. */
  #setAddresses(candidate: MutableCandidate, addresses: readonly Address[]): boolean {
    const { contact: before, state } = candidate;
    const contact = { id: before.id, addresses: boundAddresses(addresses) };
    const present = state === "failed" ? [] : this.#groupsOf(before);
    const groups = this.#groupsOf(contact);
    if (!this.#subnets.fits(groups, present)) return false;
    this.#subnets.remove(present);
    this.#subnets.add(groups);
    candidate.contact = contact;
    return true;
  }

  #groupsOf({ addresses }: Contact): readonly string[] {
    return groupsOf(addresses, this.#options);
  }

  get #capacity(): number {
    return Math.max(this.#options.maxCandidates, this.#results);
  }

  #isBeyondHorizon(id: NodeId): boolean {
    return this.#horizon !== undefined && compareDistance(this.target, this.#horizon, id) <= 0;
  }

  /** Binary search for the place by distance. */
  #placeOf(id: NodeId): number {
    let low = 0;
    let high = this.#candidates.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#candidates[middle] as MutableCandidate;
      if (compareDistance(this.target, other.contact.id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The farthest that is not being asked; one that is stays until it has ended. */
  #dropFarthest(): void {
    for (let i = this.#candidates.length - 1; i >= 0; i--) {
      const { state, contact } = this.#candidates[i] as MutableCandidate;
      if (state === "asked" || state === "slow" || state === "overdue") continue;
      this.#candidates.splice(i, 1);
      this.#byId.delete(contact.id.key);
      if (state !== "failed") this.#subnets.remove(this.#groupsOf(contact));
      if (state === "answered") this.#answered--;
      if (!this.#isBeyondHorizon(contact.id)) this.#horizon = contact.id;
      if (state === "unasked") this.#options.onSkip?.(contact, "tooFar");
      return;
    }
  }
}

function always(): boolean {
  return true;
}
