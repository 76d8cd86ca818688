import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyBytes } from "../src/bytes.ts";
import { HookError, type KadError } from "../src/errors.ts";
import { immutableRecord } from "../src/immutable-record.ts";
import { MemoryRecordStore } from "../src/memory-record-store.ts";
import { NodeId } from "../src/node-id.ts";
import { openKey, openRecord, readOpenRecord } from "../src/open-record.ts";
import type { WireRecord } from "../src/protocol.ts";
import type { DhtRecord, RecordStore, RecordValidator, Sha256, StoredRecord } from "../src/record.ts";
import { type AcceptOutcome, RecordKeeper, type RecordLimits } from "../src/record-keeper.ts";
import { RecordTypes } from "../src/record-types.ts";
import { sha256 } from "./sha256.ts";

const self = NodeId.fromBytes(sha256(Uint8Array.of(1)));

/** A day is 24,000 ms here and an hour 1,000. */
const limits: RecordLimits = {
  maxRecords: 4,
  maxRecordBytes: 200,
  maxRecordsPerSource: 2,
  valueLifetimeMs: 24_000,
  republishIntervalMs: 1_000,
};

interface World {
  readonly keeper: RecordKeeper;
  readonly store: RecordStore;
  readonly reported: KadError[];
}

function setUp(
  options: {
    store?: RecordStore;
    validators?: Record<string, RecordValidator>;
    sha256?: Sha256;
    limits?: Partial<RecordLimits>;
    unixMs?: () => number | undefined;
  } = {},
): World {
  const reported: KadError[] = [];
  const report = (error: KadError): void => void reported.push(error);
  const store = options.store ?? new MemoryRecordStore();
  const all = { ...limits, ...options.limits };
  const types = new RecordTypes(
    {
      sha256: options.sha256 ?? sha256,
      limits: { valueQuorum: 8, valueLifetimeMs: all.valueLifetimeMs },
      unixMs: options.unixMs ?? (() => undefined),
      report,
    },
    options.validators,
  );
  return { keeper: new RecordKeeper({ id: self, store, types, limits: all, report }), store, reported };
}

const open = (name: string, seq: number, ...value: number[]): DhtRecord =>
  openRecord(sha256, name, Uint8Array.from(value), seq);

function wire(record: DhtRecord, lifetimeMs = 24_000): WireRecord {
  const typeCode = record.type === "immutable" ? 1 : 2;
  return { typeCode, key: record.key, lifetimeMs, body: copyBytes(record.body) };
}

const stored: AcceptOutcome = { type: "stored", changed: true };
const refreshed: AcceptOutcome = { type: "stored", changed: false };
const refused = (reason: string): unknown => ({ type: "refused", reason });

/** A validator of one byte: the larger wins; 0 is invalid. */
const byteValidator = (code: number): RecordValidator => ({
  code,
  maxBodyBytes: 1,
  quorum: 1,
  validate: (_key, body) => (body[0] === 0 ? "zero" : undefined),
  select: (a, b) => (a[0] as number) - (b[0] as number),
});

describe("a holder", () => {
  it("keeps what is valid and gives it back until it expires", () => {
    const { keeper } = setUp();
    const record = immutableRecord(sha256, Uint8Array.of(1, 2, 3));
    expect(keeper.accept(100, wire(record, 500), "s")).toEqual(stored);
    const expected: StoredRecord = {
      kind: "value",
      typeCode: 1,
      key: record.key,
      body: Uint8Array.of(1, 2, 3),
      expiresAtMs: 600,
      storedAtMs: 100,
    };
    expect(keeper.get(100, record.key)).toEqual(expected);
    expect(keeper.get(599, record.key)).toEqual(expected);
    expect(keeper.nextExpiryAtMs()).toBe(600);
    expect(keeper.get(600, record.key)).toBeUndefined();
    expect(keeper.nextExpiryAtMs()).toBeUndefined();
    expect(keeper.records).toEqual({ used: 0, limit: 4 });
  });

  it("keeps nothing longer than its own limit", () => {
    const { keeper } = setUp();
    keeper.accept(0, wire(open("a", 1), 1e12), "s");
    keeper.accept(0, wire(open("b", 1), Number.POSITIVE_INFINITY), "s");
    expect(keeper.get(23_999, openKey(sha256, "a"))?.expiresAtMs).toBe(24_000);
    expect(keeper.get(24_000, openKey(sha256, "b"))).toBeUndefined();
  });

  it("copies the bytes: what becomes of the message afterwards does not matter", () => {
    const { keeper, store } = setUp();
    const message = Buffer.alloc(300);
    const { key, body } = open("a", 1, 7);
    message.set(body, 50);
    const travelling = { typeCode: 2, key, lifetimeMs: 9_000, body: message.subarray(50, 50 + body.length) };
    keeper.accept(0, travelling, "s");
    message.fill(0xaa);
    expect(keeper.get(0, key)?.body).toEqual(body);
    expect(store.get(key)?.body.constructor).toBe(Uint8Array);
    const own = open("b", 1, 7);
    keeper.keepOwn(0, own);
    const before = copyBytes(own.body);
    own.body.fill(0xaa);
    expect(keeper.get(0, own.key)?.body).toEqual(before);
  });

  it("takes the newer of two and refuses the older as superseded", () => {
    const { keeper } = setUp();
    keeper.accept(0, wire(open("a", 5, 1)), "s");
    expect(keeper.accept(1, wire(open("a", 4, 9)), "s")).toEqual(refused("superseded"));
    expect(keeper.accept(2, wire(open("a", 6, 2), 100), "s")).toEqual(stored);
    const held = keeper.get(2, openKey(sha256, "a"));
    expect(readOpenRecord(held?.body as Uint8Array)).toMatchObject({ seq: 6, value: Uint8Array.of(2) });
    expect(held?.expiresAtMs).toBe(102);
  });

  it("takes an equal sequence number with equal bytes as a refresh, from anybody (equal sequence number refused, POLICIES §3.5)", () => {
    const { keeper } = setUp();
    const record = open("a", 5, 1);
    keeper.accept(0, wire(record, 1_000), "publisher");
    expect(keeper.accept(500, wire(record, 2_000), "anybody")).toEqual(refreshed);
    expect(keeper.get(2_499, record.key)).toMatchObject({
      expiresAtMs: 2_500,
      storedAtMs: 500,
      body: record.body,
    });
    expect(keeper.get(2_500, record.key)).toBeUndefined();
  });

  it("never shortens a life by a refresh, nor draws it out beyond its own limit", () => {
    const { keeper } = setUp();
    const record = open("a", 5, 1);
    keeper.accept(0, wire(record, 20_000), "s");
    expect(keeper.accept(100, wire(record, 50), "s")).toEqual(refreshed);
    expect(keeper.get(100, record.key)?.expiresAtMs).toBe(20_000);
    keeper.accept(200, wire(record, 1e9), "s");
    expect(keeper.get(200, record.key)?.expiresAtMs).toBe(24_200);
  });

  it("keeps one of two with equal sequence numbers, the same whichever came first", () => {
    const [a, b] = [open("a", 5, 1), open("a", 5, 2)];
    const larger = Buffer.compare(sha256(a.body), sha256(b.body)) > 0 ? a : b;
    for (const [first, second] of [
      [a, b],
      [b, a],
    ] as const) {
      const { keeper } = setUp();
      keeper.accept(0, wire(first), "s");
      const outcome = keeper.accept(0, wire(second), "s");
      expect(outcome).toEqual(second === larger ? stored : refused("superseded"));
      expect(keeper.get(0, a.key)?.body).toEqual(larger.body);
    }
  });

  it("keeps the type with the smaller code of two under one key", () => {
    const key = NodeId.fromBytes(Uint8Array.of(9));
    const validators = { low: byteValidator(40), high: byteValidator(41) };
    for (const codes of [
      [40, 41],
      [41, 40],
    ] as const) {
      const { keeper } = setUp({ validators });
      for (const typeCode of codes) {
        keeper.accept(0, { typeCode, key, lifetimeMs: 9, body: Uint8Array.of(1) }, "s");
      }
      expect(keeper.get(0, key)?.typeCode).toBe(40);
    }
  });

  it("takes a new record of any order after the old one has expired", () => {
    const { keeper } = setUp();
    keeper.accept(0, wire(open("a", 9), 100), "s");
    expect(keeper.accept(100, wire(open("a", 1)), "s")).toEqual(stored);
  });

  it("treats an undecided validator as one that sees the same record", () => {
    const { keeper } = setUp({ validators: { odd: { ...byteValidator(40), select: () => Number.NaN } } });
    const key = NodeId.fromBytes(Uint8Array.of(9));
    const of = (byte: number): WireRecord => ({
      typeCode: 40,
      key,
      lifetimeMs: 9,
      body: Uint8Array.of(byte),
    });
    expect(keeper.accept(0, of(1), "s")).toEqual(stored);
    expect(keeper.accept(0, of(2), "s")).toEqual(refreshed);
    expect(keeper.get(0, key)?.body).toEqual(Uint8Array.of(1));
  });

  it("gives the wall clock to validators", () => {
    const future: RecordValidator = {
      ...byteValidator(40),
      validate: (_key, body, { unixMs }) =>
        (body[0] as number) > (unixMs ?? 0) ? "from the future" : undefined,
    };
    let unixMs: number | undefined;
    const { keeper } = setUp({ validators: { future }, unixMs: () => unixMs });
    const record = { typeCode: 40, key: self, lifetimeMs: 9, body: Uint8Array.of(50) };
    expect(keeper.accept(0, record, "s")).toEqual(refused("invalidRecord"));
    unixMs = 49;
    expect(keeper.accept(0, record, "s")).toEqual(refused("invalidRecord"));
    unixMs = 50;
    expect(keeper.accept(0, record, "s")).toEqual(stored);
  });
});

