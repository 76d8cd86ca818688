/**
 * Keeping records alive, whoever owns them: looked for now and then, and stored again where too few hold them, or where
 * those that do will soon let go. What is stored again is the record as it was, signature and all.
 *
 * The newest version that was seen is remembered, so that a record whose holders have all gone comes back.
 */
import { type DhtRecord, type RecordKey, UsageError } from "@kad/core";
import { NodeClosed } from "./errors.ts";
import { checkTimeout, defined, demand } from "./option-checks.ts";
import type { KeepAliveOptions, OperationOptions } from "./options.ts";
import type { Records } from "./records.ts";

/** What a look at a record has found. */
export interface Look {
  /** Nodes that have the newest version, this one not counted. */
  readonly holders: number;
  /** The closest nodes that have answered, at most 20: so many could hold it. */
  readonly answered: number;
  /** What remains of its life where it lives longest; `undefined`: nobody has it. */
  readonly lifetimeMs: number | undefined;
  /** Holders that have taken it anew; `undefined`: there was no need. */
  readonly stored: number | undefined;
}

/** A record that this node keeps alive. */
export interface KeptRecord {
  readonly key: RecordKey;
  /** The newest version that was seen; `undefined`: none has been found yet, and it is looked for again. */
  readonly record: DhtRecord | undefined;
  readonly last: Look;
  /** Looks now; two at once are one. @throws as `get` */
  look(options?: OperationOptions): Promise<Look>;
  /** Lets it go: its holders keep it until it is over. A second call does nothing. */
  stop(): void;
  [Symbol.dispose](): void;
}

export interface KeptRecordsOptions {
  readonly records: Pick<Records, "keyOf" | "count" | "putRecord" | "read">;
  /** Hears what went wrong in the background. */
  readonly report: (error: unknown) => void;
}

/**
 * `floor` (ours): half of the 20 that a put stores on, as others repair at half of their redundancy. `intervalMs`: as often
 * as holders pass on what they hold.
 */
export const keepAliveDefaults: Readonly<Required<Pick<KeepAliveOptions, "floor" | "intervalMs">>> =
  Object.freeze({ floor: 10, intervalMs: 3_600_000 });

/** Each takes a walk at every look. */
export const maxKeptRecords = 1_024;
const shortestIntervalMs = 1_000;
const longestIntervalMs = 86_400_000;
/** Looks of the background at once; what is due beyond them waits for so long. */
const maxLooks = 8;
const busyPauseMs = 1_000;
/** What is kept together should not be looked for together: each interval is up to a fifth shorter. */
const jitter = 0.2;

export class KeptRecords {
  readonly #options: KeptRecordsOptions;
  readonly #kept = new Set<Kept>();
  /** Looks of the background under way. */
  #looking = 0;
  #isClosed = false;

