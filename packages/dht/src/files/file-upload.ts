/**
 * One put of a file: chunks and manifests go to their holders while the source is being read.
 *
 * Held in memory are the records that are being put, at most `concurrency` and those that repeat them, thirty keys for each
 * level of the tree, and one piece of the source. The root goes last, when all others have found their holders: whoever
 * finds it finds a file that was whole.
 *
 * Records are put with a lifetime, and this node keeps no copy of them: a file of a gigabyte would be a million records to
 * hold, and to renew every hour.
 */
import { type RecordKey, UsageError } from "@kad/core";
import { PutFailed } from "../errors.ts";
import { defined } from "../option-checks.ts";
import type { PutOptions } from "../options.ts";
import { type ByteSource, checkSource, piecesOf } from "./byte-source.ts";
import { ChunkCutter } from "./chunk-cutter.ts";
import { FilePutFailed, type FilePutOutcome } from "./errors.ts";
import type { FileNetwork } from "./file-network.ts";
import { chunkBytes } from "./file-record.ts";
import { TreeBuilder, type TreeRecord } from "./file-tree.ts";
import { HeldCheck } from "./held-check.ts";
import { LinkedAbort, pause, pauseBeforeRetryMs } from "./linked-abort.ts";
import { checkPutFileOptions, fileDefaults, type PutFileOptions } from "./options.ts";
import { TaskWindow } from "./task-window.ts";

export interface PutFileResult {
  /** What `getFile` takes: the same for the same bytes. */
  readonly key: RecordKey;
  readonly bytes: number;
  readonly chunks: number;
  readonly manifests: number;
  /** Of both: records that were not put, since they were held already or repeat one of this put. */
  readonly skipped: number;
  /** The fewest holders that took any record; `undefined` where all were skipped. */
  readonly leastAccepted: number | undefined;
}

/** @throws (rejects) FilePutFailed; UsageError; NodeClosed; the reason of the signal; what the source throws */
export async function putFile(
  network: FileNetwork,
  source: ByteSource,
  options: PutFileOptions,
): Promise<PutFileResult> {
  checkPutFileOptions(options);
  checkSource(source);
  const storing = new LinkedAbort(options.signal, network.lifetime);
  const reading = new LinkedAbort(storing.signal);
  try {
    return await new FileUpload(network, options, storing, reading).run(source);
  } finally {
    reading.release();
    storing.release();
  }
}

class FileUpload {
  readonly #network: FileNetwork;
  readonly #options: PutFileOptions;
  readonly #storing: LinkedAbort;
  readonly #reading: LinkedAbort;
  readonly #window: TaskWindow;
  readonly #held: HeldCheck;
  readonly #recent = new RecentRecords();
  readonly #stored = new StoredChunks();
  #bytes = 0;
  #chunks = 0;
  #lastChunk: RecordKey | undefined;
  #manifests = 0;
  #skipped = 0;
  #leastAccepted: number | undefined;

  /** @param reading ends with the first record that is not taken; `storing` only when nobody wants the rest */
  constructor(network: FileNetwork, options: PutFileOptions, storing: LinkedAbort, reading: LinkedAbort) {
    const { concurrency = fileDefaults.concurrency, resume } = options;
    this.#network = network;
    this.#options = options;
    this.#storing = storing;
    this.#reading = reading;
    this.#window = new TaskWindow(concurrency, (error) => reading.abort(error));
    this.#held = new HeldCheck(resume, concurrency);
  }

