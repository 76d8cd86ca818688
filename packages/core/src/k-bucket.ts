/**
 * One k-bucket: up to `bucketSize` contacts that share a prefix length with us, least recently seen first.
 *
 * Kademlia (Maymounkov & Mazières 2002) §2.2 and, for the replacement cache, §4.1. We differ in three things. A full
 * bucket names its oldest contact for a probe instead of pinging it, since this file cannot send. It does so only when
 * that contact has not been heard for `contactFreshMs`. And subnets and peers that came to us unasked are limited, in
 * the bucket and, by the same numbers, in its replacement cache, so that nobody's newcomers crowd out all others.
 *
 * Contacts are named by their index in {@link KBucket.entries} or {@link KBucket.replacements}, which the next change may
 * move.
 */
import type { Contact } from "./contact.ts";
import { ContactList, type TableEntry } from "./contact-list.ts";
import type { TableSubnets } from "./diversity.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { ContactRefusal } from "./stats.ts";

/** `walk`: a request of our own work. `incoming`: only a ping that we sent because the peer had asked us first. */
export type ContactOrigin = "walk" | "incoming";

const noReplacements = new ContactList();
const noGroups: readonly string[] = [];

/** Keeps order and limits; which ids belong here, and that none comes twice, is the table's care. */
export class KBucket {
  /** Least recently seen first. */
  readonly entries: ContactList = new ContactList();
  #replacements: ContactList = noReplacements;
  /** When a walk last went toward an id in this bucket; `undefined` until the table knows what time it is. */
  lastLookupMs: InstantMs | undefined;
  readonly #limits: NodeLimits;
  readonly #subnets: TableSubnets;
  #incoming = 0;
  #probed: NodeId | undefined = undefined;
  #probedAtMs: InstantMs = 0;

  /** @param subnets shared by all buckets of the table, which counts their contacts */
  constructor(limits: NodeLimits, subnets: TableSubnets, lastLookupMs?: InstantMs) {
    this.lastLookupMs = lastLookupMs;
    this.#limits = limits;
    this.#subnets = subnets;
  }

  get full(): boolean {
    return this.entries.length >= this.#limits.bucketSize;
  }

  /** The replacement cache, least recently seen first. */
  get replacements(): ContactList {
    return this.#replacements;
  }

