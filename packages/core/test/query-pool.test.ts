import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BootstrapQuery } from "../src/bootstrap-query.ts";
import type { Seed } from "../src/contact.ts";
import type { QueryFinished, QueryId, QueryResult } from "../src/events.ts";
import { FindQuery } from "../src/find-query.ts";
import type { Request } from "../src/protocol.ts";
import type { Asked, Query, QueryStep, WalkFigures } from "../src/query.ts";
import type { FailureReason } from "../src/query-end.ts";
import { QueryPool, type QuerySettings } from "../src/query-pool.ts";
import { randomFrom } from "./model-network.ts";
import { walkTowardZero } from "./query-bench.ts";
import { addressOn, type BenchOptions, RpcBench, type Sent } from "./rpc-bench.ts";
import { tinyAddress, tinyId } from "./tiny-id.ts";

const seed = 0x9001;

/** Asks each of its peers once, all at the same time, and ends when all have ended. */
class ListQuery implements Query {
  readonly told: string[] = [];
  released = 0;
  readonly #unasked: Seed[];
  readonly #body: Request;
  #waiting = 0;

  constructor(peers: readonly (string | Seed)[], body: Request = { type: "ping" }) {
    this.#unasked = peers.map((peer) =>
      typeof peer === "string" ? { addresses: [tinyAddress(peer)] } : peer,
    );
    this.#body = body;
  }

  next(_nowMs: number, canAsk: (to: Seed) => boolean): QueryStep {
    const index = this.#unasked.findIndex(canAsk);
    const [to] = index < 0 ? [] : this.#unasked.splice(index, 1);
    if (to !== undefined) {
      this.#waiting++;
      return { type: "ask", to, body: this.#body };
    }
    return this.#unasked.length > 0 || this.#waiting > 0
      ? { type: "wait" }
      : { type: "end", end: "converged" };
  }

  onResponse(_nowMs: number, asked: Asked): void {
    this.#end("answered", asked);
  }

  onSlow(asked: Asked): void {
    this.told.push(`slow ${nameOf(asked)}`);
  }

  onOverdue(asked: Asked): void {
    this.told.push(`overdue ${nameOf(asked)}`);
  }

  onFailure(_nowMs: number, asked: Asked, reason: FailureReason): void {
    this.#end(reason, asked);
  }

  result(): QueryResult {
    return { type: "reply", body: new Uint8Array(this.told.length) };
  }

  figures(): WalkFigures {
    return { rounds: 3, hops: 2 };
  }

  release(): void {
    this.released++;
  }

  #end(how: string, asked: Asked): void {
    this.#waiting--;
    this.told.push(`${how} ${nameOf(asked)}`);
  }
}

function nameOf({ to }: Asked): string | undefined {
  return to.addresses[0]?.key;
}

class PoolBench extends RpcBench {
  readonly finished: QueryFinished[] = [];
  readonly progressed: QueryId[] = [];
  readonly suspects = new Set<string>();
  readonly pool: QueryPool;
  readonly #into = new Uint8Array(64);

  constructor(options: BenchOptions = {}) {
    super(options);
    this.pool = new QueryPool({
      limits: this.limits,
      timers: this.timers,
      rpc: this.rpc,
      events: {
        push: (event) => void this.finished.push(event as QueryFinished),
        progressed: (query) => void this.progressed.push(query),
      },
      history: { isSuspect: (_nowMs, address) => this.suspects.has(address) },
    });
  }

  begin(query: Query, settings: Partial<QuerySettings> = {}): QueryId {
    return this.pool.begin(this.nowMs, query, { timeoutMs: 60_000, progress: false, ...settings });
  }

  /** As a node does: what is sent again goes first. */
  override poll(): void {
    for (;;) {
      super.poll();
      if (!this.pollOnce()) return;
    }
  }