/** As {@link byteValidator}; a second byte ends the record at so many milliseconds of the wall clock. */
const mortalValidator: RecordValidator = {
  ...byteValidator(40),
  maxBodyBytes: 2,
  lifetimeMs: (body, { unixMs }) => (body[1] === undefined ? undefined : body[1] - (unixMs ?? 0)),
};

const mortal = (seq: number, ...ends: number[]): DhtRecord => ({
  type: "mortal",
  key: self,
  body: Uint8Array.of(seq, ...ends),
});

const mortalWire = (seq: number, lifetimeMs: number, ...ends: number[]): WireRecord => ({
  ...wire(mortal(seq, ...ends), lifetimeMs),
  typeCode: 40,
});

describe("a record that says when it ends", () => {
  function setUpMortal(): { keeper: RecordKeeper; clock: { unixMs: number } } {
    const clock = { unixMs: 0 };
    const { keeper } = setUp({ validators: { mortal: mortalValidator }, unixMs: () => clock.unixMs });
    return { keeper, clock };
  }

  it("is kept no longer, however often somebody stores it again", () => {
    const { keeper, clock } = setUpMortal();
    expect(keeper.accept(1_000, mortalWire(1, 500, 200), "s")).toEqual(stored);
    expect(keeper.get(1_000, self)?.expiresAtMs).toBe(1_200);
    clock.unixMs = 150;
    expect(keeper.accept(1_150, mortalWire(1, 500, 200), "s")).toEqual(refreshed);
    expect(keeper.get(1_199, self)?.expiresAtMs).toBe(1_200);
    expect(keeper.get(1_200, self)).toBeUndefined();
  });

  it("is kept shorter where the sender says so", () => {
    const { keeper } = setUpMortal();
    keeper.accept(0, mortalWire(1, 50, 200), "s");
    expect(keeper.nextExpiryAtMs()).toBe(50);
  });

  it("is refused as expired when it is over, and nothing has changed", () => {
    const { keeper, clock } = setUpMortal();
    keeper.accept(0, mortalWire(1, 500), "s");
    clock.unixMs = 100;
    expect(keeper.accept(0, mortalWire(2, 500, 100), "s")).toEqual(refused("expired"));
    expect(keeper.keepOwn(0, mortal(2, 100))).toBe("expired");
    expect(keeper.get(0, self)?.body).toEqual(Uint8Array.of(1));
  });

  it("and is our own, is passed on in the middle of its life, and not renewed beyond its end", () => {
    const limitsOfDays = { valueLifetimeMs: 86_400_000, republishIntervalMs: 3_600_000 };
    const endMs = 100_000;
    let unixMs = 0;
    const ending: RecordValidator = { ...mortalValidator, lifetimeMs: () => endMs - unixMs };
    const own = setUp({ validators: { mortal: ending }, limits: limitsOfDays }).keeper;
    expect(own.keepOwn(0, mortal(1))).toBe("stored");
    const passedOnAtMs: number[] = [];
    for (;;) {
      const nowMs = Math.min(own.nextRepublishAtMs() ?? endMs, endMs);
      unixMs = nowMs;
      const due = own.republishDue(nowMs, 9);
      if (nowMs >= endMs) {
        expect(due).toEqual([]);
        break;
      }
      expect(due).toEqual([expect.objectContaining({ own: true, expiresAtMs: endMs, storedAtMs: nowMs })]);
      passedOnAtMs.push(nowMs);
    }
    expect(passedOnAtMs[0]).toBeGreaterThanOrEqual(endMs / 2);
    expect(passedOnAtMs[0]).toBeLessThan((endMs / 2) * 1.125);
    expect(passedOnAtMs.length).toBeLessThanOrEqual(6);
    expect([own.get(endMs, self), own.nextExpiryAtMs(), own.nextRepublishAtMs()]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(own.ownRecords).toBe(0);
  });

  it("after a while, and is our own, is renewed in the middle of each life", () => {
    const brief: RecordValidator = { ...mortalValidator, lifetimeMs: () => 600_000 };
    const { keeper } = setUp({
      validators: { mortal: brief },
      limits: { valueLifetimeMs: 86_400_000, republishIntervalMs: 3_600_000 },
    });
    keeper.keepOwn(0, mortal(1));
    let nowMs = 0;
    for (let turn = 0; turn < 20; turn++) {
      const dueAtMs = keeper.nextRepublishAtMs() as number;
      expect(dueAtMs - nowMs).toBeGreaterThanOrEqual(300_000);
      expect(dueAtMs - nowMs).toBeLessThan(337_500);
      nowMs = dueAtMs;
      expect(keeper.republishDue(nowMs, 9)).toEqual([
        expect.objectContaining({ expiresAtMs: nowMs + 600_000 }),
      ]);
    }
  });
});

describe("compare-and-swap", () => {
  it.each([
    ["the one that is expected", 5, stored],
    ["an older one than is expected", 6, stored],
    ["a newer one than is expected", 4, refused("superseded")],
  ])("with %s in place", (_, expectedSeq, outcome) => {
    const { keeper } = setUp();
    keeper.accept(0, wire(open("a", 5, 1)), "s");
    expect(keeper.isAhead(0, wire(open("a", 9, 2)), expectedSeq)).toBe(outcome !== stored);
    expect(keeper.accept(0, wire(open("a", 9, 2)), "s", expectedSeq)).toEqual(outcome);
    expect(readOpenRecord(keeper.get(0, openKey(sha256, "a"))?.body as Uint8Array)?.seq).toBe(
      outcome === stored ? 9 : 5,
    );
  });

  it("takes what comes where nothing stands", () => {
    const { keeper } = setUp();
    expect(keeper.isAhead(0, wire(open("a", 5)), 0)).toBe(false);
    expect(keeper.accept(0, wire(open("a", 5)), "s", 0)).toEqual(stored);
  });

  it("takes the same record again: a put that is repeated has not failed", () => {
    const { keeper } = setUp();
    keeper.accept(0, wire(open("a", 5)), "s", 4);
    expect(keeper.isAhead(0, wire(open("a", 5)), 4)).toBe(false);
    expect(keeper.accept(1, wire(open("a", 5)), "s", 4)).toEqual(refreshed);
  });

  it("lets no older record in", () => {
    const { keeper } = setUp();
    keeper.accept(0, wire(open("a", 5)), "s");
    expect(keeper.accept(0, wire(open("a", 4)), "s", 9)).toEqual(refused("superseded"));
  });

  it("is unsupported for a type without sequence numbers", () => {
    const { keeper } = setUp();
    const record = immutableRecord(sha256, Uint8Array.of(1));
    expect(keeper.accept(0, wire(record), "s", 9)).toEqual(refused("unsupported"));
    expect(keeper.records.used).toBe(0);
  });

  it("does not compare with the number of another type", () => {
    const { keeper } = setUp({ validators: { other: { ...byteValidator(40), seqOf: () => 99 } } });
    const { key, body } = open("a", 5);
    keeper.accept(0, { typeCode: 40, key, lifetimeMs: 9_000, body: Uint8Array.of(1) }, "s");
    expect(keeper.accept(0, { typeCode: 2, key, lifetimeMs: 9_000, body }, "s", 4)).toEqual(stored);
  });
});

describe("a holder refuses", () => {
  const valid = wire(open("a", 1, 1));
  it.each<[string, WireRecord, string]>([
    ["a type that it does not know", { ...valid, typeCode: 77 }, "unsupported"],
    ["a body over the type's limit", { ...valid, body: new Uint8Array(1_034) }, "tooLarge"],
    ["a body that its validator refuses", { ...valid, body: new Uint8Array(3) }, "invalidRecord"],
    ["a key that is not the record's", { ...valid, key: self }, "invalidRecord"],
    ["a record without life", { ...valid, lifetimeMs: 0 }, "invalidRecord"],
    ["a record with a negative life", { ...valid, lifetimeMs: -1 }, "invalidRecord"],
    ["a life that is no number", { ...valid, lifetimeMs: Number.NaN }, "invalidRecord"],
  ])("%s", (_, record, reason) => {
    const { keeper, store, reported } = setUp();
    expect(keeper.accept(0, record, "s")).toEqual(refused(reason));
    expect([store.size, keeper.records.used, keeper.sources, reported.length]).toEqual([0, 0, 0, 0]);
    expect(keeper.nextExpiryAtMs()).toBeUndefined();
  });

  it("more records than it has room for, until one has expired", () => {
    const { keeper } = setUp();
    for (const [i, name] of ["a", "b", "c", "d"].entries()) {
      expect(keeper.accept(0, wire(open(name, 1), 1_000 + i), undefined)).toEqual(stored);
    }
    expect(keeper.accept(999, wire(open("e", 1)), undefined)).toEqual(refused("full"));
    expect(keeper.accept(999, wire(open("b", 2)), undefined)).toEqual(stored);
    expect(keeper.accept(1_000, wire(open("e", 1)), undefined)).toEqual(stored);
    expect(keeper.records).toEqual({ used: 4, limit: 4 });
  });

  it("more bytes than it has room for, what would be replaced counted as free", () => {
    const { keeper } = setUp({ limits: { maxRecordBytes: 40 } });
    const sized = (name: string, seq: number, bytes: number): WireRecord =>
      wire(open(name, seq, ...new Array<number>(bytes - 10).fill(1)));
    expect(keeper.accept(0, sized("a", 1, 20), "s")).toEqual(stored);
    expect(keeper.accept(0, sized("b", 1, 21), "s")).toEqual(refused("full"));
    expect(keeper.accept(0, sized("b", 1, 20), "s")).toEqual(stored);
    expect(keeper.accept(0, sized("a", 2, 21), "s")).toEqual(refused("full"));
    expect(keeper.get(0, openKey(sha256, "a"))?.body).toHaveLength(20);
    expect(keeper.accept(0, sized("a", 3, 19), "s")).toEqual(stored);
    expect(keeper.recordBytes).toEqual({ used: 39, limit: 40 });
  });

  it("more records of one source than it allows, until one of them has expired or somebody else renews it", () => {
    const { keeper } = setUp();
    expect(keeper.accept(0, wire(open("a", 1), 1_000), "s")).toEqual(stored);
    expect(keeper.accept(0, wire(open("b", 1)), "s")).toEqual(stored);
    expect(keeper.accept(0, wire(open("c", 1)), "s")).toEqual(refused("full"));
    expect(keeper.accept(0, wire(open("c", 1)), "t")).toEqual(stored);
    // A newer record under a key of its own is no further one; the same one again is never a further one.
    expect(keeper.accept(0, wire(open("b", 2)), "s")).toEqual(stored);
    expect(keeper.accept(0, wire(open("c", 1)), "s")).toEqual(refreshed);
    expect(keeper.accept(0, wire(open("c", 2)), "s")).toEqual(refused("full"));
    expect(keeper.sources).toBe(2);
    expect(keeper.accept(1_000, wire(open("c", 2)), "s")).toEqual(stored);
    expect(keeper.accept(1_000, wire(open("d", 1)), "s")).toEqual(refused("full"));
    expect(keeper.accept(1_000, wire(open("b", 3)), "t")).toEqual(stored);
    expect(keeper.accept(1_000, wire(open("d", 1)), "s")).toEqual(stored);
  });

  it("nothing of an exempt source beyond the room for all", () => {
    const { keeper } = setUp();
    for (const name of ["a", "b", "c", "d"]) {
      expect(keeper.accept(0, wire(open(name, 1)), undefined)).toEqual(stored);
    }
    expect(keeper.sources).toBe(0);
    expect(keeper.accept(0, wire(open("e", 1)), undefined)).toEqual(refused("full"));
  });

  it("what the store has no room for, and is as it was", () => {
    const { keeper, reported } = setUp({ store: new MemoryRecordStore({ maxRecords: 1 }) });
    const held = wire(open("a", 1), 5_000);
    keeper.accept(0, held, "s");
    expect(keeper.accept(0, wire(open("b", 1)), "s")).toEqual(refused("full"));
    expect(keeper.get(0, held.key)?.expiresAtMs).toBe(5_000);
    expect([keeper.records.used, keeper.sources, keeper.nextExpiryAtMs()]).toEqual([1, 1, 5_000]);
    expect(reported).toEqual([]);
  });
});

describe("a record of our own", () => {
  it("is renewed as long as it is kept, and passed on with the full lifetime", () => {
    const { keeper } = setUp();
    const record = open("a", 1, 1);
    expect(keeper.keepOwn(0, record)).toBe("stored");
    expect(keeper.get(0, record.key)).toMatchObject({ own: true, expiresAtMs: 24_000, storedAtMs: 0 });
    let nowMs = 0;
    for (let hour = 0; hour < 100; hour++) {
      nowMs = keeper.nextRepublishAtMs() as number;
      expect(keeper.republishDue(nowMs, 9)).toEqual([
        expect.objectContaining({
          own: true,
          storedAtMs: nowMs,
          expiresAtMs: nowMs + 24_000,
          body: record.body,
        }),
      ]);
      keeper.onRepublished(nowMs + 5, record.key);
    }
    expect(nowMs).toBeGreaterThanOrEqual(100_000);
    expect(keeper.get(nowMs, record.key)?.expiresAtMs).toBe(nowMs + 24_000);
  });

  it("survives a long sleep, and is passed on right after it", () => {
    const { keeper } = setUp();
    const record = open("a", 1, 1);
    keeper.keepOwn(0, record);
    expect(keeper.expire(1_000_000)).toBe(0);
    expect(keeper.get(1_000_000, record.key)?.expiresAtMs).toBe(1_024_000);
    expect(keeper.republishDue(1_000_000, 9)).toHaveLength(1);
  });

  it("is renewed on our schedule whoever else stores it", () => {
    const { keeper } = setUp();
    const record = open("a", 1, 1);
    keeper.keepOwn(0, record);
    const dueAtMs = keeper.nextRepublishAtMs();
    expect(keeper.accept(900, wire(record), "s")).toEqual(refreshed);
    expect(keeper.nextRepublishAtMs()).toBe(dueAtMs);
    expect(keeper.sources).toBe(0);
  });

  it("takes no room from others'", () => {
    const { keeper } = setUp();
    for (let i = 0; i < 9; i++) expect(keeper.keepOwn(0, open(`own${i}`, 1))).toBe("stored");
    expect([keeper.ownRecords, keeper.records.used, keeper.recordBytes.used]).toEqual([9, 0, 0]);
    for (const name of ["a", "b", "c", "d"]) {
      expect(keeper.accept(0, wire(open(name, 1)), undefined)).toEqual(stored);
    }
    expect(keeper.accept(0, wire(open("own0", 2)), undefined)).toEqual(refused("full"));
    expect(keeper.get(0, openKey(sha256, "own0"))?.own).toBe(true);
  });

  it("is ours no longer when somebody stores a newer one", () => {
    const { keeper } = setUp();
    keeper.keepOwn(0, open("a", 1, 1));
    expect(keeper.accept(10, wire(open("a", 2, 2), 500), "s")).toEqual(stored);
    expect(keeper.get(10, openKey(sha256, "a"))?.own).toBeUndefined();
    expect([keeper.ownRecords, keeper.records.used]).toEqual([0, 1]);
    expect(keeper.expire(510)).toBe(1);
  });

  it("is not kept in place of a newer one", () => {
    const { keeper } = setUp();
    keeper.accept(0, wire(open("a", 5)), "s");
    expect(keeper.keepOwn(0, open("a", 4))).toBe("superseded");
    expect(keeper.keepOwn(0, open("a", 6))).toBe("stored");
    expect([keeper.ownRecords, keeper.sources]).toEqual([1, 0]);
  });

  it("with a lifetime ends then, and counts like one of others", () => {
    const { keeper } = setUp();
    const record = { ...open("a", 1), lifetimeMs: 3_000 };
    expect(keeper.keepOwn(0, record)).toBe("stored");
    expect(keeper.records.used).toBe(1);
    expect(keeper.republishDue(2_000, 9)).toEqual([expect.objectContaining({ expiresAtMs: 3_000 })]);
    expect(keeper.get(3_000, record.key)).toBeUndefined();
    for (const name of ["b", "c", "d", "e"]) keeper.accept(4_000, wire(open(name, 1)), undefined);
    expect(keeper.keepOwn(4_000, record)).toBe("full");
  });

  it("has the terms of the last call, but never ends earlier for others' sake", () => {
    const { keeper } = setUp();
    const record = open("a", 1);
    keeper.keepOwn(0, record);
    expect(keeper.keepOwn(0, { ...record, lifetimeMs: 100 })).toBe("stored");
    expect(keeper.get(0, record.key)).toMatchObject({ expiresAtMs: 100 });
    expect(keeper.get(0, record.key)?.own).toBeUndefined();
    keeper.accept(1, wire(open("b", 1), 5_000), "s");
    expect(keeper.keepOwn(2, { ...open("b", 1), lifetimeMs: 100 })).toBe("stored");
    expect(keeper.get(2, openKey(sha256, "b"))?.expiresAtMs).toBe(5_001);
    expect(keeper.sources).toBe(1);
    keeper.keepOwn(3, record);
    expect(keeper.get(3, record.key)?.own).toBe(true);
  });

  it("is forgotten when asked, and not renewed any more", () => {
    const { keeper, store } = setUp();
    const record = open("a", 1);
    keeper.keepOwn(0, record);
    expect([keeper.forget(record.key), keeper.forget(record.key)]).toEqual([true, false]);
    expect([store.size, keeper.ownRecords]).toEqual([0, 0]);
    expect([keeper.nextExpiryAtMs(), keeper.nextRepublishAtMs()]).toEqual([undefined, undefined]);
  });

  it("of an unknown type is a mistake of the caller", () => {
    expect(() => setUp().keeper.keepOwn(0, { ...open("a", 1), type: "nothing" })).toThrow(
      expect.objectContaining({ code: "invalidRecord" }),
    );
  });

  it("is not kept when the store has no room", () => {
    const { keeper } = setUp({ store: new MemoryRecordStore({ maxRecords: 0 }) });
    expect(keeper.keepOwn(0, open("a", 1))).toBe("full");
    expect(keeper.keepOwn(0, { ...open("a", 1), lifetimeMs: 9 })).toBe("full");
    expect(keeper.ownRecords).toBe(0);
  });
});

describe("passing on", () => {
  it("comes an hour to an hour and an eighth after somebody stored the record, at other times for other keys and nodes", () => {
    const dueAtMs = new Set<number>();
    for (let i = 0; i < 50; i++) {
      const { keeper } = setUp();
      keeper.accept(0, wire(open(`name${i}`, 1)), "s");
      const atMs = keeper.nextRepublishAtMs() as number;
      expect(atMs).toBeGreaterThanOrEqual(1_000);
      expect(atMs).toBeLessThan(1_125);
      dueAtMs.add(atMs);
    }
    expect(dueAtMs.size).toBeGreaterThan(45);
  });

  it("is put off when somebody stores the record again", () => {
    const { keeper } = setUp();
    const record = wire(open("a", 1));
    keeper.accept(0, record, "s");
    keeper.accept(900, record, "t");
    expect(keeper.republishDue(1_899, 9)).toEqual([]);
    expect(keeper.republishDue(2_025, 9)).toHaveLength(1);
  });

  it("gives what remains of the lifetime, and ends with the record", () => {
    const { keeper } = setUp();
    const record = wire(open("a", 1), 3_000);
    keeper.accept(0, record, "s");
    let passedOn = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 25) {
      for (const due of keeper.republishDue(nowMs, 9)) {
        expect(due.expiresAtMs).toBe(3_000);
        passedOn++;
        keeper.onRepublished(nowMs, record.key);
      }
    }
    expect(passedOn).toBe(2);
    expect(keeper.nextRepublishAtMs()).toBeUndefined();
  });

  it("hands out no more than asked for, those due longest first, and the rest next time", () => {
    const { keeper } = setUp();
    for (const [i, name] of ["a", "b", "c", "d"].entries()) {
      keeper.accept(i * 200, wire(open(name, 1)), undefined);
    }
    const names = (records: readonly StoredRecord[]): (string | undefined)[] =>
      records.map(({ body }) => readOpenRecord(body)?.name);
    expect(names(keeper.republishDue(5_000, 3))).toEqual(["a", "b", "c"]);
    expect(keeper.nextRepublishAtMs()).toBeLessThan(5_000);
    expect(names(keeper.republishDue(5_000, 3))).toEqual(["d"]);
    expect(names(keeper.republishDue(5_000, 3))).toEqual([]);
    expect(keeper.nextRepublishAtMs()).toBeGreaterThanOrEqual(6_000);
    expect(keeper.republishDue(9_000, 0)).toEqual([]);
  });

  it("hands a record out again after an interval although nobody said how it went", () => {
    const { keeper } = setUp();
    keeper.accept(0, wire(open("a", 1)), "s");
    expect(keeper.republishDue(1_125, 9)).toHaveLength(1);
    expect(keeper.republishDue(2_124, 9)).toHaveLength(0);
    expect(keeper.republishDue(2_250, 9)).toHaveLength(1);
  });

  it("counts the next interval from when it was done, and stores that", () => {
    const { keeper, store } = setUp();
    const { key } = open("a", 1);
    keeper.accept(0, wire(open("a", 1)), "s");
    keeper.republishDue(1_125, 9);
    keeper.onRepublished(1_500, key);
    expect(store.get(key)).toMatchObject({ storedAtMs: 1_500, expiresAtMs: 24_000 });
    expect(keeper.republishDue(2_499, 9)).toEqual([]);
    expect(keeper.sources).toBe(1);
    keeper.onRepublished(1_500, self);
    keeper.onRepublished(24_000, key);
    expect(store.size).toBe(0);
  });
});

