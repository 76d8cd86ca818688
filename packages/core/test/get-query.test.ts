import { describe, expect, it } from "vitest";
import type { KadError } from "../src/errors.ts";
import { GetQuery, type GetQueryOptions } from "../src/get-query.ts";
import type { LookupOptions } from "../src/lookup.ts";
import type { Response, WireRecord } from "../src/protocol.ts";
import type { Asked } from "../src/query.ts";
import type { RecordValidator } from "../src/record.ts";
import { RecordTypes } from "../src/record-types.ts";
import { bitsOf, nodes, QueryBench, walkTowardZero } from "./query-bench.ts";
import { sha256 } from "./sha256.ts";
import { tinyContact, tinyId } from "./tiny-id.ts";

const key = tinyId(0);

/** Valid unless the body begins with 0; of two the one with the larger first byte is kept. */
const first: RecordValidator = {
  code: 40,
  maxBodyBytes: 4,
  quorum: 3,
  validate: (_key, body) => (body[0] === 0 ? "begins with zero" : undefined),
  select: (a, b) => (a[0] ?? 0) - (b[0] ?? 0),
};

/** The key proves it: one holder is enough. */
const proven: RecordValidator = { ...first, code: 50, quorum: 1 };

/** Its second byte says how long it lives, in ms. */
const mortal: RecordValidator = { ...first, code: 70, lifetimeMs: (body) => body[1] };

/** Cannot compare. */
const broken: RecordValidator = {
  ...first,
  code: 60,
  select() {
    throw new RangeError("select");
  },
};

function record(typeCode: number, firstByte: number, lifetimeMs = 1_000): WireRecord {
  return { typeCode, key, lifetimeMs, body: Uint8Array.of(firstByte) };
}

function value(typeCode: number, firstByte: number, lifetimeMs?: number): Response {
  return { type: "value", record: record(typeCode, firstByte, lifetimeMs) };
}

interface Bench extends QueryBench<GetQuery> {
  readonly invalid: string[];
}

function benchOf(
  seeds: readonly number[],
  options: Partial<GetQueryOptions> = {},
  walk: Partial<LookupOptions> = {},
): Bench {
  const reported: KadError[] = [];
  const invalid: string[] = [];
  const types = new RecordTypes(
    {
      sha256,
      limits: { valueQuorum: 8, valueLifetimeMs: 10_000 },
      unixMs: () => undefined,
      report: (error) => void reported.push(error),
    },
    { first, proven, broken, mortal },
  );
  const query = new GetQuery({
    walk: walkTowardZero({ results: 4, parallelism: 4, ...walk }, ...seeds),
    key,
    types,
    quorum: undefined,
    local: undefined,
    onInvalid: ({ remote }) => invalid.push(remote.key),
    ...options,
  });
  return Object.assign(new QueryBench(query), { invalid });
}

