/** What a node provides, against queries that end as a test says. */
import { describe, expect, it } from "vitest";
import { Announcer, type AnnouncerQueries, type OnAnnounced } from "../src/announcer.ts";
import type { Contact } from "../src/contact.ts";
import { UsageError } from "../src/errors.ts";
import type { QueryFinished, QueryId } from "../src/events.ts";
import { NodeId } from "../src/node-id.ts";
import { resolveLimits } from "../src/options.ts";
import type { Request } from "../src/protocol.ts";
import type { QueryEnd } from "../src/query-end.ts";
import { resolveQueryOptions } from "../src/query-settings.ts";
import { TimerQueue } from "../src/timers.ts";
import { randomSource } from "./pair.ts";
import { tinyContact, tinyId } from "./tiny-id.ts";

const hourMs = 3_600_000;
const limits = resolveLimits({ maxOwnProviders: 20, maxRepublishAtOnce: 2 });

interface Begun {
  readonly query: QueryId;
  readonly kind: "announce" | "renew" | "withdraw";
  readonly key: NodeId;
  readonly request: Request | undefined;
  readonly holders: readonly Contact[];
  readonly end: (nowMs: number, told: readonly Contact[], end?: QueryEnd) => void;
}

/** Queries that stand still until a test ends them; with `instantly` those that nobody takes end as they begin. */
class Scripted implements AnnouncerQueries {
  readonly begun: Begun[] = [];
  readonly open = new Map<QueryId, Begun>();
  isFull = false;
  instantly = false;
  readonly cancelled: QueryId[] = [];

  admit(): ReturnType<AnnouncerQueries["admit"]> {
    if (this.isFull) throw new UsageError("tooMany", "queries");
    return resolveQueryOptions(limits, {}, 20);
  }

  announce(
    nowMs: number,
    key: NodeId,
    request: (token: undefined, nowMs: number) => Request,
    _options: unknown,
    onEnd: OnAnnounced,
  ): QueryId {
    return this.#begin(nowMs, "announce", key, request(undefined, nowMs), [], onEnd);
  }

  renew(
    nowMs: number,
    key: NodeId,
    request: (token: undefined, nowMs: number) => Request,
    onEnd: OnAnnounced,
  ): QueryId | undefined {
    return this.isFull ? undefined : this.#begin(nowMs, "renew", key, request(undefined, nowMs), [], onEnd);
  }

  withdraw(
    nowMs: number,
    key: NodeId,
    holders: readonly Contact[],
    _options: unknown,
    onEnd: (nowMs: number) => void,
  ): QueryId {
    return this.#begin(nowMs, "withdraw", key, undefined, holders, onEnd);
  }

  cancel(nowMs: number, query: QueryId): boolean {
    this.cancelled.push(query);
    const begun = this.open.get(query);
    begun?.end(nowMs, [], "cancelled");
    return begun !== undefined;
  }

  /** The only one under way. */
  get only(): Begun {
    const [begun, ...others] = this.open.values();
    if (begun === undefined || others.length > 0) throw new Error(`${this.open.size} queries are under way`);
    return begun;
  }

  #begin(
    nowMs: number,
    kind: Begun["kind"],
    key: NodeId,
    request: Request | undefined,
    holders: readonly Contact[],
    onEnd: OnAnnounced,
  ): QueryId {
    const query = this.begun.length + 1;
    const end: Begun["end"] = (endMs, told, how = "converged") => {
      if (!this.open.delete(query)) throw new Error("it has ended before");
      const result = {
        type: "stored",
        asked: 20,
        accepted: told.length,
        holders: told,
        refusals: {},
      } as const;
      const stats = {
        startedAtMs: 0,
        durationMs: 0,
        requests: 0,
        responses: 0,
        failures: 0,
        rounds: 0,
        hops: 0,
      };
      onEnd(endMs, { type: "queryFinished", query, end: how, result, stats } as QueryFinished, told);
    };
    const begun: Begun = { query, kind, key, request, holders, end };
    this.begun.push(begun);
    this.open.set(query, begun);
    if (this.instantly) end(nowMs, [], "exhausted");
    return query;
  }
}

function setUp(): { announcer: Announcer; queries: Scripted; timers: TimerQueue } {
  const queries = new Scripted();
  const timers = new TimerQueue();
  const announcer = new Announcer({
    limits,
    timers,
    random: randomSource(5),
    queries,
    own: { canProvide: true, contact: undefined },
    self: tinyId(0),
    providerRules: { faultOf: () => undefined, longestMs: () => limits.providerLifetimeMs },
  });
  return { announcer, queries, timers };
}

const key = tinyId(1);
const holders = [tinyContact(2), tinyContact(3)];