describe("a store with records in it", () => {
  const entry = (name: string, more: Partial<StoredRecord> = {}): StoredRecord => {
    const { key, body } = open(name, 1);
    return { kind: "value", typeCode: 2, key, body, expiresAtMs: 2_000, storedAtMs: 100, ...more };
  };

  it("is taken over, page by page, with its expiries and intervals", () => {
    const store = new MemoryRecordStore();
    for (let i = 0; i < 600; i++) store.put(entry(`n${i}`, { expiresAtMs: 2_000 + i }));
    store.put(entry("own", { own: true }));
    const { keeper } = setUp({ store });
    expect([keeper.records.used, keeper.ownRecords, keeper.sources]).toEqual([600, 1, 0]);
    expect(keeper.nextExpiryAtMs()).toBe(2_000);
    expect(keeper.get(1_999, openKey(sha256, "n5"))).toEqual(entry("n5", { expiresAtMs: 2_005 }));
    expect(keeper.republishDue(1_225, 1_000)).toHaveLength(601);
    expect(keeper.expire(2_299)).toBe(300);
    expect(keeper.records.used).toBe(300);
  });

  it("is kept whole when it holds more than the caps, and takes nothing new until it has shrunk", () => {
    const store = new MemoryRecordStore();
    for (let i = 0; i < 6; i++) store.put(entry(`n${i}`, { expiresAtMs: 2_000 + i }));
    const { keeper } = setUp({ store });
    expect(keeper.accept(0, wire(open("new", 1)), "s")).toEqual(refused("full"));
    expect(keeper.accept(0, wire(open("n5", 1)), "s")).toEqual(refreshed);
    expect(keeper.accept(0, wire(open("n5", 2)), "s")).toEqual(stored);
    expect(keeper.accept(2_001, wire(open("new", 1)), "s")).toEqual(refused("full"));
    expect(keeper.accept(2_002, wire(open("new", 1)), "s")).toEqual(stored);
  });

  it("drops what has expired with the first call that brings the time", () => {
    const store = new MemoryRecordStore();
    store.put(entry("old", { expiresAtMs: -5 }));
    const { keeper } = setUp({ store });
    expect(keeper.get(0, openKey(sha256, "old"))).toBeUndefined();
    expect(store.size).toBe(0);
  });

  it("keeps records of other kinds and of unknown types untouched", () => {
    const store = new MemoryRecordStore();
    store.put(entry("a", { kind: "provider", provider: self }));
    store.put(entry("b", { typeCode: 77 }));
    const { keeper } = setUp({ store });
    expect(keeper.expire(1e9)).toBe(0);
    expect(keeper.get(0, openKey(sha256, "b"))).toBeUndefined();
    expect([store.size, keeper.records.used]).toEqual([2, 0]);
  });

  it("that pages in circles, or gives a record twice, does not keep the node from starting", () => {
    const circling: RecordStore = Object.assign(new MemoryRecordStore(), {
      entries: () => ({ records: [entry("a"), entry("a")], next: "again" }),
    });
    expect(setUp({ store: circling }).keeper.records.used).toBe(1);
    const hollow: RecordStore = Object.assign(new MemoryRecordStore(), {
      entries: (cursor: string | undefined) => ({ records: [], next: `${cursor}.` }),
    });
    expect(setUp({ store: hollow }).keeper.records.used).toBe(0);
  });

  it("that has lost a record ends its entry here too", () => {
    const { keeper, store } = setUp();
    for (const name of ["a", "b", "c"]) keeper.accept(0, wire(open(name, 2)), undefined);
    keeper.keepOwn(0, open("own", 1));
    for (const name of ["a", "b", "c", "own"]) store.delete(openKey(sha256, name));
    expect(keeper.get(0, openKey(sha256, "a"))).toBeUndefined();
    expect(keeper.accept(0, wire(open("b", 1)), "s")).toEqual(stored);
    expect(keeper.records.used).toBe(2);
    expect(keeper.republishDue(1_125, 9).map(({ key }) => key)).toEqual([openKey(sha256, "b")]);
    expect([keeper.records.used, keeper.ownRecords]).toEqual([1, 0]);
    expect(keeper.expire(1e6)).toBe(1);
  });
});

