import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Address, AddressCodec } from "../src/address.ts";
import { AddressTable } from "../src/address-table.ts";
import type { Contact } from "../src/contact.ts";
import { HookError, type KadError } from "../src/errors.ts";
import { MemoryRecordStore } from "../src/memory-record-store.ts";
import { NodeId } from "../src/node-id.ts";
import type { Provider } from "../src/provider.ts";
import {
  noCursor,
  ProviderKeeper,
  type ProviderLimits,
  type ProviderOrigin,
  type ProviderPageRequest,
  providerBytes,
} from "../src/provider-keeper.ts";
import type { RecordStore, StoredRecord } from "../src/record.ts";
import { TimerQueue } from "../src/timers.ts";
import { randomSource, seededRandom } from "./pair.ts";
import { sha256 } from "./sha256.ts";

/** An hour is 1,000 ms here. */
const limits: ProviderLimits = {
  providerLifetimeMs: 1_000,
  maxProviders: 8,
  maxProviderBytes: 200,
  maxProviderKeys: 3,
  maxProvidersPerKey: 5,
  maxProvidersPerSource: 4,
  maxProvidersPerSourceAndKey: 2,
};
const wide: ProviderLimits = {
  providerLifetimeMs: 1_000,
  maxProviders: 10_000,
  maxProviderBytes: 2 ** 20,
  maxProviderKeys: 100,
  maxProvidersPerKey: 1_000,
  maxProvidersPerSource: 10_000,
  maxProvidersPerSourceAndKey: 1_000,
};

const table = new AddressTable();
const idOf = (n: number, idBytes = 32): NodeId =>
  NodeId.fromBytes(sha256(Uint8Array.of(n >> 8, n & 255)), 0, idBytes);
const contactOf = (n: number, idBytes = 32): Contact => ({
  id: idOf(n, idBytes),
  addresses: [table.parse(`udp://10.0.${n >> 8}.${n & 255}:4000`)],
});
const key = idOf(60_000);
const otherKey = idOf(60_001);
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const exempt: ProviderOrigin = { host: undefined, source: undefined, isProven: false };
const from = (host: string, source = host, isProven = false): ProviderOrigin => ({ host, source, isProven });

interface World {
  readonly keeper: ProviderKeeper;
  readonly store: RecordStore;
  readonly timers: TimerQueue;
  readonly reported: KadError[];
}

function setUp(
  options: {
    store?: RecordStore;
    limits?: Partial<ProviderLimits>;
    addresses?: AddressCodec;
    seed?: number;
  } = {},
): World {
  const reported: KadError[] = [];
  const store = options.store ?? new MemoryRecordStore();
  const timers = new TimerQueue();
  const keeper = new ProviderKeeper({
    store,
    addresses: options.addresses ?? table,
    limits: { ...limits, ...options.limits },
    random: randomSource(options.seed ?? 1),
    timers,
    report: (error) => reported.push(error),
  });
  return { keeper, store, timers, reported };
}

interface Given {
  readonly lifetimeMs?: number;
  readonly meta?: Uint8Array;
  readonly key?: NodeId;
  readonly origin?: ProviderOrigin;
}

function add({ keeper }: World, nowMs: number, n: number, given: Given = {}): string {
  const { lifetimeMs = 1_000, meta = bytes(n), origin = exempt } = given;
  const offer = { key: given.key ?? key, contact: contactOf(n), lifetimeMs, meta };
  return keeper.accept(nowMs, offer, origin) ?? "stored";
}

const everybody: ProviderPageRequest = {
  cursor: noCursor,
  maxBytes: Number.POSITIVE_INFINITY,
  maxCount: 1_000,
  admits: () => true,
};

function all({ keeper }: World, nowMs: number, of: NodeId = key): readonly Provider[] {
  return keeper.page(nowMs, of, everybody).providers;
}

const idsIn = (providers: readonly Provider[]): string[] =>
  providers.map(({ contact }) => contact.id.toHex()).toSorted();
const ids = (...numbers: number[]): string[] => numbers.map((n) => idOf(n).toHex()).toSorted();

