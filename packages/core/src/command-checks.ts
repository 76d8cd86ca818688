/**
 * The arguments of commands, checked at once: each refusal names the argument, the value and what is allowed.
 */
import type { Address } from "./address.ts";
import { boundAddresses, type Contact, type Seed } from "./contact.ts";
import { shown, UsageError, type UsageErrorCode } from "./errors.ts";
import { NodeId } from "./node-id.ts";

/** @throws UsageError `invalidId` */
export function checkedId(name: string, id: NodeId, idBytes: number): NodeId {
  if (id instanceof NodeId && id.length === idBytes) return id;
  const value = id instanceof NodeId ? `${id.length} bytes` : shown(id);
  throw new UsageError("invalidId", `${name}: ${value}; allowed is a NodeId of ${idBytes} bytes`);
}

/**
 * With as many addresses as a contact may carry, the first ones.
 * @throws UsageError `invalidArgument`, `invalidId`
 */
export function checkedSeed(name: string, seed: Seed, idBytes: number): Seed {
  if (!Array.isArray(seed?.addresses) || seed.addresses.length === 0) {
    throw new UsageError("invalidArgument", `${name}.addresses: none; a seed or contact has at least one`);
  }
  for (const [i, address] of seed.addresses.entries()) checkAddress(`${name}.addresses[${i}]`, address);
  const addresses = boundAddresses(seed.addresses);
  if (seed.id === undefined) return { addresses };
  return { id: checkedId(`${name}.id`, seed.id, idBytes), addresses };
}

/** A text is easily taken for an address. @throws UsageError `invalidArgument` */
function checkAddress(name: string, address: Address): void {
  if (typeof address?.key === "string" && ArrayBuffer.isView(address.wire)) return;
  throw new UsageError(
    "invalidArgument",
    `${name}: ${shown(address)}; allowed is an Address, as the AddressCodec makes them`,
  );
}

/** @throws UsageError `invalidArgument`, `invalidId` */
export function checkedContact(name: string, contact: Contact, idBytes: number): Contact {
  checkedId(`${name}.id`, contact?.id, idBytes);
  return checkedSeed(name, contact, idBytes) as Contact;
}

/** The name of an application protocol. @throws UsageError `invalidArgument` */
export function checkedProtocol(name: string): string {
  if (typeof name === "string" && /^[\x20-\x7e]{1,64}$/.test(name)) return name;
  throw new UsageError(
    "invalidArgument",
    `protocol: ${shown(name)}; allowed are 1 to 64 printable ASCII characters`,
  );
}

/** Bytes of any realm; a `Buffer` is fine, for it is copied. @throws UsageError */
export function checkedBytes(code: UsageErrorCode, name: string, bytes: Uint8Array): Uint8Array {
  if (ArrayBuffer.isView(bytes) && bytes.BYTES_PER_ELEMENT === 1) return bytes;
  throw new UsageError(code, `${name}: ${shown(bytes)}; allowed is a Uint8Array`);
}
