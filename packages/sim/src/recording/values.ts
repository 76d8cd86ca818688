/** Values to JSON and back. */
import { type Address, type AddressTable, fromHex, KadError, NodeId, toHex } from "@kad/core";
import type { Json } from "./format.ts";

export function toJson(value: unknown): Json {
  if (typeof value === "number") return Number.isFinite(value) ? value : { $number: String(value) };
  if (typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "object" && value !== null) return objectToJson(value);
  return null; // nothing, or what no machine can look into
}

function objectToJson(value: object): Json {
  if (value instanceof NodeId) return { $id: value.toHex() };
  if (value instanceof Uint8Array) return { $bytes: toHex(value) };
  if (value instanceof Error) return { $error: describeError(value) };
  if (Array.isArray(value)) return value.map(toJson);
  if (isAddress(value)) return { $at: value.key };
  const json: Record<string, Json> = {};
  for (const [name, field] of Object.entries(value))
    if (field !== undefined && typeof field !== "function") json[name] = toJson(field);
  return json;
}

/** @param addresses reads those that come up */
export function fromJson(json: Json, addresses: AddressTable): unknown {
  if (typeof json !== "object" || json === null) return json ?? undefined;
  if (Array.isArray(json)) return json.map((item: Json) => fromJson(item, addresses));
  const { $id, $bytes, $at, $number } = json as {
    readonly [K in "$id" | "$bytes" | "$at" | "$number"]?: Json;
  };
  if (typeof $id === "string") return NodeId.fromHex($id);
  if (typeof $bytes === "string") return bytesOf($bytes);
  if (typeof $at === "string") return addresses.parse($at);
  if (typeof $number === "string") return Number($number);
  return Object.fromEntries(Object.entries(json).map(([name, field]) => [name, fromJson(field, addresses)]));
}

/** Stacks differ between engines, and are left out. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = error instanceof KadError ? ` ${error.code}` : "";
  return `${error.name}${code}: ${error.message}`;
}

/** @throws RangeError unless it is pairs of digits */
export function bytesOf(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new RangeError(`"${text.substring(0, 20)}" is not hex`);
  return bytes;
}

function isAddress(value: object): value is Address {
  return "key" in value && "wire" in value && "maxBytes" in value;
}
