/**
 * A file as records: one for each line.
 *
 * Immutable records are found by the hash of their value, so equal lines are one record, blank ones too. A line is what
 * ends with a line feed, which is not part of it (a carriage return is), and what is left after the last.
 */
import { copyBytes } from "@kad/core";

/** The largest value of an immutable record. */
export const maxLineBytes = 1_000;

export interface LineRecord {
  /** The line, or its first 1,000 bytes. */
  readonly value: Uint8Array;
  /** Where it stands first, counted from 1. */
  readonly line: number;
}

export interface LineRecords {
  /** In the order of the file, each once. */
  readonly records: readonly LineRecord[];
  readonly lines: number;
  readonly blankLines: number;
  /** Lines that stand in the file before. */
  readonly repeatedLines: number;
  /** Lines of which only the first 1,000 bytes are kept. */
  readonly cutLines: number;
}

const lineFeed = 0x0a;

export function readLineRecords(bytes: Uint8Array): LineRecords {
  const records = new Map<string, LineRecord>();
  let lines = 0;
  let blankLines = 0;
  let cutLines = 0;
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(lineFeed, start);
    const end = feed === -1 ? bytes.length : feed;
    const kept = Math.min(end, start + maxLineBytes);
    lines++;
    if (end === start) blankLines++;
    if (kept < end) cutLines++;
    const value = copyBytes(bytes.subarray(start, kept));
    const text = String.fromCharCode(...value); // one char code for each byte: equal only where the bytes are
    if (!records.has(text)) records.set(text, { value, line: lines });
    start = end + 1;
  }
  return { records: [...records.values()], lines, blankLines, repeatedLines: lines - records.size, cutLines };
}
