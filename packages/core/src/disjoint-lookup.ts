/**
 * Several walks toward one target that share no peer: S/Kademlia (Baumgart & Mies 2007) §4.4.
 *
 * A liar on one path can name only other liars there; the other paths never ask it. A peer belongs to the path that
 * asked it first; for the others it counts as failed. So does a peer of a subnet that has its share on other paths:
 * else the owner of one subnet could be on every path. The closest of all paths are the result.
 */
import type { Contact } from "./contact.ts";
import { compareDistance } from "./distance.ts";
import { groupsOf, SubnetCounter } from "./diversity.ts";
import { Lookup, type LookupOptions, type LookupStep } from "./lookup.ts";
import type { NodeId } from "./node-id.ts";
import type { Walk } from "./walk.ts";

interface Owner {
  readonly path: Lookup;
  /** Subnets that it is counted in. */
  groups: readonly string[];
}

export class DisjointLookup implements Walk {
  readonly target: NodeId;
  readonly #paths: readonly Lookup[];
  readonly #options: LookupOptions;
  #results: number;
  /** Which path has asked a peer, by id. At most all candidates of all paths. */
  readonly #owners = new Map<string, Owner>();
  /** Of those asked that have not failed. */
  readonly #subnets: SubnetCounter;
  #turn = 0;

  /** @param paths how many, from 1 */
  constructor(options: LookupOptions, paths: number) {
    this.target = options.target;
    this.#options = options;
    this.#results = options.results;
    this.#subnets = new SubnetCounter(options.maxPerSubnet);
    this.#paths = Array.from({ length: paths }, () => new Lookup(options));
  }

  get answered(): number {
    return this.#paths.reduce((sum, path) => sum + path.answered, 0);
  }

  get rounds(): number {
    return Math.max(...this.#paths.map((path) => path.rounds));
  }

  get hops(): number {
    const [closest] = this.closest(1);
    return closest === undefined ? 0 : (this.#ownerOf(closest.id) as Lookup).hops;
  }

  /** Each path starts from seeds of its own, dealt out in turn. */
  addSeeds(contacts: readonly Contact[]): void {
    for (const [i, path] of this.#paths.entries()) {
      path.addSeeds(contacts.filter((_, place) => place % this.#paths.length === i));
    }
  }

  next(canAsk?: (contact: Contact) => boolean): LookupStep {
    let isWaiting = false;
    for (let tried = 0; tried < this.#paths.length; tried++) {
      const path = this.#paths[this.#turn] as Lookup;
      this.#turn = (this.#turn + 1) % this.#paths.length;
      const step = this.#nextOf(path, canAsk);
      if (step.type === "ask") return step;
      if (step.type === "wait") isWaiting = true;
    }
    return { type: isWaiting ? "wait" : "finished" };
  }

  onResponse(id: NodeId, closer: readonly Contact[]): boolean {
    return this.#ownerOf(id)?.onResponse(id, closer) ?? false;
  }

  onSlow(id: NodeId): boolean {
    return this.#ownerOf(id)?.onSlow(id) ?? false;
  }

  onOverdue(id: NodeId): boolean {
    return this.#ownerOf(id)?.onOverdue(id) ?? false;
  }

  onFailure(id: NodeId): boolean {
    const path = this.#ownerOf(id);
    if (path === undefined || !path.onFailure(id)) return false;
    this.#release(this.#owners.get(id.key) as Owner);
    return true;
  }

  reopen(id: NodeId): boolean {
    return this.#ownerOf(id)?.reopen(id) ?? false;
  }

  widen(results: number): void {
    this.#results = Math.max(this.#results, results);
    for (const path of this.#paths) path.widen(results);
  }

  closest(count: number = this.#results): Contact[] {
    const all: Contact[] = this.#paths.flatMap((path) => path.closest(count));
    all.sort((a, b) => compareDistance(this.target, a.id, b.id));
    return all.slice(0, count);
  }

  #nextOf(path: Lookup, canAsk?: (contact: Contact) => boolean): LookupStep {
    for (;;) {
      const step = path.next(canAsk);
      if (step.type !== "ask") return step;
      const { id } = step.contact;
      const groups = this.#groupsOf(step.contact);
      const owner = this.#owners.get(id.key);
      const isTaken = owner !== undefined && owner.path !== path;
      if (owner !== undefined && !isTaken) this.#release(owner); // it is asked again, elsewhere
      if (!isTaken && this.#subnets.fits(groups)) {
        this.#owners.set(id.key, { path, groups });
        this.#subnets.add(groups);
        return step;
      }
      path.onFailure(id);
      this.#options.onSkip?.(step.contact, isTaken ? "otherPath" : "subnet");
    }
  }

  #release(owner: Owner): void {
    this.#subnets.remove(owner.groups);
    owner.groups = [];
  }

  #groupsOf({ addresses }: Contact): readonly string[] {
    return groupsOf(addresses, this.#options);
  }

  #ownerOf(id: NodeId): Lookup | undefined {
    return this.#owners.get(id.key)?.path;
  }
}