/** Throws in the named methods while `broken` holds them. */
class BrittleStore implements RecordStore {
  readonly inner = new MemoryRecordStore();
  broken: ReadonlySet<string> = new Set();
  get size(): number {
    return this.inner.size;
  }
  get bytes(): number {
    return this.inner.bytes;
  }
  get(key: NodeId): StoredRecord | undefined {
    return this.#unless("get").get(key);
  }
  put(record: StoredRecord): "stored" | "full" {
    return this.#unless("put").put(record);
  }
  delete(key: NodeId): boolean {
    return this.#unless("delete").delete(key);
  }
  entries(cursor: string | undefined, limit: number): ReturnType<RecordStore["entries"]> {
    return this.#unless("entries").entries(cursor, limit);
  }
  #unless(method: string): MemoryRecordStore {
    if (this.broken.has(method)) throw new Error(`${method} is broken`);
    return this.inner;
  }
}

describe("a hook that throws", () => {
  const brittle = (...broken: string[]): World & { store: BrittleStore } => {
    const store = new BrittleStore();
    store.inner.put({ ...wire(open("held", 5)), kind: "value", expiresAtMs: 9_000, storedAtMs: 0 });
    const world = setUp({ store });
    store.broken = new Set(broken);
    return { ...world, store };
  };
  const storeFault = (method: string): unknown =>
    expect.objectContaining({ code: "hookFailed", message: `store threw: ${method} is broken` });

  it("put: the record is refused as full, what was held is held", () => {
    const { keeper, reported } = brittle("put");
    expect(keeper.accept(0, wire(open("new", 1)), "s")).toEqual(refused("full"));
    expect(keeper.accept(0, wire(open("held", 6)), "s")).toEqual(refused("full"));
    expect(keeper.accept(0, wire(open("held", 5)), "s")).toEqual(refused("full"));
    expect(keeper.keepOwn(0, open("own", 1))).toBe("full");
    expect(keeper.get(0, openKey(sha256, "held"))).toMatchObject({ expiresAtMs: 9_000 });
    expect(reported).toEqual(new Array(4).fill(storeFault("put")));
    expect([keeper.records.used, keeper.sources, keeper.ownRecords]).toEqual([1, 0, 0]);
  });

  it("get: nothing is served, nothing is replaced", () => {
    const { keeper, store, reported } = brittle("get");
    const { key } = open("held", 5);
    expect(keeper.get(0, key)).toBeUndefined();
    expect(keeper.accept(0, wire(open("held", 6)), "s")).toEqual(refused("full"));
    expect(keeper.keepOwn(0, open("held", 6))).toBe("full");
    expect(keeper.republishDue(1_125, 9)).toEqual([]);
    keeper.onRepublished(1_125, key);
    expect(reported).toEqual(new Array(5).fill(storeFault("get")));
    store.broken = new Set();
    expect(keeper.get(1_125, key)).toBeDefined();
    expect(keeper.republishDue(2_250, 9)).toHaveLength(1);
  });

  it("delete: what expired is served no more", () => {
    const { keeper, reported } = brittle("delete");
    expect(keeper.expire(9_000)).toBe(1);
    expect(keeper.get(9_000, openKey(sha256, "held"))).toBeUndefined();
    expect(reported).toEqual([storeFault("delete")]);
    expect(keeper.records.used).toBe(0);
  });

  it("entries: the node starts with nothing", () => {
    const store = new BrittleStore();
    store.inner.put({ ...wire(open("held", 5)), kind: "value", expiresAtMs: 9_000, storedAtMs: 0 });
    store.broken = new Set(["entries"]);
    const { keeper, reported } = setUp({ store });
    expect(keeper.records.used).toBe(0);
    expect(reported).toEqual([storeFault("entries")]);
  });

  it("put, when a record of our own is to be renewed: it is passed on as it is, and ends as it was", () => {
    const { keeper, store } = brittle();
    keeper.keepOwn(0, open("own", 1));
    store.broken = new Set(["put"]);
    const passedOn = keeper.republishDue(1_125, 9).filter(({ own }) => own);
    expect(passedOn).toEqual([expect.objectContaining({ expiresAtMs: 24_000 })]);
    expect(keeper.ownRecords).toBe(1);
    expect(keeper.expire(24_000)).toBe(2);
    expect(keeper.ownRecords).toBe(0);
  });

  it("select: the record is refused as invalid", () => {
    const failing: RecordValidator = {
      ...byteValidator(40),
      select() {
        throw new Error("cannot choose");
      },
    };
    const { keeper, reported } = setUp({ validators: { failing } });
    const of = (byte: number): WireRecord => ({
      typeCode: 40,
      key: self,
      lifetimeMs: 9,
      body: Uint8Array.of(byte),
    });
    expect(keeper.accept(0, of(1), "s")).toEqual(stored);
    expect(keeper.accept(0, of(2), "s")).toEqual(refused("invalidRecord"));
    expect(keeper.keepOwn(0, { type: "failing", key: self, body: Uint8Array.of(3) })).toBe("superseded");
    expect(reported).toEqual([expect.any(HookError), expect.any(HookError)]);
  });

  it("validate, and the hash: the record is refused as invalid", () => {
    const { keeper, reported } = setUp({
      sha256: () => {
        throw new Error("no hash");
      },
    });
    expect(keeper.accept(0, wire(open("a", 1)), "s")).toEqual(refused("invalidRecord"));
    expect(reported).toEqual([expect.objectContaining({ message: "validator open threw: no hash" })]);
  });

  it("at any time leaves an index that empties without a rest", () => {
    const step = fc.record({
      broken: fc.subarray(["get", "put", "delete"]),
      act: fc.constantFrom("accept", "own", "get", "republish", "done", "expire", "forget"),
      name: fc.constantFrom("a", "b", "c", "d", "e"),
      seq: fc.integer({ min: 0, max: 3 }),
      waitMs: fc.constantFrom(0, 300, 1_200, 30_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = new BrittleStore();
        const { keeper } = setUp({ store });
        let nowMs = 0;
        for (const { broken, act, name, seq, waitMs } of steps) {
          nowMs += waitMs;
          store.broken = new Set(broken);
          const record = open(name, seq);
          if (act === "accept") keeper.accept(nowMs, wire(record, 5_000), `source ${seq}`);
          else if (act === "own") keeper.keepOwn(nowMs, record);
          else if (act === "get") keeper.get(nowMs, record.key);
          else if (act === "republish") keeper.republishDue(nowMs, 2);
          else if (act === "done") keeper.onRepublished(nowMs, record.key);
          else if (act === "expire") keeper.expire(nowMs);
          else keeper.forget(record.key);
          expect(keeper.records.used).toBeLessThanOrEqual(limits.maxRecords);
          expect(keeper.recordBytes.used).toBeLessThanOrEqual(limits.maxRecordBytes);
        }
        for (const name of ["a", "b", "c", "d", "e"]) keeper.forget(openKey(sha256, name));
        expect([keeper.records.used, keeper.recordBytes.used, keeper.ownRecords, keeper.sources]).toEqual([
          0, 0, 0, 0,
        ]);
        expect([keeper.nextExpiryAtMs(), keeper.nextRepublishAtMs()]).toEqual([undefined, undefined]);
      }),
      { seed: 12, numRuns: 300 },
    );
  });
});

