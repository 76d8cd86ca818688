/**
 * One k-bucket: up to `bucketSize` contacts that share a prefix length with us, least recently seen first.
 *
 * Kademlia (Maymounkov & Mazières 2002) §2.2 and, for the replacement cache, §4.1. We differ in three things. A full
 * bucket names its oldest contact for a probe instead of pinging it, since this file cannot send. It does so only when
 * that contact has not been heard for `contactFreshMs`. And subnets and peers that came to us unasked are limited, in
 * the bucket and, by the same numbers, in its replacement cache, so that nobody's newcomers crowd out all others.
 */
import type { Contact } from "./contact.ts";
import { SubnetCounter } from "./diversity.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeLimits } from "./options.ts";
import type { ContactRefusal } from "./stats.ts";

/** `walk`: a request of our own work. `incoming`: only a ping that we sent because the peer had asked us first. */
export type ContactOrigin = "walk" | "incoming";

/** What the table knows of a contact; it changes under the reader with every call on the table. */
export interface TableEntry {
  readonly contact: Contact;
  /** When it last answered; earlier than that after `markAllStale`. */
  readonly lastSeenMs: InstantMs;
  /** Unanswered requests since it last answered. */
  readonly failures: number;
  /** No walk of ours has reached it yet. */
  readonly incomingOnly: boolean;
  /** When it first answered, time in the replacement cache included. */
  readonly addedAtMs: InstantMs;
}

/** A {@link TableEntry} as the table and its buckets write it. */
export class BucketEntry implements TableEntry {
  contact: Contact;
  /** The subnets that the contact's addresses count in. */
  groups: readonly string[];
  lastSeenMs: InstantMs;
  failures: number = 0;
  incomingOnly: boolean;
  readonly addedAtMs: InstantMs;
  /** In the replacement cache, not in the bucket. */
  waiting: boolean = false;
  /** {@link NodeId.prefix} as a signed number: it fits a machine word, so comparing allocates and unboxes nothing. */
  readonly prefix: number;

  constructor(nowMs: InstantMs, contact: Contact, groups: readonly string[], incomingOnly: boolean) {
    this.contact = contact;
    this.groups = groups;
    this.lastSeenMs = nowMs;
    this.incomingOnly = incomingOnly;
    this.addedAtMs = nowMs;
    this.prefix = contact.id.prefix | 0;
  }
}

/** Keeps order and limits; which ids belong here, and that none comes twice, is the table's care. */
export class KBucket {
  /** Least recently seen first. */
  readonly entries: BucketEntry[] = [];
  /** The replacement cache, least recently seen first. */
  readonly replacements: BucketEntry[] = [];
  /** When a walk last went toward an id in this bucket; `undefined` until the table knows what time it is. */
  lastLookupMs: InstantMs | undefined;
  readonly #limits: NodeLimits;
  readonly #subnets: SubnetCounter;
  readonly #tableSubnets: SubnetCounter;
  #incoming = 0;
  #probed: BucketEntry | undefined;
  #probedAtMs: InstantMs = 0;

  /** @param tableSubnets shared by all buckets of the table; every bucket counts its contacts in it as well */
  constructor(limits: NodeLimits, tableSubnets: SubnetCounter, lastLookupMs?: InstantMs) {
    this.lastLookupMs = lastLookupMs;
    this.#limits = limits;
    this.#subnets = new SubnetCounter(limits.maxPerSubnetInBucket);
    this.#tableSubnets = tableSubnets;
  }

  get full(): boolean {
    return this.entries.length >= this.#limits.bucketSize;
  }

