/**
 * Joining: the seeds are asked for our own neighbourhood, then a walk toward our own id goes on from their answers
 * (Kademlia §2.3, "to join the network"). Seeds typed by a person have no id; whoever answers is taken, but of a client
 * only whom it names.
 */
import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import { reportContacts, walkEnd } from "./find-query.ts";
import type { Lookup } from "./lookup.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { ResponseMessage } from "./protocol.ts";
import { type Asked, contactOf, type Query, type QueryStep, type WalkFigures, waitStep } from "./query.ts";
import type { FailureReason } from "./query-end.ts";

/**
 * A seed that many join through at the same moment loses some of what they send, and there is nobody in its place. Sent
 * after 1, 2, 3 and 5 s where nothing has been measured yet: all within the hard timeout.
 */
const seedRetries = 4;

export class BootstrapQuery implements Query {
  readonly #walk: Lookup;
  readonly #unasked: Seed[];
  readonly #asked = new Set<Seed>();
  /** Seeds past their soft timeout: not waited for once somebody has answered. */
  readonly #late = new Set<Seed>();

  constructor(walk: Lookup, seeds: readonly Seed[]) {
    this.#walk = walk;
    // Copies, since each is told apart by identity: the same seed may be given twice, or be a contact of the walk.
    this.#unasked = seeds.map((seed) => ({ ...seed }));
  }

  next(_nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    const seed = this.#unasked.findIndex(canAsk);
    if (seed >= 0) return this.#ask(this.#unasked.splice(seed, 1)[0] as Seed);
    const step = this.#walk.next((contact) => canAsk(contact) && !this.#isUnderWay(contact));
    if (step.type === "ask") return this.#ask(step.contact);
    if (step.type === "wait" || this.#waitsForSeeds()) return waitStep;
    return { type: "end", end: walkEnd(this.#walk) };
  }

  onResponse(_nowMs: InstantMs, asked: Asked, response: ResponseMessage, from: Path): void {
    if (!this.#asked.delete(asked.to)) {
      reportContacts(this.#walk, asked.to as Contact, response);
      return;
    }
    this.#late.delete(asked.to);
    if (response.body.type !== "nodes") return;
    const { contacts } = response.body;
    if (response.client) this.#walk.addSeeds(contacts);
    else this.#walk.accept(contactOf(response, asked, from), contacts);
  }

  onSlow(asked: Asked): void {
    if (this.#asked.has(asked.to)) this.#late.add(asked.to);
    else this.#walk.onSlow((asked.to as Contact).id);
  }

  onOverdue(asked: Asked): void {
    if (this.#asked.has(asked.to)) this.#late.add(asked.to);
    else this.#walk.onOverdue((asked.to as Contact).id);
  }

  onFailure(_nowMs: InstantMs, asked: Asked, _reason: FailureReason): void {
    this.#late.delete(asked.to);
    if (!this.#asked.delete(asked.to)) this.#walk.onFailure((asked.to as Contact).id);
  }

  result(): QueryResult {
    return { type: "nodes", contacts: this.#walk.closest() };
  }

  figures(): WalkFigures {
    return this.#walk;
  }

  #ask(to: Seed): QueryStep {
    const body = { type: "findNode", target: this.#walk.target, wantToken: false } as const;
    if (isCandidate(this.#walk, to)) return { type: "ask", to, body };
    this.#asked.add(to);
    return { type: "ask", to, body, retries: seedRetries };
  }

  /** The same peer is being asked as a seed. */
  #isUnderWay({ id, addresses }: Contact): boolean {
    for (const seed of this.#asked) {
      if (this.#late.has(seed)) continue;
      if (seed.id?.equals(id)) return true;
      if (seed.addresses.some(({ key }) => addresses.some((address) => address.key === key))) return true;
    }
    return false;
  }

  /** While nobody has answered, every seed is waited for to its hard timeout. */
  #waitsForSeeds(): boolean {
    if (this.#walk.answered === 0) return this.#asked.size > 0 || this.#unasked.length > 0;
    return this.#asked.size > this.#late.size;
  }
}

function isCandidate(walk: Lookup, to: Seed): boolean {
  return to.id !== undefined && walk.candidate(to.id)?.contact === to;
}
