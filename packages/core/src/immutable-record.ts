/**
 * Immutable records: the key is the hash of the value, so the key proves the value and one honest holder is enough.
 *
 * WIRE.md §5: `key = SHA-256(label("kad/1/immutable") ‖ value)`; the body is the value itself. BEP 44 hashes the bencoded
 * value without a label; ours cannot be mistaken for anything else that is hashed.
 */
import { copyBytes } from "./bytes.ts";
import { UsageError } from "./errors.ts";
import { labelled } from "./label.ts";
import { NodeId } from "./node-id.ts";
import type { DhtRecord, RecordKey, RecordValidator, Sha256 } from "./record.ts";

/** WIRE.md §5: so that every transport carries every record. */
export const maxImmutableValueBytes = 1_000;

const label = "kad/1/immutable";

export const immutableValidator: RecordValidator = Object.freeze<RecordValidator>({
  code: 1,
  maxBodyBytes: maxImmutableValueBytes,
  quorum: 1,
  validate(key, body, { sha256 }) {
    return key.equals(immutableKey(sha256, body)) ? undefined : "the key is not the hash of the value";
  },
  // Two values with one key would be a collision of SHA-256.
  select: () => 0,
});

/** The key under which a value is found. The value is borrowed. */
export function immutableKey(sha256: Sha256, value: Uint8Array): RecordKey {
  return NodeId.fromBytes(sha256(labelled(label, value)));
}

/**
 * A record that holds a copy of `value`, 0 to 1,000 bytes.
 * @throws UsageError `invalidRecord` when the value is larger
 */
export function immutableRecord(sha256: Sha256, value: Uint8Array): DhtRecord {
  if (value.length > maxImmutableValueBytes) {
    throw new UsageError(
      "invalidRecord",
      `value: ${value.length} bytes; allowed are 0 to ${maxImmutableValueBytes} bytes`,
    );
  }
  return { type: "immutable", key: immutableKey(sha256, value), body: copyBytes(value) };
}
