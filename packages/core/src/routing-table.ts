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
import { bitAt, commonPrefixLength, compareDistance } from "./distance.ts";
import { groupsOf, SubnetCounter } from "./diversity.ts";
import { UsageError } from "./errors.ts";
import { BucketEntry, type ContactOrigin, KBucket, type TableEntry } from "./k-bucket.ts";
import type { InstantMs } from "./machine.ts";
import { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { ContactRefusal } from "./stats.ts";

export type { ContactOrigin, TableEntry } from "./k-bucket.ts";

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

const inserted: InsertOutcome = Object.freeze({ type: "inserted" });
const updated: InsertOutcome = Object.freeze({ type: "updated" });
const cached: InsertOutcome = Object.freeze({ type: "cached" });
const unknown: FailOutcome = Object.freeze({ type: "unknown" });
const removed: FailOutcome = Object.freeze({ type: "removed" });
const kept: FailOutcome = Object.freeze({ type: "kept" });

export class RoutingTable implements ReadonlyRoutingTable {
  readonly #options: RoutingTableOptions;
  readonly #self: NodeId;
  readonly #limits: NodeLimits;
  /** Never empty. */
  readonly #buckets: KBucket[];
  /** Entries by {@link NodeId.key}, those in replacement caches as well. */
  readonly #entries = new Map<string, BucketEntry>();
  readonly #subnets: SubnetCounter;
  /** Distances of the bucket that {@link closest} is sorting. */
  readonly #distances: Int32Array;
  #size = 0;

  constructor(options: RoutingTableOptions) {
    const { self, limits } = options;
    this.#options = options;
    this.#self = self;
    this.#limits = limits;
    this.#subnets = new SubnetCounter(limits.maxPerSubnetInTable);
    this.#buckets = [new KBucket(limits, this.#subnets)];
    this.#distances = new Int32Array(limits.bucketSize);
  }

  get size(): number {
    return this.#size;
  }

  get bucketCount(): number {
    return this.#buckets.length;
  }

  get(id: NodeId): TableEntry | undefined {
    return this.#live(id);
  }

  contacts(): Contact[] {
    return this.#buckets.flatMap(({ entries }) => entries.map(({ contact }) => contact));
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
    const known = this.#entries.get(contact.id.key);
    if (known === undefined) return this.#admit(nowMs, contact, origin);
    if (known.waiting) return this.#readmit(nowMs, known, contact, origin);
    const bucket = this.#bucketOf(contact.id);
    bucket.onAnswered(nowMs, known, origin);
    const merged = mergeAddresses(contact, known.contact);
    if (merged !== known.contact) bucket.setContact(known, merged, this.#groups(merged.addresses));
    return updated;
  }

  /**
   * A request that the peer has not answered. The contact leaves at `maxFailures` in a row, or at once if this was the
   * probe for a full bucket and a replacement fits; then the freshest replacement that fits has its place. Not to be
   * called while our own network is down.
   */
  onFailed(nowMs: InstantMs, id: NodeId): FailOutcome {
    const entry = this.#entries.get(id.key);
    if (entry === undefined) return unknown;
    if (entry.waiting) return this.#drop(entry);
    entry.failures++;
    const bucket = this.#bucketOf(id);
    const replaceable = bucket.endProbe(nowMs, entry) && bucket.fittingReplacement(entry) !== undefined;
    return replaceable || entry.failures >= this.#limits.maxFailures ? this.#drop(entry) : kept;
  }

  /** An address of the contact failed where another may not: it goes behind the others. Unknown ones are ignored. */
  onAddressFailed(id: NodeId, address: Address): void {
    const entry = this.#entries.get(id.key);
    if (entry === undefined) return;
    const { addresses } = entry.contact;
    const at = addresses.findIndex(({ key }) => key === address.key);
    const failed = addresses[at];
    if (failed === undefined || at === addresses.length - 1) return;
    entry.contact = {
      id: entry.contact.id,
      addresses: [...addresses.filter((other) => other !== failed), failed],
    };
  }

  /** Removes a contact whatever its record, and promotes a replacement as {@link onFailed} does. */
  evict(id: NodeId): FailOutcome {
    const entry = this.#entries.get(id.key);
    return entry === undefined ? unknown : this.#drop(entry);
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
    if (id.key === this.#self.key || this.#live(id) !== undefined) return false;
    const bucket = this.#bucketOf(id);
    if (bucket.refusal(this.#groups([address]), true) !== undefined) return false;
    if (!bucket.full) return true;
    // Splitting helps where two contacts share prefixes of different length with us: never but in the last bucket.
    const shared = commonPrefixLength(this.#self, id);
    return bucket.entries.some(({ contact }) => commonPrefixLength(this.#self, contact.id) !== shared);
  }

  /**
   * The `count` contacts nearest to `target`, nearest first, among those that `accept` returns true for (it may not call
   * the table); all of them when there are fewer. The array is the caller's.
   */
  closest(target: NodeId, count: number, accept?: (contact: Contact) => boolean): Contact[] {
    const nearest: Contact[] = [];
    const buckets = this.#buckets;
    const last = buckets.length - 1;
    // Ids in bucket i differ from us at bit i and agree before it. Where target differs from us too, they are nearer to
    // it than all that agree with us longer; where it does not, farther. So: nearer ones downward, the rest, farther ones upward.
    for (let i = 0; i < last && nearest.length < count; i++) {
      if (this.#differsAt(i, target)) this.#gather(buckets[i] as KBucket, target, count, accept, nearest);
    }
    if (nearest.length < count) this.#gather(buckets[last] as KBucket, target, count, accept, nearest);
    for (let i = last - 1; i >= 0 && nearest.length < count; i--) {
      if (!this.#differsAt(i, target)) this.#gather(buckets[i] as KBucket, target, count, accept, nearest);
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

  /** Up to `count` contacts not heard after `sinceMs`, least recently heard first. */
  stalest(sinceMs: InstantMs, count: number): Contact[] {
    const stale: BucketEntry[] = [];
    for (const { entries } of this.#buckets) {
      for (const entry of entries) {
        if (entry.lastSeenMs > sinceMs) break;
        insertBySeen(stale, entry, count);
      }
    }
    return stale.map(({ contact }) => contact);
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

  #live(id: NodeId): BucketEntry | undefined {
    const entry = this.#entries.get(id.key);
    return entry === undefined || entry.waiting ? undefined : entry;
  }

  #groups(addresses: readonly Address[]): readonly string[] {
    return groupsOf(addresses, (address) => this.#options.groupOf(address));
  }

  #bucketOf(id: NodeId): KBucket {
    const index = Math.min(commonPrefixLength(this.#self, id), this.#buckets.length - 1);
    return this.#buckets[index] as KBucket;
  }

  #differsAt(bit: number, target: NodeId): boolean {
    if (bit < 32) return (this.#self.prefix ^ target.prefix) << bit < 0;
    return bitAt(this.#self, bit) !== bitAt(target, bit);
  }

  #admit(nowMs: InstantMs, contact: Contact, origin: ContactOrigin): InsertOutcome {
    const entry = new BucketEntry(nowMs, contact, this.#groups(contact.addresses), origin === "incoming");
    const reason = this.#bucketOf(contact.id).refusal(entry.groups, entry.incomingOnly);
    return reason === undefined ? this.#place(nowMs, entry) : refused(reason);
  }

  /** One that waits in the replacement cache has answered again: it is the freshest there, or has a place by now. */
  #readmit(nowMs: InstantMs, entry: BucketEntry, contact: Contact, origin: ContactOrigin): InsertOutcome {
    const bucket = this.#bucketOf(contact.id);
    this.#stopWaiting(bucket, entry);
    entry.lastSeenMs = nowMs;
    entry.incomingOnly &&= origin === "incoming";
    entry.contact = mergeAddresses(contact, entry.contact);
    entry.groups = this.#groups(entry.contact.addresses);
    if (bucket.refusal(entry.groups, entry.incomingOnly) === undefined) return this.#place(nowMs, entry);
    this.#wait(bucket, entry);
    return cached;
  }

  #place(nowMs: InstantMs, entry: BucketEntry): InsertOutcome {
    const { id } = entry.contact;
    let bucket = this.#bucketOf(id);
    bucket.lastLookupMs ??= nowMs;
    while (bucket.full && bucket === this.#buckets.at(-1)) {
      this.#splitLast(bucket);
      bucket = this.#bucketOf(id);
    }
    if (!bucket.full) {
      bucket.insert(entry);
      this.#entries.set(id.key, entry);
      this.#size++;
      return inserted;
    }
    this.#wait(bucket, entry);
    const oldest = bucket.startProbe(nowMs);
    return oldest === undefined ? cached : { type: "probe", oldest: oldest.contact };
  }

  /**
   * Moves all that share more than the bucket's prefix with us to a new last bucket. It ends: when the prefix is as long
   * as an id but for one bit, only one id belongs to the bucket, so that no newcomer finds it full.
   */
  #splitLast(bucket: KBucket): void {
    const prefixLength = this.#buckets.length - 1;
    const next = new KBucket(this.#limits, this.#subnets, bucket.lastLookupMs);
    bucket.moveTo(next, ({ contact }) => commonPrefixLength(this.#self, contact.id) > prefixLength);
    this.#buckets.push(next);
  }

  #wait(bucket: KBucket, entry: BucketEntry): void {
    if (this.#limits.replacementCacheSize === 0) return;
    for (let out = bucket.displacedBy(entry); out !== undefined; out = bucket.displacedBy(entry)) {
      this.#stopWaiting(bucket, out);
    }
    bucket.addReplacement(entry);
    this.#entries.set(entry.contact.id.key, entry);
  }

  #stopWaiting(bucket: KBucket, entry: BucketEntry): void {
    bucket.removeReplacement(entry);
    this.#entries.delete(entry.contact.id.key);
  }

  #drop(entry: BucketEntry): FailOutcome {
    const bucket = this.#bucketOf(entry.contact.id);
    if (entry.waiting) {
      this.#stopWaiting(bucket, entry);
      return unknown;
    }
    const next = bucket.fittingReplacement(entry);
    bucket.remove(entry);
    this.#entries.delete(entry.contact.id.key);
    if (next === undefined) {
      this.#size--;
      return removed;
    }
    bucket.removeReplacement(next);
    bucket.insert(next);
    return { type: "removed", promoted: next.contact };
  }

  /** Appends the bucket's contacts to `nearest` sorted by distance, up to `count` in all. */
  #gather(
    { entries }: KBucket,
    target: NodeId,
    count: number,
    accept: ((contact: Contact) => boolean) | undefined,
    nearest: Contact[],
  ): void {
    const distances = this.#distances;
    const start = nearest.length;
    const room = count - start;
    const flip = target.prefix ^ signBit;
    let found = 0;
    for (let i = 0; i < entries.length; i++) {
      const { contact, prefix } = entries[i] as BucketEntry;
      if (accept !== undefined && !accept(contact)) continue;
      const distance = prefix ^ flip;
      let at = found < room ? found++ : room;
      for (; at > 0; at--) {
        const other = distances[at - 1] as number;
        const before = nearest[start + at - 1] as Contact;
        if (other < distance || (other === distance && compareDistance(target, before.id, contact.id) < 0))
          break;
        if (at === room) continue;
        distances[at] = other;
        nearest[start + at] = before;
      }
      if (at === room) continue;
      distances[at] = distance;
      nearest[start + at] = contact;
    }
  }
}

/** XOR with it lets signed numbers compare as if they were unsigned. */
const signBit = 0x8000_0000 | 0;

function refused(reason: ContactRefusal): InsertOutcome {
  return { type: "refused", reason };
}

/** `given` before `known`, each address once, as many as a contact may have; `known` itself when that is what results. */
function mergeAddresses(given: Contact, known: Contact): Contact {
  if (given.addresses.every(({ key }, i) => key === known.addresses[i]?.key)) return known;
  return { id: known.id, addresses: boundAddresses([...given.addresses, ...known.addresses]) };
}

/** Keeps `entries` sorted, least recently seen first, and no longer than `count`. */
function insertBySeen(entries: BucketEntry[], entry: BucketEntry, count: number): void {
  let at = entries.length;
  while (at > 0 && (entries[at - 1] as BucketEntry).lastSeenMs > entry.lastSeenMs) at--;
  entries.splice(at, 0, entry);
  if (entries.length > count) entries.pop();
}

function setBit(bytes: Uint8Array, index: number, bit: 0 | 1): void {
  const mask = 0x80 >>> (index & 7);
  const byte = bytes[index >>> 3] as number;
  bytes[index >>> 3] = bit === 1 ? byte | mask : byte & ~mask;
}
