import { describe, expect, it } from "vitest";
import type { Contact } from "../src/contact.ts";
import type { LookupOptions } from "../src/lookup.ts";
import type { RefusalReason, Response, WireRecord } from "../src/protocol.ts";
import { PutQuery } from "../src/put-query.ts";
import type { Asked } from "../src/query.ts";
import { bitsOf, QueryBench, walkTowardZero } from "./query-bench.ts";
import { tinyContact, tinyId } from "./tiny-id.ts";

const record: WireRecord = {
  typeCode: 1,
  key: tinyId(0),
  lifetimeMs: 1_000,
  body: Uint8Array.of(1, 2, 3),
};

function benchOf(
  seeds: readonly number[],
  walk: Partial<LookupOptions> = {},
  safeResults: (closest: readonly Contact[]) => number = () => 0,
): QueryBench<PutQuery> {
  return new QueryBench(
    new PutQuery({
      walk: walkTowardZero({ results: 3, ...walk }, ...seeds),
      request: (token) => ({ type: "putValue", token, record }),
      safeResults,
    }),
  );
}

function nodesWith(token: number | undefined, ...bits: readonly number[]): Response {
  return {
    type: "nodes",
    contacts: bits.map((other) => tinyContact(other)),
    token: token === undefined ? undefined : Uint8Array.of(token),
  };
}

const stored: Response = { type: "stored" };
const refused = (reason: RefusalReason): Response => ({ type: "refused", reason });

/** Walked, and about to store on 1, 2 and 3, whose tokens are their ids. */
function atHolders(): QueryBench<PutQuery> {
  const bench = benchOf([1, 2, 3]);
  bench.asks();
  for (const bits of [1, 2, 3]) bench.answer(bits, nodesWith(bits));
  expect(bench.asks()).toEqual(["putValue 1", "putValue 2", "putValue 3"]);
  return bench;
}

describe("a put", () => {
  it("walks to the closest, asking for tokens, and stores on them with those", () => {
    const bench = benchOf([8]);
    expect(bench.asks()).toEqual(["findNode 8"]);
    expect(bench.bodyTo(8)).toEqual({ type: "findNode", target: tinyId(0), wantToken: true });
    bench.answer(8, nodesWith(80, 1, 2));
    expect(bench.asks()).toEqual(["findNode 1", "findNode 2"]);
    bench.answer(1, nodesWith(10));
    bench.answer(2, nodesWith(20));
    expect(bench.asks()).toEqual(["putValue 1", "putValue 2", "putValue 8"]);
    expect(bench.bodyTo(1)).toEqual({ type: "putValue", token: Uint8Array.of(10), record });
    expect(bench.bodyTo(8)).toMatchObject({ token: Uint8Array.of(80) });
    for (const bits of [1, 2, 8]) bench.answer(bits, stored);
    expect(bench.asks()).toEqual(["converged"]);
    const result = bench.result("stored");
    expect(result).toMatchObject({ asked: 3, accepted: 3, refusals: {} });
    expect(bitsOf(result.holders)).toEqual([1, 2, 8]);
    expect(bench.query.figures().rounds).toBe(2);
  });

  it("is exhausted when nobody answers, and has asked nobody to store then", () => {
    const bench = benchOf([1]);
    bench.asks();
    bench.fail(1);
    expect(bench.asks()).toEqual(["exhausted"]);
    expect(bench.result("stored")).toEqual({
      type: "stored",
      asked: 0,
      accepted: 0,
      holders: [],
      refusals: {},
    });
  });

  it("tells what there is while it is under way", () => {
    const bench = atHolders();
    bench.answer(1, stored);
    expect(bench.result("stored")).toMatchObject({ asked: 3, accepted: 1, refusals: { noAnswer: 2 } });
  });

  it("counts refusals by reason, and silence too", () => {
    const bench = atHolders();
    bench.answer(1, refused("full"));
    bench.answer(2, refused("full"));
    bench.fail(3, "unreachable");
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("stored")).toMatchObject({
      asked: 3,
      accepted: 0,
      holders: [],
      refusals: { full: 2, unreachable: 1 },
    });
  });

  it("does not wait for the overdue, whose late acceptance counts until the end", () => {
    const bench = atHolders();
    bench.answer(1, stored);
    bench.slow(2);
    bench.overdue(2);
    expect(bench.asks()).toEqual([]);
    bench.answer(2, stored);
    bench.overdue(3);
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("stored")).toMatchObject({ asked: 3, accepted: 2, refusals: { noAnswer: 1 } });
  });

  it("counts an overdue holder that fails in the end once", () => {
    const bench = atHolders();
    bench.overdue(1);
    bench.fail(1);
    expect(bench.result("stored").refusals).toEqual({ noAnswer: 3 });
  });

  it("walks on past a slow peer, and stores without one that is overdue", () => {
    const bench = benchOf([1, 2, 3], { results: 2, parallelism: 2 });
    bench.asks();
    bench.slow(1);
    expect(bench.asks()).toEqual(["findNode 3"]);
    bench.overdue(1);
    bench.answer(2, nodesWith(2));
    bench.answer(3, nodesWith(3));
    expect(bench.asks()).toEqual(["putValue 2", "putValue 3"]);
    bench.answer(1, nodesWith(1));
    bench.answer(2, stored);
    bench.answer(3, stored);
    expect(bench.asks()).toEqual(["converged"]);
  });

  it("stores on a holder where it has answered, whatever becomes of asking it where it was", () => {
    const bench = benchOf([1, 2]);
    expect(bench.asks()).toEqual(["findNode 1", "findNode 2"]);
    const there = bench.asked.get("2") as Asked;
    bench.overdue(2);
    bench.asked.delete("2");
    bench.answer(1, { type: "nodes", contacts: [tinyContact(2, "away")], token: Uint8Array.of(1) });
    expect(bench.asks()).toEqual(["findNode 2"]);
    bench.answer(2, nodesWith(2));
    expect(bench.asks()).toEqual(["putValue 1", "putValue 2"]);
    const store = bench.asked.get("2") as Asked;
    expect(store.to.addresses[0]?.key).toBe("away");
    bench.asked.set("2", there);
    bench.fail(2);
    bench.asked.set("2", store);
    for (const holder of [1, 2]) bench.answer(holder, stored);
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("stored")).toMatchObject({ asked: 2, accepted: 2, refusals: {} });
  });

  it("stores on whom it can reach now, and on the others when it can", () => {
    const bench = benchOf([1, 2]);
    bench.asks();
    bench.answer(1, nodesWith(1));
    bench.answer(2, nodesWith(2));
    expect(bench.asks(() => false)).toEqual([]);
    expect(bench.asks(({ id }) => id?.equals(tinyId(2)) ?? false)).toEqual(["putValue 2"]);
    expect(bench.asks()).toEqual(["putValue 1"]);
  });
});

