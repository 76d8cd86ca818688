/** The walk for providers against peers that answer as a test says, liars above all. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Contact } from "../src/contact.ts";
import type { QueryResult } from "../src/events.ts";
import { FindProvidersQuery } from "../src/find-providers-query.ts";
import { Lookup } from "../src/lookup.ts";
import type { Path } from "../src/machine.ts";
import { NodeId } from "../src/node-id.ts";
import type { RefusalReason, Request, Response, ResponseMessage } from "../src/protocol.ts";
import type { Provider, ProviderValidator } from "../src/provider.ts";
import { ProviderRules } from "../src/provider-rules.ts";
import type { Asked } from "../src/query.ts";
import type { QueryEnd } from "../src/query-end.ts";
import { randomFrom } from "./model-network.ts";
import { sha256 } from "./sha256.ts";
import { contactOf, tinyId } from "./tiny-id.ts";

type GetProviders = Extract<Request, { type: "getProviders" }>;
type Found = Extract<QueryResult, { type: "providers" }>;
type Page = Extract<Response, { type: "providers" }>;
type Answer = Page | { readonly type: "refused"; readonly reason: RefusalReason } | "fails" | "overdue";

const key = tinyId(0);

const providerId = (n: number): NodeId => NodeId.fromBytes(Uint8Array.of(n >> 8, n & 255));
const provider = (n: number, lifetimeMs = 1_000, meta = Uint8Array.of(n & 255)): Provider => ({
  contact: contactOf(providerId(n)),
  meta,
  lifetimeMs,
});
const page = (
  providers: readonly Provider[],
  cursor: readonly number[] = [],
  contacts: readonly Contact[] = [],
): Page => ({ type: "providers", providers, cursor: Uint8Array.from(cursor), contacts });
const range = (from: number, to: number): Provider[] =>
  Array.from({ length: to - from }, (_, i) => provider(from + i));

interface World {
  readonly query: FindProvidersQuery;
  /** Requests asked, in order. */
  readonly asked: Asked[];
  most: number;
  end: QueryEnd | undefined;
  result(): Found;
}

function queryFor(
  peers: readonly Contact[],
  options: {
    limit?: number;
    local?: readonly Provider[];
    results?: number;
    parallelism?: number;
    validator?: ProviderValidator;
    onInvalid?: (from: Path) => void;
  } = {},
): FindProvidersQuery {
  const { limit = 100, local = [], results = 8, parallelism = 3, onInvalid = () => undefined } = options;
  const walk = new Lookup({
    target: key,
    self: tinyId(255),
    results,
    parallelism,
    stalledParallelism: 6,
    maxCandidates: 200,
    maxPerSubnet: 1,
    groupOf: () => undefined,
  });
  walk.addSeeds(peers);
  const self = providerId(60_000);
  const rules = new ProviderRules(
    {
      sha256,
      limits: { providerLifetimeMs: 5_000 },
      unixMs: () => undefined,
      report: (error) => {
        throw error;
      },
    },
    options.validator,
  );
  return new FindProvidersQuery({ walk, key, self, limit, parallelism, rules, local, onInvalid });
}

/** Runs a query to its end; each peer is asked and answers in the order that `pick` says. */
function run(
  peers: readonly Contact[],
  answer: (peer: Contact, body: GetProviders) => Answer,
  options: Parameters<typeof queryFor>[1] = {},
  pick: (waiting: number) => number = () => 0,
): World {
  const query = queryFor(peers, options);
  const world: World = {
    query,
    asked: [],
    most: 0,
    end: undefined,
    result: () => query.result() as Found,
  };
  const waiting: Asked[] = [];
  const overdue: Asked[] = [];
  for (let steps = 0; steps < 20_000; steps++) {
    const step = query.next(0, () => true);
    if (step.type === "end") {
      world.end = step.end;
      return world;
    }
    if (step.type === "ask") {
      waiting.push(step);
      world.asked.push(step);
      world.most = Math.max(world.most, waiting.length);
      continue;
    }
    const [asked] = waiting.splice(pick(waiting.length), 1);
    if (asked !== undefined) {
      const given = answer(asked.to as Contact, asked.body as GetProviders);
      if (given === "overdue") overdue.push(asked);
      report(query, asked, given);
      continue;
    }
    const late = overdue.shift();
    if (late === undefined) throw new Error("it waits for nothing");
    report(query, late, "fails");
  }
  throw new Error("it does not end");
}

function report(query: FindProvidersQuery, asked: Asked, answer: Answer): void {
  if (answer === "fails") query.onFailure(0, asked, "noAnswer");
  else if (answer === "overdue") {
    query.onSlow(asked);
    query.onOverdue(asked);
  } else query.onResponse(0, asked, responseOf(asked.to as Contact, answer), pathOf(asked));
}

