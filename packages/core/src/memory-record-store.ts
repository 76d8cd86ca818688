/**
 * The store that a node has by default: records in memory, within a number and a size.
 *
 * It refuses what does not fit (rust-libp2p's memory store) and evicts nothing: what came first was not worse than what
 * comes now, and a store that makes room on demand can be emptied by anyone who writes enough.
 */
import { UsageError } from "./errors.ts";
import { LeanMap } from "./lean-map.ts";
import { limitSpecs } from "./options.ts";
import type { Cursor, RecordKey, RecordStore, StoredRecord } from "./record.ts";

export interface MemoryRecordStoreOptions {
  /** Records in all, others' and our own; by default twice what a node holds for others. */
  readonly maxRecords?: number;
  /** Bytes of their bodies together; by default twice what a node holds for others. */
  readonly maxBytes?: number;
}

export class MemoryRecordStore implements RecordStore {
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly #records = new LeanMap<string, StoredRecord>();
  /** The keys in order, for {@link entries}; made when asked for and dropped when a key comes or goes. */
  #order: readonly string[] | undefined;
  #bytes = 0;

  /** @throws UsageError `invalidOption` when a cap is not a whole number from 0 on */
  constructor(options: MemoryRecordStoreOptions = {}) {
    this.maxRecords = checkedCap("maxRecords", options.maxRecords ?? 2 * limitSpecs.maxRecords.value);
    this.maxBytes = checkedCap("maxBytes", options.maxBytes ?? 2 * limitSpecs.maxRecordBytes.value);
  }

  get size(): number {
    return this.#records.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A value by its key; a provider record by key ‖ provider, as one id. */
  get(key: RecordKey): StoredRecord | undefined {
    return this.#records.get(key.key);
  }

  /** Takes the record as it is, without a copy: nobody may change its body from now on. `full` leaves all as it was. */
  put(record: StoredRecord): "stored" | "full" {
    const place = placeOf(record);
    const replaced = this.#records.get(place);
    const bytes = this.#bytes + record.body.length - (replaced?.body.length ?? 0);
    if (bytes > this.maxBytes) return "full";
    if (replaced === undefined) {
      if (this.#records.size >= this.maxRecords) return "full";
      this.#order = undefined;
    }
    this.#records.set(place, record);
    this.#bytes = bytes;
    return "stored";
  }

  /** `false`: there was none. */
  delete(key: RecordKey): boolean {
    const record = this.#records.get(key.key);
    if (record === undefined) return false;
    this.#records.delete(key.key);
    this.#bytes -= record.body.length;
    this.#order = undefined;
    return true;
  }

  /**
   * Pages in order of the keys, so that a walk meets every record that stays in place, and none twice, whatever is
   * stored or deleted meanwhile. The first page after a key has come or gone costs a sort of the keys.
   * @param limit 1 or more
   */
  entries(
    cursor: Cursor | undefined,
    limit: number,
  ): { readonly records: readonly StoredRecord[]; readonly next: Cursor | undefined } {
    if (!(limit >= 1)) throw new UsageError("invalidArgument", `limit: ${limit}; allowed is 1 or more`);
    this.#order ??= [...this.#records.keys()].sort();
    const start = cursor === undefined ? 0 : firstAfter(this.#order, cursor);
    const end = Math.min(start + Math.floor(limit), this.#order.length);
    const records: StoredRecord[] = [];
    for (let i = start; i < end; i++)
      records.push(this.#records.get(this.#order[i] as string) as StoredRecord);
    return { records, next: end < this.#order.length ? this.#order[end - 1] : undefined };
  }
}

function placeOf(record: StoredRecord): string {
  return record.provider === undefined ? record.key.key : record.key.key + record.provider.key;
}

/** Index of the first key beyond `cursor`, which itself may be gone by now. */
function firstAfter(keys: readonly string[], cursor: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) <= cursor) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkedCap(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 0) return value;
  throw new UsageError("invalidOption", `${name}: ${value}; allowed is a whole number from 0 on`);
}
