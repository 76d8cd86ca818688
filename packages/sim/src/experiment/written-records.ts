/**
 * Records that an experiment writes, each under a name and in versions, and what the network has of them.
 *
 * Nobody renews them: whoever has written one keeps no copy. So they live by what holders do.
 */
import {
  type DhtRecord,
  openKey,
  openRecord,
  type QueryOptions,
  type RecordKey,
  readOpenRecord,
  type Sha256,
} from "@kad/core";
import type { SimHost } from "../sim-host.ts";
import { Sample, type Summary } from "./sample.ts";

export interface RecordReport {
  readonly records: number;
  /** Puts that nobody took. */
  readonly unwritten: number;
  /** Holders that took a record when it was put. */
  readonly accepted: Summary;
  /** Nodes that run and have its newest version, of each record, when this was looked at last. */
  readonly holders: Summary;
  /** Records that nobody who ran had, at any of the times that were looked at. */
  readonly lost: number;
  /** Gets of every record once, at the end, and those that gave the newest version. */
  readonly readBack: number;
  readonly readBackNewest: number;
}

/** Gets of every record: how many began, were not over when their host went, and gave the newest version. */
type ReadBack = Readonly<Record<"begun" | "unfinished" | "newest", number>>;

/** About what a pointer to something larger takes. */
const valueBytes = 100;

export class WrittenRecord {
  readonly key: RecordKey;
  readonly #sha256: Sha256;
  readonly #name: string;
  readonly #value = new Uint8Array(valueBytes);
  /** The newest version that somebody took, and that of the put that has begun last; 0: none. */
  stored = 0;
  begun = 0;
  isLost = false;

  constructor(sha256: Sha256, place: number) {
    this.#sha256 = sha256;
    this.#name = `record ${place}`;
    this.key = openKey(sha256, this.#name);
  }

  version(seq: number): DhtRecord {
    return openRecord(this.#sha256, this.#name, this.#value, seq);
  }
}

export class WrittenRecords {
  readonly all: readonly WrittenRecord[];
  readonly #accepted = new Sample();
  #unwritten = 0;
  #holders = new Sample();

  constructor(sha256: Sha256, count: number) {
    this.all = Array.from({ length: count }, (_, place) => new WrittenRecord(sha256, place));
  }

  /** Puts the next version of a record. @param onUntaken called where nobody took it */
  write(record: WrittenRecord, host: SimHost, options: QueryOptions, onUntaken?: () => void): void {
    const seq = ++record.begun;
    host.put(record.version(seq), { ...options, keep: false }).onOver(({ finished }) => {
      const accepted = finished?.result.type === "stored" ? finished.result.accepted : 0;
      this.#accepted.add(accepted);
      if (accepted > 0) {
        record.stored = Math.max(record.stored, seq);
        return;
      }
      this.#unwritten++;
      onUntaken?.();
    });
  }

  /** Counts who has them, of all who run. */
  lookAround(hosts: readonly SimHost[]): void {
    const counts = new Map(this.all.map(({ key, stored }) => [key.key, { seq: stored, holders: 0 }]));
    for (const host of hosts) {
      if (host.state !== "up" || !host.isHonest || host.store.size === 0) continue;
      const { nowMs } = host;
      for (const { key, body, expiresAtMs } of host.store.entries(undefined, host.store.size).records) {
        const count = counts.get(key.key);
        if (count !== undefined && expiresAtMs > nowMs && versionOf(body) >= count.seq) count.holders++;
      }
    }
    this.#holders = new Sample();
    for (const record of this.all) {
      if (record.stored === 0) continue;
      const holders = counts.get(record.key.key)?.holders ?? 0;
      this.#holders.add(holders);
      if (holders === 0) record.isLost = true;
    }
  }

  /** @param readBack gets of all of them */
  report(readBack: ReadBack | undefined): RecordReport {
    return {
      records: this.all.length,
      unwritten: this.#unwritten,
      accepted: this.#accepted.summary(),
      holders: this.#holders.summary(),
      lost: this.all.filter(({ isLost }) => isLost).length,
      readBack: (readBack?.begun ?? 0) - (readBack?.unfinished ?? 0),
      readBackNewest: readBack?.newest ?? 0,
    };
  }
}

/** Of the body of a record that was written here; 0: it is none. */
export function versionOf(body: Uint8Array): number {
  return readOpenRecord(body)?.seq ?? 0;
}
