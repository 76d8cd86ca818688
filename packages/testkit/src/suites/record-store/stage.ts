/** Where the cases for record stores play, and the records that they put. */
import { type Cursor, NodeId, type RecordKey, type RecordStore, type StoredRecord } from "@kad/core";
import { ExpectationError, expectEqual, expectThat } from "../../expectations.ts";
import { seededRandom } from "../../seeded-random.ts";
import type { CaseStage, SuiteCase, SuiteOptions } from "../../suite.ts";

/** What a store may hold: its own options, by whatever name it has them. */
export interface StoreCaps {
  readonly maxRecords: number;
  /** Of all bodies together. */
  readonly maxBytes: number;
}

/** An empty store, ready for use. */
export type MakeRecordStore = (caps: StoreCaps) => RecordStore | Promise<RecordStore>;

export interface RecordStoreSuiteOptions extends SuiteOptions {
  /** Closes the store and opens what it left behind. Absent: it keeps nothing, and the cases about that are skipped. */
  readonly reopen?: (store: RecordStore) => RecordStore | Promise<RecordStore>;
  /** Frees what a store holds; called for each that is open at the end of a case. */
  readonly close?: (store: RecordStore) => void | Promise<void>;
  /** `false`: it has no caps, and those cases are skipped. */
  readonly isCapped?: boolean;
}

export type StoreCase = SuiteCase<StoreStage, RecordStoreSuiteOptions>;

export class StoreStage implements CaseStage {
  readonly #make: MakeRecordStore;
  readonly #options: RecordStoreSuiteOptions;
  readonly #open = new Set<RecordStore>();

  constructor(make: MakeRecordStore, options: RecordStoreSuiteOptions) {
    this.#make = make;
    this.#options = options;
  }

  async open(caps: Partial<StoreCaps> = {}): Promise<RecordStore> {
    const store = await this.#make({ maxRecords: 1_000, maxBytes: 100_000, ...caps });
    this.#open.add(store);
    return store;
  }

  async reopen(store: RecordStore): Promise<RecordStore> {
    this.#open.delete(store);
    const again = (await this.#options.reopen?.(store)) ?? store;
    this.#open.add(again);
    return again;
  }

  async close(): Promise<void> {
    for (const store of this.#open) await this.#options.close?.(store);
  }
}

export function idOf(number: number): NodeId {
  const bytes = new Uint8Array(32);
  seededRandom(number + 1).fill(bytes);
  bytes[0] = number;
  return NodeId.fromBytes(bytes);
}

export function recordOf(number: number, bodyBytes = 3, more: Partial<StoredRecord> = {}): StoredRecord {
  return {
    kind: "value",
    typeCode: 1,
    key: idOf(number),
    body: new Uint8Array(bodyBytes).fill(number),
    expiresAtMs: 90_000 + number,
    storedAtMs: number,
    ...more,
  };
}

export function providerOf(number: number, provider: number, bodyBytes = 2): StoredRecord {
  return recordOf(number, bodyBytes, { kind: "provider", typeCode: 0, provider: idOf(provider) });
}

/** Where a provider record stands: under key ‖ provider, as one id. */
export function placeOf({ key, provider }: StoredRecord): RecordKey {
  if (provider === undefined) return key;
  const bytes = new Uint8Array(key.length + provider.length);
  provider.writeTo(bytes, key.writeTo(bytes, 0));
  return NodeId.fromBytes(bytes);
}

/** As plain data that can be compared, and that does not change with the record. */
export function plain(record: StoredRecord | undefined): unknown {
  if (record === undefined) return undefined;
  const { kind, typeCode, key, provider, body, expiresAtMs, storedAtMs, own } = record;
  return {
    kind,
    typeCode,
    key: key.toHex(),
    provider: provider?.toHex(),
    body: [...body],
    expiresAtMs,
    storedAtMs,
    own,
  };
}

export function expectStored(store: RecordStore, record: StoredRecord): void {
  expectEqual("what is put is stored", store.put(record), "stored");
}

export function expectHeld(store: RecordStore, record: StoredRecord): void {
  expectEqual("get gives what was put", plain(store.get(placeOf(record))), plain(record));
}

/** All pages, one after another; `onPage` runs between them. */
export function walk(store: RecordStore, limit: number, onPage: () => void = () => {}): StoredRecord[] {
  const found: StoredRecord[] = [];
  let cursor: Cursor | undefined;
  for (let pages = 0; pages <= 10_000; pages++) {
    const page = store.entries(cursor, limit);
    expectThat(`a page holds no more than the ${limit} asked for`, page.records.length <= limit);
    found.push(...page.records);
    if (page.next === undefined) return found;
    cursor = page.next;
    onPage();
  }
  throw new ExpectationError("a walk ends, and this one does not");
}

export function placesOf(records: readonly StoredRecord[]): string[] {
  return records.map((record) => placeOf(record).toHex()).sort();
}