describe("a token that was refused", () => {
  it("is asked for again, once, and the holder counted once", () => {
    const bench = atHolders();
    bench.answer(2, refused("badToken"));
    expect(bench.asks()).toEqual(["findNode 2"]);
    expect(bench.bodyTo(2)).toEqual({ type: "findNode", target: tinyId(0), wantToken: true });
    bench.answer(2, nodesWith(22));
    expect(bench.asks()).toEqual(["putValue 2"]);
    expect(bench.bodyTo(2)).toMatchObject({ token: Uint8Array.of(22) });
    bench.answer(2, refused("badToken"));
    expect(bench.asks()).toEqual([]);
    bench.answer(1, stored);
    bench.answer(3, stored);
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("stored")).toMatchObject({ asked: 3, accepted: 2, refusals: { badToken: 1 } });
  });

  it.each([
    {
      name: "refused",
      end: (bench: QueryBench) => bench.answer(1, refused("busy")),
      counts: { badToken: 1 },
    },
    { name: "unanswered", end: (bench: QueryBench) => bench.fail(1), counts: { noAnswer: 1 } },
  ])("and whose renewal is $name, is a refusal", ({ end, counts }) => {
    const bench = atHolders();
    bench.answer(1, refused("badToken"));
    bench.asks();
    end(bench);
    bench.answer(2, stored);
    bench.answer(3, stored);
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("stored").refusals).toEqual(counts);
  });

  it("does not change when the message that brought it is overwritten", () => {
    const bench = benchOf([1]);
    bench.asks();
    const token = Uint8Array.of(9);
    bench.answer(1, { type: "nodes", contacts: [], token });
    token.fill(0xaa);
    bench.asks();
    expect(bench.bodyTo(1)).toMatchObject({ token: Uint8Array.of(9) });
  });

  it("may never have been given: the holder says so", () => {
    const bench = benchOf([1]);
    bench.asks();
    bench.answer(1, nodesWith(undefined));
    expect(bench.asks()).toEqual(["putValue 1"]);
    expect(bench.bodyTo(1)).toMatchObject({ token: undefined });
    bench.answer(1, stored);
    expect(bench.asks()).toEqual(["converged"]);
  });
});

describe("where the closest lie too densely, a put", () => {
  it("goes on to more holders", () => {
    const bench = benchOf([1, 2, 3, 4], { results: 2, parallelism: 2 }, () => 4);
    bench.asks();
    bench.answer(1, nodesWith(1));
    expect(bench.asks()).toEqual([]);
    bench.answer(2, nodesWith(2));
    expect(bench.asks()).toEqual(["findNode 3", "findNode 4"]);
    bench.answer(3, nodesWith(3));
    bench.answer(4, nodesWith(4));
    expect(bench.asks()).toEqual(["putValue 1", "putValue 2", "putValue 3", "putValue 4"]);
  });

  it("stores on all there are when there are no more", () => {
    const bench = benchOf([1, 2, 3], { results: 2, parallelism: 2 }, () => 9);
    bench.asks();
    bench.answer(1, nodesWith(1));
    bench.answer(2, nodesWith(2));
    expect(bench.asks(() => false)).toEqual([]);
    expect(bench.asks()).toEqual(["findNode 3"]);
    bench.answer(3, nodesWith(3));
    expect(bench.asks()).toEqual(["putValue 1", "putValue 2", "putValue 3"]);
  });
});
