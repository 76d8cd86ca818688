import { describe, expect, it } from "vitest";
import { SingleQuery } from "../src/single-query.ts";
import { QueryBench } from "./query-bench.ts";
import { tinyAddress, tinyContact, tinyId } from "./tiny-id.ts";

const message = { type: "application", protocol: "p", body: Uint8Array.of(1) } as const;

function pingOf(): QueryBench<SingleQuery> {
  return new QueryBench(new SingleQuery(tinyContact(1), { type: "ping" }));
}

function sendOf(): QueryBench<SingleQuery> {
  return new QueryBench(new SingleQuery(tinyContact(1), message));
}

describe("a ping", () => {
  it("ends with who answered, where, and after how long", () => {
    const bench = new QueryBench(new SingleQuery({ addresses: [tinyAddress("a")] }, { type: "ping" }));
    bench.nowMs = 100;
    expect(bench.asks()).toEqual(["ping a"]);
    expect(bench.asks()).toEqual([]);
    bench.nowMs = 130;
    bench.answer("a", { type: "pong" }, { sender: tinyId(9) });
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("pong")).toEqual({
      type: "pong",
      contact: { id: tinyId(9), addresses: [tinyAddress("a")] },
      rttMs: 30,
    });
    expect(bench.query.figures()).toEqual({ rounds: 1, hops: 0 });
  });

  it("names the addresses that were asked where the answer came by one that cannot be dialled", () => {
    const bench = pingOf();
    bench.asks();
    bench.answer(1, { type: "pong" }, { dialable: false });
    expect(bench.result("pong").contact).toEqual(tinyContact(1));
  });

  it("is exhausted for the reason for which it failed", () => {
    const bench = pingOf();
    bench.asks();
    bench.slow(1);
    bench.overdue(1);
    expect(bench.asks()).toEqual([]);
    bench.fail(1, "unreachable");
    expect(bench.asks()).toEqual(["exhausted"]);
    expect(bench.result("pong")).toEqual({
      type: "pong",
      contact: undefined,
      rttMs: undefined,
      reason: "unreachable",
    });
  });

  it("says that there was no answer when it is ended before one", () => {
    expect(pingOf().result("pong").reason).toBe("noAnswer");
  });

  it("waits until the peer can be reached", () => {
    const bench = pingOf();
    expect(bench.asks(() => false)).toEqual([]);
    expect(bench.asks()).toEqual(["ping 1"]);
  });
});

describe("a message", () => {
  it("ends with the reply, of which it owns the bytes", () => {
    const bench = sendOf();
    bench.asks();
    expect(bench.bodyTo(1)).toEqual(message);
    const body = Uint8Array.of(7);
    bench.answer(1, { type: "application", body });
    body.fill(0xaa);
    expect(bench.asks()).toEqual(["converged"]);
    expect(bench.result("reply")).toEqual({ type: "reply", body: Uint8Array.of(7) });
  });

  it("ends with the reason for which the peer refused it", () => {
    const bench = sendOf();
    bench.asks();
    bench.answer(1, { type: "refused", reason: "noHandler" });
    expect(bench.asks()).toEqual(["exhausted"]);
    expect(bench.result("reply")).toEqual({ type: "reply", body: undefined, reason: "noHandler" });
  });

  it("may be refused before it is sent", () => {
    const bench = sendOf();
    bench.query.refuse("busy");
    expect(bench.asks()).toEqual(["exhausted"]);
    expect(bench.result("reply").reason).toBe("busy");
  });

  it("gives back the room that it took", () => {
    let given = 0;
    const query = new SingleQuery(tinyContact(1), message, () => given++);
    query.release();
    expect(given).toBe(1);
    new SingleQuery(tinyContact(1), message).release();
  });
});