describe("renewal", () => {
  it("comes at half of the lifetime, a fifth earlier at most, and says the same again", () => {
    const { announcer, queries, timers } = setUp();
    announcer.announce(0, key, { meta: Uint8Array.of(1), lifetimeMs: 100_000 }, {});
    expect(timers.size).toBe(0);
    queries.only.end(1_000, holders);
    let lastMs = 1_000;
    for (let i = 0; i < 20; i++) {
      const atMs = timers.earliest?.atMs as number;
      expect(atMs - lastMs).toBeGreaterThan(40_000 - 1);
      expect(atMs - lastMs).toBeLessThanOrEqual(50_000);
      timers.run(atMs);
      const { kind, request } = queries.only;
      expect([kind, request]).toEqual([
        "renew",
        { type: "addProvider", token: undefined, key, lifetimeMs: 100_000, meta: Uint8Array.of(1) },
      ]);
      lastMs = atMs + 500;
      queries.only.end(lastMs, holders);
    }
    expect(new Set(queries.begun.map(({ query }) => query)).size).toBe(21);
  });

  it("comes sooner after nobody took it, then less and less often, up to a quarter of the lifetime", () => {
    const { announcer, queries, timers } = setUp();
    announcer.announce(0, key, { lifetimeMs: 400_000 }, {});
    queries.only.end(0, [], "exhausted");
    let lastMs = 0;
    const pausesMs: number[] = [];
    for (let i = 0; i < 7; i++) {
      const atMs = timers.earliest?.atMs as number;
      pausesMs.push(atMs - lastMs);
      timers.run(atMs);
      queries.only.end(atMs, i === 5 ? holders : [], "exhausted");
      lastMs = atMs;
    }
    for (const [i, mostMs] of [10_000, 20_000, 40_000, 80_000, 100_000, 100_000, 200_000].entries()) {
      expect(pausesMs[i]).toBeLessThanOrEqual(mostMs);
      expect(pausesMs[i]).toBeGreaterThan(0.8 * mostMs - 1);
    }
  });

  it("of many keys goes on a few at a time, each in its turn", () => {
    const { announcer, queries, timers } = setUp();
    for (let i = 0; i < 10; i++) {
      announcer.announce(0, tinyId(i), {}, {});
      queries.only.end(0, holders);
    }
    timers.run(hourMs);
    expect(queries.open.size).toBe(2);
    const renewed = new Set<string>();
    for (let i = 0; i < 10; i++) {
      expect(queries.open.size).toBe(Math.min(2, 10 - i));
      const [first] = queries.open.values() as unknown as [Begun];
      renewed.add(first.key.key);
      first.end(hourMs, holders);
    }
    expect(renewed.size).toBe(10);
    expect(timers.size).toBe(10);
  });

  it("that waits for its turn is forgotten with what it renews", () => {
    const { announcer, queries, timers } = setUp();
    for (let i = 0; i < 3; i++) {
      announcer.announce(0, tinyId(i), {}, {});
      queries.only.end(0, holders);
    }
    timers.run(hourMs);
    const renewing = new Set([...queries.open.values()].map((begun) => begun.key.key));
    const waiting = [0, 1, 2].map(tinyId).find((id) => !renewing.has(id.key)) as NodeId;
    announcer.withdraw(hourMs, waiting, {});
    for (const begun of [...queries.open.values()]) begun.end(hourMs, holders);
    expect(queries.open.size).toBe(0);
    expect(queries.begun.filter(({ kind, key: of }) => kind === "renew" && of.equals(waiting))).toEqual([]);
  });

  it("of many that all end at once neither nests nor stops", () => {
    const { announcer, queries, timers } = setUp();
    queries.instantly = true;
    for (let i = 0; i < 20; i++) announcer.announce(0, tinyId(i), {}, {});
    queries.instantly = false;
    timers.run(hourMs);
    expect(queries.open.size).toBe(2);
    queries.instantly = true;
    const [first] = queries.open.values() as unknown as [Begun];
    first.end(hourMs, []);
    expect(queries.begun.filter(({ kind }) => kind === "renew").length).toBe(20);
    expect(timers.size).toBe(19);
  });

  it("without room for a query is tried again a second later", () => {
    const { announcer, queries, timers } = setUp();
    announcer.announce(0, key, {}, {});
    queries.only.end(0, holders);
    queries.isFull = true;
    const atMs = timers.earliest?.atMs as number;
    timers.run(atMs);
    expect([queries.open.size, timers.earliest?.atMs]).toEqual([0, atMs + 1_000]);
    queries.isFull = false;
    timers.run(atMs + 1_000);
    expect(queries.only.kind).toBe("renew");
  });

  it("comes soon for all after a change, and again for what was just being said", () => {
    const { announcer, queries, timers } = setUp();
    announcer.announce(0, tinyId(1), {}, {});
    queries.only.end(0, holders);
    announcer.announce(0, tinyId(2), {}, {});
    announcer.renewAll(0);
    expect(timers.size).toBe(1);
    expect(timers.earliest?.atMs).toBeLessThanOrEqual(10_000);
    queries.only.end(2_000, holders);
    timers.run(12_000);
    const renewed = [...queries.open.values()].map(({ key: of, kind }) => `${kind} ${of.toHex()}`);
    expect(new Set(renewed)).toEqual(new Set(["renew 01", "renew 02"]));
    for (const begun of [...queries.open.values()]) begun.end(12_000, holders);
    expect(timers.earliest?.atMs).toBeGreaterThan(12_000 + 0.39 * hourMs);
  });

  it("comes soon after joining for what nobody holds, and for that alone", () => {
    const { announcer, queries, timers } = setUp();
    announcer.announce(0, tinyId(1), {}, {});
    queries.only.end(0, holders);
    announcer.announce(0, tinyId(2), {}, {});
    queries.only.end(0, [], "exhausted");
    announcer.onJoined(10);
    timers.run(1_010);
    expect(queries.only.key).toEqual(tinyId(2));
  });
});