describe("a holder of providers", () => {
  it("keeps who announces itself, and gives it back until it expires", () => {
    const world = setUp();
    expect(add(world, 100, 1, { lifetimeMs: 500, meta: bytes(7, 8) })).toBe("stored");
    const expected = { contact: contactOf(1), meta: bytes(7, 8), lifetimeMs: 400 };
    expect(all(world, 200)).toEqual([expected]);
    expect(world.keeper.nextExpiryAtMs()).toBe(600);
    expect(world.timers.earliest?.atMs).toBe(600);
    expect(all(world, 599)).toEqual([{ ...expected, lifetimeMs: 1 }]);
    expect(all(world, 600)).toEqual([]);
    expect(world.keeper.nextExpiryAtMs()).toBeUndefined();
    expect(world.store.size).toBe(0);
  });

  it("expires by its timer alone, and goes on to the next", () => {
    const world = setUp();
    add(world, 0, 1, { lifetimeMs: 300 });
    add(world, 0, 2, { lifetimeMs: 200 });
    expect(world.timers.earliest?.atMs).toBe(200);
    world.timers.run(200);
    expect(world.keeper.providers.used).toBe(1);
    expect(world.timers.earliest?.atMs).toBe(300);
    world.timers.run(300);
    expect([world.keeper.providers.used, world.store.size, world.timers.size]).toEqual([0, 0, 0]);
  });

  it("keeps nobody longer than its own limit", () => {
    const world = setUp();
    add(world, 0, 1, { lifetimeMs: 1e12 });
    expect(all(world, 0)[0]?.lifetimeMs).toBe(1_000);
    expect(all(world, 1_000)).toEqual([]);
  });

  it("copies what it is told: what becomes of the message afterwards does not matter", () => {
    const world = setUp();
    const message = Buffer.alloc(100, 5);
    add(world, 0, 1, { meta: message.subarray(10, 13) });
    message.fill(0xaa);
    expect(all(world, 0)[0]?.meta).toEqual(bytes(5, 5, 5));
  });

  it("replaces what the same provider said before, its lifetime included", () => {
    const world = setUp();
    add(world, 0, 1, { lifetimeMs: 900, meta: bytes(1, 2, 3) });
    add(world, 100, 1, { lifetimeMs: 200, meta: bytes(4) });
    expect(all(world, 100)).toEqual([{ contact: contactOf(1), meta: bytes(4), lifetimeMs: 200 }]);
    expect(world.keeper.providers.used).toBe(1);
    expect(world.keeper.providerBytes.used).toBe(1 + 7 + 1);
    expect(all(world, 300)).toEqual([]);
  });

  it("lets go of a provider that withdraws, and does nothing for one that it does not hold", () => {
    const world = setUp();
    add(world, 0, 1);
    add(world, 0, 2);
    expect(add(world, 1, 1, { lifetimeMs: 0 })).toBe("stored");
    expect(add(world, 1, 3, { lifetimeMs: 0 })).toBe("stored");
    expect(add(world, 1, 3, { lifetimeMs: 0, key: otherKey })).toBe("stored");
    expect(idsIn(all(world, 1))).toEqual(ids(2));
    expect(world.keeper.providerKeys.used).toBe(1);
    add(world, 1, 2, { lifetimeMs: 0 });
    expect(world.keeper.providerKeys.used).toBe(0);
    expect(world.store.size).toBe(0);
  });

  it("keeps keys apart", () => {
    const world = setUp();
    add(world, 0, 1);
    add(world, 0, 1, { key: otherKey, meta: bytes(9) });
    add(world, 0, 2, { key: otherKey });
    expect(idsIn(all(world, 0))).toEqual(ids(1));
    expect(idsIn(all(world, 0, otherKey))).toEqual(ids(1, 2));
    expect(all(world, 0, idOf(3))).toEqual([]);
  });
});

