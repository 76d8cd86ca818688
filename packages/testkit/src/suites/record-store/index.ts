/** What every `RecordStore` must do. The contract: `record.ts` of core. */
import type { StoredRecord } from "@kad/core";
import { expectEqual, expectThat } from "../../expectations.ts";
import { seededRandom } from "../../seeded-random.ts";
import { StagedSuite, type Suite } from "../../suite.ts";
import {
  expectHeld,
  expectStored,
  idOf,
  type MakeRecordStore,
  placeOf,
  placesOf,
  plain,
  providerOf,
  type RecordStoreSuiteOptions,
  recordOf,
  type StoreCase,
  StoreStage,
  walk,
} from "./stage.ts";

export type { MakeRecordStore, RecordStoreSuiteOptions, StoreCaps } from "./stage.ts";

const basics: readonly StoreCase[] = [
  {
    name: "gives back what was put, field by field",
    rule: "get, put",
    async run(stage) {
      const store = await stage.open();
      const records = [
        recordOf(1, 0, { own: true }),
        recordOf(2, 1_000, { typeCode: 255, expiresAtMs: 1e12 + 0.5, storedAtMs: 0.25 }),
        providerOf(3, 4),
      ];
      for (const record of records) expectStored(store, record);
      for (const record of records) expectHeld(store, record);
    },
  },
  {
    name: "replaces what stands under the same key",
    rule: "put",
    async run(stage) {
      const store = await stage.open();
      expectStored(store, recordOf(1, 10));
      const second = recordOf(1, 4, { typeCode: 2, expiresAtMs: 5, own: true });
      expectStored(store, second);
      expectHeld(store, second);
      expectEqual("size and bytes after replacing", [store.size, store.bytes], [1, 4]);
      expectStored(store, recordOf(1, 4));
      expectHeld(store, recordOf(1, 4));
    },
  },
  {
    name: "has nothing under keys that were never put",
    rule: "get, delete",
    async run(stage) {
      const store = await stage.open();
      expectStored(store, recordOf(1));
      expectEqual("get of another key", store.get(idOf(2)), undefined);
      expectEqual("delete of another key", store.delete(idOf(2)), false);
      expectHeld(store, recordOf(1));
    },
  },
  {
    name: "deletes once",
    rule: "delete",
    async run(stage) {
      const store = await stage.open();
      expectStored(store, recordOf(1));
      expectStored(store, recordOf(2));
      expectEqual("the first delete", store.delete(idOf(1)), true);
      expectEqual("the second delete", store.delete(idOf(1)), false);
      expectEqual("get of what was deleted", store.get(idOf(1)), undefined);
      expectHeld(store, recordOf(2));
    },
  },
  {
    name: "keeps the providers of one key apart from each other and from its value",
    rule: "put: key ‖ provider",
    async run(stage) {
      const store = await stage.open();
      const records = [recordOf(1), providerOf(1, 7), providerOf(1, 8), providerOf(2, 7)];
      for (const record of records) expectStored(store, record);
      for (const record of records) expectHeld(store, record);
      expectEqual("delete of one provider", store.delete(placeOf(providerOf(1, 7))), true);
      expectEqual("get of it", store.get(placeOf(providerOf(1, 7))), undefined);
      for (const record of [recordOf(1), providerOf(1, 8), providerOf(2, 7)]) expectHeld(store, record);
    },
  },
  {
    name: "counts its records and the bytes of their bodies",
    rule: "size, bytes",
    async run(stage) {
      const store = await stage.open();
      expectEqual("an empty store", [store.size, store.bytes], [0, 0]);
      expectStored(store, recordOf(1, 10));
      expectStored(store, providerOf(1, 2, 5));
      expectEqual("two records", [store.size, store.bytes], [2, 15]);
      store.delete(idOf(1));
      store.delete(idOf(1));
      expectEqual("one of them deleted", [store.size, store.bytes], [1, 5]);
    },
  },
  {
    name: "answers at once: nothing that it returns is a promise",
    rule: "synchronous",
    async run(stage) {
      const store = await stage.open();
      const returned = [
        store.put(recordOf(1)),
        store.get(idOf(1)),
        store.entries(undefined, 10),
        store.size,
        store.bytes,
        store.delete(idOf(1)),
      ];
      for (const value of returned) {
        expectThat(
          "a value, and not a promise of one",
          typeof (value as { then?: unknown } | undefined)?.then !== "function",
        );
      }
    },
  },
];

