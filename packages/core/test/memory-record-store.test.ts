/** What is particular to this store; what every store must do is tried in packages/testkit, by the suite for stores. */
import { describe, expect, it } from "vitest";
import { MemoryRecordStore } from "../src/memory-record-store.ts";
import { NodeId } from "../src/node-id.ts";
import type { StoredRecord } from "../src/record.ts";

const key = (byte: number): NodeId => NodeId.fromBytes(Uint8Array.of(byte));

function record(byte: number, bytes = 1): StoredRecord {
  return {
    kind: "value",
    typeCode: 1,
    key: key(byte),
    body: new Uint8Array(bytes),
    expiresAtMs: 9,
    storedAtMs: 0,
  };
}

describe("MemoryRecordStore", () => {
  it("keeps the very record that was put, without a copy", () => {
    const store = new MemoryRecordStore();
    const [first, second] = [record(1, 3), record(1, 5)];
    store.put(first);
    expect(store.get(key(1))).toBe(first);
    store.put(second);
    expect(store.get(key(1))).toBe(second);
  });

  it("pages in order of the keys", () => {
    const store = new MemoryRecordStore();
    for (const byte of [5, 1, 4, 200, 3]) store.put(record(byte));
    const { records, next } = store.entries(undefined, 3);
    const rest = store.entries(next, 3);
    const keys = [...records, ...rest.records].map((entry) => entry.key.key.charCodeAt(0));
    expect([keys, rest.next]).toEqual([[1, 3, 4, 5, 200], undefined]);
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
});