function pathOf({ to }: Asked): Path {
  return { remote: (to as Contact).addresses[0] as Path["remote"], dialable: true };
}

function responseOf(peer: Contact, body: Response): ResponseMessage {
  return {
    kind: "response",
    requestId: { high: 1, low: 1 },
    sender: peer.id,
    client: false,
    addresses: [],
    body,
  };
}

const peersOf = (count: number): Contact[] =>
  Array.from({ length: count }, (_, i) => contactOf(tinyId(i + 1)));
const cursorsOf = ({ asked }: World): number[][] =>
  asked.map(({ body }) => [...(body as GetProviders).cursor]).filter(({ length }) => length > 0);
const numbersIn = (world: World): number[] =>
  world
    .result()
    .providers.map(({ contact }) => contact.id.prefix >>> 16)
    .toSorted((a, b) => a - b);

describe("a search for providers", () => {
  it("asks the closest for a first page each, and takes each provider once", () => {
    const world = run(peersOf(12), (peer) => page(range(0, 2 + (peer.id.prefix >>> 24))));
    expect(world.end).toBe("converged");
    expect(world.asked.length).toBe(8);
    expect(world.asked.every(({ body }) => body.type === "getProviders" && body.key === key)).toBe(true);
    expect(numbersIn(world)).toEqual(Array.from({ length: 10 }, (_, i) => i));
    expect(world.result().contacts.length).toBe(8);
  });

  it("is led on by the contacts in first pages", () => {
    const peers = peersOf(20);
    const world = run(peers.slice(18), (peer) => {
      const i = peers.findIndex(({ id }) => id.equals(peer.id));
      return page(i < 3 ? [provider(i)] : [], [], peers.slice(Math.max(0, i - 4), i));
    });
    expect(numbersIn(world)).toEqual([0, 1, 2]);
    expect(world.query.figures().hops).toBeGreaterThan(2);
  });

  it("converges with nobody where nobody is known, and is exhausted where nobody answers", () => {
    expect(run(peersOf(9), () => page([]))).toMatchObject({ end: "converged" });
    expect(run(peersOf(9), () => "fails")).toMatchObject({ end: "exhausted" });
    expect(run([], () => "fails")).toMatchObject({ end: "exhausted", asked: [] });
    expect(run(peersOf(9), () => ({ type: "refused", reason: "unsupported" })).end).toBe("exhausted");
  });

  it("counts what we hold ourselves, and needs nobody else where that is enough", () => {
    const enough = run(peersOf(9), () => "fails", { local: range(0, 10), limit: 10 });
    expect([enough.end, enough.asked.length, numbersIn(enough).length]).toEqual(["converged", 0, 10]);
    const some = run(peersOf(9), () => "fails", { local: range(0, 3) });
    expect([some.end, numbersIn(some)]).toEqual(["converged", [0, 1, 2]]);
  });

  it("ends as soon as enough are known, in the middle of the walk too", () => {
    const world = run(
      peersOf(12),
      (peer) => page(range(peer.id.prefix >>> 24, 30 + (peer.id.prefix >>> 24)), [1]),
      {
        limit: 20,
      },
    );
    expect(world.end).toBe("converged");
    expect(world.asked.length).toBeLessThanOrEqual(3);
    expect(world.result().providers.length).toBe(20);
  });

  it("never names ourselves", () => {
    const world = run(peersOf(3), () => page([provider(60_000), provider(1)]), { local: [provider(60_000)] });
    expect(numbersIn(world)).toEqual([1]);
  });

  it("takes the newer of two that name the same provider, and believes no longer life than ours", () => {
    const lives = [1_000, 3_000, 2_000];
    const world = run(peersOf(3), (peer) => {
      const i = (peer.id.prefix >>> 24) - 1;
      return page([provider(7, lives[i] as number, Uint8Array.of(i)), provider(8, 1e12)]);
    });
    const [seven, eight] = world.result().providers as [Provider, Provider];
    expect([seven.lifetimeMs, [...seven.meta]]).toEqual([3_000, [1]]);
    expect(eight.lifetimeMs).toBe(5_000);
  });

  it("copies what it takes from a message", () => {
    const metas: Uint8Array[] = [];
    const cursor = Uint8Array.of(5);
    let pages = 0;
    const world = run(peersOf(1), (_peer, { cursor: asked }) => {
      if (pages++ > 0) expect([...asked]).toEqual([5]);
      const meta = Uint8Array.of(1, 2);
      metas.push(meta);
      cursor.fill(5);
      return pages > 1 ? page([provider(2, 1_000, meta)]) : { ...page([provider(1, 1_000, meta)]), cursor };
    });
    for (const meta of metas) meta.fill(0xaa);
    cursor.fill(0xaa);
    expect(world.result().providers.map(({ meta }) => [...meta])).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});

describe("where the network has rules for providers", () => {
  /** Metadata are a version, and 0 is invalid; what lives for 7 s is over. */
  const validator: ProviderValidator = {
    validate: (_key, _provider, [version]) => (version === 0 ? "version 0" : undefined),
    lifetimeMs: ([version]) => (version === 7 ? 0 : undefined),
    select: ([a = 0], [b = 0]) => a - b,
  };
  const versions = (...given: number[]): Provider[] =>
    given.map((version, i) => provider(i + 1, 1_000, Uint8Array.of(version)));
  const peers = [1, 2].map((bits) => contactOf(tinyId(bits)));

  it("those that they refuse are not found, and whoever names them is reported", () => {
    const invalid: string[] = [];
    const world = run(
      peers,
      (peer) => page(peer.id.equals(tinyId(1)) ? versions(3, 0, 5) : versions(3, 4), [1]),
      { validator, onInvalid: ({ remote }) => invalid.push(remote.key) },
    );
    expect(world.end).toBe("converged");
    expect(world.result().providers.map(({ meta }) => meta[0])).toEqual([3, 4]);
    expect(new Set(invalid)).toEqual(new Set([peers[0]?.addresses[0]?.key]));
    expect(invalid).toHaveLength(1);
  });

  it("what is over is not found, and nobody is reported", () => {
    const world = run(peers, () => page(versions(3, 7)), {
      validator,
      onInvalid: () => {
        throw new Error("reported");
      },
    });
    expect(world.result().providers.map(({ meta }) => meta[0])).toEqual([3]);
  });

  it("of two that name the same provider they know the newer, whichever lives longer", () => {
    const world = run(
      peers,
      (peer) =>
        page([
          provider(
            1,
            peer.id.equals(tinyId(1)) ? 4_000 : 1_000,
            Uint8Array.of(peer.id.equals(tinyId(1)) ? 3 : 9),
          ),
        ]),
      { validator },
    );
    expect(world.result().providers).toEqual([
      expect.objectContaining({ meta: Uint8Array.of(9), lifetimeMs: 1_000 }),
    ]);
    const other = run(
      peers,
      (peer) =>
        page([
          provider(
            1,
            peer.id.equals(tinyId(1)) ? 1_000 : 4_000,
            Uint8Array.of(peer.id.equals(tinyId(1)) ? 9 : 3),
          ),
        ]),
      { validator },
    );
    expect(other.result().providers.map(({ meta }) => meta[0])).toEqual([9]);
  });

  it("those that we hold ourselves must pass too", () => {
    const world = run([], () => "fails", { validator, local: versions(0) });
    expect(world.result().providers).toEqual([]);
  });
});

describe("further pages", () => {
  /** Each peer holds the same `count`, `size` in a page; the cursor is the number of the next page. */
  const paged =
    (count: number, size: number) =>
    (_peer: Contact, { cursor }: GetProviders): Page => {
      const n = cursor[0] ?? 0;
      const until = Math.min(count, (n + 1) * size);
      return page(range(n * size, until), until < count ? [n + 1] : []);
    };

  it("are asked for until all are known", () => {
    const world = run(peersOf(12), paged(95, 10));
    expect(world.end).toBe("converged");
    expect(numbersIn(world).length).toBe(95);
    expect(world.most).toBeLessThanOrEqual(8);
  });

  it("are asked of so many holders at once as the walk asks, the closest first, each for one page", () => {
    const order: number[] = [];
    const world = run(
      peersOf(8),
      (peer, body) => {
        if (body.cursor.length > 0) order.push(peer.id.prefix >>> 24);
        return paged(90, 10)(peer, body);
      },
      { parallelism: 2 },
    );
    expect(numbersIn(world).length).toBe(90);
    expect(order.slice(0, 4).toSorted((a, b) => a - b)).toEqual([1, 1, 2, 2]);
  });

  it("are not asked for once enough are known", () => {
    const world = run(peersOf(8), paged(95, 10), { limit: 30 });
    expect(numbersIn(world).length).toBe(30);
    expect(cursorsOf(world).length).toBeLessThanOrEqual(6);
  });

  it("that fail, are refused or late end that holder's turn, and others are asked", () => {
    for (const failure of ["fails", "overdue", { type: "refused", reason: "busy" }] as const) {
      const world = run(peersOf(4), (peer, body) =>
        body.cursor.length > 0 && peer.id.prefix >>> 24 < 4 ? failure : paged(40, 10)(peer, body),
      );
      expect(world.end).toBe("converged");
      expect(numbersIn(world).length).toBe(40);
      expect(cursorsOf(world).length).toBe(3 + 3);
    }
  });

  const askOf = (query: FindProvidersQuery): Asked => {
    const step = query.next(0, () => true);
    if (step.type !== "ask") throw new Error(`${step.type} instead of a request`);
    return step;
  };

  it("that come late still count, and may be followed by more", () => {
    const query = queryFor(peersOf(1));
    report(query, askOf(query), page([provider(1)], [1]));
    const late = askOf(query);
    query.onSlow(late);
    query.onOverdue(late);
    expect(query.next(0, () => true)).toEqual({ type: "end", end: "converged" });
    report(query, late, page([provider(2)], [2]));
    report(query, askOf(query), page([provider(3)]));
    expect(query.next(0, () => true)).toEqual({ type: "end", end: "converged" });
    expect((query.result() as Found).providers.length).toBe(3);
  });

  it("wait for a holder that cannot be reached now", () => {
    const query = queryFor(peersOf(1));
    report(query, askOf(query), page([provider(1)], [1]));
    expect(query.next(0, () => false)).toEqual({ type: "wait" });
    expect(askOf(query).body).toMatchObject({ type: "getProviders", cursor: Uint8Array.of(1) });
  });
});

describe("a liar", () => {
  it("that repeats itself for ever is asked three times more", () => {
    const world = run(peersOf(1), () => page([provider(1)], [1]));
    expect(world.end).toBe("converged");
    expect(world.asked.length).toBe(1 + 3);
  });

  it("that promises more and sends nobody is asked once more", () => {
    const world = run(peersOf(1), () => page([], [1]));
    expect([world.end, world.asked.length]).toEqual(["converged", 2]);
  });

  it("that makes up one provider a page costs as many requests as are wanted, and no more", () => {
    let made = 0;
    const world = run(peersOf(8), () => page([provider(made++)], [made & 255]), { limit: 1_000 });
    expect(world.end).toBe("converged");
    expect(world.asked.length).toBeLessThanOrEqual(8 + 1_000);
    expect(world.result().providers.length).toBeLessThanOrEqual(1_000);
    const few = run(peersOf(8), () => page([provider(3)], [1]), { limit: 4 });
    expect(few.asked.length).toBeLessThanOrEqual(8 + 16);
  });

  it("of any kind, in any order, cannot keep it from ending, nor make it ask or keep more than it may", () => {
    const cases = fc.record({
      seed: fc.integer({ min: 1, max: 1_000_000 }),
      count: fc.integer({ min: 0, max: 30 }),
      limit: fc.integer({ min: 1, max: 60 }),
      results: fc.integer({ min: 1, max: 12 }),
      parallelism: fc.integer({ min: 1, max: 6 }),
    });
    const property = fc.property(cases, ({ seed, count, limit, results, parallelism }) => {
      const random = randomFrom(seed);
      const below = (n: number): number => Math.floor(random() * n);
      const peers = peersOf(count);
      const named = new Set(peers.map(({ id }) => id.key));
      const answer = (): Answer => {
        if (random() < 0.1) return "fails";
        if (random() < 0.1) return "overdue";
        if (random() < 0.05) return { type: "refused", reason: "busy" };
        const contacts = Array.from({ length: below(5) }, () => contactOf(tinyId(1 + below(250))));
        for (const { id } of contacts) named.add(id.key);
        const providers = Array.from({ length: below(6) }, () => provider(below(80)));
        return page(providers, random() < 0.7 ? [below(256)] : [], contacts);
      };
      const world = run(peers, answer, { limit, results, parallelism }, below);
      const providers = world.result().providers;
      expect(providers.length).toBeLessThanOrEqual(limit);
      expect(new Set(providers.map(({ contact }) => contact.id.key)).size).toBe(providers.length);
      expect(cursorsOf(world).length).toBeLessThanOrEqual(Math.max(16, limit));
      expect(world.asked.length - cursorsOf(world).length).toBeLessThanOrEqual(named.size);
      expect(world.most).toBeLessThanOrEqual(Math.max(parallelism, 6, results) + parallelism);
    });
    fc.assert(property, { seed: 9, numRuns: 400 });
  });

  it("cannot make a page of a request without a cursor, nor use another's cursor", () => {
    const seen = new Map<string, Set<number>>();
    run(peersOf(8), (peer, { cursor }) => {
      const mark = peer.id.prefix >>> 24;
      for (const byte of cursor) {
        const marks = seen.get(peer.id.key) ?? new Set<number>();
        seen.set(peer.id.key, marks.add(byte));
      }
      return page([provider(mark * 10 + cursor.length)], [mark]);
    });
    for (const [peer, marks] of seen) expect([...marks]).toEqual([peer.charCodeAt(0)]);
    expect(seen.size).toBeGreaterThan(2);
  });
});