const bodies: readonly StoreCase[] = [
  {
    name: "gives bodies that are plain bytes, never a Buffer",
    rule: "bytes",
    async run(stage) {
      const store = await stage.open();
      expectStored(store, recordOf(1, 9));
      const found = [store.get(idOf(1)), ...store.entries(undefined, 1).records];
      expectEqual("how many were found", found.length, 2);
      for (const record of found) {
        expectThat("the body is a plain Uint8Array", record?.body.constructor === Uint8Array);
      }
    },
  },
  {
    name: "gives bodies that stay as they are, whatever is put, read and deleted later",
    rule: "bytes: owned",
    async run(stage) {
      const store = await stage.open();
      for (const number of [1, 2, 3]) expectStored(store, recordOf(number, 20));
      const held = [
        ...[1, 2].map((number) => store.get(idOf(number))),
        ...store.entries(undefined, 2).records,
      ];
      const before = held.map(plain);
      expectStored(store, recordOf(1, 20, { body: new Uint8Array(20).fill(99) }));
      store.delete(idOf(2));
      expectStored(store, recordOf(4, 20));
      store.get(idOf(3));
      store.entries(undefined, 10);
      expectEqual("records that were read before", held.map(plain), before);
    },
  },
];

const noCaps = ({ isCapped }: RecordStoreSuiteOptions): string | undefined =>
  isCapped === false ? "the store has no caps" : undefined;

const caps: readonly StoreCase[] = [
  {
    name: "refuses a record beyond its number, and leaves all as it was",
    rule: "put: full",
    appliesTo: "stores with caps",
    inapplicable: noCaps,
    async run(stage) {
      const store = await stage.open({ maxRecords: 2 });
      for (const number of [1, 2]) expectStored(store, recordOf(number));
      expectEqual("a third record", store.put(recordOf(3)), "full");
      expectEqual("get of the third", store.get(idOf(3)), undefined);
      for (const number of [1, 2]) expectHeld(store, recordOf(number));
      expectEqual("size and bytes", [store.size, store.bytes], [2, 6]);
      expectStored(store, recordOf(2, 5)); // replaces, and needs no room
      store.delete(idOf(1));
      expectStored(store, recordOf(3));
    },
  },
  {
    name: "refuses a record beyond its bytes, and counts what it would replace as free",
    rule: "put: full",
    appliesTo: "stores with caps",
    inapplicable: noCaps,
    async run(stage) {
      const store = await stage.open({ maxBytes: 10 });
      expectStored(store, recordOf(1, 6));
      expectStored(store, recordOf(2, 4));
      expectEqual("one byte more", store.put(recordOf(3, 1)), "full");
      expectEqual("one byte more in a record that is there", store.put(recordOf(1, 7)), "full");
      expectHeld(store, recordOf(1, 6));
      expectEqual("size and bytes", [store.size, store.bytes], [2, 10]);
      expectStored(store, recordOf(1, 6, { typeCode: 2 }));
      expectStored(store, recordOf(1, 5));
      expectStored(store, recordOf(3, 1));
    },
  },
];

const walks: readonly StoreCase[] = [
  {
    name: "pages through all records, each once, however many at a time",
    rule: "entries",
    async run(stage) {
      const store = await stage.open();
      const records = [5, 1, 200, 4, 3].map((number) => recordOf(number));
      records.push(providerOf(1, 7), providerOf(1, 8));
      for (const record of records) expectStored(store, record);
      for (const limit of [1, 2, 3, 6, 7, 8, 100]) {
        const found = walk(store, limit);
        expectEqual(`what is met, ${limit} at a time`, placesOf(found), placesOf(records));
        for (const record of found) expectHeld(store, record);
      }
    },
  },
  {
    name: "has one empty page when it is empty",
    rule: "entries",
    async run(stage) {
      const store = await stage.open();
      expectEqual("the first page", store.entries(undefined, 10), { records: [], next: undefined });
      expectStored(store, recordOf(1));
      store.delete(idOf(1));
      expectEqual("after the last is deleted", store.entries(undefined, 10).records.length, 0);
    },
  },
  {
    name: "meets every record that stays during a walk, and none twice, whatever comes and goes meanwhile",
    rule: "entries",
    async run(stage) {
      for (let seed = 1; seed <= 20; seed++) {
        const random = seededRandom(seed);
        const store = await stage.open();
        const staying = Array.from({ length: 10 }, (_, i) => recordOf(2 * i));
        for (const record of staying) expectStored(store, record);
        const found = walk(store, 1 + random.below(3), () => {
          for (let i = random.below(4); i > 0; i--) {
            const changing = recordOf(2 * random.below(12) + 1);
            if (random.below(2) === 0) expectStored(store, changing);
            else store.delete(changing.key);
          }
        });
        const places = placesOf(found);
        expectEqual(`records met twice, seed ${seed}`, places.length, new Set(places).size);
        const missed = placesOf(staying).filter((place) => !places.includes(place));
        expectEqual(`records that stayed and were not met, seed ${seed}`, missed, []);
      }
    },
  },
  {
    name: "does what a map would, over a thousand random calls",
    rule: "all of it",
    async run(stage) {
      const random = seededRandom(7);
      const store = await stage.open();
      const map = new Map<string, StoredRecord>();
      for (let call = 0; call < 1_000; call++) {
        const number = random.below(12);
        const record =
          random.below(3) > 0 ? recordOf(number, random.below(20)) : providerOf(number, random.below(3));
        const place = placeOf(record);
        if (random.below(3) > 0) {
          expectStored(store, record);
          map.set(place.key, record);
        } else {
          expectEqual(`delete, call ${call}`, store.delete(place), map.delete(place.key));
        }
        expectEqual(`get, call ${call}`, plain(store.get(place)), plain(map.get(place.key)));
        const bytes = [...map.values()].reduce((sum, { body }) => sum + body.length, 0);
        expectEqual(`size and bytes, call ${call}`, [store.size, store.bytes], [map.size, bytes]);
      }
      expectEqual("what a walk meets", placesOf(walk(store, 5)), placesOf([...map.values()]));
    },
  },
];

