import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryRecordStore } from "../src/memory-record-store.ts";
import { NodeId } from "../src/node-id.ts";
import type { Cursor, StoredRecord } from "../src/record.ts";

const key = (byte: number): NodeId => NodeId.fromBytes(Uint8Array.of(byte));

function record(byte: number, bytes = 1, more: Partial<StoredRecord> = {}): StoredRecord {
  return {
    kind: "value",
    typeCode: 1,
    key: key(byte),
    body: new Uint8Array(bytes),
    expiresAtMs: 9,
    storedAtMs: 0,
    ...more,
  };
}

function allKeys(store: MemoryRecordStore, limit: number): number[] {
  const found: number[] = [];
  let cursor: Cursor | undefined;
  do {
    const page = store.entries(cursor, limit);
    expect(page.records.length).toBeLessThanOrEqual(limit);
    found.push(...page.records.map((entry) => entry.key.key.charCodeAt(0)));
    cursor = page.next;
  } while (cursor !== undefined);
  return found;
}

describe("MemoryRecordStore", () => {
  it("gives back what was put, and replaces what stands under the same key", () => {
    const store = new MemoryRecordStore();
    const [first, second] = [record(1, 3), record(1, 5)];
    expect(store.get(key(1))).toBeUndefined();
    expect(store.put(first)).toBe("stored");
    expect(store.get(key(1))).toBe(first);
    expect(store.put(second)).toBe("stored");
    expect(store.get(key(1))).toBe(second);
    expect([store.size, store.bytes]).toEqual([1, 5]);
  });

  it("deletes once", () => {
    const store = new MemoryRecordStore();
    store.put(record(1, 3));
    expect([store.delete(key(1)), store.delete(key(1))]).toEqual([true, false]);
    expect([store.size, store.bytes]).toEqual([0, 0]);
  });

  it("keeps the provider records of one key apart, under key ‖ provider", () => {
    const store = new MemoryRecordStore();
    const one = record(1, 1, { kind: "provider", provider: key(7) });
    const other = record(1, 1, { kind: "provider", provider: key(8) });
    store.put(one);
    store.put(other);
    expect(store.size).toBe(2);
    expect(store.get(NodeId.fromBytes(Uint8Array.of(1, 8)))).toBe(other);
    expect(store.delete(NodeId.fromBytes(Uint8Array.of(1, 7)))).toBe(true);
    expect(store.size).toBe(1);
  });

  it("refuses a record beyond its number and leaves all as it was, but replaces", () => {
    const store = new MemoryRecordStore({ maxRecords: 2 });
    store.put(record(1));
    store.put(record(2));
    expect(store.put(record(3))).toBe("full");
    expect(allKeys(store, 10)).toEqual([1, 2]);
    expect(store.put(record(2, 4))).toBe("stored");
    store.delete(key(1));
    expect(store.put(record(3))).toBe("stored");
  });

  it("refuses a record beyond its bytes and leaves all as it was, counting what is replaced as free", () => {
    const store = new MemoryRecordStore({ maxBytes: 10 });
    const held = record(1, 6);
    store.put(held);
    store.put(record(2, 4));
    expect(store.put(record(3, 1))).toBe("full");
    expect(store.put(record(1, 7))).toBe("full");
    expect(store.get(key(1))).toBe(held);
    expect(store.bytes).toBe(10);
    expect(store.put(record(1, 5))).toBe("stored");
    expect(store.put(record(3, 1))).toBe("stored");
  });

  it("has room for what a node holds for others and as much again by default", () => {
    expect(new MemoryRecordStore()).toMatchObject({ maxRecords: 2_048, maxBytes: 2 ** 21 });
  });

  it.each([{ maxRecords: -1 }, { maxRecords: 1.5 }, { maxBytes: Number.NaN }])(
    "refuses the caps %j",
    (options) => {
      expect(() => new MemoryRecordStore(options)).toThrow(
        expect.objectContaining({ code: "invalidOption" }),
      );
    },
  );

  it("refuses a page of no records", () => {
    expect(() => new MemoryRecordStore().entries(undefined, 0)).toThrow(
      expect.objectContaining({ code: "invalidArgument" }),
    );
  });

  it.each([1, 2, 3, 4, 100])("pages through all records, %i at a time", (limit) => {
    const store = new MemoryRecordStore();
    for (const byte of [5, 1, 4, 200, 3]) store.put(record(byte));
    expect(allKeys(store, limit)).toEqual([1, 3, 4, 5, 200]);
    expect(allKeys(new MemoryRecordStore(), limit)).toEqual([]);
  });

  it("a walk meets every record that stays, and none twice, whatever is stored and deleted between its pages", () => {
    const change = fc.record({ byte: fc.integer({ min: 0, max: 15 }), isPut: fc.boolean() });
    const changes = fc.array(fc.array(change, { maxLength: 6 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(changes, fc.integer({ min: 1, max: 4 }), (rounds, limit) => {
        const store = new MemoryRecordStore();
        for (const byte of [0, 2, 4, 6, 8, 10, 12, 14]) store.put(record(byte));
        const touched = new Set(rounds.flat().map(({ byte }) => byte));
        const met: number[] = [];
        let cursor: Cursor | undefined;
        for (let round = 0; round === 0 || cursor !== undefined; round++) {
          const page = store.entries(cursor, limit);
          for (const entry of page.records) {
            expect(store.get(entry.key)).toBe(entry);
            met.push(entry.key.key.charCodeAt(0));
          }
          cursor = page.next;
          for (const { byte, isPut } of rounds[round] ?? []) {
            if (isPut) store.put(record(byte));
            else store.delete(key(byte));
          }
        }
        expect(new Set(met).size).toBe(met.length);
        for (let byte = 0; byte < 16; byte += 2) if (!touched.has(byte)) expect(met).toContain(byte);
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});