  /** Why a newcomer may not come in even if there is room; `undefined`: it may. */
  refusal(groups: readonly string[], incomingOnly: boolean): ContactRefusal | undefined {
    if (!this.#tableSubnets.fits(groups)) return "subnetInTable";
    if (!this.#subnets.fits(groups)) return "subnetInBucket";
    if (incomingOnly && this.#incoming >= this.#limits.maxIncomingPerBucket) return "incomingInBucket";
    return undefined;
  }

  /** Takes an entry in, at its place by {@link TableEntry.lastSeenMs}. The caller has asked {@link full} and {@link refusal}. */
  insert(entry: BucketEntry): void {
    entry.waiting = false;
    this.#subnets.add(entry.groups);
    this.#tableSubnets.add(entry.groups);
    if (entry.incomingOnly) this.#incoming++;
    insertBySeen(this.entries, entry);
  }

  remove(entry: BucketEntry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.#subnets.remove(entry.groups);
    this.#tableSubnets.remove(entry.groups);
    if (entry.incomingOnly) this.#incoming--;
    if (this.#probed === entry) this.#probed = undefined;
  }

  /** An entry of the bucket has answered: it becomes the most recently seen, and a probe of it is over. */
  onAnswered(nowMs: InstantMs, entry: BucketEntry, origin: ContactOrigin): void {
    entry.lastSeenMs = nowMs;
    entry.failures = 0;
    if (entry.incomingOnly && origin === "walk") {
      entry.incomingOnly = false;
      this.#incoming--;
    }
    if (this.#probed === entry) this.#probed = undefined;
    moveToEnd(this.entries, entry);
  }

  /** Gives an entry of the bucket other addresses, unless their subnets have no room: then nothing changes. */
  setContact(entry: BucketEntry, contact: Contact, groups: readonly string[]): void {
    const fits = this.#subnets.fits(groups, entry.groups) && this.#tableSubnets.fits(groups, entry.groups);
    if (!fits) return;
    this.#subnets.remove(entry.groups);
    this.#tableSubnets.remove(entry.groups);
    entry.contact = contact;
    entry.groups = groups;
    this.#subnets.add(groups);
    this.#tableSubnets.add(groups);
  }

  /**
   * The oldest entry, if it should be asked whether it is still there: it has not been heard for `contactFreshMs`, and no
   * probe of this bucket is under way.
   */
  startProbe(nowMs: InstantMs): BucketEntry | undefined {
    const oldest = this.entries[0];
    if (oldest === undefined || nowMs - oldest.lastSeenMs < this.#limits.contactFreshMs) return undefined;
    if (this.#probed !== undefined && !this.#probeIsOver(nowMs)) return undefined;
    this.#probed = oldest;
    this.#probedAtMs = nowMs;
    return oldest;
  }

  /** Ends the probe of `entry` without an answer. `false`: none was under way. */
  endProbe(nowMs: InstantMs, entry: BucketEntry): boolean {
    if (this.#probed !== entry) return false;
    this.#probed = undefined;
    return !this.#probeIsOver(nowMs);
  }

  /** Whoever should have reported on the probe never will: time enough has passed for a ping to be sent and given up. */
  #probeIsOver(nowMs: InstantMs): boolean {
    return nowMs - this.#probedAtMs >= 2 * this.#limits.hardTimeoutMs;
  }

  /** Makes everything look unheard since `sinceMs` at the latest. A probe under way says nothing any more. */
  markStale(sinceMs: InstantMs): void {
    for (const entry of this.entries) entry.lastSeenMs = Math.min(entry.lastSeenMs, sinceMs);
    for (const entry of this.replacements) entry.lastSeenMs = Math.min(entry.lastSeenMs, sinceMs);
    this.#probed = undefined;
  }

  /** Moves the entries for which `belongs` holds, in their order, to an empty bucket. */
  moveTo(other: KBucket, belongs: (entry: BucketEntry) => boolean): void {
    for (const entry of this.entries.filter(belongs)) {
      this.remove(entry);
      other.insert(entry);
    }
  }

  /**
   * Who must leave the replacement cache before `entry` can wait there: one of the same subnet or kind when those are at
   * their limit in the cache, else the oldest when it is full; `undefined`: nobody, there is room.
   */
  displacedBy(entry: BucketEntry): BucketEntry | undefined {
    const { replacements } = this;
    const { maxPerSubnetInBucket, maxIncomingPerBucket, replacementCacheSize } = this.#limits;
    for (const group of entry.groups) {
      const crowded = oldestBeyond(replacements, maxPerSubnetInBucket, (other) =>
        other.groups.includes(group),
      );
      if (crowded !== undefined) return crowded;
    }
    if (entry.incomingOnly) {
      const crowded = oldestBeyond(replacements, maxIncomingPerBucket, (other) => other.incomingOnly);
      if (crowded !== undefined) return crowded;
    }
    return replacements.length < replacementCacheSize ? undefined : replacements[0];
  }

  /** Puts a verified newcomer into the replacement cache as its freshest. The caller has asked {@link displacedBy}. */
  addReplacement(entry: BucketEntry): void {
    entry.waiting = true;
    this.replacements.push(entry);
  }

  removeReplacement(entry: BucketEntry): void {
    this.replacements.splice(this.replacements.indexOf(entry), 1);
    entry.waiting = false;
  }

  /**
   * The freshest replacement that the limits allow, once `leaving` (an entry of the bucket) is gone. Only contacts that
   * have answered wait there, so it may enter without another question.
   */
  fittingReplacement(leaving: BucketEntry): BucketEntry | undefined {
    const incoming = this.#incoming - (leaving.incomingOnly ? 1 : 0);
    return this.replacements.findLast(
      ({ groups, incomingOnly }) =>
        (!incomingOnly || incoming < this.#limits.maxIncomingPerBucket) &&
        this.#subnets.fits(groups, leaving.groups) &&
        this.#tableSubnets.fits(groups, leaving.groups),
    );
  }
}

/** The first that matches, when `limit` or more do. */
function oldestBeyond(
  entries: readonly BucketEntry[],
  limit: number,
  matches: (entry: BucketEntry) => boolean,
): BucketEntry | undefined {
  const crowd = entries.filter(matches);
  return crowd.length < limit ? undefined : crowd[0];
}

function insertBySeen(entries: BucketEntry[], entry: BucketEntry): void {
  let at = entries.length;
  while (at > 0 && (entries[at - 1] as BucketEntry).lastSeenMs > entry.lastSeenMs) at--;
  entries.splice(at, 0, entry);
}

function moveToEnd(entries: BucketEntry[], entry: BucketEntry): void {
  const last = entries.length - 1;
  for (let i = entries.indexOf(entry); i < last; i++) entries[i] = entries[i + 1] as BucketEntry;
  entries[last] = entry;
}
