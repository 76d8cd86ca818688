/**
 * The routing table: the contacts that we have verified, sorted into k-buckets by the prefix that they share with us.
 *
 * Kademlia (Maymounkov & Mazières 2002) §2.2, §2.4: only the bucket that holds our own id splits. The tree of the paper
 * is then a list: bucket `i` holds the ids that share exactly `i` bits with us, the last one all that share more. We leave
 * out the relaxed splitting of §4.2. Who enters, and how many of one subnet, is said at {@link KBucket}.
 *
 * The table never sees hearsay: its caller reports only peers that have answered a request of ours, and no clients. It
 * holds no id twice, not our own, and at most (bits of an id) × (bucketSize + replacementCacheSize) contacts.
 */
import type { Address } from "./address.ts";
import { boundAddresses, type Contact } from "./contact.ts";
import { ContactList, type TableEntry } from "./contact-list.ts";
import { bitAt, commonPrefixLength } from "./distance.ts";
import { TableSubnets } from "./diversity.ts";
import { UsageError } from "./errors.ts";
import { type ContactOrigin, KBucket } from "./k-bucket.ts";
import type { InstantMs } from "./machine.ts";
import { gatherNearest } from "./nearest.ts";
import { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { ContactRefusal } from "./stats.ts";

export type { TableEntry } from "./contact-list.ts";
export type { ContactOrigin } from "./k-bucket.ts";

export interface RoutingTableOptions {
  readonly self: NodeId;
  readonly limits: NodeLimits;
  /** The subnet that limits count by; `undefined`: exempt. {@link AddressCodec.group} of the host. */
  groupOf(address: Address): string | undefined;
}

/** What became of a peer that has answered. */
export type InsertOutcome =
  /** New in its bucket. */
  | { readonly type: "inserted" }
  /** Was there: now the most recently seen. */
  | { readonly type: "updated" }
  /**
   * The bucket is full: the newcomer waits in the replacement cache (of size 0: is forgotten). Ping `oldest`, and call
   * `onAnswered` or `onFailed` for it.
   */
  | { readonly type: "probe"; readonly oldest: Contact }
  /** The same, but there is nobody to ping: all are fresh, or a probe is under way. */
  | { readonly type: "cached" }
  | { readonly type: "refused"; readonly reason: ContactRefusal };

/** What became of a contact that has not answered. */
export type FailOutcome =
  /** Not in the table. If it waited in the replacement cache, it waits no longer. */
  | { readonly type: "unknown" }
  | { readonly type: "kept" }
  /** It has left; `promoted`, if any, has its place now. */
  | { readonly type: "removed"; readonly promoted?: Contact };

/** One bucket, for people and for measurements. */
export interface BucketSummary {
  /** Bits that its contacts share with us: exactly so many, or so many and more in the last bucket. */
  readonly prefixLength: number;
  readonly size: number;
  readonly replacements: number;
}

/** A bucket that wants a refresh. */
export interface StaleBucket {
  readonly index: number;
  readonly lastLookupMs: InstantMs;
}

/** Random bytes, passed in: core draws none itself. */
export interface RandomFill {
  fill(into: Uint8Array): void;
}

/** The table as hosts and plugins see it. */
export interface ReadonlyRoutingTable {
  /** Contacts in buckets; those that wait in replacement caches are not counted. */
  readonly size: number;
  readonly bucketCount: number;
  /** `undefined` for an id that is not in a bucket. */
  get(id: NodeId): TableEntry | undefined;
  /** The `count` contacts nearest to `target`, nearest first; all of them when there are fewer. The array is the caller's. */
  closest(target: NodeId, count: number): Contact[];
  /** Every contact, those with the shortest common prefix first. The array is the caller's. */
  contacts(): Contact[];
  /** In order of prefix length. */
  buckets(): BucketSummary[];
}

/** With so many buckets the last two are a quarter of all ids, or less. */
const leastBuckets = 4;

const inserted: InsertOutcome = Object.freeze({ type: "inserted" });
const updated: InsertOutcome = Object.freeze({ type: "updated" });
const cached: InsertOutcome = Object.freeze({ type: "cached" });
const unknown: FailOutcome = Object.freeze({ type: "unknown" });
const removed: FailOutcome = Object.freeze({ type: "removed" });
const kept: FailOutcome = Object.freeze({ type: "kept" });

export class RoutingTable implements ReadonlyRoutingTable {
  readonly #self: NodeId;
  readonly #limits: NodeLimits;
  /** Never empty. */
  #buckets: readonly KBucket[];
  readonly #subnets: TableSubnets;
  #size = 0;

  constructor(options: RoutingTableOptions) {
    this.#self = options.self;
    this.#limits = options.limits;
    this.#subnets = new TableSubnets(options);
    this.#buckets = [new KBucket(this.#limits, this.#subnets)];
    this.#subnets.buckets = this.#buckets;
  }

  get size(): number {
    return this.#size;
  }

  get bucketCount(): number {
    return this.#buckets.length;
  }

  get(id: NodeId): TableEntry | undefined {
    const { entries } = this.#bucketOf(id);
    const index = entries.indexOf(id);
    return index === undefined ? undefined : entries.entryAt(index);
  }

  has(id: NodeId): boolean {
    return this.#bucketOf(id).entries.indexOf(id) !== undefined;
  }

  /** The contact of {@link get}. */
  contactOf(id: NodeId): Contact | undefined {
    const { entries } = this.#bucketOf(id);
    const index = entries.indexOf(id);
    return index === undefined ? undefined : entries.contactAt(index);
  }

  contacts(): Contact[] {
    return this.#buckets.flatMap(({ entries }) => entries.toArray());
  }

  buckets(): BucketSummary[] {
    return this.#buckets.map(({ entries, replacements }, prefixLength) => ({
      prefixLength,
      size: entries.length,
      replacements: replacements.length,
    }));
  }

  /**
   * A peer has answered a request of ours. A known one becomes the most recently seen of its bucket, its failures are
   * forgotten, and its addresses are merged: those given (the observed one in front) before those known. A walk's answer
   * ends `incomingOnly` for good.
   */
  onAnswered(nowMs: InstantMs, contact: Contact, origin: ContactOrigin): InsertOutcome {
    if (contact.id.key === this.#self.key) return refused("self");
    if (contact.addresses.length === 0) return refused("noAddress");
    const bucket = this.#bucketOf(contact.id);
    const { entries } = bucket;
    const index = entries.indexOf(contact.id);
    if (index === undefined) return this.#onNewcomer(nowMs, bucket, contact, origin);
    bucket.onAnswered(nowMs, index, origin);
    const last = entries.length - 1;
    const known = entries.contactAt(last);
    const merged = mergeAddresses(contact, known);
    if (merged !== known) bucket.setContact(last, merged);
    return updated;
  }

  /**
   * A request that the peer has not answered. The contact leaves at `maxFailures` in a row, or at once if this was the
   * probe for a full bucket and a replacement fits; then the freshest replacement that fits has its place. Not to be
   * called while our own network is down.
   */
  onFailed(nowMs: InstantMs, id: NodeId): FailOutcome {
    const bucket = this.#bucketOf(id);
    const index = bucket.entries.indexOf(id);
    if (index === undefined) return stopWaiting(bucket, id);
    const failures = bucket.entries.onFailed(index);
    const isReplaceable =
      bucket.endProbe(nowMs, index) &&
      bucket.fittingReplacement(index, this.#maxIncoming(bucket)) !== undefined;
    return isReplaceable || failures >= this.#limits.maxFailures ? this.#drop(bucket, index) : kept;
  }

  /** An address of the contact failed where another may not: it goes behind the others. Unknown ones are ignored. */
  onAddressFailed(id: NodeId, address: Address): void {
    const { entries, replacements } = this.#bucketOf(id);
    for (const list of [entries, replacements]) {
      const index = list.indexOf(id);
      if (index !== undefined) moveAddressBack(list, index, address);
    }
  }

  /**
   * A contact does not answer where it is known, and somebody has answered by its name elsewhere: they have its place, as one
   * that came to us, where the limits allow. Otherwise it stays as it is.
   */
  onMoved(nowMs: InstantMs, contact: Contact): InsertOutcome {
    const bucket = this.#bucketOf(contact.id);
    const index = bucket.entries.indexOf(contact.id);
    if (index === undefined) return this.onAnswered(nowMs, contact, "incoming");
    const before = bucket.entries.entryAt(index);
    bucket.remove(index);
    this.#size--;
    const reason = bucket.refusal(contact, true, this.#maxIncoming(bucket));
    if (reason === undefined)
      return this.#place({ ...before, contact, lastSeenMs: nowMs, failures: 0, incomingOnly: true });
    bucket.insert(before);
    this.#size++;
    return refused(reason);
  }

  /** Removes a contact whatever its record, and promotes a replacement as {@link onFailed} does. */
  evict(id: NodeId): FailOutcome {
    const bucket = this.#bucketOf(id);
    const index = bucket.entries.indexOf(id);
    return index === undefined ? stopWaiting(bucket, id) : this.#drop(bucket, index);
  }

  /** {@link evict} for those who do not ask what came in its place. `false`: it was not in the table. */
  remove(id: NodeId): boolean {
    return this.evict(id).type === "removed";
  }

  /**
   * Whether an unknown peer that asked us something would have a place if it answered a ping now: not ourselves, not
   * in a bucket already, its bucket has room (or can split to make it), and the limits on subnets and on incoming contacts allow it.
   * Changes nothing.
   */
  wouldFit(id: NodeId, address: Address): boolean {
    if (id.key === this.#self.key) return false;
    const bucket = this.#bucketOf(id);
    if (bucket.full && !this.#canSplitFor(bucket, id)) return false;
    if (bucket.entries.indexOf(id) !== undefined) return false;
    return bucket.refusal({ addresses: [address] }, true, this.#maxIncoming(bucket)) === undefined;
  }

  /** Splitting helps where two contacts share prefixes of different length with us: never but in the last bucket. */
  #canSplitFor(bucket: KBucket, id: NodeId): boolean {
    if (bucket !== this.#buckets.at(-1)) return false;
    const shared = commonPrefixLength(this.#self, id);
    for (let i = 0; i < bucket.entries.length; i++)
      if (commonPrefixLength(this.#self, bucket.entries.contactAt(i).id) !== shared) return true;
    return false;
  }

  /**
   * The `count` contacts nearest to `target`, nearest first, among those that `accept` returns true for (it may call no
   * table); all of them when there are fewer. The array is the caller's.
   */
  closest(target: NodeId, count: number, accept?: (contact: Contact) => boolean): Contact[] {
    const nearest: Contact[] = [];
    const buckets = this.#buckets;
    const last = buckets.length - 1;
    // Ids in bucket i differ from us at bit i and agree before it. Where target differs from us too, they are nearer to
    // it than all that agree with us longer; where it does not, farther. So: nearer ones downward, the rest, farther ones upward.
    for (let i = 0; i < last && nearest.length < count; i++) {
      if (this.#differsAt(i, target))
        gatherNearest((buckets[i] as KBucket).entries, target, count, accept, nearest);
    }
    if (nearest.length < count)
      gatherNearest((buckets[last] as KBucket).entries, target, count, accept, nearest);
    for (let i = last - 1; i >= 0 && nearest.length < count; i--) {
      if (!this.#differsAt(i, target))
        gatherNearest((buckets[i] as KBucket).entries, target, count, accept, nearest);
    }
    return nearest;
  }

  /** A walk has gone toward `target`: its bucket needs no refresh for a while. */
  onLookup(nowMs: InstantMs, target: NodeId): void {
    this.#bucketOf(target).lastLookupMs = nowMs;
  }

  /** The bucket untouched longest, if no walk has touched it since `sinceMs`. None before the first contact or walk. */
  staleBucket(sinceMs: InstantMs): StaleBucket | undefined {
    let stalest: StaleBucket | undefined;
    for (const [index, { lastLookupMs }] of this.#buckets.entries()) {
      if (lastLookupMs === undefined || lastLookupMs > sinceMs) continue;
      if (stalest === undefined || lastLookupMs < stalest.lastLookupMs) stalest = { index, lastLookupMs };
    }
    return stalest;
  }

  /**
   * A target for the refresh of a bucket: an id that would belong to it, otherwise as random as `random` fills.
   * @throws UsageError `invalidArgument` when there is no such bucket
   */
  randomIdInBucket(index: number, random: RandomFill): NodeId {
    const last = this.#buckets.length - 1;
    if (!Number.isInteger(index) || index < 0 || index > last) {
      throw new UsageError("invalidArgument", `bucket ${index}; there are 0 to ${last}`);
    }
    const bytes = new Uint8Array(this.#self.length);
    random.fill(bytes);
    for (let bit = 0; bit < index; bit++) setBit(bytes, bit, bitAt(this.#self, bit));
    if (index < last) setBit(bytes, index, bitAt(this.#self, index) === 0 ? 1 : 0);
    return NodeId.fromBytes(bytes);
  }

  /** The earliest instant at which a bucket was last touched by a walk; `undefined` before the first contact or walk. */
  oldestLookupMs(): InstantMs | undefined {
    return this.staleBucket(Number.POSITIVE_INFINITY)?.lastLookupMs;
  }

  /** Up to `count` contacts that have not answered since they last did, least recently heard first. */
  failing(count: number): Contact[] {
    return this.#leastRecent(count, (entries, index) => entries.failuresAt(index) > 0);
  }

  /** Whether an id belongs to our own neighbourhood: the last bucket, or the one before, which has split from it last. */
  isNeighbour(id: NodeId): boolean {
    return this.#isNear(this.#bucketOf(id));
  }

  /**
   * How many of a bucket may be there only because they came to us: in our own neighbourhood all of them, since a walk toward
   * our own id would reach them anyway (decision 37). While the table is small, nearly everybody would be a neighbour.
   */
  #maxIncoming(bucket: KBucket): number {
    const isExempt = this.#isNear(bucket) && this.#buckets.length >= leastBuckets;
    return isExempt ? Number.POSITIVE_INFINITY : this.#limits.maxIncomingPerBucket;
  }

  #isNear(bucket: KBucket): boolean {
    return bucket === this.#buckets.at(-1) || bucket === this.#buckets.at(-2);
  }

  /** Up to `count` contacts not heard after `sinceMs`, least recently heard first. */
  stalest(sinceMs: InstantMs, count: number): Contact[] {
    return this.#leastRecent(count, (entries, index) => entries.lastSeenMsAt(index) <= sinceMs);
  }

  /**
   * After sleep, or time without network: no contact counts as heard within `contactStaleMs` or `contactFreshMs`, no
   * bucket as touched within `refreshIntervalMs`, and probes under way are forgotten. Nothing is removed.
   */
  markAllStale(nowMs: InstantMs): void {
    const { contactFreshMs, contactStaleMs, refreshIntervalMs } = this.#limits;
    for (const bucket of this.#buckets) {
      bucket.markStale(nowMs - Math.max(contactFreshMs, contactStaleMs));
      if (bucket.lastLookupMs !== undefined) {
        bucket.lastLookupMs = Math.min(bucket.lastLookupMs, nowMs - refreshIntervalMs);
      }
    }
  }

  #bucketOf(id: NodeId): KBucket {
    const index = Math.min(commonPrefixLength(this.#self, id), this.#buckets.length - 1);
    return this.#buckets[index] as KBucket;
  }

  #differsAt(bit: number, target: NodeId): boolean {
    if (bit < 32) return (this.#self.prefixBits ^ target.prefixBits) << bit < 0;
    return bitAt(this.#self, bit) !== bitAt(target, bit);
  }

  /** A peer that is not in its bucket. Where it has waited for a place, it has answered again. */
  #onNewcomer(nowMs: InstantMs, bucket: KBucket, contact: Contact, origin: ContactOrigin): InsertOutcome {
    const { replacements } = bucket;
    const waiting = replacements.indexOf(contact.id);
    if (waiting === undefined) {
      const incomingOnly = origin === "incoming";
      const reason = bucket.refusal(contact, incomingOnly, this.#maxIncoming(bucket));
      if (reason !== undefined) return refused(reason);
      return this.#place({ contact, lastSeenMs: nowMs, failures: 0, incomingOnly, addedAtMs: nowMs });
    }
    const before = replacements.entryAt(waiting);
    const incomingOnly = before.incomingOnly && origin === "incoming";
    const merged = mergeAddresses(contact, before.contact);
    const entry: TableEntry = { ...before, contact: merged, lastSeenMs: nowMs, incomingOnly };
    bucket.removeReplacement(waiting);
    if (bucket.refusal(merged, incomingOnly, this.#maxIncoming(bucket)) === undefined)
      return this.#place(entry);
    bucket.addReplacement(entry);
    return cached;
  }

  /** Somebody who has just answered takes a place in the bucket, or in its replacement cache. */
  #place(entry: TableEntry): InsertOutcome {
    const { contact, lastSeenMs } = entry;
    let bucket = this.#bucketOf(contact.id);
    bucket.lastLookupMs ??= lastSeenMs;
    while (bucket.full && bucket === this.#buckets.at(-1)) {
      this.#splitLast(bucket);
      bucket = this.#bucketOf(contact.id);
    }
    if (!bucket.full) {
      bucket.insert(entry);
      this.#size++;
      return inserted;
    }
    bucket.addReplacement(entry);
    const oldest = bucket.startProbe(lastSeenMs);
    return oldest === undefined ? cached : { type: "probe", oldest };
  }

  /**
   * Moves all that share more than the bucket's prefix with us to a new last bucket. It ends: when the prefix is as long
   * as an id but for one bit, only one id belongs to the bucket, so that no newcomer finds it full.
   */
  #splitLast(bucket: KBucket): void {
    const prefixLength = this.#buckets.length - 1;
    const next = new KBucket(this.#limits, this.#subnets, bucket.lastLookupMs);
    bucket.moveTo(next, ({ id }) => commonPrefixLength(this.#self, id) > prefixLength);
    this.#buckets = this.#buckets.concat(next);
    this.#subnets.buckets = this.#buckets;
  }

  #drop(bucket: KBucket, index: number): FailOutcome {
    const replacement = bucket.fittingReplacement(index, this.#maxIncoming(bucket));
    bucket.remove(index);
    if (replacement === undefined) {
      this.#size--;
      return removed;
    }
    const entry = bucket.replacements.entryAt(replacement);
    bucket.removeReplacement(replacement);
    bucket.insert(entry);
    return { type: "removed", promoted: entry.contact };
  }

  /** Up to `count` of those that `is` says, least recently heard first. */
  #leastRecent(count: number, is: (entries: ContactList, index: number) => boolean): Contact[] {
    const found = new ContactList();
    for (const { entries } of this.#buckets) {
      for (let i = 0; i < entries.length; i++) {
        if (!is(entries, i)) continue;
        found.insert(entries.entryAt(i));
        if (found.length > count) found.remove(count);
      }
    }
    return found.toArray();
  }
}

function refused(reason: ContactRefusal): InsertOutcome {
  return { type: "refused", reason };
}

/** `given` before `known`, each address once, as many as a contact may have; `known` itself when that is what results. */
function mergeAddresses(given: Contact, known: Contact): Contact {
  if (given.addresses.every(({ key }, i) => key === known.addresses[i]?.key)) return known;
  return { id: known.id, addresses: boundAddresses([...given.addresses, ...known.addresses]) };
}

/** Unless it is the last one already. */
function moveAddressBack(list: ContactList, index: number, { key }: Address): void {
  const { id, addresses } = list.contactAt(index);
  const at = addresses.findIndex((address) => address.key === key);
  const failed = addresses[at];
  if (failed === undefined || at === addresses.length - 1) return;
  list.setContact(index, { id, addresses: [...addresses.filter((address) => address !== failed), failed] });
}

/** Who waits for a place does so no longer. */
function stopWaiting(bucket: KBucket, id: NodeId): FailOutcome {
  const waiting = bucket.replacements.indexOf(id);
  if (waiting !== undefined) bucket.removeReplacement(waiting);
  return unknown;
}

function setBit(bytes: Uint8Array, index: number, bit: 0 | 1): void {
  const mask = 0x80 >>> (index & 7);
  const byte = bytes[index >>> 3] as number;
  bytes[index >>> 3] = bit === 1 ? byte | mask : byte & ~mask;
}