describe("a holder lets only the host that announced an id change it", () => {
  it("on a plain wire, until it ends", () => {
    const world = setUp();
    add(world, 0, 1, { origin: from("host") });
    expect(add(world, 1, 1, { origin: from("other"), meta: bytes(66) })).toBe("superseded");
    expect(add(world, 1, 1, { origin: from("other"), lifetimeMs: 0 })).toBe("superseded");
    expect(add(world, 1, 1, { origin: exempt, lifetimeMs: 0 })).toBe("superseded");
    expect(all(world, 1)[0]?.meta).toEqual(bytes(1));
    expect(add(world, 2, 1, { origin: from("host"), meta: bytes(2) })).toBe("stored");
    expect(add(world, 1_002, 1, { origin: from("other"), meta: bytes(3) })).toBe("stored");
  });

  it("or whoever has proven the id, from then on alone", () => {
    const world = setUp();
    add(world, 0, 1, { origin: from("liar") });
    expect(add(world, 1, 1, { origin: from("peer 1", "subnet", true), meta: bytes(2) })).toBe("stored");
    expect(add(world, 2, 1, { origin: from("liar") })).toBe("superseded");
    expect(add(world, 3, 1, { origin: from("peer 1", "elsewhere", true), lifetimeMs: 0 })).toBe("stored");
    expect(all(world, 3)).toEqual([]);
    expect(world.keeper.sources).toBe(0);
  });

  it("while what an exempt host announced is anybody's", () => {
    const world = setUp();
    add(world, 0, 1, { origin: exempt });
    expect(add(world, 1, 1, { origin: from("host"), meta: bytes(2) })).toBe("stored");
    expect(add(world, 2, 1, { origin: from("other") })).toBe("superseded");
  });
});

