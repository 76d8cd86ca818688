import { describe, expect, it } from "vitest";
import { BootstrapQuery } from "../src/bootstrap-query.ts";
import type { Seed } from "../src/contact.ts";
import { bitsOf, nodes, QueryBench, walkTowardZero } from "./query-bench.ts";
import { tinyAddress, tinyContact, tinyId } from "./tiny-id.ts";

function seedOf(...keys: readonly string[]): Seed {
  return { addresses: keys.map((key) => tinyAddress(key)) };
}

function benchOf(seeds: readonly Seed[], ...known: readonly number[]): QueryBench<BootstrapQuery> {
  return new QueryBench(new BootstrapQuery(walkTowardZero({ results: 3 }, ...known), seeds));
}

describe("seeds without ids", () => {
  it("are all asked at once, whoever answers is taken, and the walk goes on from there", () => {
    const bench = benchOf([seedOf("a"), seedOf("b")]);
    expect(bench.asks()).toEqual(["findNode a", "findNode b"]);
    bench.answer("a", nodes(1, 2), { sender: tinyId(9) });
    expect(bench.asks()).toEqual(["findNode 1", "findNode 2"]);
    bench.answer("b", nodes(1), { sender: tinyId(8) });
    bench.answer(1, nodes(2));
    bench.answer(2, nodes(1));
    expect(bench.asks()).toEqual(["converged"]);
    expect(bitsOf(bench.result("nodes").contacts)).toEqual([1, 2, 8]);
    expect(bench.query.figures()).toMatchObject({ rounds: 2 });
  });

  it("are asked more often than others, for there is nobody in their place", () => {
    const bench = benchOf([seedOf("a")], 1);
    bench.asks();
    expect(bench.asked.get("a")?.retries).toBe(4);
    expect(bench.asked.get("1")?.retries).toBeUndefined();
  });

  it("are not waited for past their soft timeout once somebody has answered", () => {
    const bench = benchOf([seedOf("a"), seedOf("b")]);
    bench.asks();
    bench.slow("b");
    bench.answer("a", nodes(), { sender: tinyId(9) });
    expect(bench.asks()).toEqual(["converged"]);
  });

  it.each(["answered", "failed"])("are still waited for when another that was late has %s", (how) => {
    const bench = benchOf([seedOf("a"), seedOf("b"), seedOf("c")]);
    bench.asks();
    bench.answer("c", nodes(), { sender: tinyId(9) });
    bench.slow("a");
    if (how === "answered") bench.answer("a", nodes(), { sender: tinyId(8) });
    else bench.fail("a");
    expect(bench.asks()).toEqual([]);
    bench.overdue("b");
    expect(bench.asks()).toEqual(["converged"]);
  });

  it("are exhausted when all are dead", () => {
    const bench = benchOf([seedOf("a"), seedOf("b")]);
    bench.asks();
    bench.slow("a");
    bench.overdue("a");
    bench.overdue("b");
    expect(bench.asks()).toEqual([]);
    bench.fail("a");
    bench.fail("b", "unreachable");
    expect(bench.asks()).toEqual(["exhausted"]);
  });

  it("end in a network found when some are dead, without waiting for those", () => {
    const bench = benchOf([seedOf("a"), seedOf("b")]);
    bench.asks();
    bench.answer("a", nodes(1), { sender: tinyId(9) });
    bench.asks();
    bench.answer(1, nodes());
    expect(bench.asks()).toEqual([]);
    bench.overdue("b");
    expect(bench.asks()).toEqual(["converged"]);
  });

  it("may answer late, and count while nobody else has", () => {
    const bench = benchOf([seedOf("a")]);
    bench.asks();
    bench.overdue("a");
    expect(bench.asks()).toEqual([]);
    bench.answer("a", nodes(), { sender: tinyId(9) });
    expect(bench.asks()).toEqual(["converged"]);
    expect(bitsOf(bench.result("nodes").contacts)).toEqual([9]);
  });

  it("do no harm when they refuse", () => {
    const bench = benchOf([seedOf("a")]);
    bench.asks();
    bench.answer("a", { type: "refused", reason: "busy" });
    expect(bench.asks()).toEqual(["exhausted"]);
  });

  it("may be the same object twice", () => {
    const seed = seedOf("a");
    const twin = { addresses: seed.addresses };
    const bench = new QueryBench(new BootstrapQuery(walkTowardZero({}), [seed, seed, twin]));
    const asked: Seed[] = [];
    for (let i = 0; i < 3; i++) {
      const step = bench.query.next(0, () => true);
      if (step.type === "ask") asked.push(step.to);
    }
    expect(asked).toHaveLength(3);
    expect(new Set(asked).size).toBe(3);
  });

  it("are waited for while their link is closed", () => {
    const bench = benchOf([seedOf("a")]);
    expect(bench.asks(() => false)).toEqual([]);
    expect(bench.asks()).toEqual(["findNode a"]);
  });

  it("are nobody: the end comes at once", () => {
    expect(benchOf([]).asks()).toEqual(["exhausted"]);
  });
});

