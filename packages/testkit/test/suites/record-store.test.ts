import { MemoryRecordStore, NodeId, type RecordKey, type RecordStore, type StoredRecord } from "@kad/core";
import { describe, it } from "vitest";
import {
  intercept,
  type MakeRecordStore,
  type RecordStoreSuiteOptions,
  recordStoreCases,
  recordStoreSuite,
  type StoreCaps,
} from "../../src/index.ts";
import { describeMutants, mutantError } from "../support/mutants.ts";

recordStoreSuite((caps) => new MemoryRecordStore(caps), {
  name: "core's MemoryRecordStore",
  runner: { describe, it },
});

/** Keeps what it has when it is "closed", with the instants moved a little, as after a translation of clocks. */
const persistent: RecordStoreSuiteOptions = {
  reopen(store) {
    const again = new MemoryRecordStore();
    for (const record of store.entries(undefined, 1_000).records) {
      again.put({ ...record, expiresAtMs: record.expiresAtMs - 3 });
    }
    return again;
  },
};

recordStoreSuite(() => new MemoryRecordStore(), {
  ...persistent,
  name: "a store that persists and has no caps",
  isCapped: false,
  runner: { describe, it },
});

type Break = (store: MemoryRecordStore, caps: StoreCaps) => Partial<RecordStore>;

/** The store of core, but for some calls. */
function broken(instead: Break): MakeRecordStore {
  return (caps) => {
    const store = new MemoryRecordStore(caps);
    return intercept<RecordStore>(store, instead(store, caps));
  };
}

/** Every record is changed on its way in. */
const puts = (change: (record: StoredRecord) => StoredRecord): MakeRecordStore =>
  broken((store) => ({ put: (record) => store.put(change(record)) }));

const persistentMutant = (change: (record: StoredRecord) => StoredRecord | undefined): MakeRecordStore =>
  broken((store) => ({
    // `reopen` reads a thousand at once to make the next store; the case itself pages by two.
    entries(cursor, limit) {
      const page = store.entries(cursor, limit);
      if (limit !== 1_000) return page;
      return { ...page, records: page.records.flatMap((record) => change(record) ?? []) };
    },
  }));

const valueKeyOnly = (key: RecordKey): RecordKey => NodeId.fromBytes(key.toBytes().subarray(0, 32));