describe("holders", () => {
  it("of every announcement within a lifetime are told of the withdrawal, the others not", () => {
    const { announcer, queries, timers } = setUp();
    announcer.announce(0, key, { lifetimeMs: 100_000 }, {});
    queries.only.end(0, [tinyContact(2), tinyContact(3)]);
    timers.run(50_000);
    queries.only.end(50_000, [tinyContact(3), tinyContact(4)]);
    timers.run(100_000);
    queries.only.end(100_000, [tinyContact(5)]);
    announcer.withdraw(100_000, key, {});
    const { kind, holders: told } = queries.only;
    expect(kind).toBe("withdraw");
    expect(told.map(({ id }) => id.toHex())).toEqual(["03", "04", "05"]);
    expect(timers.size).toBe(0);
    queries.only.end(100_001, []);
    expect(announcer.ownProviders).toEqual({ used: 0, limit: 20 });
  });

  it("of what is announced anew are those before too", () => {
    const { announcer, queries } = setUp();
    announcer.announce(0, key, {}, {});
    queries.only.end(0, [tinyContact(2)]);
    announcer.announce(1, key, { meta: Uint8Array.of(2) }, {});
    queries.only.end(1, [tinyContact(3)]);
    announcer.withdraw(2, key, {});
    expect(queries.only.holders.map(({ id }) => id.prefix >>> 24)).toEqual([2, 3]);
  });

  it("are remembered up to a bound, the newest", () => {
    const { announcer, queries } = setUp();
    for (let i = 0; i < 6; i++) {
      announcer.announce(i, key, {}, {});
      const told = Array.from({ length: 100 }, (_, n) => tinyContact(n)).map((contact, n) => ({
        ...contact,
        id: NodeId.fromBytes(Uint8Array.of(i, n)),
      }));
      queries.only.end(i, told);
    }
    announcer.withdraw(9, key, {});
    const told = queries.only.holders;
    expect(told.length).toBe(512);
    expect(told.at(-1)?.id).toEqual(NodeId.fromBytes(Uint8Array.of(5, 99)));
  });
});

describe("one query at a time for each key", () => {
  it("a withdrawal ends the renewal under way, whose holders it tells", () => {
    const { announcer, queries, timers } = setUp();
    announcer.announce(0, key, {}, {});
    queries.only.end(0, holders);
    timers.run(hourMs / 2);
    const renewal = queries.only.query;
    announcer.withdraw(hourMs / 2, key, {});
    expect(queries.cancelled).toEqual([renewal]);
    expect(queries.only.kind).toBe("withdraw");
    expect(timers.size).toBe(0);
  });

  it("an announcement ends the withdrawal under way, and a second withdrawal does not", () => {
    const { announcer, queries } = setUp();
    announcer.announce(0, key, {}, {});
    queries.only.end(0, holders);
    const first = announcer.withdraw(1, key, {});
    const second = announcer.withdraw(1, key, {});
    expect(queries.cancelled).toEqual([]);
    expect(queries.open.get(second)?.holders).toEqual([]);
    queries.open.get(second)?.end(1, []);
    announcer.announce(2, key, {}, {});
    expect(queries.cancelled).toEqual([first]);
    expect(queries.only.kind).toBe("announce");
  });

  it("that cannot begin leaves everything as it was", () => {
    const { announcer, queries, timers } = setUp();
    announcer.announce(0, key, {}, {});
    queries.only.end(0, holders);
    const atMs = timers.earliest?.atMs;
    queries.isFull = true;
    expect(() => announcer.announce(1, key, {}, {})).toThrow("queries");
    expect(() => announcer.withdraw(1, key, {})).toThrow("queries");
    expect([announcer.ownProviders.used, timers.earliest?.atMs]).toEqual([1, atMs]);
  });

  it("that ends as it begins is forgotten all the same", () => {
    const { announcer, queries, timers } = setUp();
    queries.instantly = true;
    announcer.announce(0, key, {}, {});
    announcer.announce(0, key, {}, {});
    announcer.withdraw(0, key, {});
    expect(queries.cancelled).toEqual([]);
    expect(timers.size).toBe(0);
  });
});
