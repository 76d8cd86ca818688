/**
 * The shape of a file's tree: which record stands where, from the chunks up while it is written, from the root down while
 * it is read.
 *
 * All paths are equally long, every record but the last of its level is full, and the tree is as low as it can be: so the
 * same bytes have one tree, and one key.
 */
import { immutableKey, type RecordKey } from "@kad/core";
import { sha256 } from "../hash.ts";
import { capacityOf, type Manifest, manifestBody, manifestFanOut } from "./file-record.ts";

/** What is known of a record before it is read. */
export interface TreePlace {
  readonly key: RecordKey;
  /** 0: a chunk. */
  readonly level: number;
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** How many they are. */
  readonly size: number;
}

/** A record of the tree, to be stored. */
export interface TreeRecord {
  readonly key: RecordKey;
  readonly level: number;
  readonly size: number;
  readonly body: Uint8Array;
}

export function treeRecord(level: number, size: number, body: Uint8Array): TreeRecord {
  return { key: immutableKey(sha256, body), level, size, body };
}

/** The records directly below a manifest that stands at `offset` and hold any of the bytes `from` to just before `to`. */
export function childrenOf(
  { level, size, keys }: Manifest,
  offset: number,
  from: number,
  to: number,
): TreePlace[] {
  const step = capacityOf(level - 1);
  const wantedFrom = Math.max(0, from - offset);
  const wantedTo = Math.min(size, to - offset);
  const first = Math.floor(wantedFrom / step);
  const end = wantedFrom < wantedTo ? Math.ceil(wantedTo / step) : first;
  const children: TreePlace[] = [];
  for (let index = first; index < end; index++) {
    const start = index * step;
    children.push({
      key: keys[index] as RecordKey,
      level: level - 1,
      offset: offset + start,
      size: Math.min(step, size - start),
    });
  }
  return children;
}

interface OpenManifest {
  keys: RecordKey[];
  size: number;
}

/** Makes the manifests over chunks that come in order. Holds at most 30 keys for each level. */
export class TreeBuilder {
  /** The manifest that is being filled, from level 1 up. */
  readonly #open: OpenManifest[] = [];

  /**
   * The manifests that are complete now. A full one is held back until something follows it: only then is it known not to
   * be the root, which {@link finish} gives.
   */
  add(record: Pick<TreeRecord, "key" | "level" | "size">): TreeRecord[] {
    const completed: TreeRecord[] = [];
    this.#place(record, completed);
    return completed;
  }

  /** The manifests that are left, the root last; none where the only chunk is the root. */
  finish(): TreeRecord[] {
    const completed: TreeRecord[] = [];
    for (let level = 1; level <= this.#open.length; level++) {
      const isTop = level === this.#open.length;
      const { keys } = this.#open[level - 1] as OpenManifest;
      if (isTop && keys.length === 1) break;
      const record = this.#close(level);
      completed.push(record);
      if (!isTop) this.#place(record, completed);
    }
    return completed;
  }

  #place({ key, level, size }: Pick<TreeRecord, "key" | "level" | "size">, completed: TreeRecord[]): void {
    const above = level + 1;
    if (this.#open[level]?.keys.length === manifestFanOut) {
      const full = this.#close(above);
      completed.push(full);
      this.#place(full, completed);
    }
    if (this.#open.length === level) this.#open.push({ keys: [], size: 0 });
    const open = this.#open[level] as OpenManifest;
    open.keys.push(key);
    open.size += size;
  }

  #close(level: number): TreeRecord {
    const { keys, size } = this.#open[level - 1] as OpenManifest;
    this.#open[level - 1] = { keys: [], size: 0 };
    return treeRecord(level, size, manifestBody(level, size, keys));
  }
}