/** What the keeper should do, by looking through everything each time. */
class NaiveKeeper {
  entries: {
    name: string;
    seq: number;
    body: Uint8Array;
    expiresAtMs: number;
    fromMs: number;
    own: boolean;
    source: string | undefined;
  }[] = [];
  readonly storeRecords: number;

  constructor(storeRecords: number) {
    this.storeRecords = storeRecords;
  }

  pass(nowMs: number): void {
    for (const entry of this.entries) {
      if (entry.own && entry.expiresAtMs <= nowMs) entry.expiresAtMs = nowMs + limits.valueLifetimeMs;
    }
    this.entries = this.entries.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  }

  find(name: string): NaiveKeeper["entries"][number] | undefined {
    return this.entries.find((entry) => entry.name === name);
  }

  /** Above zero: newer than what is held. */
  order(name: string, seq: number, body: Uint8Array): number {
    const held = this.find(name);
    if (held === undefined) return 1;
    return held.seq === seq ? Buffer.compare(sha256(body), sha256(held.body)) : seq - held.seq;
  }

  accept(
    nowMs: number,
    name: string,
    seq: number,
    body: Uint8Array,
    lifetimeMs: number,
    source?: string,
  ): string {
    this.pass(nowMs);
    const order = this.order(name, seq, body);
    if (order < 0) return "superseded";
    const expiresAtMs = nowMs + Math.min(lifetimeMs, limits.valueLifetimeMs);
    const held = this.find(name);
    if (held !== undefined && order === 0) {
      if (held.own) return "refreshed";
      held.expiresAtMs = Math.max(held.expiresAtMs, expiresAtMs);
      held.fromMs = nowMs;
      return "refreshed";
    }
    const after = [
      ...this.entries.filter((entry) => entry !== held),
      { name, seq, body, expiresAtMs, fromMs: nowMs, own: false, source },
    ];
    if (!this.fits(after, source)) return "full";
    this.entries = after;
    return "stored";
  }