describe("a seed that is a client", () => {
  it("is no contact, but whom it names is asked", () => {
    const bench = benchOf([seedOf("a")]);
    bench.asks();
    bench.answer("a", nodes(1), { sender: tinyId(9), client: true });
    expect(bench.asks()).toEqual(["findNode 1"]);
    bench.answer(1, nodes());
    expect(bench.asks()).toEqual(["converged"]);
    expect(bitsOf(bench.result("nodes").contacts)).toEqual([1]);
  });

  it("is not enough to have joined", () => {
    const bench = benchOf([seedOf("a")]);
    bench.asks();
    bench.answer("a", nodes(), { sender: tinyId(9), client: true });
    expect(bench.asks()).toEqual(["exhausted"]);
  });
});

describe("a seed that we know", () => {
  it.each([
    ["by its id", { id: tinyId(1), addresses: [tinyAddress("elsewhere")] }],
    ["by its address", seedOf("at-01")],
    ["as the very contact", tinyContact(1)],
  ])("%s is not asked twice at once", (_how, seed) => {
    const bench = benchOf([seed], 1, 2);
    const asked = bench.asks();
    expect(asked).toHaveLength(2);
    expect(asked).toContain("findNode 2");
    const name = [...bench.asked.keys()].find((other) => other !== "2") as string;
    bench.answer(name, nodes(), { sender: tinyId(1) });
    bench.answer(2, nodes());
    expect(bench.asks()).toEqual(["converged"]);
    expect(bitsOf(bench.result("nodes").contacts)).toEqual([1, 2]);
  });

  it("is asked at its other address when the one that was given is dead", () => {
    const bench = benchOf([{ id: tinyId(1), addresses: [tinyAddress("elsewhere")] }], 1);
    expect(bench.asks()).toEqual(["findNode 1"]);
    bench.fail(1);
    expect(bench.asks()).toEqual(["findNode 1"]);
    expect([...bench.asked.values()][0]?.to.addresses[0]?.key).toBe("at-01");
    bench.answer(1, nodes());
    expect(bench.asks()).toEqual(["converged"]);
  });
});

describe("a seed that we know and that is late", () => {
  it("is asked at its other address meanwhile", () => {
    const query = new BootstrapQuery(walkTowardZero({}, 1), [
      { id: tinyId(1), addresses: [tinyAddress("elsewhere")] },
    ]);
    const always = () => true;
    const seed = query.next(0, always);
    if (seed.type !== "ask") throw new Error(seed.type);
    expect(query.next(0, always)).toEqual({ type: "wait" });
    query.onSlow(seed);
    expect(query.next(0, always)).toMatchObject({ type: "ask", to: { addresses: [{ key: "at-01" }] } });
  });
});

describe("the walk of a join", () => {
  it("hears of what is slow, overdue and failed", () => {
    const bench = benchOf([], 1, 2, 3, 4, 5);
    expect(bench.asks()).toEqual(["findNode 1", "findNode 2", "findNode 3"]);
    bench.slow(1);
    expect(bench.asks()).toEqual(["findNode 4"]);
    bench.overdue(1);
    bench.fail(2);
    expect(bench.asks()).toEqual(["findNode 5"]);
    for (const bits of [3, 4, 5]) bench.answer(bits, nodes());
    expect(bench.asks()).toEqual(["converged"]);
  });

  it("takes a peer's asked addresses where its answer came by one that cannot be dialled", () => {
    const bench = benchOf([seedOf("a", "b")]);
    bench.asks();
    bench.answer("a", nodes(), { sender: tinyId(9), dialable: false });
    expect(bench.result("nodes").contacts).toEqual([
      { id: tinyId(9), addresses: [tinyAddress("a"), tinyAddress("b")] },
    ]);
  });
});
