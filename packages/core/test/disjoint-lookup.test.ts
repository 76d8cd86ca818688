import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Contact } from "../src/contact.ts";
import { DisjointLookup } from "../src/disjoint-lookup.ts";
import { compareDistance } from "../src/distance.ts";
import type { LookupOptions } from "../src/lookup.ts";
import { NodeId } from "../src/node-id.ts";
import { ModelNetwork, randomFrom, sortedTo } from "./model-network.ts";
import { contactOf, tinyContact, tinyGroup, tinyId } from "./tiny-id.ts";

const seed = 0xd15;

function optionsOf(options: Partial<LookupOptions> = {}): LookupOptions {
  return {
    target: tinyId(0),
    self: tinyId(255),
    results: 2,
    parallelism: 1,
    stalledParallelism: 1,
    maxCandidates: 20,
    maxPerSubnet: 255,
    groupOf: () => undefined,
    ...options,
  };
}

/** Toward 0, so that a tiny id is its own distance. */
function walkOf(paths: number, options: Partial<LookupOptions>, ...seeds: readonly number[]): DisjointLookup {
  const walk = new DisjointLookup(optionsOf(options), paths);
  walk.addSeeds(seeds.map((bits) => tinyContact(bits)));
  return walk;
}

function byteOf({ id }: Contact): number {
  return id.key.charCodeAt(0);
}

function asks(walk: DisjointLookup): (number | "wait" | "finished")[] {
  const said: (number | "wait" | "finished")[] = [];
  for (;;) {
    const step = walk.next();
    said.push(step.type === "ask" ? byteOf(step.contact) : step.type);
    if (step.type !== "ask") return said;
  }
}

function answer(walk: DisjointLookup, bits: number, ...closer: readonly number[]): boolean {
  return walk.onResponse(
    tinyId(bits),
    closer.map((other) => tinyContact(other)),
  );
}