  keepOwn(
    nowMs: number,
    name: string,
    seq: number,
    body: Uint8Array,
    lifetimeMs: number | undefined,
  ): string {
    this.pass(nowMs);
    const order = this.order(name, seq, body);
    if (order < 0) return "superseded";
    const held = this.find(name);
    const own = lifetimeMs === undefined;
    const joins = !own && order === 0 && held !== undefined && !held.own;
    const expiresAtMs = nowMs + Math.min(lifetimeMs ?? limits.valueLifetimeMs, limits.valueLifetimeMs);
    const entry = {
      name,
      seq,
      body,
      expiresAtMs: joins ? Math.max(expiresAtMs, held.expiresAtMs) : expiresAtMs,
      fromMs: nowMs,
      own,
      source: joins ? held.source : undefined,
    };
    const after = [...this.entries.filter((other) => other !== held), entry];
    if (!this.fits(after, undefined)) return "full";
    this.entries = after;
    return "stored";
  }

  get others(): NaiveKeeper["entries"] {
    return this.entries.filter(({ own }) => !own);
  }

  private fits(after: NaiveKeeper["entries"], source: string | undefined): boolean {
    const others = after.filter(({ own }) => !own);
    const bytes = others.reduce((sum, { body }) => sum + body.length, 0);
    const ofSource = others.filter((entry) => source !== undefined && entry.source === source).length;
    return (
      after.length <= this.storeRecords &&
      others.length <= limits.maxRecords &&
      bytes <= limits.maxRecordBytes &&
      ofSource <= limits.maxRecordsPerSource
    );
  }
}