describe("a get", () => {
  it("ends with the first holder where the key proves the value", () => {
    const bench = benchOf([1, 2, 3]);
    expect(bench.asks()).toEqual(["getValue 1", "getValue 2", "getValue 3"]);
    bench.answer(2, value(50, 7, 900));
    expect(bench.asks()).toEqual(["converged"]);
    const result = bench.result("value");
    expect(result.record).toEqual({ type: "proven", key, body: Uint8Array.of(7), lifetimeMs: 900 });
    expect(bitsOf(result.holders)).toEqual([2]);
  });

  it("ends with a quorum of holders where it does not, and takes the best of their values", () => {
    const bench = benchOf([1, 2, 3, 4]);
    bench.asks();
    bench.answer(1, value(40, 5));
    bench.answer(2, value(40, 9));
    expect(bench.asks()).toEqual([]);
    bench.answer(3, value(40, 7));
    expect(bench.asks()).toEqual(["converged"]);
    const result = bench.result("value");
    expect(result.record?.body).toEqual(Uint8Array.of(9));
    expect(bitsOf(result.holders)).toEqual([2]);
    expect(bitsOf(result.contacts)).toEqual([1, 2, 3]);
  });

  it("names as holders those who have the best value, whenever they were heard", () => {
    const bench = benchOf([1, 2, 3, 4], { quorum: 5 });
    bench.asks();
    for (const [holder, byte] of [5, 9, 7, 9].entries()) bench.answer(holder + 1, value(40, byte));
    const { record, holders } = bench.result("value");
    expect(record?.body).toEqual(Uint8Array.of(9));
    expect(bitsOf(holders)).toEqual([2, 4]);
  });

  it("hears as many holders as the caller says, over the type's own quorum", () => {
    const bench = benchOf([1, 2, 3], { quorum: 2 });
    bench.asks();
    bench.answer(1, value(50, 5));
    expect(bench.asks()).toEqual([]);
    bench.answer(2, value(50, 5));
    expect(bench.asks()).toEqual(["converged"]);
  });

  it("has converged without a value when the closest have none", () => {
    const bench = benchOf([1, 2]);
    bench.asks();
    bench.answer(1, nodes());
    bench.answer(2, nodes());
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("value")).toMatchObject({ record: undefined, holders: [] });
  });

  it("is exhausted when nobody answers", () => {
    const bench = benchOf([1, 2]);
    bench.asks();
    bench.fail(1);
    bench.answer(2, { type: "refused", reason: "busy" });
    expect(bench.asks()).toEqual(["exhausted"]);
  });

  it("keeps what it has found when all others fail", () => {
    const bench = benchOf([1, 2]);
    bench.asks();
    bench.answer(1, value(40, 5));
    bench.fail(2);
    expect(bench.asks()).toEqual(["findNode 1"]);
    bench.fail(1);
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("value").record?.body).toEqual(Uint8Array.of(5));
  });

  it("walks on past a slow peer, and does not wait for one that is overdue", () => {
    const bench = benchOf([1, 2, 3], {}, { results: 2, parallelism: 2 });
    expect(bench.asks()).toEqual(["getValue 1", "getValue 2"]);
    bench.slow(1);
    expect(bench.asks()).toEqual(["getValue 3"]);
    bench.overdue(1);
    bench.answer(2, nodes());
    bench.answer(3, nodes());
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.query.figures().rounds).toBe(2);
  });
});

describe("holders, who answer with a value instead of contacts,", () => {
  it("are asked again for contacts when the walk needs more, all at once", () => {
    const bench = benchOf([1, 2, 3]);
    bench.asks();
    bench.answer(1, value(40, 5));
    bench.answer(2, value(40, 5));
    bench.answer(3, nodes());
    expect(bench.asks()).toEqual(["findNode 1", "findNode 2"]);
    expect(bench.bodyTo(1)).toEqual({ type: "findNode", target: key, wantToken: false });
    bench.answer(1, nodes(0b0110));
    expect(bench.asks()).toEqual(["getValue 6"]);
    bench.answer(2, nodes());
    bench.answer(6, value(40, 5));
    expect(bench.asks()).toEqual(["converged"]);
    expect(bitsOf(bench.result("value").holders)).toEqual([1, 2, 6]);
  });

  it("are asked again once each", () => {
    const bench = benchOf([1]);
    bench.asks();
    bench.answer(1, value(40, 5));
    expect(bench.asks()).toEqual(["findNode 1"]);
    bench.answer(1, nodes());
    expect(bench.asks()).toEqual(["converged"]);
  });

  it("are heard once, at whichever of two addresses they answer", () => {
    const bench = benchOf([1, 2]);
    expect(bench.asks()).toEqual(["getValue 1", "getValue 2"]);
    const there = bench.asked.get("2") as Asked;
    bench.overdue(2);
    bench.asked.delete("2");
    bench.answer(1, { type: "nodes", contacts: [tinyContact(2, "away")], token: undefined });
    expect(bench.asks()).toEqual(["getValue 2"]);
    bench.answer(2, value(40, 7));
    bench.asked.set("2", there);
    bench.answer(2, value(40, 7));
    expect(bench.result("value").holders).toHaveLength(1);
  });

  it("are not asked again when there is a quorum", () => {
    const bench = benchOf([1, 2, 3]);
    bench.asks();
    for (const bits of [1, 2, 3]) bench.answer(bits, value(40, 5));
    expect(bench.asks()).toEqual(["converged"]);
  });

  it("are asked again when they can be reached", () => {
    const bench = benchOf([1, 2]);
    bench.asks();
    bench.answer(1, value(40, 5));
    bench.answer(2, value(40, 5));
    expect(bench.asks(() => false)).toEqual([]);
    expect(bench.asks(({ id }) => id?.equals(tinyId(2)) ?? false)).toEqual(["findNode 2"]);
    expect(bench.asks()).toEqual(["findNode 1"]);
  });

  it("of what is over by our clock are no holders to us, but are asked for contacts and not called liars", () => {
    const bench = benchOf([1]);
    bench.asks();
    const over = { ...record(70, 5), body: Uint8Array.of(5, 0) };
    bench.answer(1, { type: "value", record: over });
    expect(bench.invalid).toEqual([]);
    expect(bench.asks()).toEqual(["findNode 1"]);
    bench.answer(1, nodes());
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("value")).toMatchObject({ record: undefined, holders: [] });
  });

  it("are believed how long a record lives only as far as it says so itself", () => {
    const bench = benchOf([1], { quorum: 1 });
    bench.asks();
    const brief = { ...record(70, 5, 1_000), body: Uint8Array.of(5, 200) };
    bench.answer(1, { type: "value", record: brief });
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("value").record?.lifetimeMs).toBe(200);
  });

  it("of a type that we do not know are no holders to us, but are asked for contacts and not called liars", () => {
    const bench = benchOf([1]);
    bench.asks();
    bench.answer(1, value(99, 5));
    expect(bench.invalid).toEqual([]);
    expect(bench.asks()).toEqual(["findNode 1"]);
    bench.answer(1, nodes(3));
    expect(bench.asks()).toEqual(["getValue 3"]);
    bench.answer(3, value(50, 5));
    expect(bench.asks()).toEqual(["converged"]);
    expect(bitsOf(bench.result("value").holders)).toEqual([3]);
  });
});