describe("paths that share no peer", () => {
  it("start from seeds of their own and take turns", () => {
    expect(asks(walkOf(2, {}, 1, 2, 3, 4))).toEqual([1, 2, "wait"]);
    expect(asks(walkOf(3, {}, 1, 2))).toEqual([1, 2, "wait"]);
  });

  it("end at once when nobody is known", () => {
    expect(asks(walkOf(3, {}))).toEqual(["finished"]);
  });

  it("leave a peer to the path that asked it first", () => {
    const walk = walkOf(2, { results: 1 }, 8, 9);
    expect(asks(walk)).toEqual([8, 9, "wait"]);
    answer(walk, 8, 1);
    expect(asks(walk)).toEqual([1, "wait"]);
    answer(walk, 9, 1, 2);
    expect(asks(walk)).toEqual([2, "wait"]);
    answer(walk, 1);
    answer(walk, 2);
    expect(asks(walk)).toEqual(["finished"]);
    expect(walk.closest(9).map(byteOf)).toEqual([1, 2, 8, 9]);
    expect(walk.closest().map(byteOf)).toEqual([1]);
  });

  it("are all waited for", () => {
    const walk = walkOf(2, { results: 1 }, 1, 2);
    asks(walk);
    answer(walk, 1);
    expect(asks(walk)).toEqual(["wait"]);
    answer(walk, 2);
    expect(asks(walk)).toEqual(["finished"]);
  });

  it("share the limit of a subnet, so that its owner is not on every one of them", () => {
    const walk = new DisjointLookup(optionsOf({ groupOf: tinyGroup, maxPerSubnet: 1 }), 2);
    walk.addSeeds([
      tinyContact(1, "a/1"),
      tinyContact(2, "a/2"),
      tinyContact(3, "b/1"),
      tinyContact(4, "c/1"),
    ]);
    expect(asks(walk)).toEqual([1, 4, "wait"]);
  });

  it("have room in a subnet again when one of theirs has failed", () => {
    const walk = new DisjointLookup(optionsOf({ groupOf: tinyGroup, maxPerSubnet: 1 }), 2);
    walk.addSeeds([tinyContact(9, "a/1"), tinyContact(8, "b/1")]);
    expect(asks(walk)).toEqual([9, 8, "wait"]);
    expect(walk.onFailure(tinyId(9))).toBe(true);
    walk.onResponse(tinyId(8), [tinyContact(1, "a/2")]);
    expect(asks(walk)).toEqual([1, "wait"]);
  });

  it("ask a peer that others name at another address again on its own path alone", () => {
    const group = ({ key }: { readonly key: string }): string => key.substring(0, 1);
    const walk = walkOf(2, { groupOf: group, maxPerSubnet: 1, results: 3 });
    walk.addSeeds([tinyContact(1, "a1"), tinyContact(2, "b2")]);
    expect(asks(walk)).toEqual([1, 2, "wait"]);
    walk.onOverdue(tinyId(1));
    walk.onResponse(tinyId(2), [tinyContact(1, "c1"), tinyContact(3, "d3")]);
    expect(asks(walk)).toEqual([3, "wait"]);
    walk.onResponse(tinyId(3), [tinyContact(1, "a1")]);
    expect(walk.onFailure(tinyId(1))).toBe(true);
    const alone = walkOf(1, { groupOf: group, maxPerSubnet: 1, results: 3 });
    alone.addSeeds([tinyContact(1, "a1"), tinyContact(2, "b2")]);
    expect(asks(alone)).toEqual([1, "wait"]);
    alone.onOverdue(tinyId(1));
    expect(asks(alone)).toEqual([2, "wait"]);
    alone.onResponse(tinyId(2), [tinyContact(1, "c1")]);
    expect(asks(alone)).toEqual([1, "wait"]);
    // It is counted in both of its subnets now.
    alone.onResponse(tinyId(1), [tinyContact(4, "a4"), tinyContact(6, "e6"), tinyContact(7, "c7")]);
    expect(asks(alone)).toEqual([6, "wait"]);
  });

  it("tell of their answers, rounds and hops together", () => {
    const walk = walkOf(2, { results: 1 }, 8, 9);
    expect([walk.answered, walk.rounds, walk.hops]).toEqual([0, 0, 0]);
    asks(walk);
    answer(walk, 8, 1);
    answer(walk, 9);
    asks(walk);
    answer(walk, 1);
    expect([walk.answered, walk.rounds, walk.hops]).toEqual([3, 2, 1]);
  });

  it("are all widened, and more are the result", () => {
    const walk = walkOf(2, { results: 1 }, 1, 2, 3, 4);
    asks(walk);
    answer(walk, 1);
    answer(walk, 2);
    expect(asks(walk)).toEqual(["finished"]);
    walk.widen(2);
    expect(asks(walk)).toEqual([3, 4, "wait"]);
    answer(walk, 3);
    answer(walk, 4);
    expect(walk.closest().map(byteOf)).toEqual([1, 2]);
    walk.widen(1);
    expect(walk.closest().map(byteOf)).toEqual([1, 2]);
  });

  it("take reports of those they asked, and no others", () => {
    const walk = walkOf(2, {}, 1, 2);
    expect(answer(walk, 1)).toBe(false);
    expect(walk.onSlow(tinyId(1))).toBe(false);
    expect(walk.onOverdue(tinyId(1))).toBe(false);
    expect(walk.onFailure(tinyId(1))).toBe(false);
    expect(walk.reopen(tinyId(1))).toBe(false);
    asks(walk);
    expect(walk.onSlow(tinyId(1))).toBe(true);
    expect(walk.onOverdue(tinyId(1))).toBe(true);
    expect(answer(walk, 1)).toBe(true);
    expect(walk.reopen(tinyId(1))).toBe(true);
    expect(walk.onFailure(tinyId(1))).toBe(true);
    expect(walk.onFailure(tinyId(1))).toBe(false);
  });
});

/** An id so close to `target` that no honest one is. */
function nearTo(target: NodeId, random: () => number): NodeId {
  const bytes = target.toBytes();
  for (let i = 5; i < bytes.length; i++) bytes[i] = Math.floor(random() * 256);
  return NodeId.fromBytes(bytes);
}

interface Outcome {
  readonly asked: readonly Contact[];
  readonly walk: DisjointLookup;
  readonly target: NodeId;
}

