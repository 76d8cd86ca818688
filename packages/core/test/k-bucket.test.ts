import { describe, expect, it } from "vitest";
import { groupsOf, SubnetCounter } from "../src/diversity.ts";
import { BucketEntry, KBucket } from "../src/k-bucket.ts";
import { type NodeLimits, resolveLimits } from "../src/options.ts";
import { tinyContact, tinyGroup } from "./tiny-id.ts";

function bucketWith(limits: Partial<NodeLimits> = {}): KBucket {
  const resolved = resolveLimits({ bucketSize: 3, replacementCacheSize: 3, contactFreshMs: 100, ...limits });
  return new KBucket(resolved, new SubnetCounter(resolved.maxPerSubnetInTable));
}

function entryAt(nowMs: number, bits: number, { net = "", incoming = false } = {}): BucketEntry {
  const contact = net === "" ? tinyContact(bits) : tinyContact(bits, `${net}/${bits}`);
  return new BucketEntry(nowMs, contact, groupsOf(contact.addresses, tinyGroup), incoming);
}

function inserted(bucket: KBucket, ...entries: BucketEntry[]): BucketEntry[] {
  for (const entry of entries) bucket.insert(entry);
  return entries;
}

function ids(entries: readonly BucketEntry[]): number[] {
  return entries.map(({ contact }) => contact.id.toBytes()[0] as number);
}

describe("KBucket", () => {
  it("keeps the least recently seen first", () => {
    const bucket = bucketWith();
    const [first] = inserted(bucket, entryAt(1, 1), entryAt(2, 2), entryAt(3, 3)) as [BucketEntry];
    bucket.onAnswered(4, first, "walk");
    expect(ids(bucket.entries)).toEqual([2, 3, 1]);
    expect(bucket.full).toBe(true);
  });

  it("gives an entry that was seen long ago its place among the others", () => {
    const bucket = bucketWith();
    inserted(bucket, entryAt(1, 1), entryAt(5, 5), entryAt(3, 3));
    expect(ids(bucket.entries)).toEqual([1, 3, 5]);
  });

  it("names its oldest for a probe, one at a time, and only if it was not heard lately", () => {
    const bucket = bucketWith();
    const [one, two] = inserted(bucket, entryAt(0, 1), entryAt(50, 2)) as [BucketEntry, BucketEntry];
    expect(bucket.startProbe(99)).toBe(undefined);
    expect(bucket.startProbe(100)).toBe(one);
    expect(bucket.startProbe(200)).toBe(undefined);
    bucket.onAnswered(201, one, "walk");
    expect(bucket.endProbe(202, one)).toBe(false);
    expect(bucket.startProbe(202)).toBe(two);
    expect(bucket.endProbe(203, one)).toBe(false);
    expect(bucket.endProbe(203, two)).toBe(true);
    expect(bucket.endProbe(203, two)).toBe(false);
  });

  it("has nobody to probe while it is empty", () => {
    expect(bucketWith().startProbe(1e9)).toBe(undefined);
  });

  it("starts another probe when nobody has reported on the last in twice the hard timeout", () => {
    const bucket = bucketWith({ hardTimeoutMs: 1_000 });
    const [one] = inserted(bucket, entryAt(0, 1)) as [BucketEntry];
    expect(bucket.startProbe(100)).toBe(one);
    expect(bucket.startProbe(2_099)).toBe(undefined);
    expect(bucket.startProbe(2_100)).toBe(one);
    expect(bucket.endProbe(4_100, one)).toBe(false);
  });

  it("forgets the probe of an entry that leaves", () => {
    const bucket = bucketWith();
    const [one, two] = inserted(bucket, entryAt(0, 1), entryAt(0, 2)) as [BucketEntry, BucketEntry];
    bucket.startProbe(100);
    bucket.remove(one);
    expect(bucket.startProbe(101)).toBe(two);
  });

  it("keeps the freshest replacements, the oldest making room", () => {
    const bucket = bucketWith({ replacementCacheSize: 2 });
    const entries = [entryAt(1, 1), entryAt(2, 2), entryAt(3, 3)];
    const displaced = entries.map((entry) => {
      const out = bucket.displacedBy(entry);
      if (out !== undefined) bucket.removeReplacement(out);
      bucket.addReplacement(entry);
      return out;
    });
    expect(displaced).toEqual([undefined, undefined, entries[0]]);
    expect(ids(bucket.replacements)).toEqual([2, 3]);
    expect(entries.map(({ waiting }) => waiting)).toEqual([false, true, true]);
  });

  it("lets no subnet crowd the replacement cache: a newcomer displaces its own kind", () => {
    const bucket = bucketWith({ replacementCacheSize: 20, maxPerSubnetInBucket: 2 });
    const [honest, first, second] = [
      entryAt(1, 1, { net: "b" }),
      entryAt(2, 2, { net: "a" }),
      entryAt(3, 3, { net: "a" }),
    ];
    for (const entry of [honest, first, second]) bucket.addReplacement(entry);
    expect(bucket.displacedBy(entryAt(4, 4, { net: "a" }))).toBe(first);
    expect(bucket.displacedBy(entryAt(4, 4, { net: "c" }))).toBe(undefined);
  });

  it("lets no peers that came unasked crowd the replacement cache", () => {
    const bucket = bucketWith({ replacementCacheSize: 20, maxIncomingPerBucket: 1 });
    const [walked, unasked] = [entryAt(1, 1), entryAt(2, 2, { incoming: true })];
    for (const entry of [walked, unasked]) bucket.addReplacement(entry);
    expect(bucket.displacedBy(entryAt(3, 3, { incoming: true }))).toBe(unasked);
    expect(bucket.displacedBy(entryAt(3, 3))).toBe(undefined);
  });

  it("offers the freshest replacement that the limits allow once another has left", () => {
    const bucket = bucketWith({ maxPerSubnetInBucket: 1, maxIncomingPerBucket: 1 });
    const [a, unasked, plain] = inserted(
      bucket,
      entryAt(1, 1, { net: "a" }),
      entryAt(2, 2, { incoming: true }),
      entryAt(3, 3),
    ) as [BucketEntry, BucketEntry, BucketEntry];
    const [b2, a2, unasked2] = [
      entryAt(4, 4, { net: "b" }),
      entryAt(5, 5, { net: "a" }),
      entryAt(6, 6, { incoming: true }),
    ];
    for (const entry of [b2, a2, unasked2]) bucket.addReplacement(entry);
    expect(bucket.fittingReplacement(plain)).toBe(b2);
    expect(bucket.fittingReplacement(a)).toBe(a2);
    expect(bucket.fittingReplacement(unasked)).toBe(unasked2);
  });
});