describe("a value that is not valid", () => {
  it("is rejected and reported, and its holder counts as failed", () => {
    const bench = benchOf([1, 2]);
    bench.asks();
    bench.answer(1, value(50, 0));
    expect(bench.invalid).toEqual(["at-01"]);
    bench.answer(2, nodes());
    expect(bench.asks()).toEqual(["converged"]);
    const result = bench.result("value");
    expect(result).toMatchObject({ record: undefined, holders: [] });
    expect(bitsOf(result.contacts)).toEqual([2]);
  });

  it("is one of another key, too", () => {
    const bench = benchOf([1]);
    bench.asks();
    bench.answer(1, { type: "value", record: { ...record(50, 5), key: tinyId(77) } });
    expect(bench.invalid).toEqual(["at-01"]);
    expect(bench.asks()).toEqual(["exhausted"]);
  });

  it("is one that is too large", () => {
    const bench = benchOf([1]);
    bench.asks();
    bench.answer(1, { type: "value", record: { ...record(50, 5), body: new Uint8Array(5).fill(1) } });
    expect(bench.invalid).toEqual(["at-01"]);
  });
});

describe("the best of several values", () => {
  const best = (...answers: readonly Response[]) => {
    const bench = benchOf([1, 2, 3, 4], { quorum: answers.length });
    bench.asks();
    for (const [i, body] of answers.entries()) bench.answer(i + 1, body);
    expect(bench.asks()).toEqual(["converged"]);
    return bench.result("value").record;
  };

  it("is the validator's choice, whatever the order", () => {
    expect(best(value(40, 5), value(40, 9), value(40, 7))?.body).toEqual(Uint8Array.of(9));
    expect(best(value(40, 9), value(40, 5))?.body).toEqual(Uint8Array.of(9));
  });

  it("is of the type with the smaller code, as holders decide too", () => {
    expect(best(value(50, 9), value(40, 5))?.type).toBe("first");
    expect(best(value(40, 5), value(50, 9))?.type).toBe("first");
  });

  it("lives longest among equals", () => {
    expect(best(value(40, 5, 100), value(40, 5, 900), value(40, 5, 300))?.lifetimeMs).toBe(900);
  });

  it("is the first where the validator cannot tell", () => {
    expect(best(value(60, 5), value(60, 9))?.body).toEqual(Uint8Array.of(5));
  });

  it("does not change when the message in which it came is overwritten", () => {
    const bench = benchOf([1]);
    bench.asks();
    const body = Uint8Array.of(5);
    bench.answer(1, { type: "value", record: { ...record(50, 5), body } });
    body.fill(0xaa);
    expect(bench.result("value").record?.body).toEqual(Uint8Array.of(5));
  });
});

describe("what we hold ourselves", () => {
  it("counts as one holder: where the key proves the value nobody is asked", () => {
    const bench = benchOf([1], { local: record(50, 5) });
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("value")).toMatchObject({ record: { type: "proven" }, holders: [] });
  });

  it("is one of a quorum, and gives way to what is better", () => {
    const bench = benchOf([1, 2], { local: record(40, 5) });
    bench.asks();
    bench.answer(1, value(40, 9));
    bench.answer(2, value(40, 4));
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("value").record?.body).toEqual(Uint8Array.of(9));
  });
});
