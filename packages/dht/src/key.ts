/**
 * Names and keys: a string is a name, a {@link RecordKey} is a key, so that no name of 64 hexadecimal digits is ever
 * taken for a key. Text with a key in it goes through {@link parseKey}.
 */

import type { RecordKey } from "@kad/core";
import { NodeId, openKey, UsageError } from "@kad/core";
import { sha256 } from "./hash.ts";

/** Keys and ids of the native protocol, in bytes. */
export const keyBytes = 32;

/**
 * A key as people pass it on: 64 hexadecimal digits, what `key.toHex()` gives.
 * @throws UsageError `invalidId` that names the text
 */
export function parseKey(hex: string): RecordKey {
  if (typeof hex !== "string" || !/^[0-9a-fA-F]{64}$/.test(hex)) {
    throw new UsageError(
      "invalidId",
      `key: ${describe(hex)}; allowed are ${2 * keyBytes} hexadecimal digits`,
    );
  }
  return NodeId.fromHex(hex);
}

/**
 * The key of a name's open record: SHA-256(label("kad/1/open") ‖ name).
 * @throws UsageError `invalidRecord` when the name is not 1 to 128 bytes of UTF-8
 */
export function keyOfName(name: string): RecordKey {
  return openKey(sha256, checkName(name));
}

/** @throws UsageError `invalidArgument` for what is no string; core checks its length */
export function checkName(name: string): string {
  if (typeof name === "string") return name;
  throw new UsageError("invalidArgument", `name: ${describe(name)}; allowed is a string of 1 to 128 bytes`);
}

/** @throws UsageError `invalidId` for an id of another length, `invalidArgument` for what is no id at all */
export function checkId(field: string, id: NodeId): NodeId {
  if (!(id instanceof NodeId)) {
    throw new UsageError(
      "invalidArgument",
      `${field}: ${describe(id)}; allowed is a NodeId of ${keyBytes} bytes`,
    );
  }
  if (id.length !== keyBytes) {
    throw new UsageError(
      "invalidId",
      `${field}: ${id.length} bytes (${id.toHex()}); allowed are ${keyBytes} bytes`,
    );
  }
  return id;
}

/** A name becomes the key of its open record. */
export function resolveKey(keyOrName: RecordKey | string): RecordKey {
  return typeof keyOrName === "string" ? keyOfName(keyOrName) : checkId("key", keyOrName);
}

/** A value for a message: short, and never a dump. */
export function describe(value: unknown): string {
  if (typeof value === "string") return `"${value.substring(0, 140)}"`;
  if (value === null || typeof value !== "object") return String(value);
  return value.constructor?.name ?? "an object";
}

/**
 * Text as UTF-8, bytes as they are (a view, not a copy; core copies what it keeps).
 * @throws UsageError `invalidArgument` for anything else
 */
export function toBytes(field: string, value: Uint8Array | string): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (value instanceof Uint8Array) return value;
  throw new UsageError(
    "invalidArgument",
    `${field}: ${describe(value)}; allowed are a string and a Uint8Array`,
  );
}