describeMutants(recordStoreCases, persistent, {
  "gives back what was put, field by field": {
    "forgets that a record is our own": puts(({ own: _own, ...record }) => record),
    "rounds instants": puts((record) => ({ ...record, storedAtMs: Math.round(record.storedAtMs) })),
    "cuts long bodies": puts((record) => ({ ...record, body: record.body.subarray(0, 999) })),
    "keeps a type code in seven bits": puts((record) => ({ ...record, typeCode: record.typeCode & 127 })),
  },
  "replaces what stands under the same key": {
    "keeps the first": broken((store) => ({
      put: (record) => (store.get(record.key) === undefined ? store.put(record) : "stored"),
    })),
    "counts both": broken((store) => {
      let size = 0;
      return {
        put(record) {
          size++;
          return store.put(record);
        },
        get size() {
          return size;
        },
      };
    }),
  },
  "has nothing under keys that were never put": {
    "deletes anything": broken(() => ({ delete: () => true })),
    "finds the nearest": broken((store) => ({ get: () => store.entries(undefined, 1).records[0] })),
  },
  "deletes once": {
    "deletes nothing": broken((store) => ({ delete: (key) => store.get(key) !== undefined })),
    "says so again": broken((store) => ({
      delete(key) {
        store.delete(key);
        return true;
      },
    })),
    "deletes everything": broken((store) => ({
      delete(key) {
        const isThere = store.get(key) !== undefined;
        for (const { key } of store.entries(undefined, 100).records) store.delete(key);
        return isThere;
      },
    })),
  },
  "keeps the providers of one key apart from each other and from its value": {
    "keeps one record for each key": broken((store) => ({
      put: ({ provider: _provider, ...record }) => store.put(record),
      get: (key) => store.get(valueKeyOnly(key)),
      delete: (key) => store.delete(valueKeyOnly(key)),
    })),
  },
  "counts its records and the bytes of their bodies": {
    "never counts down": broken((store) => {
      let bytes = 0;
      return {
        put(record) {
          bytes += record.body.length;
          return store.put(record);
        },
        get bytes() {
          return bytes;
        },
      };
    }),
    "counts keys too": broken((store) => ({
      get bytes() {
        return store.bytes + 32 * store.size;
      },
    })),
  },
  "answers at once: nothing that it returns is a promise": {
    "reads later": broken((store) => ({
      get: (key) => Promise.resolve(store.get(key)) as unknown as StoredRecord,
    })),
  },
  "gives bodies that are plain bytes, never a Buffer": {
    "hands out the Buffers that it reads": puts((record) => ({ ...record, body: Buffer.from(record.body) })),
  },
  "gives bodies that stay as they are, whatever is put, read and deleted later": {
    "reads into one buffer": broken((store) => {
      const scratch = new Uint8Array(1_000);
      return {
        get(key) {
          const record = store.get(key);
          if (record === undefined) return undefined;
          scratch.set(record.body);
          return { ...record, body: scratch.subarray(0, record.body.length) };
        },
      };
    }),
    "wipes what is deleted": broken((store) => ({
      delete(key) {
        store.get(key)?.body.fill(0);
        return store.delete(key);
      },
    })),
  },
  "refuses a record beyond its number, and leaves all as it was": {
    "makes room": broken((store) => ({
      put(record) {
        const [oldest] = store.entries(undefined, 1).records;
        if (store.put(record) === "full" && oldest !== undefined) store.delete(oldest.key);
        return store.put(record);
      },
    })),
    "says full and stores": broken((store, { maxRecords }) => {
      const roomy = new MemoryRecordStore();
      return {
        put: (record) => {
          roomy.put(record);
          return store.size >= maxRecords ? "full" : store.put(record);
        },
        get: (key) => roomy.get(key),
      };
    }),
  },
  "refuses a record beyond its bytes, and counts what it would replace as free": {
    "counts it twice": broken((store, { maxBytes }) => ({
      put: (record) => (store.bytes + record.body.length > maxBytes ? "full" : store.put(record)),
    })),
    "does not count": () => new MemoryRecordStore(),
  },
  "pages through all records, each once, however many at a time": {
    "forgets the last page": broken((store) => ({
      entries(cursor, limit) {
        const page = store.entries(cursor, limit);
        const isLast = page.next !== undefined && store.entries(page.next, limit).next === undefined;
        return isLast ? { ...page, next: undefined } : page;
      },
    })),
    "begins each page with the end of the one before": broken((store) => ({
      entries(cursor, limit) {
        const page = store.entries(cursor, limit);
        const before = page.records.at(-2);
        return before === undefined || page.next === undefined ? page : { ...page, next: before.key.key };
      },
    })),
    "gives more than asked for": broken((store) => ({
      entries: (cursor, limit) => store.entries(cursor, limit + 1),
    })),
  },
  "has one empty page when it is empty": {
    "goes on for ever": broken((store) => ({
      entries: (cursor, limit) => ({ ...store.entries(cursor, limit), next: "more" }),
    })),
  },
  "meets every record that stays during a walk, and none twice, whatever comes and goes meanwhile": {
    "counts positions": broken((store) => ({
      entries(cursor, limit) {
        const all = store.entries(undefined, 1_000).records;
        const end = Number(cursor ?? 0) + limit;
        const next = end < all.length ? String(end) : undefined;
        return { records: all.filter((_, i) => i >= end - limit && i < end), next };
      },
    })),
  },
  "does what a map would, over a thousand random calls": {
    "loses one in a hundred": broken((store) => {
      let puts = 0;
      return { put: (record) => (++puts % 100 === 0 ? "stored" : store.put(record)) };
    }),
    throws: broken((store) => {
      let puts = 0;
      return {
        put(record) {
          if (++puts === 300) throw mutantError();
          return store.put(record);
        },
      };
    }),
  },
  "has everything again after it was closed and opened": {
    "loses providers": persistentMutant((record) => (record.provider === undefined ? record : undefined)),
    "forgets when records expire": persistentMutant((record) => ({ ...record, expiresAtMs: 0 })),
    "forgets that a record is our own": persistentMutant(({ own: _own, ...record }) => record),
  },
  "counts again what it had, and goes on": {
    "loses a record": persistentMutant((record) => (record.body.length === 7 ? undefined : record)),
  },
});