  async run(source: ByteSource): Promise<PutFileResult> {
    try {
      const key = await this.#write(source);
      return {
        key,
        bytes: this.#bytes,
        chunks: this.#chunks,
        manifests: this.#manifests,
        skipped: this.#skipped,
        leastAccepted: this.#leastAccepted,
      };
    } catch (error) {
      if (!(error instanceof NotTaken)) this.#storing.abort(error);
      await this.#window.idle();
      if (error instanceof NotTaken) throw new FilePutFailed(error.key, this.#outcome(), error.cause);
      throw error;
    }
  }

  #outcome(): FilePutOutcome {
    return {
      stored: this.#stored.count,
      chunks: this.#chunks,
      storedBytes: Math.min(this.#bytes, this.#stored.withoutGap * chunkBytes),
      bytes: this.#bytes,
    };
  }

  async #write(source: ByteSource): Promise<RecordKey> {
    const cutter = new ChunkCutter();
    const tree = new TreeBuilder();
    for await (const piece of piecesOf(source, this.#reading.signal)) {
      for (const chunk of cutter.cut(piece)) await this.#addChunk(chunk, tree);
    }
    for (const chunk of cutter.finish()) await this.#addChunk(chunk, tree);
    let root: TreeRecord | undefined;
    for (const manifest of tree.finish()) {
      if (root !== undefined) await this.#beginManifest(root);
      root = manifest;
    }
    await this.#window.done();
    if (root === undefined) return this.#lastChunk as RecordKey;
    await this.#beginManifest(root);
    await this.#window.done();
    return root.key;
  }

  async #addChunk(chunk: TreeRecord, tree: TreeBuilder): Promise<void> {
    const index = this.#chunks++;
    this.#bytes += chunk.size;
    this.#lastChunk = chunk.key;
    await this.#window.begin(async () => {
      await this.#store(chunk);
      this.#stored.add(index);
      this.#report();
    });
    for (const manifest of tree.add(chunk)) await this.#beginManifest(manifest);
  }

  async #beginManifest(manifest: TreeRecord): Promise<void> {
    this.#manifests++;
    await this.#window.begin(async () => {
      await this.#store(manifest);
      this.#report();
    });
  }

  #report(): void {
    this.#options.onProgress?.({ bytes: this.#bytes, chunks: this.#chunks, stored: this.#stored.count });
  }

  /** Once for each key among the last thousand or so. */
  async #store(record: TreeRecord): Promise<void> {
    const earlier = this.#recent.get(record.key);
    if (earlier !== undefined) {
      await earlier;
      this.#skipped++;
      return;
    }
    const storing = this.#storeNew(record);
    this.#recent.add(record.key, storing);
    await storing;
  }

  async #storeNew(record: TreeRecord): Promise<void> {
    if (this.#held.wants() && (await this.#isHeld(record.key))) {
      this.#held.onHeld();
      this.#skipped++;
      return;
    }
    const accepted = await this.#put(record);
    this.#leastAccepted = Math.min(this.#leastAccepted ?? accepted, accepted);
  }

  /** What this node holds itself does not count. */
  async #isHeld(key: RecordKey): Promise<boolean> {
    const { records, minAccepted, replicas, valueLifetimeMs } = this.#network;
    const { lifetimeMs = valueLifetimeMs, recordTimeoutMs } = this.#options;
    const enough = Math.max(
      this.#options.minAccepted ?? minAccepted,
      Math.min(holdersToSkip, this.#options.replicas ?? replicas),
    );
    const { signal } = this.#storing;
    try {
      const quorum = Math.min(255, enough + 1);
      const { record, holders } = await records.get(key, {
        quorum,
        signal,
        ...defined({ timeoutMs: recordTimeoutMs }),
      });
      const leftMs = record?.lifetimeMs ?? 0;
      return holders.length >= enough && leftMs >= lifetimeMs * lifetimeShareToSkip;
    } catch (error) {
      if (isPassing(error)) return false;
      throw error;
    }
  }

  /** The number of holders that took it. */
  async #put({ key, body }: TreeRecord): Promise<number> {
    const { records, valueLifetimeMs } = this.#network;
    const { retries = fileDefaults.retries, lifetimeMs = valueLifetimeMs } = this.#options;
    const { replicas, minAccepted, recordTimeoutMs } = this.#options;
    const { signal } = this.#storing;
    const options: PutOptions = {
      signal,
      lifetimeMs,
      keep: false,
      ...defined({ minAccepted, results: replicas, timeoutMs: recordTimeoutMs }),
    };
    for (let attempt = 1; ; attempt++) {
      try {
        return (await records.putRecord({ type: "immutable", key, body }, options)).accepted;
      } catch (error) {
        if (!isPassing(error)) throw error;
        if (attempt > retries || this.#window.hasFailed) throw new NotTaken(key, error);
      }
      await pause(pauseBeforeRetryMs(attempt), signal);
      if (this.#window.hasFailed) throw new NotTaken(key, undefined);
    }
  }
}

/** A record that is shown by fewer was under way when an earlier put ended, or has lost its holders since. */
const holdersToSkip = 3;
const lifetimeShareToSkip = 3 / 4;

/** Another try may go better: holders that are full or silent, a node that has too many queries. */
function isPassing(error: unknown): boolean {
  return error instanceof PutFailed || (error instanceof UsageError && error.code === "tooMany");
}

/** Within a put: it becomes a {@link FilePutFailed} when the others under way have ended and can be counted. */
class NotTaken extends Error {
  readonly key: RecordKey;

  constructor(key: RecordKey, cause: unknown) {
    super("a record was not taken", { cause });
    this.key = key;
  }
}

/** Which chunks are stored; remembers one by one only those behind a gap, at most as many as are put at once. */
class StoredChunks {
  readonly #behindGap = new Set<number>();
  count = 0;
  withoutGap = 0;

  add(index: number): void {
    this.count++;
    this.#behindGap.add(index);
    while (this.#behindGap.delete(this.withoutGap)) this.withoutGap++;
  }
}

const maxRecentRecords = 1_024;

/** The records of this put by key, the last thousand: files repeat themselves (zeros above all), and near by. */
class RecentRecords {
  readonly #storing = new Map<string, Promise<void>>();

  get(key: RecordKey): Promise<void> | undefined {
    return this.#storing.get(key.key);
  }

  add(key: RecordKey, storing: Promise<void>): void {
    storing.catch(() => undefined); // whoever stores it hears of it
    this.#storing.set(key.key, storing);
    if (this.#storing.size <= maxRecentRecords) return;
    const [oldest] = this.#storing.keys();
    if (oldest !== undefined) this.#storing.delete(oldest);
  }
}
