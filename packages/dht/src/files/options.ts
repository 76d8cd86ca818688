/**
 * Options of `putFile` and `getFile`, and how they are checked.
 */
import { checkMinAccepted, checkTimeout, demand } from "../option-checks.ts";
import type { MissingPart } from "./errors.ts";
import { maxFileBytes } from "./file-record.ts";

export interface PutFileProgress {
  /** Read from the source so far, in whole chunks. */
  readonly bytes: number;
  /** Cut from them. */
  readonly chunks: number;
  /** Chunks that are stored: put now, or held already. */
  readonly stored: number;
}

/**
 * How much fits is up to the holders: with core's limits each takes 256 records from one subnet (loopback is exempt), so
 * *n* nodes take about 13 kB × *n* of one publisher in 20 replicas, and 32 kB × *n* in 8.
 */
export interface PutFileOptions {
  /** The put rejects with its reason; what is stored stays stored. */
  readonly signal?: AbortSignal;
  /** Called after each record that has found its holders, in any order. */
  readonly onProgress?: (progress: PutFileProgress) => void;
  /**
   * Whether to ask, before a record is put, if it is held already: a few requests in place of some forty. `true`: always.
   * `false`: never. Absent: as long as it pays, from the first record behind `concurrency` on, so that an interrupted put
   * goes on where it was and a new one loses four questions. A record counts as held when three holders (or `minAccepted`,
   * where that is more) show it, for at least three quarters of the lifetime asked for: so putting a file again later
   * renews it.
   */
  readonly resume?: boolean;
  /**
   * Holders for each record, 1 to 255; default 20, the `bucketSize` of the network. A put costs about two requests for each.
   * A file needs all of its records: with a share p of the holders gone, about chunks × p^replicas of them are lost.
   */
  readonly replicas?: number;
  /** Holders that must take each record, 0 to 255; default from `createNode`. */
  readonly minAccepted?: number;
  /** How long holders keep the records, in ms; default and maximum 24 h. Nobody renews them: put the file again before. */
  readonly lifetimeMs?: number;
  /** Records put at once, 1 to 256; see {@link fileDefaults}. Beyond it the source waits. */
  readonly concurrency?: number;
  /** How often a record that found too few holders is tried again, 0 to 10; see {@link fileDefaults}. */
  readonly retries?: number;
  /** For each try of each record, in ms; default `limits.queryTimeoutMs`. For the whole: `AbortSignal.timeout()`. */
  readonly recordTimeoutMs?: number;
}

export interface GetFileProgress {
  /** Of the file; `undefined` until its root has been read. */
  readonly size: number | undefined;
  /** Given to the loop so far. */
  readonly bytes: number;
  /** From so many chunks. */
  readonly chunks: number;
}

export interface GetFileOptions {
  /** The loop rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Where to begin, in bytes; default 0. Only what is needed is asked for. At or beyond the end there is nothing. */
  readonly offset?: number;
  /** How many bytes; default: all that follow. */
  readonly length?: number;
  /** A file (or range of it) of more bytes is refused before anything of it is read. */
  readonly maxBytes?: number;
  /** Chunks asked for before the loop wants them, 1 to 256; see {@link fileDefaults}. */
  readonly readAhead?: number;
  /** How often a record that nobody had is asked for again, on other paths, 0 to 10; see {@link fileDefaults}. */
  readonly retries?: number;
  /** For each try of each record, in ms; default `limits.queryTimeoutMs`. */
  readonly recordTimeoutMs?: number;
  /** Requests kept outstanding for each chunk, 1 to 64; see {@link fileDefaults}. */
  readonly parallelism?: number;
  /** Called before bytes are given to the loop. */
  readonly onProgress?: (progress: GetFileProgress) => void;
  /**
   * Called for each part that nobody has, when the loop gets there. `"zeros"`: the loop gives as many zeros, so that all
   * other bytes stay in their places, and rejects with `FileIncomplete` at its end, which then tells of the whole
   * file. Anything else: it rejects there, as it does without this option.
   */
  readonly onMissing?: (part: MissingPart) => "zeros" | "stop";
}

/**
 * - `concurrency`: 16 puts of some forty requests each fill a node's send window (80 unanswered). More are hardly faster
 *   (200 simulated nodes, 50 ms apart: 37 records a second with 16, 40 with 32 and with 64).
 * - `readAhead` × `parallelism` stays within that window: 250 kB a second over 100 ms. 64 is twice as fast where the
 *   holders are many enough to be asked so often.
 * - `parallelism`: with two, one holder may be gone without a pause; a third mostly brings the same bytes again (with a
 *   third of 50 nodes gone it is a little faster than two, and one half as fast; with none gone, requests for a chunk are
 *   0.6, 1.3 and 1.8).
 * - `retries`: what is lost by chance is lost once, hardly three times.
 */
export const fileDefaults: Readonly<
  Required<
    Pick<PutFileOptions, "concurrency" | "retries"> & Pick<GetFileOptions, "readAhead" | "parallelism">
  >
> = Object.freeze({ concurrency: 16, retries: 2, readAhead: 32, parallelism: 2 });

const maxAtOnce = 256;
const maxRetries = 10;

/** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
export function checkPutFileOptions(options: PutFileOptions): void {
  const { resume, replicas, concurrency, retries, onProgress } = options;
  demand(resume === undefined || typeof resume === "boolean", "resume", resume, "true or false");
  checkWhole("replicas", replicas, 1, 255);
  checkWhole("concurrency", concurrency, 1, maxAtOnce);
  checkWhole("retries", retries, 0, maxRetries);
  checkTimeout("recordTimeoutMs", options.recordTimeoutMs);
  checkMinAccepted(options.minAccepted);
  checkFunction("onProgress", onProgress);
}

/** @throws UsageError `invalidOption` */
export function checkGetFileOptions(options: GetFileOptions): void {
  const { offset, length, maxBytes, readAhead, retries, parallelism, onProgress, onMissing } = options;
  checkWhole("offset", offset, 0, Number.MAX_SAFE_INTEGER);
  checkWhole("length", length, 0, Number.MAX_SAFE_INTEGER);
  checkWhole("maxBytes", maxBytes, 0, maxFileBytes);
  checkWhole("readAhead", readAhead, 1, maxAtOnce);
  checkWhole("retries", retries, 0, maxRetries);
  checkWhole("parallelism", parallelism, 1, 64);
  checkTimeout("recordTimeoutMs", options.recordTimeoutMs);
  checkFunction("onProgress", onProgress);
  checkFunction("onMissing", onMissing);
}

function checkWhole(name: string, value: number | undefined, min: number, max: number): void {
  const isRight = value === undefined || (Number.isInteger(value) && value >= min && value <= max);
  demand(isRight, name, value, `a whole number from ${min} to ${max}`);
}

function checkFunction(name: string, value: unknown): void {
  demand(value === undefined || typeof value === "function", name, value, "a function");
}
