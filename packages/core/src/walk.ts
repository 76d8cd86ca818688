/**
 * What queries need of a walk, whether it goes by one path ({@link Lookup}) or by several that share no peer
 * ({@link DisjointLookup}).
 */
import type { Contact } from "./contact.ts";
import type { LookupStep } from "./lookup.ts";
import type { NodeId } from "./node-id.ts";

export interface Walk {
  readonly target: NodeId;
  /** Peers that have answered. */
  readonly answered: number;
  readonly rounds: number;
  readonly hops: number;
  next(canAsk?: (contact: Contact) => boolean): LookupStep;
  onResponse(id: NodeId, closer: readonly Contact[]): boolean;
  onSlow(id: NodeId): boolean;
  onOverdue(id: NodeId): boolean;
  onFailure(id: NodeId): boolean;
  /** Asked again with another request. */
  reopen(id: NodeId): boolean;
  /** More of the closest must answer from now on. */
  widen(results: number): void;
  /** Up to `count` that have answered, closest first. */
  closest(count?: number): Contact[];
}