  pollOnce(): boolean {
    return this.write(() => this.pool.pollTransmit(this.nowMs, this.#into));
  }

  sentTo(): string[] {
    return this.sent.map(({ to }) => to);
  }

  /** The end of a query, which must have come once. */
  endOf(query: QueryId): QueryFinished {
    const ends = this.finished.filter((event) => event.query === query);
    expect(ends).toHaveLength(1);
    return ends[0] as QueryFinished;
  }
}

describe("a query", () => {
  it("asks, ends once, and tells how it went", () => {
    const bench = new PoolBench();
    const query = new ListQuery(["a", "b", "c"]);
    const id = bench.begin(query);
    expect(bench.pool.size).toBe(1);
    bench.pass(20);
    expect(bench.sentTo()).toEqual(["a", "b", "c"]);
    bench.answer(bench.sent[0] as Sent);
    bench.answer(bench.sent[1] as Sent, { type: "refused", reason: "busy" });
    bench.rpc.onSendFailed(20, tinyAddress("c"), bench.last().tag, "unreachable");
    expect(bench.endOf(id)).toEqual({
      type: "queryFinished",
      query: id,
      end: "converged",
      result: { type: "reply", body: new Uint8Array(3) },
      stats: { startedAtMs: 0, durationMs: 20, requests: 3, responses: 2, failures: 1, rounds: 3, hops: 2 },
    });
    expect(query.released).toBe(1);
    expect(bench.pool.size).toBe(0);
    expect(bench.pool.pollTransmit(20, new Uint8Array(8))).toBeUndefined();
    expect(bench.isIdle()).toBe(true);
  });

  it("that has nothing to ask ends at once", () => {
    const bench = new PoolBench();
    expect(bench.endOf(bench.begin(new ListQuery([]))).stats.requests).toBe(0);
    expect(bench.timers.size).toBe(0);
  });

  it("has an id of its own, never used again", () => {
    const bench = new PoolBench();
    const ids = [
      bench.begin(new ListQuery([])),
      bench.begin(new ListQuery(["a"])),
      bench.begin(new ListQuery([])),
    ];
    expect(new Set(ids).size).toBe(3);
  });

  it("hears of what is slow, overdue and failed", () => {
    const bench = new PoolBench();
    const query = new ListQuery(["a"]);
    const id = bench.begin(query);
    bench.pass(10_000);
    expect(query.told).toEqual(["slow a", "overdue a", "noAnswer a"]);
    expect(bench.endOf(id).stats).toMatchObject({ requests: 1, failures: 1, durationMs: 10_000 });
  });

  it("asks others, or ends, as soon as it hears of it", () => {
    const bench = new PoolBench();
    const walk = walkTowardZero({ results: 1, parallelism: 1 }, 1, 2);
    const id = bench.begin(new FindQuery(walk));
    bench.pass(999);
    expect(bench.sentTo()).toEqual(["at-01"]);
    bench.pass(1);
    expect(bench.sentTo().slice(1).sort()).toEqual(["at-01", "at-02"]);
    const second = bench.sent.find(({ to }) => to === "at-02") as Sent;
    bench.answer(second, { type: "nodes", contacts: [], token: undefined });
    bench.pass(1_099); // one more second, and then 100 ms, since the other has answered at once
    expect(bench.finished).toEqual([]);
    bench.pass(1);
    expect(bench.endOf(id)).toMatchObject({ end: "converged", stats: { durationMs: 2_100 } });
  });

  it("of the node's own tells its owner, and no event comes", () => {
    const bench = new PoolBench();
    const ends: [number, string][] = [];
    bench.begin(new ListQuery(["a"]), { onEnd: (nowMs, { end }) => ends.push([nowMs, end]) });
    bench.pass(5);
    bench.answer(bench.last());
    expect(ends).toEqual([[5, "converged"]]);
    expect(bench.finished).toEqual([]);
  });
});

describe("a query that is cancelled", () => {
  it("ends in the same step, frees its slots and clears its timers", () => {
    const bench = new PoolBench();
    const query = new ListQuery(["a", "b"]);
    const id = bench.begin(query);
    bench.poll();
    expect(bench.rpc.inFlight).toBe(2);
    expect(bench.pool.cancel(3, id)).toBe(true);
    expect(bench.endOf(id)).toMatchObject({ end: "cancelled", stats: { durationMs: 3 } });
    expect(bench.rpc.inFlight).toBe(0);
    expect(query.released).toBe(1);
    expect(bench.pool.cancel(3, id)).toBe(false);
    bench.answer(bench.sent[0] as Sent);
    bench.pass(60_000);
    expect(query.told).toEqual([]);
    expect(bench.finished).toHaveLength(1);
    expect(bench.isIdle()).toBe(true);
  });

  it("may not have asked anybody yet, and asks nobody then", () => {
    const bench = new PoolBench();
    const id = bench.begin(new ListQuery(["a"]));
    bench.pool.cancel(0, id);
    bench.pass(60_000);
    expect(bench.sent).toEqual([]);
    expect(bench.pool.cancel(0, 4_711)).toBe(false);
  });
});

describe("the deadline of a query", () => {
  it("ends it with what there is", () => {
    const bench = new PoolBench();
    const id = bench.begin(new ListQuery(["a", "b"]), { timeoutMs: 500 });
    bench.pass(100);
    bench.answer(bench.sent[0] as Sent);
    bench.pass(399);
    expect(bench.finished).toEqual([]);
    bench.pass(1);
    expect(bench.endOf(id)).toMatchObject({
      end: "timedOut",
      result: { type: "reply", body: new Uint8Array(1) },
      stats: { durationMs: 500, requests: 2, responses: 1 },
    });
    expect(bench.rpc.inFlight).toBe(0);
  });

  it("does not come once it has ended", () => {
    const bench = new PoolBench();
    const id = bench.begin(new ListQuery(["a"]), { timeoutMs: 500 });
    bench.poll();
    bench.answer(bench.last());
    bench.pass(1_000);
    expect(bench.endOf(id).end).toBe("converged");
  });
});

describe("many queries", () => {
  it("take turns, so that no early one starves a late one", () => {
    const bench = new PoolBench({ limits: { maxInFlight: 1_000, maxInFlightPerWindow: 1_000 } });
    const peers = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}`);
    bench.begin(new ListQuery(peers("early", 300)));
    for (let i = 0; i < 10; i++) bench.pollOnce();
    bench.begin(new ListQuery(peers("late", 5)));
    bench.begin(new ListQuery(peers("later", 5)));
    for (let i = 0; i < 15; i++) bench.pollOnce();
    const turns = bench.sentTo().slice(10);
    for (const name of ["early", "late", "later"])
      expect(turns.filter((to) => to.replace(/\d+$/, "") === name)).toHaveLength(5);
  });

  it("take turns also where slots are few and come free one by one", () => {
    const bench = new PoolBench({ limits: { maxInFlight: 1, maxInFlightPerWindow: 1_000 } });
    bench.begin(new ListQuery(Array.from({ length: 50 }, (_, i) => `early${i}`)));
    const late = bench.begin(new ListQuery(["late0", "late1"]));
    for (let i = 0; i < 4; i++) {
      bench.poll();
      expect(bench.rpc.inFlight).toBe(1);
      bench.answer(bench.last());
    }
    expect(bench.endOf(late).end).toBe("converged");
  });

  it("say when there are as many as may be", () => {
    const bench = new PoolBench({ limits: { maxQueries: 2 } });
    const id = bench.begin(new ListQuery(["a"]));
    expect(bench.pool.full).toBe(false);
    bench.begin(new ListQuery(["b"]));
    expect(bench.pool.full).toBe(true);
    bench.pool.cancel(0, id);
    expect(bench.pool.full).toBe(false);
  });

  it("all end when they are closed, each once", () => {
    const bench = new PoolBench();
    const ids = [["a"], ["b", "c"], ["d"]].map((peers) => bench.begin(new ListQuery(peers)));
    bench.pollOnce();
    bench.pool.closeAll(9);
    for (const id of ids) expect(bench.endOf(id).end).toBe("closed");
    bench.pool.closeAll(9);
    expect(bench.finished).toHaveLength(3);
    expect(bench.rpc.inFlight).toBe(0);
  });

  it("may begin others as they end", () => {
    const bench = new PoolBench();
    bench.begin(new ListQuery(["a"]), { onEnd: () => void bench.begin(new ListQuery(["next"])) });
    bench.poll();
    bench.answer(bench.last());
    bench.poll();
    expect(bench.sentTo()).toEqual(["a", "next"]);
  });
});

describe("a query that is held back", () => {
  it("by the send window goes on when a timer says that it has turned", () => {
    const bench = new PoolBench({ limits: { maxInFlightPerWindow: 2, inFlightWindowMs: 800 } });
    bench.begin(new ListQuery(["a", "b", "c"]));
    bench.poll();
    expect(bench.sentTo()).toEqual(["a", "b"]);
    bench.pass(799);
    expect(bench.sentTo()).toEqual(["a", "b"]);
    bench.pass(1);
    expect(bench.sentTo()).toEqual(["a", "b", "c"]);
  });

  it("by the number of requests under way goes on when one of them is overdue", () => {
    const bench = new PoolBench({ limits: { maxInFlight: 1, retries: 0 } });
    bench.begin(new ListQuery(["a", "b"]));
    bench.pass(999);
    expect(bench.sentTo()).toEqual(["a"]);
    bench.pass(1);
    expect(bench.sentTo()).toEqual(["a", "b"]);
  });

  it("by a closed link skips those behind it without failing them, while others go on", () => {
    const bench = new PoolBench();
    bench.rpc.setLink(1, false);
    const on = (key: string, link: number) => ({ addresses: [addressOn(key, link)] });
    const query = new ListQuery([on("a", 1), on("b", 2)]);
    bench.begin(query);
    bench.pass(100);
    expect(bench.sentTo()).toEqual(["b"]);
    bench.answer(bench.last());
    bench.pass(100);
    expect(query.told).toEqual(["answered b"]);
    bench.rpc.setLink(1, true);
    bench.pool.wakeAll();
    bench.poll();
    expect(bench.sentTo()).toEqual(["b", "a"]);
  });

  it("is not ended by an address that we cannot dial while the other waits for its link", () => {
    const bench = new PoolBench();
    bench.rpc.setLink(1, false);
    const query = new ListQuery([{ addresses: [addressOn("a", 1), { ...addressOn("b", 2), kind: 8 }] }]);
    bench.begin(query);
    bench.pass(100);
    expect(query.told).toEqual([]);
    expect(bench.finished).toEqual([]);
  });

  it("may be ended by the very request that was forgotten to make room", () => {
    const limits = { maxPendingRequests: 16, maxInFlight: 100, maxInFlightPerWindow: 100, retries: 0 };
    const bench = new PoolBench({ limits });
    const id = bench.begin(new ListQuery(["lone"]));
    bench.pass(1_000);
    for (let i = 0; i < 15; i++) bench.ask(`other-${i}`);
    bench.pool.wakeAll();
    expect(bench.pollOnce()).toBe(false);
    expect(bench.endOf(id)).toMatchObject({ end: "converged", stats: { failures: 1, durationMs: 1_000 } });
  });
});

describe("a peer that cannot be asked", () => {
  it("fails at once, and the next is asked in the same turn", () => {
    const bench = new PoolBench();
    const query = new ListQuery([{ addresses: [tinyAddress("tcp", 4)] }, "b"]);
    bench.begin(query);
    expect(bench.pollOnce()).toBe(true);
    expect(query.told).toEqual(["unreachable tcp"]);
    expect(bench.sentTo()).toEqual(["b"]);
  });

  it("ends a query that has no other", () => {
    const bench = new PoolBench();
    const id = bench.begin(new ListQuery([{ addresses: [tinyAddress("tcp", 4)] }]));
    expect(bench.pollOnce()).toBe(false);
    expect(bench.endOf(id).stats).toMatchObject({ requests: 1, failures: 1 });
    expect(bench.isIdle()).toBe(true);
  });
});

describe("a suspect", () => {
  it("is asked by a walk, which does not wait for it", () => {
    const bench = new PoolBench();
    bench.suspects.add("a");
    const query = new ListQuery(["a", "b"], { type: "findNode", target: tinyId(1), wantToken: false });
    bench.begin(query);
    bench.poll();
    expect(bench.sentTo()).toEqual(["a", "b"]);
    expect(query.told).toEqual(["overdue a"]);
    expect(bench.rpc.inFlight).toBe(1);
    bench.answer(bench.sent[0] as Sent, { type: "nodes", contacts: [], token: undefined });
    expect(query.told).toEqual(["overdue a", "answered a"]);
  });

  it("is given the chances that its query wants for it: a seed has nobody in its place", () => {
    const bench = new PoolBench();
    bench.suspects.add("seed");
    const query = new BootstrapQuery(walkTowardZero({}), [{ addresses: [tinyAddress("seed")] }]);
    bench.begin(query);
    bench.pass(9_000);
    expect(bench.sent.map(({ atMs }) => atMs)).toEqual([0, 1_000, 2_000, 3_000, 5_000]);
  });

  it("is given every chance where it alone is meant", () => {
    const bench = new PoolBench();
    bench.suspects.add("a");
    const query = new ListQuery(["a"], { type: "application", protocol: "p", body: new Uint8Array(0) });
    bench.begin(query);
    bench.pass(1_000);
    expect(bench.sentTo()).toEqual(["a", "a"]);
    expect(query.told).toEqual(["slow a"]);
  });
});

describe("progress", () => {
  it("is told when an answer or a failure has come, to those who want it, and not after the end", () => {
    const bench = new PoolBench();
    const id = bench.begin(new ListQuery(["a", "b", "c"]), { progress: true });
    bench.begin(new ListQuery(["d", "e"]));
    bench.poll();
    bench.pass(1_500);
    expect(bench.progressed).toEqual([]);
    const sentTo = (to: string) => bench.sent.find((sent) => sent.to === to) as Sent;
    bench.answer(sentTo("a"));
    bench.answer(sentTo("d"));
    expect(bench.progressed).toEqual([id]);
    bench.pass(8_500);
    expect(bench.progressed).toEqual([id, id]);
    expect(bench.finished).toHaveLength(2);
  });

  it("counts its steps, and is none of a query that has ended", () => {
    const bench = new PoolBench();
    const query = new ListQuery(["a"]);
    const id = bench.begin(query);
    expect(bench.pool.progress(id)).toEqual({ step: 1, query });
    expect(bench.pool.progress(id)).toEqual({ step: 2, query });
    bench.pool.cancel(0, id);
    expect(bench.pool.progress(id)).toBeUndefined();
  });
});

/** Queries, answers, failures, time, cancels and links in random order. */
function randomSchedule(from: number): void {
  const random = randomFrom(from);
  const upTo = (n: number) => Math.floor(random() * n);
  const bench = new PoolBench({
    limits: {
      maxInFlight: 1 + upTo(8),
      maxInFlightPerWindow: 1 + upTo(8),
      maxPendingRequests: 16 + upTo(8),
      retries: upTo(3),
      hardTimeoutMs: 2_000 + upTo(5_000),
    },
  });
  const { maxInFlight, maxPendingRequests } = bench.limits;
  const begun: QueryId[] = [];
  const queries: ListQuery[] = [];
  let answered = 0;
  const peer = () => ({
    id: tinyId(1),
    addresses: Array.from({ length: 1 + upTo(2) }, () => addressOn(`peer-${upTo(30)}`, upTo(3))),
  });
  const body = (): Request =>
    random() < 0.5
      ? { type: "ping" }
      : { type: "application", protocol: "p", body: new Uint8Array(upTo(120)) };
  const steps: (() => void)[] = [
    () => {
      const query = new ListQuery(Array.from({ length: upTo(6) }, peer), body());
      queries.push(query);
      begun.push(bench.begin(query, { timeoutMs: 1 + upTo(8_000), progress: random() < 0.5 }));
    },
    () => bench.poll(),
    () => bench.pollOnce(),
    () => {
      const sent = bench.sent[upTo(bench.sent.length)];
      if (sent === undefined) return;
      const type = sent.message.body.type === "ping" ? "pong" : "application";
      const response = type === "pong" ? ({ type } as const) : ({ type, body: new Uint8Array(0) } as const);
      if (bench.answer(sent, response).type === "answered") answered++;
    },
    () => {
      const sent = bench.sent[upTo(bench.sent.length)];
      if (sent === undefined) return;
      const tag = random() < 0.8 ? sent.tag : undefined;
      const reasons = ["queueFull", "unreachable", "closed", "handshakeFailed"] as const;
      const reason = reasons[upTo(tag === undefined ? 1 : reasons.length)] ?? "closed";
      bench.rpc.onSendFailed(bench.nowMs, tinyAddress(sent.to), tag, tag === undefined ? "closed" : reason);
    },
    () => {
      const sent = bench.sent[upTo(bench.sent.length)];
      if (sent === undefined) return;
      if (random() < 0.5) bench.rpc.onDeferred(bench.nowMs, sent.tag);
      else bench.rpc.onSent(bench.nowMs, sent.tag);
    },
    () => bench.pass(upTo(1_500)),
    () => void bench.pool.cancel(bench.nowMs, begun[upTo(begun.length)] ?? 0),
    () => {
      bench.rpc.setLink(upTo(3), random() < 0.6);
      bench.pool.wakeAll();
    },
    () => void bench.suspects.add(`peer-${upTo(30)}`),
  ];
  for (let i = 0; i < 150; i++) {
    steps[upTo(steps.length)]?.();
    const { inFlight, pending } = bench.rpc;
    const isWithin = inFlight >= 0 && inFlight <= maxInFlight && pending <= maxPendingRequests;
    if (!isWithin) expect.unreachable(`after step ${i}: ${inFlight} in flight, ${pending} pending`);
    if (bench.pool.size !== begun.length - bench.finished.length)
      expect.unreachable(`after step ${i}: ${bench.pool.size} queries`);
  }
  for (let link = 0; link < 3; link++) bench.rpc.setLink(link, true);
  bench.pool.wakeAll();
  if (random() < 0.3) bench.pool.closeAll(bench.nowMs);
  bench.pass(30_000);
  expect(bench.finished.map(({ query }) => query).sort((a, b) => a - b)).toEqual(begun);
  expect(queries.every(({ released }) => released === 1)).toBe(true);
  expect(bench.finished.reduce((sum, { stats }) => sum + stats.responses, 0)).toBeLessThanOrEqual(answered);
  expect(bench.pool.size).toBe(0);
  expect(bench.isIdle()).toBe(true);
}

describe("whatever happens in whatever order", () => {
  it("each query ends exactly once, no cap is passed, and nothing is left when all have ended", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), randomSchedule), { seed, numRuns: 120 });
  });
});