/** The liars name only each other, close to the target, and there are always more of them. */
function walkAmongLiars(paths: number, from: number): Outcome & { readonly honest: readonly Contact[] } {
  const network = new ModelNetwork(500, 20, from);
  const random = randomFrom(from);
  const target = network.randomId();
  const self = network.pick().id;
  const seeds = network.answer(self, target);
  const liars = new Set<string>([(seeds[0] as Contact).id.key]);
  const walk = new DisjointLookup(
    optionsOf({ target, self, results: 8, parallelism: 3, stalledParallelism: 6, maxCandidates: 200 }),
    paths,
  );
  walk.addSeeds(seeds);
  const asked: Contact[] = [];
  for (let step = walk.next(); step.type === "ask"; step = walk.next()) {
    const { contact } = step;
    asked.push(contact);
    if (!liars.has(contact.id.key)) {
      walk.onResponse(contact.id, network.answer(contact.id, target));
      continue;
    }
    const more = Array.from({ length: 20 }, () => contactOf(nearTo(target, random)));
    for (const { id } of more) liars.add(id.key);
    walk.onResponse(contact.id, more);
  }
  expect(walk.next()).toEqual({ type: "finished" });
  const honest = network.closest(target, 5).filter(({ id }) => !liars.has(id.key) && !id.equals(self));
  return { asked, walk, target, honest: honest.slice(0, 3) };
}

describe("a liar on one path", () => {
  it("cannot keep the others from the true closest, as it could where there is one path", () => {
    for (const from of [1, 2, 3, 4, 5]) {
      const apart = walkAmongLiars(3, from);
      expect(apart.walk.closest(1_000)).toEqual(expect.arrayContaining([...apart.honest]));
      const alone = walkAmongLiars(1, from);
      expect(alone.walk.closest(1_000)).not.toContain(alone.honest[0]);
    }
  });
});

/** Random peers fail, answer late or lie; reports come in random order. */
function randomWalk(from: number): Outcome {
  const random = randomFrom(from);
  const upTo = (n: number) => Math.floor(random() * n);
  const network = new ModelNetwork(2 + upTo(100), 1 + upTo(8), from);
  const target = network.randomId();
  const self = network.pick().id;
  const walk = new DisjointLookup(
    optionsOf({
      target,
      self,
      results: 1 + upTo(10),
      parallelism: 1 + upTo(3),
      stalledParallelism: 1 + upTo(6),
      maxCandidates: 20 + upTo(100),
      maxPerSubnet: 1 + upTo(3),
      groupOf: random() < 0.5 ? () => undefined : ({ key }) => key.slice(0, 4),
    }),
    1 + upTo(4),
  );
  walk.addSeeds(network.answer(self, target));
  const asked: Contact[] = [];
  const pending: Contact[] = [];
  for (;;) {
    const step = walk.next();
    if (step.type === "finished") return { asked, walk, target };
    if (step.type === "ask") {
      asked.push(step.contact);
      pending.push(step.contact);
      continue;
    }
    expect(pending.length, "a walk that waits has something to wait for").toBeGreaterThan(0);
    const contact = pending.splice(upTo(pending.length), 1)[0] as Contact;
    const fate = random();
    if (fate < 0.2) walk.onFailure(contact.id);
    else if (fate < 0.4) {
      walk.onSlow(contact.id);
      pending.push(contact);
    } else if (fate < 0.5) {
      walk.onOverdue(contact.id);
      pending.push(contact);
    } else walk.onResponse(contact.id, network.answer(contact.id, target));
  }
}

describe("whatever fails or comes late, paths that share no peer", () => {
  it("end, ask nobody twice, and give what they found in order", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (from) => {
        const { asked, walk, target } = randomWalk(from);
        expect(new Set(asked.map(({ id }) => id.key)).size).toBe(asked.length);
        const all = walk.closest(1_000);
        expect(all).toEqual(sortedTo(target, all));
        expect(new Set(all).size).toBe(walk.answered);
        for (const contact of all) expect(asked).toContain(contact);
        const [first, second] = all;
        if (first !== undefined && second !== undefined)
          expect(compareDistance(target, first.id, second.id)).toBeLessThan(0);
      }),
      { seed, numRuns: 300 },
    );
  });
});