describe("the keeper", () => {
  it("does what looking through everything would do, whatever comes in whatever order", () => {
    const name = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h");
    const content = { name, seq: fc.integer({ min: 0, max: 3 }), bytes: fc.constantFrom(0, 1, 60) };
    const lifetimeMs = fc.constantFrom(1, 500, 1_500, 24_000, 1e9);
    const source = fc.constantFrom("s", "t", "u", undefined);
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ act: fc.constant("accept" as const), ...content, lifetimeMs, source }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          act: fc.constant("own" as const),
          ...content,
          lifetimeMs: fc.option(lifetimeMs, { nil: undefined }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ act: fc.constant("get" as const), name }) },
      { weight: 1, arbitrary: fc.record({ act: fc.constant("forget" as const), name }) },
      { weight: 1, arbitrary: fc.record({ act: fc.constant("done" as const), name }) },
      { weight: 1, arbitrary: fc.record({ act: fc.constant("expire" as const) }) },
      { weight: 3, arbitrary: fc.record({ act: fc.constant("republish" as const) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          act: fc.constant("wait" as const),
          ms: fc.constantFrom(1, 400, 1_000, 1_130, 25_000),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const store = new MemoryRecordStore({ maxRecords: 6 });
        const { keeper, reported } = setUp({ store });
        const model = new NaiveKeeper(6);
        let nowMs = 0;
        for (const one of steps) {
          switch (one.act) {
            case "wait":
              nowMs += one.ms;
              break;
            case "accept": {
              const { body, key } = open(one.name, one.seq, ...new Array<number>(one.bytes).fill(7));
              const message = copyBytes(body);
              const travelling = { typeCode: 2, key, lifetimeMs: one.lifetimeMs, body: message };
              const outcome = keeper.accept(nowMs, travelling, one.source);
              message.fill(0xaa);
              const expected = model.accept(nowMs, one.name, one.seq, body, one.lifetimeMs, one.source);
              const said =
                outcome.type === "refused" ? outcome.reason : outcome.changed ? "stored" : "refreshed";
              expect(said).toBe(expected);
              break;
            }
            case "own": {
              const record = open(one.name, one.seq, ...new Array<number>(one.bytes).fill(7));
              const body = copyBytes(record.body);
              const terms = one.lifetimeMs === undefined ? {} : { lifetimeMs: one.lifetimeMs };
              const outcome = keeper.keepOwn(nowMs, { ...record, ...terms });
              record.body.fill(0xaa);
              expect(outcome).toBe(model.keepOwn(nowMs, one.name, one.seq, body, one.lifetimeMs));
              break;
            }
            case "get": {
              model.pass(nowMs);
              const held = model.find(one.name);
              const found = keeper.get(nowMs, openKey(sha256, one.name));
              expect(found?.body).toEqual(held?.body);
              expect(found?.expiresAtMs).toBe(held?.expiresAtMs);
              expect(found?.own === true).toBe(held?.own === true);
              break;
            }
            case "forget":
              expect(keeper.forget(openKey(sha256, one.name))).toBe(model.find(one.name) !== undefined);
              model.entries = model.entries.filter((entry) => entry.name !== one.name);
              break;
            case "done": {
              keeper.onRepublished(nowMs, openKey(sha256, one.name));
              model.pass(nowMs);
              const held = model.find(one.name);
              if (held?.own === false) held.fromMs = nowMs;
              break;
            }
            case "expire": {
              const before = model.entries.length;
              model.pass(nowMs);
              expect(keeper.expire(nowMs)).toBe(before - model.entries.length);
              break;
            }
            case "republish": {
              model.pass(nowMs);
              const names = new Set(
                keeper.republishDue(nowMs, 99).map(({ body }) => readOpenRecord(body)?.name),
              );
              for (const entry of model.entries) {
                const ageMs = nowMs - entry.fromMs;
                if (names.delete(entry.name)) {
                  expect(ageMs).toBeGreaterThanOrEqual(1_000);
                  entry.fromMs = nowMs;
                  if (entry.own) entry.expiresAtMs = nowMs + limits.valueLifetimeMs;
                } else {
                  const endedFirst = !entry.own && entry.expiresAtMs < entry.fromMs + 1_125;
                  expect(ageMs < 1_125 || endedFirst).toBe(true);
                }
              }
              expect(names.size).toBe(0);
              break;
            }
          }
          expect(store.size).toBe(keeper.records.used + keeper.ownRecords);
          expect(keeper.records.used).toBeLessThanOrEqual(limits.maxRecords);
          expect(keeper.recordBytes.used).toBeLessThanOrEqual(limits.maxRecordBytes);
          expect(keeper.records.used).toBe(model.others.length);
          expect(keeper.recordBytes.used).toBe(model.others.reduce((sum, { body }) => sum + body.length, 0));
          expect(keeper.ownRecords).toBe(model.entries.length - model.others.length);
          expect(keeper.sources).toBe(new Set(model.others.flatMap((entry) => entry.source ?? [])).size);
          const ends = model.entries.map(({ expiresAtMs }) => expiresAtMs);
          expect(keeper.nextExpiryAtMs()).toBe(ends.length === 0 ? undefined : Math.min(...ends));
        }
        expect(reported).toEqual([]);
      }),
      { seed: 11, numRuns: 600 },
    );
  });
});
