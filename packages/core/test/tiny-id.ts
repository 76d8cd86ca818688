/**
 * Small worlds for tests: ids of 8 bits, whose distances a reader sees, and addresses that name their subnet.
 */
import type { Address } from "../src/address.ts";
import type { Contact } from "../src/contact.ts";
import { NodeId } from "../src/node-id.ts";

/** An id of one byte. */
export function tinyId(bits: number): NodeId {
  return NodeId.fromBytes(Uint8Array.of(bits));
}

/** An address such as `net/1`, of the subnet `net`; without a slash it is of none. */
export function tinyAddress(key: string, kind = 1): Address {
  return { key, wire: Uint8Array.from(key, (char) => char.charCodeAt(0)), kind, link: 0, maxBytes: 1200 };
}

/** What an `AddressCodec` would say of a {@link tinyAddress}. */
export function tinyGroup({ key }: Address): string | undefined {
  const slash = key.indexOf("/");
  return slash < 0 ? undefined : key.slice(0, slash);
}

/** A contact at the given addresses; without any it has one of no subnet, made from its id. */
export function contactOf(id: NodeId, ...addresses: readonly string[]): Contact {
  const keys = addresses.length === 0 ? [`at-${id.toHex()}`] : addresses;
  return { id, addresses: keys.map((key) => tinyAddress(key)) };
}

/** {@link contactOf} for an id of one byte. */
export function tinyContact(bits: number, ...addresses: readonly string[]): Contact {
  return contactOf(tinyId(bits), ...addresses);
}