describe("a holder of providers refuses", () => {
  it.each([
    ["metadata over 512 bytes", { meta: new Uint8Array(513) }, "tooLarge"],
    ["a negative life", { lifetimeMs: -1 }, "invalidRecord"],
    ["a life that is no number", { lifetimeMs: Number.NaN }, "invalidRecord"],
  ])("%s", (_, given, reason) => {
    const world = setUp({ limits: wide });
    expect(add(world, 0, 1, given)).toBe(reason);
    const { keeper, store } = world;
    expect([store.size, keeper.providers.used, keeper.providerKeys.used, keeper.sources]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it("takes metadata of 512 bytes", () => {
    const world = setUp({ limits: wide });
    expect(add(world, 0, 1, { meta: new Uint8Array(512).fill(3) })).toBe("stored");
    expect(all(world, 0)[0]?.meta).toEqual(new Uint8Array(512).fill(3));
  });

  it("more keys than it has room for, until one is free", () => {
    const world = setUp();
    for (let i = 0; i < 3; i++)
      expect(add(world, 0, 1, { key: idOf(i), lifetimeMs: 500 + i })).toBe("stored");
    expect(world.keeper.providerKeys).toEqual({ used: 3, limit: 3 });
    expect(add(world, 499, 1)).toBe("full");
    expect(add(world, 499, 2, { key: idOf(0) })).toBe("stored");
    expect(add(world, 501, 1)).toBe("stored");
  });

  it("more providers of one key than it may have, though the same ones again", () => {
    const world = setUp();
    for (let i = 0; i < 5; i++) expect(add(world, 0, i)).toBe("stored");
    expect(add(world, 0, 5)).toBe("full");
    expect(add(world, 0, 5, { key: otherKey })).toBe("stored");
    expect(add(world, 0, 4, { meta: bytes(1, 2) })).toBe("stored");
  });

  it("more providers in all", () => {
    const world = setUp();
    for (let i = 0; i < 8; i++) expect(add(world, 0, i, { key: idOf(i % 2) })).toBe("stored");
    expect(world.keeper.providers).toEqual({ used: 8, limit: 8 });
    expect(add(world, 0, 9, { key: idOf(1) })).toBe("full");
    expect(add(world, 0, 9, { key: idOf(3) })).toBe("full");
    expect(add(world, 0, 7, { key: idOf(1) })).toBe("stored");
  });

  it("more bytes, what would be replaced counted as free", () => {
    const world = setUp({ limits: { ...wide, maxProviderBytes: 40 } });
    expect(add(world, 0, 1, { meta: new Uint8Array(12) })).toBe("stored");
    expect(add(world, 0, 2, { meta: new Uint8Array(13) })).toBe("full");
    expect(add(world, 0, 2, { meta: new Uint8Array(12) })).toBe("stored");
    expect(world.keeper.providerBytes).toEqual({ used: 40, limit: 40 });
    expect(add(world, 0, 2, { meta: new Uint8Array(13) })).toBe("full");
    expect(add(world, 0, 2, { meta: new Uint8Array(11) })).toBe("stored");
  });

  it("more of one source in all, and under one key, while others and exempt ones go on", () => {
    const world = setUp();
    const give = (n: number, of: NodeId): string =>
      add(world, 0, n, { key: of, origin: from(`host ${n}`, "net") });
    expect([give(1, key), give(2, key), give(3, key)]).toEqual(["stored", "stored", "full"]);
    expect([give(1, otherKey), give(2, otherKey)]).toEqual(["stored", "stored"]);
    expect(give(1, idOf(7))).toBe("full");
    expect(give(1, key)).toBe("stored");
    expect(add(world, 0, 3, { origin: from("host 3", "elsewhere") })).toBe("stored");
    expect(add(world, 0, 4, { origin: exempt })).toBe("stored");
    expect(add(world, 0, 1, { origin: from("host 1", "net"), lifetimeMs: 0 })).toBe("stored");
    expect(give(5, key)).toBe("stored");
    expect(world.keeper.sources).toBe(2);
  });

  it("what its store refuses or throws at, and keeps serving what it has", () => {
    const store = new MemoryRecordStore({ maxRecords: 1 });
    const world = setUp({ store });
    expect(add(world, 0, 1)).toBe("stored");
    expect(add(world, 0, 2)).toBe("full");
    store.put = () => {
      throw new Error("the disk is full");
    };
    expect(add(world, 0, 1, { meta: bytes(9) })).toBe("full");
    expect(world.reported.map((error) => error instanceof HookError && error.message)).toEqual([
      "store threw: the disk is full",
    ]);
    expect(all(world, 0)[0]?.meta).toEqual(bytes(1));
    store.delete = () => {
      throw new Error("the disk is gone");
    };
    expect(all(world, 1_000)).toEqual([]);
    expect(world.reported.length).toBe(2);
  });
});

describe("pages", () => {
  const filled = (count: number, metaBytes = 4, seed = 1): World => {
    const world = setUp({ limits: wide, seed });
    for (let i = 0; i < count; i++) add(world, 0, i, { meta: new Uint8Array(metaBytes).fill(i) });
    return world;
  };
  const entryBytes = 32 + 1 + 7 + 6 + 4;

  /** Page after page until there is none. */
  function walk(
    world: World,
    request: Partial<ProviderPageRequest>,
    between: (page: number) => void = () => {},
  ): Provider[][] {
    const pages: Provider[][] = [];
    let cursor = noCursor;
    for (;;) {
      const page = world.keeper.page(0, key, { ...everybody, ...request, cursor });
      pages.push([...page.providers]);
      if (page.cursor.length === 0) return pages;
      expect(page.cursor.length).toBe(8);
      cursor = page.cursor;
      if (pages.length > 5_000) throw new Error("pages without an end");
      between(pages.length);
    }
  }

  it("reach every provider once while nothing changes, whatever their room", () => {
    const property = fc.property(
      fc.integer({ min: 0, max: 150 }),
      fc.integer({ min: entryBytes, max: 20 * entryBytes }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 1_000 }),
      (count, maxBytes, maxCount, seed) => {
        const pages = walk(filled(count, 4, seed), { maxBytes, maxCount });
        const perPage = Math.min(maxCount, Math.floor(maxBytes / entryBytes));
        expect(pages.length).toBe(Math.max(1, Math.ceil(count / perPage)));
        for (const page of pages.slice(0, -1)) expect(page.length).toBe(perPage);
        const found = idsIn(pages.flat());
        expect(found).toEqual(ids(...Array.from({ length: count }, (_, i) => i)));
      },
    );
    fc.assert(property, { seed: 4, numRuns: 60 });
  });

  it("begin elsewhere each time, so that a popular key spreads its load", () => {
    const world = filled(50);
    const firsts = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const { providers } = world.keeper.page(0, key, { ...everybody, maxCount: 1 });
      firsts.add((providers[0] as Provider).contact.id.key);
    }
    expect(firsts.size).toBeGreaterThan(25);
  });

  it("leave out whom the asker does not want, and still end", () => {
    const world = filled(40);
    const isOdd = ({ id }: Contact): boolean => id.prefix % 2 === 1;
    const pages = walk(world, { admits: isOdd, maxCount: 3 });
    const odd = Array.from({ length: 40 }, (_, i) => i).filter((i) => isOdd(contactOf(i)));
    expect(idsIn(pages.flat())).toEqual(ids(...odd));
    expect(walk(world, { admits: () => false })).toEqual([[]]);
  });

  it("without room for the next provider are empty, and say where it is", () => {
    const world = filled(3);
    const { providers, cursor } = world.keeper.page(0, key, { ...everybody, maxBytes: entryBytes - 1 });
    expect(providers).toEqual([]);
    expect(cursor.length).toBe(8);
    const rest = world.keeper.page(0, key, { ...everybody, cursor });
    expect(idsIn(rest.providers)).toEqual(ids(0, 1, 2));
    expect(rest.cursor).toEqual(noCursor);
  });

  it("count bytes as the wire does", () => {
    expect(providerBytes({ contact: contactOf(1), meta: new Uint8Array(4) })).toBe(entryBytes);
  });

  it("miss few of those who stay, and end, while others come and go", () => {
    const property = fc.property(fc.integer({ min: 1, max: 10_000 }), (seed) => {
      const world = filled(100, 4, seed);
      const random = seededRandom(seed);
      let coming = 100;
      const gone = new Set<number>();
      const pages = walk(world, { maxCount: 10 }, () => {
        const leaving = random.next() % 100;
        gone.add(leaving);
        add(world, 0, leaving, { lifetimeMs: 0 });
        add(world, 0, coming++, { meta: new Uint8Array(4) });
      });
      const found = new Set(idsIn(pages.flat()));
      const stayed = Array.from({ length: 100 }, (_, i) => i).filter((i) => !gone.has(i));
      const missed = ids(...stayed).filter((id) => !found.has(id));
      expect(missed.length).toBeLessThanOrEqual(gone.size);
      expect(pages.length).toBeLessThanOrEqual(11);
    });
    fc.assert(property, { seed: 5, numRuns: 50 });
  });

  it.each<[string, number[]]>([
    ["too short", [1, 2, 3]],
    ["at its end", [0, 0, 0, 1, 0, 5, 0, 5]],
    ["over more providers than any key may have", [0, 0, 0, 1, 0xff, 0xff, 0, 0]],
  ])("of a cursor that is %s are empty, and the last", (_, cursor) => {
    const world = setUp();
    add(world, 0, 1);
    expect(world.keeper.page(0, key, { ...everybody, cursor: Uint8Array.from(cursor) })).toEqual({
      providers: [],
      cursor: noCursor,
    });
  });

  it("of a cursor whose key has nobody left are empty", () => {
    const world = filled(5);
    const { cursor } = world.keeper.page(0, key, { ...everybody, maxCount: 2 });
    expect(world.keeper.page(1_000, key, { ...everybody, cursor })).toEqual({
      providers: [],
      cursor: noCursor,
    });
  });
});

describe("a store that held providers", () => {
  it("gives them to the holder that is built on it, with what remains of their lives", () => {
    const store = new MemoryRecordStore();
    const before = setUp({ store, limits: wide });
    for (let i = 0; i < 600; i++) add(before, 0, i, { lifetimeMs: 500 + i, origin: from(`host ${i}`) });
    const value: StoredRecord = {
      kind: "value",
      typeCode: 1,
      key: idOf(9),
      body: bytes(1),
      expiresAtMs: 10,
      storedAtMs: 0,
    };
    store.put(value);
    const after = setUp({ store });
    expect(after.keeper.providers).toEqual({ used: 600, limit: 8 });
    expect(after.keeper.sources).toBe(0);
    expect(after.timers.earliest?.atMs).toBe(500);
    const found = all(after, 100);
    expect(idsIn(found)).toEqual(ids(...Array.from({ length: 600 }, (_, i) => i)));
    expect(found.find(({ contact }) => contact.id.equals(idOf(5)))).toEqual({
      contact: contactOf(5),
      meta: bytes(5),
      lifetimeMs: 405,
    });
    expect(add(after, 100, 700)).toBe("full");
    // Nobody knows who announced it: whoever comes first takes it over.
    expect(add(after, 100, 5, { origin: from("anybody"), lifetimeMs: 0 })).toBe("stored");
    expect(all(after, 1_099)).toEqual([]);
    expect(store.size).toBe(1);
    expect(store.get(idOf(9))).toBe(value);
  });

  it("is read through pages by cursors made before, however many there were", () => {
    const store = new MemoryRecordStore();
    const before = setUp({ store, limits: wide });
    for (let i = 0; i < 20; i++) add(before, 0, i);
    const after = setUp({ store });
    const { cursor, providers } = after.keeper.page(0, key, { ...everybody, maxCount: 15 });
    const rest = after.keeper.page(0, key, { ...everybody, cursor });
    expect(idsIn([...providers, ...rest.providers]).length).toBe(20);
  });

  const body = (...values: number[]): StoredRecord => ({
    kind: "provider",
    typeCode: 0,
    key,
    provider: idOf(1),
    body: Uint8Array.from(values),
    expiresAtMs: 10,
    storedAtMs: 0,
  });
  const address = [...table.parse("udp://10.0.0.1:4000").wire];
  const { provider: _, ...nobody } = body(1, ...address);

  it.each<[string, StoredRecord]>([
    ["an empty body", body()],
    ["no address", body(0)],
    ["five addresses", body(5, ...address, ...address, ...address, ...address, ...address)],
    ["an address that is cut", body(1, ...address.slice(0, 6))],
    ["an address that nobody can dial", body(1, 1, 224, 0, 0, 1, 15, 160)],
    ["metadata over 512 bytes", body(1, ...address, ...new Array<number>(513).fill(1))],
    ["no provider", nobody],
  ])("leaves a record with %s where it is", (_name, record) => {
    const store = new MemoryRecordStore();
    store.put(record);
    const world = setUp({ store, limits: wide });
    expect([world.keeper.providers.used, store.size, world.reported]).toEqual([0, 1, []]);
  });

  it("need not say how many addresses take which bytes: a codec that claims more than there are is not believed", () => {
    const claimed: Address = { key: "x", wire: new Uint8Array(99), kind: 1, link: 1, maxBytes: 1_200 };
    const store = new MemoryRecordStore();
    store.put(body(1, ...address));
    const world = setUp({
      store,
      addresses: { dialable: 1, decode: () => claimed, source: () => undefined, group: () => undefined },
    });
    expect(world.keeper.providers.used).toBe(0);
  });

  it("may give the same page for ever, or throw: the holder starts all the same", () => {
    const store = new MemoryRecordStore();
    store.entries = () => ({ records: [body(1, ...address)], next: "again" });
    expect(setUp({ store }).keeper.providers.used).toBe(1);
    store.entries = () => {
      throw new Error("unreadable");
    };
    const world = setUp({ store });
    expect(world.reported.length).toBe(1);
    expect(add(world, 0, 1)).toBe("stored");
  });
});

describe("ids over 32 bytes", () => {
  it("are held without the store, since key ‖ provider would be no id", () => {
    const long = (n: number): NodeId => NodeId.fromBytes(new Uint8Array(64).fill(n));
    const world = setUp();
    const contact = { id: long(1), addresses: contactOf(1).addresses };
    expect(
      world.keeper.accept(0, { key: long(9), contact, lifetimeMs: 500, meta: bytes(1) }, exempt),
    ).toBeUndefined();
    expect(all(world, 0, long(9))).toEqual([{ contact, meta: bytes(1), lifetimeMs: 500 }]);
    expect(world.store.size).toBe(0);
    expect(all(world, 500, long(9))).toEqual([]);
  });
});

/** What a holder must do, told by looking through everything. */
class Oracle {
  held: { key: number; n: number; untilMs: number; meta: number; host: string; source: string }[] = [];

  expire(nowMs: number): void {
    this.held = this.held.filter(({ untilMs }) => untilMs > nowMs);
  }

  accept(
    nowMs: number,
    k: number,
    n: number,
    lifetimeMs: number,
    meta: number,
    host: string,
    source: string,
  ): string {
    this.expire(nowMs);
    const known = this.held.find((one) => one.key === k && one.n === n);
    if (known !== undefined && known.host !== host) return "superseded";
    const others = this.held.filter((one) => one !== known);
    if (lifetimeMs === 0) {
      this.held = others;
      return "stored";
    }
    const sizeOf = (length: number): number => 1 + 7 + length;
    const byKey = others.filter((one) => one.key === k);
    const isNew = known === undefined;
    const grows = meta > (known?.meta ?? -9);
    const total = others.reduce((sum, one) => sum + sizeOf(one.meta), sizeOf(meta));
    const paysAnew = known?.source !== source;
    const isFull =
      (isNew && byKey.length === 0 && new Set(others.map((one) => one.key)).size >= limits.maxProviderKeys) ||
      (isNew && (others.length >= limits.maxProviders || byKey.length >= limits.maxProvidersPerKey)) ||
      (grows && total > limits.maxProviderBytes) ||
      (paysAnew && others.filter((one) => one.source === source).length >= limits.maxProvidersPerSource) ||
      (paysAnew && byKey.filter((one) => one.source === source).length >= limits.maxProvidersPerSourceAndKey);
    if (isFull) return "full";
    const untilMs = nowMs + Math.min(lifetimeMs, limits.providerLifetimeMs);
    this.held = [...others, { key: k, n, untilMs, meta, host, source }];
    return "stored";
  }
}

describe("beside a holder that looks through everything", () => {
  const steps = fc.array(
    fc.record({
      passMs: fc.integer({ min: 0, max: 300 }),
      k: fc.nat(4),
      n: fc.nat(8),
      lifetimeMs: fc.constantFrom(0, 100, 500, 1_000, 5_000),
      meta: fc.nat(30),
      host: fc.constantFrom("a1", "a2", "b1", "c1", "d1", "e1"),
    }),
    { maxLength: 120 },
  );

  it("does and counts the same, whatever happens", () => {
    const property = fc.property(steps, (run) => {
      const world = setUp();
      const oracle = new Oracle();
      let nowMs = 0;
      for (const { passMs, k, n, lifetimeMs, meta, host } of run) {
        nowMs += passMs;
        const source = host.charAt(0);
        const given = { key: idOf(k), lifetimeMs, meta: new Uint8Array(meta), origin: from(host, source) };
        expect(add(world, nowMs, n, given)).toBe(oracle.accept(nowMs, k, n, lifetimeMs, meta, host, source));
        const { keeper, store } = world;
        for (let i = 0; i <= 4; i++) {
          const expected = oracle.held.filter((one) => one.key === i);
          const found = all(world, nowMs, idOf(i));
          expect(idsIn(found)).toEqual(ids(...expected.map((one) => one.n)));
          for (const { contact, lifetimeMs: leftMs, meta: kept } of found) {
            const one = expected.find((candidate) => idOf(candidate.n).equals(contact.id));
            expect([nowMs + leftMs, kept.length]).toEqual([one?.untilMs, one?.meta]);
          }
        }
        const sum = oracle.held.reduce((total, one) => total + 8 + one.meta, 0);
        expect([keeper.providers.used, keeper.providerBytes.used]).toEqual([oracle.held.length, sum]);
        expect(keeper.providerKeys.used).toBe(new Set(oracle.held.map((one) => one.key)).size);
        expect(keeper.sources).toBe(new Set(oracle.held.map((one) => one.source)).size);
        expect([store.size, store.bytes]).toEqual([oracle.held.length, sum]);
        const earliestMs = Math.min(...oracle.held.map((one) => one.untilMs));
        expect(keeper.nextExpiryAtMs() ?? Number.POSITIVE_INFINITY).toBe(earliestMs);
      }
    });
    fc.assert(property, { seed: 6, numRuns: 150 });
  });
});
