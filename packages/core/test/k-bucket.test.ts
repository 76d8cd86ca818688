import { describe, expect, it } from "vitest";
import type { ContactList, TableEntry } from "../src/contact-list.ts";
import { TableSubnets } from "../src/diversity.ts";
import { KBucket } from "../src/k-bucket.ts";
import { type NodeLimits, resolveLimits } from "../src/options.ts";
import { tinyContact, tinyGroup } from "./tiny-id.ts";

function bucketWith(given: Partial<NodeLimits> = {}): KBucket {
  const limits = resolveLimits({ bucketSize: 3, replacementCacheSize: 3, contactFreshMs: 100, ...given });
  const subnets = new TableSubnets({ limits, groupOf: tinyGroup });
  const bucket = new KBucket(limits, subnets);
  subnets.buckets = [bucket];
  return bucket;
}

function entryAt(nowMs: number, bits: number, { net = "", incoming = false } = {}): TableEntry {
  const contact = net === "" ? tinyContact(bits) : tinyContact(bits, `${net}/${bits}`);
  return { contact, lastSeenMs: nowMs, failures: 0, incomingOnly: incoming, addedAtMs: nowMs };
}

function insert(bucket: KBucket, ...entries: TableEntry[]): void {
  for (const entry of entries) bucket.insert(entry);
}

function ids(list: ContactList): number[] {
  return list.toArray().map(({ id }) => id.toBytes()[0] as number);
}

describe("KBucket", () => {
  it("keeps the least recently seen first", () => {
    const bucket = bucketWith();
    insert(bucket, entryAt(1, 1), entryAt(2, 2), entryAt(3, 3));
    bucket.onAnswered(4, 0, "walk");
    expect(ids(bucket.entries)).toEqual([2, 3, 1]);
    expect(bucket.full).toBe(true);
  });

  it("gives an entry that was seen long ago its place among the others", () => {
    const bucket = bucketWith();
    insert(bucket, entryAt(1, 1), entryAt(5, 5), entryAt(3, 3));
    expect(ids(bucket.entries)).toEqual([1, 3, 5]);
  });

  it("names its oldest for a probe, one at a time, and only if it was not heard lately", () => {
    const bucket = bucketWith();
    const [one, two] = [entryAt(0, 1), entryAt(50, 2)];
    insert(bucket, one, two);
    expect(bucket.startProbe(99)).toBe(undefined);
    expect(bucket.startProbe(100)).toBe(one.contact);
    expect(bucket.startProbe(200)).toBe(undefined);
    bucket.onAnswered(201, 0, "walk");
    expect(ids(bucket.entries)).toEqual([2, 1]);
    expect(bucket.endProbe(202, 1)).toBe(false);
    expect(bucket.startProbe(202)).toBe(two.contact);
    expect(bucket.endProbe(203, 1)).toBe(false);
    expect(bucket.endProbe(203, 0)).toBe(true);
    expect(bucket.endProbe(203, 0)).toBe(false);
  });

  it("has nobody to probe while it is empty", () => {
    expect(bucketWith().startProbe(1e9)).toBe(undefined);
  });

  it("starts another probe when nobody has reported on the last in twice the hard timeout", () => {
    const bucket = bucketWith({ hardTimeoutMs: 1_000 });
    const one = entryAt(0, 1);
    insert(bucket, one);
    expect(bucket.startProbe(100)).toBe(one.contact);
    expect(bucket.startProbe(2_099)).toBe(undefined);
    expect(bucket.startProbe(2_100)).toBe(one.contact);
    expect(bucket.endProbe(4_100, 0)).toBe(false);
  });

  it("forgets the probe of an entry that leaves", () => {
    const bucket = bucketWith();
    const [one, two] = [entryAt(0, 1), entryAt(0, 2)];
    insert(bucket, one, two);
    bucket.startProbe(100);
    bucket.remove(0);
    expect(bucket.startProbe(101)).toBe(two.contact);
  });

  it("keeps the freshest replacements, the oldest making room", () => {
    const bucket = bucketWith({ replacementCacheSize: 2 });
    for (const entry of [entryAt(1, 1), entryAt(2, 2), entryAt(3, 3)]) bucket.addReplacement(entry);
    expect(ids(bucket.replacements)).toEqual([2, 3]);
    expect(ids(bucket.entries)).toEqual([]);
  });

  it("keeps no replacements where none are allowed", () => {
    const bucket = bucketWith({ replacementCacheSize: 0 });
    bucket.addReplacement(entryAt(1, 1));
    expect(ids(bucket.replacements)).toEqual([]);
  });

  it("shares nothing of its replacements with another bucket", () => {
    const [one, other] = [bucketWith(), bucketWith()];
    one.addReplacement(entryAt(1, 1));
    expect([ids(one.replacements), ids(other.replacements)]).toEqual([[1], []]);
    one.removeReplacement(0);
    other.addReplacement(entryAt(2, 2));
    expect([ids(one.replacements), ids(other.replacements)]).toEqual([[], [2]]);
  });

  it("lets no subnet crowd the replacement cache: a newcomer displaces its own kind", () => {
    const bucket = bucketWith({ replacementCacheSize: 20, maxPerSubnetInBucket: 2 });
    for (const [at, net] of ["b", "a", "a"].entries()) bucket.addReplacement(entryAt(at, at, { net }));
    bucket.addReplacement(entryAt(4, 4, { net: "a" }));
    expect(ids(bucket.replacements)).toEqual([0, 2, 4]);
    bucket.addReplacement(entryAt(5, 5, { net: "c" }));
    expect(ids(bucket.replacements)).toEqual([0, 2, 4, 5]);
  });

  it("lets no peers that came unasked crowd the replacement cache", () => {
    const bucket = bucketWith({ replacementCacheSize: 20, maxIncomingPerBucket: 1 });
    bucket.addReplacement(entryAt(1, 1));
    bucket.addReplacement(entryAt(2, 2, { incoming: true }));
    bucket.addReplacement(entryAt(3, 3, { incoming: true }));
    expect(ids(bucket.replacements)).toEqual([1, 3]);
    bucket.addReplacement(entryAt(4, 4));
    expect(ids(bucket.replacements)).toEqual([1, 3, 4]);
  });

  it("offers the freshest replacement that the limits allow once another has left", () => {
    const bucket = bucketWith({ maxPerSubnetInBucket: 1, maxIncomingPerBucket: 1 });
    insert(bucket, entryAt(1, 1, { net: "a" }), entryAt(2, 2, { incoming: true }), entryAt(3, 3));
    const waiting = [
      entryAt(4, 4, { net: "b" }),
      entryAt(5, 5, { net: "a" }),
      entryAt(6, 6, { incoming: true }),
    ];
    for (const entry of waiting) bucket.addReplacement(entry);
    expect([2, 0, 1].map((leaving) => bucket.fittingReplacement(leaving, 1))).toEqual([0, 1, 2]);
  });
});
