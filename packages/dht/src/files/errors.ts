/**
 * What can go wrong with files, each with a stable `code`.
 */
import { KadError, type RecordKey } from "@kad/core";

/** How far a put has come, in chunks; manifests are not counted. */
export interface FilePutOutcome {
  /** Chunks that are stored: put now, or held already. */
  readonly stored: number;
  /** Chunks so far: more may have followed. */
  readonly chunks: number;
  /** So many bytes from the beginning are stored without a gap. */
  readonly storedBytes: number;
  /** Bytes in `chunks`. */
  readonly bytes: number;
}

/**
 * A record of the file found no holders, or fewer than `minAccepted`, however often it was tried: mostly because theirs are
 * full. What is stored stays stored; the same put again goes on from there, for it skips what is held. `cause` is what the
 * last try came to.
 */
export class FilePutFailed extends KadError implements FilePutOutcome {
  declare readonly code: "filePutFailed";
  readonly stored: number;
  readonly chunks: number;
  readonly storedBytes: number;
  readonly bytes: number;
  /** The record that was not taken. */
  readonly key: RecordKey;

  constructor(key: RecordKey, outcome: FilePutOutcome, cause: unknown) {
    const { stored, chunks, storedBytes, bytes } = outcome;
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      "filePutFailed",
      `file: ${stored} of ${chunks} chunks so far are stored, the first ${storedBytes} bytes without a gap; ${key.toHex()} was not taken (${why}); the same put again goes on from there`,
      { cause },
    );
    this.stored = stored;
    this.chunks = chunks;
    this.storedBytes = storedBytes;
    this.bytes = bytes;
    this.key = key;
  }
}

/** A record of a file that nobody had, and what of the file is missing with it. */
export interface MissingPart {
  readonly key: RecordKey;
  /** 0: a chunk. Above: a manifest, and all below it. `undefined`: the root, of which nothing is known. */
  readonly level: number | undefined;
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** How many they are; `undefined` for the root. */
  readonly bytes: number | undefined;
  /** The first chunk, counted from 0, and how many they are; `undefined` for the root. */
  readonly firstChunk: number;
  readonly chunks: number | undefined;
}

export interface FileGaps {
  /** In order; at most {@link maxListedParts}, the first. */
  readonly missing: readonly MissingPart[];
  /** How many there are in all that are known. */
  readonly missingParts: number;
  /** The file's size; `undefined`: nobody has its root, so nobody may ever have stored it. */
  readonly size: number | undefined;
  /** Before this offset nothing is missing but what is listed or counted here. */
  readonly checkedTo: number;
}

/** Parts that a {@link FileIncomplete} lists; the others are counted. */
export const maxListedParts = 100;

/** Nobody had a record of the file, however often it was asked for. Everything before it has been read. */
export class FileIncomplete extends KadError implements FileGaps {
  declare readonly code: "fileIncomplete";
  /** The file's key. */
  readonly key: RecordKey;
  readonly missing: readonly MissingPart[];
  readonly missingParts: number;
  readonly size: number | undefined;
  readonly checkedTo: number;

  constructor(key: RecordKey, { missing, missingParts, size, checkedTo }: FileGaps) {
    super("fileIncomplete", `file ${key.toHex()}: ${gapsAsText(missing, missingParts, size, checkedTo)}`);
    this.key = key;
    this.missing = missing;
    this.missingParts = missingParts;
    this.size = size;
    this.checkedTo = checkedTo;
  }
}

export type InvalidFileCode =
  | "notAFile" // the value under the key is no record of a file: putFile did not make it
  | "invalidFile"; // records of a file that contradict each other: whoever made them did not mean a file to be read

/** What is stored can never be read as a file: asking again is no use. */
export class InvalidFile extends KadError {
  declare readonly code: InvalidFileCode;
  /** The record at fault: the file's own key, or one below. */
  readonly key: RecordKey;

  constructor(code: InvalidFileCode, key: RecordKey, fault: string) {
    super(code, `file: the record ${key.toHex()} ${fault}`);
    this.key = key;
  }
}

/** The file, or the range of it, is larger than `maxBytes`. Nothing of it has been read. */
export class FileTooLarge extends KadError {
  declare readonly code: "fileTooLarge";
  /** Bytes that were to be read. */
  readonly bytes: number;

  constructor(key: RecordKey, bytes: number, maxBytes: number) {
    super("fileTooLarge", `file ${key.toHex()}: ${bytes} bytes; maxBytes is ${maxBytes}`);
    this.bytes = bytes;
  }
}

const partsInText = 3;

function gapsAsText(
  missing: readonly MissingPart[],
  missingParts: number,
  size: number | undefined,
  checkedTo: number,
): string {
  if (size === undefined) return "nobody has it: the key is of no file, or its records have expired";
  const parts = missing.slice(0, partsInText).map(partAsText).join(", "); // slice: an array
  const more = missingParts > partsInText ? `, and ${missingParts - partsInText} more` : "";
  const beyond = checkedTo < size ? `; beyond byte ${checkedTo} it has not been checked` : "";
  return `nobody has ${parts}${more}, of ${size} bytes${beyond}`;
}

function partAsText({ firstChunk, chunks = 1, offset, bytes = 0 }: MissingPart): string {
  const which = chunks === 1 ? `chunk ${firstChunk}` : `chunks ${firstChunk} to ${firstChunk + chunks - 1}`;
  return `${which} (${bytes} bytes from ${offset})`;
}
