import { describe, expect, it } from "vitest";
import { FindQuery } from "../src/find-query.ts";
import { bitsOf, nodes, QueryBench, walkTowardZero } from "./query-bench.ts";
import { tinyId } from "./tiny-id.ts";

function benchOf(...seeds: readonly number[]): QueryBench<FindQuery> {
  return new QueryBench(new FindQuery(walkTowardZero({ results: 2, parallelism: 2 }, ...seeds)));
}

describe("FindQuery", () => {
  it("asks its way to the closest, and ends with those that have answered", () => {
    const bench = benchOf(8, 9);
    expect(bench.asks()).toEqual(["findNode 8", "findNode 9"]);
    expect(bench.bodyTo(8)).toEqual({ type: "findNode", target: tinyId(0), wantToken: false });
    bench.answer(8, nodes(1, 2));
    bench.answer(9, nodes(1));
    expect(bench.asks()).toEqual(["findNode 1", "findNode 2"]);
    bench.answer(1, nodes());
    bench.answer(2, nodes());
    expect(bench.asks()).toEqual(["converged"]);
    expect(bitsOf(bench.result("nodes").contacts)).toEqual([1, 2]);
    expect(bench.query.figures()).toMatchObject({ rounds: 2, hops: 1 });
  });

  it("is exhausted when nobody answers, or nobody is known", () => {
    const bench = benchOf(8, 9);
    bench.asks();
    bench.fail(8);
    bench.fail(9, "unreachable");
    expect(bench.asks()).toEqual(["exhausted"]);
    expect(bench.result("nodes").contacts).toEqual([]);
    expect(benchOf().asks()).toEqual(["exhausted"]);
  });

  it("takes a refusal for no answer", () => {
    const bench = benchOf(8);
    bench.asks();
    bench.answer(8, { type: "refused", reason: "busy" });
    expect(bench.asks()).toEqual(["exhausted"]);
  });

  it("takes no client for a result, nor whom it names: it stands in nobody's table", () => {
    const bench = benchOf(8, 9);
    bench.asks();
    bench.answer(8, nodes(1), { client: true });
    bench.answer(9, nodes());
    expect(bench.asks()).toEqual(["converged"]);
    expect(bitsOf(bench.result("nodes").contacts)).toEqual([9]);
  });

  it("starts another branch beside a slow peer, and does not wait for one that is overdue", () => {
    const bench = benchOf(1, 2, 3, 4);
    expect(bench.asks()).toEqual(["findNode 1", "findNode 2"]);
    bench.slow(1);
    expect(bench.asks()).toEqual(["findNode 3"]);
    bench.overdue(1);
    bench.answer(2, nodes());
    bench.answer(3, nodes());
    expect(bench.asks()).toEqual(["converged"]);
  });

  it("asks only whom it can reach now", () => {
    const bench = benchOf(1, 2);
    expect(bench.asks(({ id }) => !id?.equals(tinyId(1)))).toEqual(["findNode 2"]);
    expect(bench.asks(() => false)).toEqual([]);
    expect(bench.asks()).toEqual(["findNode 1"]);
  });
});
