/**
 * Open records: a name that anyone may overwrite; the larger sequence number wins.
 *
 *     body = seq u64 | nameLength u8 | name (1 to 128 bytes of UTF-8) | value (0 to 896 bytes)       big-endian
 *     key  = SHA-256(label("kad/1/open") ‖ name)
 *
 * The rules of order are those of WIRE.md §5 for signed records: `seq` is at most 2^53 − 1; the larger one wins; equal
 * ones with equal bytes refresh; with different bytes the larger SHA-256(body) wins, so that replicas converge without
 * talking. The record carries its name, so that holders check the key. There is no owner: whoever needs one signs.
 */
import { compareBytes, copyBytes, equalBytes } from "./bytes.ts";
import { UsageError } from "./errors.ts";
import { labelled } from "./label.ts";
import { NodeId } from "./node-id.ts";
import type { DhtRecord, RecordKey, RecordValidator, Sha256 } from "./record.ts";
import { fromUtf8, utf8 } from "./utf8.ts";

/** With 9 bytes of header and the largest value 1,033 bytes, within the 1,040 of WIRE.md §5. */
export const maxOpenNameBytes = 128;
/** WIRE.md §5: a value that can change has 896 bytes, on every transport. */
export const maxOpenValueBytes = 896;

const label = "kad/1/open";
const headerBytes = 9;

/** What an open record says. */
export interface OpenRecord {
  /** A whole number from 0 to 2^53 − 1. */
  readonly seq: number;
  readonly name: string;
  readonly value: Uint8Array;
}

export const openValidator: RecordValidator = Object.freeze<RecordValidator>({
  code: 2,
  maxBodyBytes: headerBytes + maxOpenNameBytes + maxOpenValueBytes,
  quorum: 8,
  validate(key, body, { sha256 }) {
    const fault = layoutFault(body);
    if (fault !== undefined) return fault;
    return key.equals(keyOf(sha256, nameOf(body))) ? undefined : "the key is not the hash of the name";
  },
  select(a, b, { sha256 }) {
    const later = seqOf(a) - seqOf(b);
    if (later !== 0 || equalBytes(a, b)) return later;
    // Copied: a hash function that hands out the same array twice would make every pair equal.
    return compareBytes(copyBytes(sha256(a)), sha256(b));
  },
  seqOf,
});

/**
 * The key of a name. A lone surrogate in it counts as U+FFFD.
 * @throws UsageError `invalidRecord` when the name is not 1 to 128 bytes of UTF-8
 */
export function openKey(sha256: Sha256, name: string): RecordKey {
  return keyOf(sha256, nameBytes(name));
}

/**
 * A record that holds a copy of `value`.
 * @param value 0 to 896 bytes
 * @param seq a whole number from 0 to 2^53 − 1, larger than any seen under this name
 * @throws UsageError `invalidRecord` when the name, the value or `seq` is outside its range
 */
export function openRecord(sha256: Sha256, name: string, value: Uint8Array, seq: number): DhtRecord {
  const encoded = nameBytes(name);
  if (value.length > maxOpenValueBytes) {
    throw new UsageError(
      "invalidRecord",
      `value: ${value.length} bytes; allowed are 0 to ${maxOpenValueBytes} bytes`,
    );
  }
  if (!Number.isSafeInteger(seq) || seq < 0) {
    throw new UsageError("invalidRecord", `seq: ${seq}; allowed is a whole number from 0 to 2^53 - 1`);
  }
  const body = new Uint8Array(headerBytes + encoded.length + value.length);
  const view = new DataView(body.buffer);
  view.setUint32(0, Math.floor(seq / 2 ** 32));
  view.setUint32(4, seq % 2 ** 32);
  body[8] = encoded.length;
  body.set(encoded, headerBytes);
  body.set(value, headerBytes + encoded.length);
  return { type: "open", key: keyOf(sha256, encoded), body };
}

/** What a body says, its value a copy that the caller owns; `undefined` when it is no open record. */
export function readOpenRecord(body: Uint8Array): OpenRecord | undefined {
  if (layoutFault(body) !== undefined) return undefined;
  const name = nameOf(body);
  return {
    seq: seqOf(body),
    name: fromUtf8(name) as string,
    value: copyBytes(body, headerBytes + name.length),
  };
}

function layoutFault(body: Uint8Array): string | undefined {
  const nameLength = body[8];
  if (nameLength === undefined) return "shorter than its header";
  if (nameLength < 1 || nameLength > maxOpenNameBytes) return `a name of ${nameLength} bytes`;
  const valueLength = body.length - headerBytes - nameLength;
  if (valueLength < 0) return "shorter than its name";
  if (valueLength > maxOpenValueBytes) return `a value of ${valueLength} bytes`;
  if (!Number.isSafeInteger(seqOf(body))) return "a sequence number of 2^53 or more";
  return fromUtf8(nameOf(body)) === undefined ? "a name that is not UTF-8" : undefined;
}

/** Exact up to 2^53 − 1; larger ones come out as 2^53 or more, never as less. */
function seqOf(body: Uint8Array): number {
  const view = new DataView(body.buffer, body.byteOffset, 8);
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4);
}

/** A view of the body. */
function nameOf(body: Uint8Array): Uint8Array {
  return body.subarray(headerBytes, headerBytes + (body[8] as number));
}

function keyOf(sha256: Sha256, name: Uint8Array): RecordKey {
  return NodeId.fromBytes(sha256(labelled(label, name)));
}

function nameBytes(name: string): Uint8Array {
  const bytes = utf8(name);
  if (bytes.length < 1 || bytes.length > maxOpenNameBytes) {
    throw new UsageError(
      "invalidRecord",
      `name: ${bytes.length} bytes of UTF-8; allowed are 1 to ${maxOpenNameBytes} bytes`,
    );
  }
  return bytes;
}