  /**
   * Why a newcomer may not come in even if there is room; `undefined`: it may.
   * @param maxIncoming of those that came to us unasked
   */
  refusal(
    contact: Pick<Contact, "addresses">,
    incomingOnly: boolean,
    maxIncoming: number,
  ): ContactRefusal | undefined {
    const groups = this.#subnets.groupsOf(contact);
    if (!this.#subnets.fits(groups)) return "subnetInTable";
    if (!this.#fits(groups)) return "subnetInBucket";
    if (incomingOnly && this.#incoming >= maxIncoming) return "incomingInBucket";
    return undefined;
  }

  /** Takes an entry in, at its place by {@link TableEntry.lastSeenMs}. The caller has asked {@link full} and {@link refusal}. */
  insert(entry: TableEntry): void {
    this.entries.insert(entry);
    this.#subnets.add(entry.contact);
    if (entry.incomingOnly) this.#incoming++;
  }

  remove(index: number): void {
    const { entries } = this;
    const contact = entries.contactAt(index);
    if (entries.isIncomingOnly(index)) this.#incoming--;
    if (this.#isProbed(index)) this.#probed = undefined;
    entries.remove(index);
    this.#subnets.remove(contact);
  }

  /** An entry of the bucket has answered: it becomes the most recently seen, the last one, and a probe of it is over. */
  onAnswered(nowMs: InstantMs, index: number, origin: ContactOrigin): void {
    const { entries } = this;
    const wasIncoming = entries.isIncomingOnly(index);
    const isIncoming = wasIncoming && origin === "incoming";
    if (wasIncoming && !isIncoming) this.#incoming--;
    if (this.#isProbed(index)) this.#probed = undefined;
    entries.onAnswered(index, nowMs, isIncoming);
  }

  /** Gives an entry of the bucket other addresses, unless their subnets have no room: then nothing changes. */
  setContact(index: number, contact: Contact): void {
    const subnets = this.#subnets;
    const before = this.entries.contactAt(index);
    const present = subnets.groupsOf(before);
    const groups = subnets.groupsOf(contact);
    if (!this.#fits(groups, present) || !subnets.fits(groups, present)) return;
    subnets.remove(before);
    this.entries.setContact(index, contact);
    subnets.add(contact);
  }

  /**
   * The oldest contact, if it should be asked whether it is still there: it has not been heard for `contactFreshMs`, and
   * no probe of this bucket is under way.
   */
  startProbe(nowMs: InstantMs): Contact | undefined {
    const { entries } = this;
    if (entries.length === 0 || nowMs - entries.lastSeenMsAt(0) < this.#limits.contactFreshMs)
      return undefined;
    if (this.#probed !== undefined && !this.#probeIsOver(nowMs)) return undefined;
    const oldest = entries.contactAt(0);
    this.#probed = oldest.id;
    this.#probedAtMs = nowMs;
    return oldest;
  }

  /** Ends the probe of an entry without an answer. `false`: none was under way. */
  endProbe(nowMs: InstantMs, index: number): boolean {
    if (!this.#isProbed(index)) return false;
    this.#probed = undefined;
    return !this.#probeIsOver(nowMs);
  }

  #isProbed(index: number): boolean {
    return this.#probed !== undefined && this.#probed.key === this.entries.contactAt(index).id.key;
  }

  /** Whoever should have reported on the probe never will: time enough has passed for a ping to be sent and given up. */
  #probeIsOver(nowMs: InstantMs): boolean {
    return nowMs - this.#probedAtMs >= 2 * this.#limits.hardTimeoutMs;
  }

  /** Makes everything look unheard since `sinceMs` at the latest. A probe under way says nothing any more. */
  markStale(sinceMs: InstantMs): void {
    this.entries.markStale(sinceMs);
    this.#replacements.markStale(sinceMs);
    this.#probed = undefined;
  }

  /** Moves the contacts for which `belongs` holds, in their order, to an empty bucket. */
  moveTo(other: KBucket, belongs: (contact: Contact) => boolean): void {
    for (let i = 0; i < this.entries.length; ) {
      if (!belongs(this.entries.contactAt(i))) i++;
      else {
        const entry = this.entries.entryAt(i);
        this.remove(i);
        other.insert(entry);
      }
    }
  }

  /**
   * Puts a verified newcomer into the replacement cache as its freshest. One of the same subnet or kind makes room where
   * those are at their limit in the cache, else the oldest when it is full.
   */
  addReplacement(entry: TableEntry): void {
    if (this.#limits.replacementCacheSize === 0) return;
    for (let out = this.#displacedBy(entry); out !== undefined; out = this.#displacedBy(entry))
      this.#replacements.remove(out);
    if (this.#replacements === noReplacements) this.#replacements = new ContactList();
    this.#replacements.insert(entry);
  }

  removeReplacement(index: number): void {
    this.#replacements.remove(index);
    if (this.#replacements.length === 0) this.#replacements = noReplacements;
  }

  /**
   * The freshest replacement that the limits allow, once `leaving` (an entry of the bucket) is gone. Only contacts that
   * have answered wait there, so it may enter without another question.
   */
  fittingReplacement(leaving: number, maxIncoming: number): number | undefined {
    const replacements = this.#replacements;
    if (replacements.length === 0) return undefined;
    const incoming = this.#incoming - (this.entries.isIncomingOnly(leaving) ? 1 : 0);
    const present = this.#subnets.groupsOf(this.entries.contactAt(leaving));
    for (let i = replacements.length - 1; i >= 0; i--) {
      if (replacements.isIncomingOnly(i) && incoming >= maxIncoming) continue;
      const groups = this.#subnets.groupsOf(replacements.contactAt(i));
      if (this.#fits(groups, present) && this.#subnets.fits(groups, present)) return i;
    }
    return undefined;
  }

  /** Whether a contact of these groups may be added; groups that it is counted in already (`present`) cost nothing. */
  #fits(groups: readonly string[], present: readonly string[] = noGroups): boolean {
    const limit = this.#limits.maxPerSubnetInBucket;
    for (const group of groups) {
      if (this.#subnets.atMost(group) < limit || present.includes(group)) continue;
      if (this.#subnets.countIn(this.entries, group) >= limit) return false;
    }
    return true;
  }

  #displacedBy({ contact, incomingOnly }: TableEntry): number | undefined {
    const replacements = this.#replacements;
    const { maxPerSubnetInBucket, maxIncomingPerBucket, replacementCacheSize } = this.#limits;
    for (const group of this.#subnets.groupsOf(contact)) {
      const crowded = oldestBeyond(replacements, maxPerSubnetInBucket, (i) =>
        this.#subnets.groupsOf(replacements.contactAt(i)).includes(group),
      );
      if (crowded !== undefined) return crowded;
    }
    if (incomingOnly) {
      const crowded = oldestBeyond(replacements, maxIncomingPerBucket, (i) => replacements.isIncomingOnly(i));
      if (crowded !== undefined) return crowded;
    }
    return replacements.length < replacementCacheSize ? undefined : 0;
  }
}

/** The first that matches, when `limit` or more do. */
function oldestBeyond(
  list: ContactList,
  limit: number,
  matches: (index: number) => boolean,
): number | undefined {
  let oldest: number | undefined;
  let count = 0;
  for (let i = 0; i < list.length; i++) {
    if (!matches(i)) continue;
    oldest ??= i;
    count++;
  }
  return count < limit ? undefined : oldest;
}
