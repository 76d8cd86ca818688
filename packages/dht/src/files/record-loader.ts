/**
 * Finds the records of a file and checks that each is what the one above it says.
 *
 * The hash of a record is checked where it arrives (core's validator of immutable records, for our own store too). A hash
 * proves that nobody on the way has changed it, not that whoever made it meant well: level and size are checked here, so
 * that no tree is deeper, longer or wider than its root says, and a root cannot say more than fits its level.
 */
import { type RecordKey, UsageError } from "@kad/core";
import { defined } from "../option-checks.ts";
import type { WalkOptions } from "../options.ts";
import { InvalidFile } from "./errors.ts";
import type { FileNetwork } from "./file-network.ts";
import { type Chunk, levelOf, type Manifest, readFileRecord } from "./file-record.ts";
import type { TreePlace } from "./file-tree.ts";
import { pause, pauseBeforeRetryMs } from "./linked-abort.ts";
import { fileDefaults, type GetFileOptions } from "./options.ts";

export type TreeNode = Chunk | Manifest;

/** A put reaches this many closest nodes, so a last try asks as many. */
const resultsOfRetry = 20;
const pathsOfRetry = 3;

export class RecordLoader {
  readonly #records: FileNetwork["records"];
  readonly #options: GetFileOptions;

  constructor(records: FileNetwork["records"], options: GetFileOptions) {
    this.#records = records;
    this.#options = options;
  }

  /** `undefined`: nobody has it. @throws InvalidFile; NodeClosed; the reason of the signal */
  async root(key: RecordKey, signal: AbortSignal): Promise<TreeNode | undefined> {
    const node = await this.#load(key, undefined, signal);
    if (node !== undefined && levelOf(node.size) !== node.level) {
      throw new InvalidFile("invalidFile", key, `is a root of level ${node.level} over ${node.size} bytes`);
    }
    return node;
  }

  /** As `root`, for a record of which the one above has told. */
  async below(place: TreePlace, signal: AbortSignal): Promise<TreeNode | undefined> {
    const { key, level, size } = place;
    const node = await this.#load(key, level, signal);
    if (node !== undefined && (node.level !== level || node.size !== size)) {
      const is = `is of level ${node.level} over ${node.size} bytes`;
      throw new InvalidFile("invalidFile", key, `${is} where level ${level} over ${size} bytes must be`);
    }
    return node;
  }

  async #load(key: RecordKey, level: number | undefined, signal: AbortSignal): Promise<TreeNode | undefined> {
    const { retries = fileDefaults.retries, recordTimeoutMs } = this.#options;
    const common = { signal, ...defined({ timeoutMs: recordTimeoutMs }) };
    const first = { ...common, ...defined({ parallelism: this.#parallelism(level) }) };
    const again = { ...common, paths: pathsOfRetry, results: resultsOfRetry };
    for (let attempt = 0; ; attempt++) {
      const body = await this.#find(key, attempt === 0 ? first : again);
      if (body !== undefined) return parse(key, body);
      if (attempt === retries) return undefined;
      await pause(pauseBeforeRetryMs(attempt + 1), signal);
    }
  }

  /** Everything below a manifest waits for it, so it is asked of several at once as any other record is. */
  #parallelism(level: number | undefined): number | undefined {
    return level === 0 ? (this.#options.parallelism ?? fileDefaults.parallelism) : undefined;
  }

  async #find(
    key: RecordKey,
    options: WalkOptions & { readonly results?: number },
  ): Promise<Uint8Array | undefined> {
    try {
      const { record } = await this.#records.get(key, options);
      return record?.type === "immutable" ? record.body : undefined;
    } catch (error) {
      if (error instanceof UsageError && error.code === "tooMany") return undefined;
      throw error;
    }
  }
}

function parse(key: RecordKey, body: Uint8Array): TreeNode {
  const reading = readFileRecord(body);
  switch (reading.type) {
    case "chunk":
    case "manifest":
      return reading;
    case "foreign":
      throw new InvalidFile("notAFile", key, "is a value of another kind: get reads it");
    case "malformed":
      throw new InvalidFile("invalidFile", key, `is malformed: ${reading.fault}`);
  }
}