  constructor(options: KeptRecordsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** @throws (rejects) UsageError `invalidOption`, `tooMany`; as `get` */
  async keep(keyOrName: RecordKey | string, options: KeepAliveOptions): Promise<KeptRecord> {
    const { owner, open, signal, timeoutMs } = options;
    const { floor = keepAliveDefaults.floor, intervalMs = keepAliveDefaults.intervalMs } = options;
    const isCount = Number.isInteger(floor) && floor >= 1 && floor <= 255;
    demand(isCount, "floor", floor, "a whole number from 1 to 255");
    checkTimeout("intervalMs", intervalMs, longestIntervalMs, shortestIntervalMs);
    const key = this.#options.records.keyOf(keyOrName, defined({ owner, open }));
    if (this.#kept.size >= maxKeptRecords)
      throw new UsageError(
        "tooMany",
        `kept records: ${this.#kept.size}; allowed at once are ${maxKeptRecords}`,
      );
    const kept = new Kept(this.#options, { key, floor, intervalMs });
    this.#kept.add(kept);
    try {
      await kept.look(defined({ signal, timeoutMs }));
    } catch (error) {
      this.#stop(kept);
      throw error;
    }
    this.#schedule(kept, intervalMs);
    return kept.asSeen(() => this.#stop(kept));
  }

  /** Lets go of all. */
  close(): void {
    this.#isClosed = true;
    for (const kept of this.#kept) this.#stop(kept);
  }

  #stop(kept: Kept): void {
    this.#kept.delete(kept);
    clearTimeout(kept.timer);
  }

  #schedule(kept: Kept, inMs: number): void {
    if (this.#isClosed || !this.#kept.has(kept)) return;
    kept.timer = setTimeout(() => this.#onDue(kept), inMs * (1 - jitter * Math.random())).unref();
  }

  #onDue(kept: Kept): void {
    if (this.#looking >= maxLooks) {
      this.#schedule(kept, busyPauseMs);
      return;
    }
    this.#looking++;
    kept
      .look({})
      .catch((error: unknown) => {
        if (!(error instanceof NodeClosed)) this.#options.report(error);
      })
      .finally(() => {
        this.#looking--;
        this.#schedule(kept, kept.intervalMs);
      });
  }
}

class Kept {
  readonly key: RecordKey;
  readonly intervalMs: number;
  record: DhtRecord | undefined;
  last: Look = { holders: 0, answered: 0, lifetimeMs: undefined, stored: undefined };
  timer: NodeJS.Timeout | undefined;
  readonly #options: KeptRecordsOptions;
  readonly #floor: number;
  #looking: Promise<Look> | undefined;

  constructor(
    options: KeptRecordsOptions,
    {
      key,
      floor,
      intervalMs,
    }: { readonly key: RecordKey; readonly floor: number; readonly intervalMs: number },
  ) {
    this.#options = options;
    this.key = key;
    this.intervalMs = intervalMs;
    this.#floor = floor;
  }

  look(options: OperationOptions): Promise<Look> {
    this.#looking ??= this.#look(options).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  asSeen(stop: () => void): KeptRecord {
    const record = (): DhtRecord | undefined => this.record;
    const last = (): Look => this.last;
    return {
      key: this.key,
      get record() {
        return record();
      },
      get last() {
        return last();
      },
      look: (options = {}) => this.look(options),
      stop,
      [Symbol.dispose]: stop,
    };
  }

  async #look(options: OperationOptions): Promise<Look> {
    const { record: found, holders, answered } = await this.#options.records.count(this.key, options);
    const isNewest = found !== undefined && !this.#isOlder(found);
    if (isNewest) this.record = found;
    const have = isNewest ? holders : 0;
    const lifetimeMs = isNewest ? found.lifetimeMs : undefined;
    const isNeeded = have < Math.min(this.#floor, answered) || this.#endsSoon(lifetimeMs);
    const stored = isNeeded ? await this.#store(options) : undefined;
    this.last = { holders: have, answered, lifetimeMs, stored };
    return this.last;
  }

  /** Than what was seen before: who had that has gone, or does not tell. */
  #isOlder(found: DhtRecord): boolean {
    return (this.#seqOf(found) ?? 0) < (this.#seqOf(this.record) ?? 0);
  }

  #seqOf(record: DhtRecord | undefined): number | undefined {
    return record && this.#options.records.read(record)?.seq;
  }

  /** Before there is another look. A record that ends at an instant is not made to live longer by storing it. */
  #endsSoon(lifetimeMs: number | undefined): boolean {
    if (this.record === undefined || lifetimeMs === undefined) return false;
    return (
      lifetimeMs < 2 * this.intervalMs && this.#options.records.read(this.record)?.endsAtInstant !== true
    );
  }

  /** `undefined`: there is nothing to store, or it is over. */
  async #store(options: OperationOptions): Promise<number | undefined> {
    const { record } = this;
    if (record === undefined) return undefined;
    const { type, key, body } = record;
    try {
      const put = { ...options, keep: false, minAccepted: 0 };
      return (await this.#options.records.putRecord({ type, key, body }, put)).accepted;
    } catch (error) {
      if (!(error instanceof UsageError && error.code === "invalidRecord")) throw error;
      this.record = undefined;
      return undefined;
    }
  }
}
