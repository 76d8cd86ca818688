/**
 * What a demo stores as chunks.
 */
import { chunkBytes } from "@kad/dht";

export interface DemoFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** An empty file is a chunk, too. */
export function chunksOf({ bytes }: DemoFile): number {
  return Math.max(1, Math.ceil(bytes.length / chunkBytes));
}

/** Keys in a manifest. */
const fanOut = 30;

/** Chunks and manifests. */
export function recordsOf(file: DemoFile): number {
  let level = chunksOf(file);
  let records = level;
  while (level > 1) {
    level = Math.ceil(level / fanOut);
    records += level;
  }
  return records;
}