const keepsNothing = ({ reopen }: RecordStoreSuiteOptions): string | undefined =>
  reopen === undefined ? "the store keeps nothing when it is closed (no `reopen`)" : undefined;

/** How far the instants of a record may move where a store has to translate them between two runs. */
const clockToleranceMs = 1_000;

const reopened: readonly StoreCase[] = [
  {
    name: "has everything again after it was closed and opened",
    rule: "persistence",
    appliesTo: "stores that persist",
    inapplicable: keepsNothing,
    async run(stage) {
      let store = await stage.open();
      const records = [recordOf(1, 50, { own: true }), providerOf(1, 7), recordOf(2, 0)];
      for (const record of [...records, recordOf(3)]) expectStored(store, record);
      store.delete(idOf(3));
      store = await stage.reopen(store);
      expectEqual("what a walk meets", placesOf(walk(store, 2)), placesOf(records));
      for (const record of records) {
        const found = store.get(placeOf(record));
        const { expiresAtMs = Number.NaN, storedAtMs = Number.NaN } = found ?? {};
        expectEqual(
          "get gives what was put",
          plain(found && { ...found, expiresAtMs: 0, storedAtMs: 0 }),
          plain({ ...record, expiresAtMs: 0, storedAtMs: 0 }),
        );
        expectThat(
          "it expires within a second of when it would have",
          Math.abs(expiresAtMs - record.expiresAtMs) <= clockToleranceMs &&
            Math.abs(storedAtMs - record.storedAtMs) <= clockToleranceMs,
        );
      }
    },
  },
  {
    name: "counts again what it had, and goes on",
    rule: "persistence",
    appliesTo: "stores that persist",
    inapplicable: keepsNothing,
    async run(stage) {
      let store = await stage.open();
      expectStored(store, recordOf(1, 50));
      expectStored(store, recordOf(2, 7));
      store = await stage.reopen(store);
      expectEqual("size and bytes", [store.size, store.bytes], [2, 57]);
      expectStored(store, recordOf(1, 4));
      store.delete(idOf(2));
      store = await stage.reopen(store);
      expectEqual("size and bytes, opened once more", [store.size, store.bytes], [1, 4]);
      expectEqual("the body", [...(store.get(idOf(1))?.body ?? [])], [1, 1, 1, 1]);
    },
  },
];

export const recordStoreCases: Suite<MakeRecordStore, RecordStoreSuiteOptions> = new StagedSuite({
  title: "a record store",
  cases: [...basics, ...bodies, ...caps, ...walks, ...reopened],
  traitsOf: (_make: MakeRecordStore, options: RecordStoreSuiteOptions) => options,
  setUp: (make: MakeRecordStore, options: RecordStoreSuiteOptions) => new StoreStage(make, options),
});

/** Registers the cases for a store. See {@link Suite.register} for what is refused. */
export function recordStoreSuite(make: MakeRecordStore, options: RecordStoreSuiteOptions = {}): void {
  recordStoreCases.register(make, options);
}
