/**
 * How a peer is reached: its id and its addresses.
 */
import { type Address, maxAddresses, maxAddressesBytes } from "./address.ts";
import type { NodeId } from "./node-id.ts";

/** Immutable. `addresses` holds 1 to 4, the one to try first in front. */
export interface Contact {
  readonly id: NodeId;
  readonly addresses: readonly Address[];
}

/** An address typed by a person has no id. */
export interface Seed {
  readonly id?: NodeId;
  readonly addresses: readonly Address[];
}

/** Drops doubles, then cuts the list to what a contact may carry; the order is kept. */
export function boundAddresses(addresses: readonly Address[]): readonly Address[] {
  const kept: Address[] = [];
  let bytes = 0;
  for (const address of addresses) {
    if (kept.length === maxAddresses) break;
    if (bytes + address.wire.length > maxAddressesBytes || kept.some((other) => other.key === address.key))
      continue;
    kept.push(address);
    bytes += address.wire.length;
  }
  return [...kept]; // as long as it needs to be: it is kept for long, and an array that grew has room for 16 more
}
