/**
 * The records that a file consists of: chunks with its bytes, and manifests with the keys of the records below them.
 *
 * Each is the value of an immutable record, so the key proves it (docs/wire-format.md, "Files"). As in a Merkle tree with
 * separate tags for leaves and inner nodes (RFC 6962 §2.1), neither can be taken for the other: the level is part of what
 * is hashed. A manifest says how many bytes it covers, from which the number of its keys and the size of what each of them
 * covers follow; whatever disagrees is malformed, so a reader never has to believe a number.
 */
import { NodeId, type RecordKey } from "@kad/core";
import { keyBytes } from "../key.ts";

/** Bytes of a file in one chunk; only the last has fewer. */
export const chunkBytes = 992;

/** Keys in a manifest: 30 × 32 and the header are 974 of the 1,000 bytes of a record. */
export const manifestFanOut = 30;

/** Height of the highest tree. */
export const maxLevel = 8;

/** Bytes under a record of this level, at most: 992 × 30^level. Exact up to `maxLevel`. */
export function capacityOf(level: number): number {
  return chunkBytes * manifestFanOut ** level;
}

/** 650,851,200,000,000 bytes. */
export const maxFileBytes: number = capacityOf(maxLevel);

/** The level of the root of a file: the lowest that has room. */
export function levelOf(size: number): number {
  let level = 0;
  while (capacityOf(level) < size) level++;
  return level;
}

export interface Chunk {
  readonly type: "chunk";
  readonly level: 0;
  /** How many bytes of the file it holds, 0 to 992; 0 only where the file is empty. */
  readonly size: number;
  /** A view of the record's body. */
  readonly bytes: Uint8Array;
}

export interface Manifest {
  readonly type: "manifest";
  /** 1 to 8; its keys lead to records of the level below. */
  readonly level: number;
  /** How many bytes of the file it covers. */
  readonly size: number;
  /** 1 to 30, in the order of the bytes. */
  readonly keys: readonly RecordKey[];
}

/** `foreign`: some other value stands there. `malformed`: it says that it is of a file, but cannot be. */
export type FileRecordReading =
  | Chunk
  | Manifest
  | { readonly type: "foreign" }
  | { readonly type: "malformed"; readonly fault: string };

/** No text and no number begins like this: 0x89 "kad", then the version of this layout. */
const signature: readonly number[] = [0x89, 0x6b, 0x61, 0x64];
const version = 1;
const levelAt = 5;
const chunkHeaderBytes = 6;
const sizeAt = 6;
const manifestHeaderBytes = 14;

/** A chunk's record with room for `size` bytes of the file, to be written to from {@link chunkDataAt} on. */
export function emptyChunk(size: number): Uint8Array {
  return withHeader(chunkHeaderBytes + size, 0);
}

/** Where the file's bytes begin in a chunk's record. */
export const chunkDataAt: number = chunkHeaderBytes;

/** @param size what the records under `keys` cover together */
export function manifestBody(level: number, size: number, keys: readonly RecordKey[]): Uint8Array {
  const body = withHeader(manifestHeaderBytes + keys.length * keyBytes, level);
  const view = new DataView(body.buffer);
  view.setUint32(sizeAt, Math.floor(size / 2 ** 32));
  view.setUint32(sizeAt + 4, size % 2 ** 32);
  let at = manifestHeaderBytes;
  for (const key of keys) at = key.writeTo(body, at);
  return body;
}

/** Reads the value of any immutable record. Never throws; `body` is kept by what it returns. */
export function readFileRecord(body: Uint8Array): FileRecordReading {
  if (body.length < chunkHeaderBytes || signature.some((byte, at) => body[at] !== byte)) return foreign;
  if (body[4] !== version) return malformed(`version ${body[4]}; known is ${version}`);
  const level = body[levelAt] as number;
  if (level > maxLevel) return malformed(`level ${level}; at most ${maxLevel}`);
  return level === 0 ? readChunk(body) : readManifest(body, level);
}

/** Whether the value of an immutable record is that of a file's root (or of any of its records), and so for `getFile`. */
export function isFileRecord(body: Uint8Array): boolean {
  return readFileRecord(body).type !== "foreign";
}

function readChunk(body: Uint8Array): FileRecordReading {
  const size = body.length - chunkHeaderBytes;
  if (size > chunkBytes) return malformed(`a chunk of ${size} bytes; at most ${chunkBytes}`);
  return { type: "chunk", level: 0, size, bytes: body.subarray(chunkHeaderBytes) };
}

function readManifest(body: Uint8Array, level: number): FileRecordReading {
  if (body.length < manifestHeaderBytes) return malformed("a manifest that is cut");
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const size = view.getUint32(sizeAt) * 2 ** 32 + view.getUint32(sizeAt + 4);
  if (size < 1 || size > capacityOf(level)) {
    return malformed(`${size} bytes under level ${level}; allowed are 1 to ${capacityOf(level)}`);
  }
  const count = Math.ceil(size / capacityOf(level - 1));
  if (body.length !== manifestHeaderBytes + count * keyBytes) {
    const found = (body.length - manifestHeaderBytes) / keyBytes;
    return malformed(`${found} keys for ${size} bytes under level ${level}; ${count} are needed`);
  }
  const keys = Array.from({ length: count }, (_, index) =>
    NodeId.fromBytes(body, manifestHeaderBytes + index * keyBytes, keyBytes),
  );
  return { type: "manifest", level, size, keys };
}

function withHeader(length: number, level: number): Uint8Array {
  const body = new Uint8Array(length);
  body.set(signature);
  body[4] = version;
  body[levelAt] = level;
  return body;
}

const foreign: FileRecordReading = { type: "foreign" };

function malformed(fault: string): FileRecordReading {
  return { type: "malformed", fault };
}
