/** Events and arguments as traces hold them: ids and bytes in hex, addresses as text, errors by their code. */
import { type AddressTable, NodeId, toHex } from "@kad/core";
import { fromHex } from "../hex.ts";

/** What is `undefined` is left out. */
export function plainOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (value instanceof NodeId) return value.toHex();
  if (value instanceof Error) return "code" in value ? value.code : value.name;
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value !== "object" || value === null) return value;
  if ("wire" in value && "key" in value) return value.key;
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(entries.map(([name, part]) => [name, plainOf(part)]));
}

/** The way back for arguments of commands, where the name of a field says what it is. */
export function fromPlain(name: string, plain: unknown, addresses: AddressTable): unknown {
  if (Array.isArray(plain)) return plain.map((part) => fromPlain(name, part, addresses));
  if (typeof plain === "object" && plain !== null) {
    return Object.fromEntries(
      Object.entries(plain).map(([field, part]) => [field, fromPlain(field, part, addresses)]),
    );
  }
  if (typeof plain !== "string") return plain;
  if (name === "addresses") return addresses.parse(plain);
  if (name === "id" || name === "target" || name === "key") return NodeId.fromHex(plain);
  return name === "body" || name === "meta" ? fromHex(plain) : plain;
}
