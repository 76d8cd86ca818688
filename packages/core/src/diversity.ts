/**
 * Subnet diversity: how many contacts of one subnet a bucket, or the whole table, already holds.
 *
 * Whoever owns one subnet can make as many ids as they like; the limits keep them from being all that we know
 * (sigp-discv5's filter, libtorrent's routing table). What a subnet is, and which are exempt, is the host's
 * {@link AddressCodec.group}: core only counts strings. A contact with several addresses counts in each of its groups.
 */
import type { Address } from "./address.ts";

const noGroups: readonly string[] = Object.freeze([]);

/** The groups of the addresses, each once; exempt addresses (`undefined`) have none. */
export function groupsOf(
  addresses: readonly Address[],
  groupOf: (address: Address) => string | undefined,
): readonly string[] {
  let groups: string[] | undefined;
  for (const address of addresses) {
    const group = groupOf(address);
    if (group === undefined) continue;
    if (groups === undefined) groups = [group];
    else if (!groups.includes(group)) groups.push(group);
  }
  return groups ?? noGroups;
}

/** Contacts by group, of one bucket or of the table. Holds a number for each group that is present, so its contacts bound it. */
export class SubnetCounter {
  readonly #counts = new Map<string, number>();
  readonly #limit: number;

  /** @param limit contacts that one group may have here */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Groups that are present. */
  get size(): number {
    return this.#counts.size;
  }

  count(group: string): number {
    return this.#counts.get(group) ?? 0;
  }

  /** Whether a contact of these groups may be added; groups that it is counted in already (`present`) cost nothing. */
  fits(groups: readonly string[], present: readonly string[] = noGroups): boolean {
    for (const group of groups) {
      if (this.count(group) >= this.#limit && !present.includes(group)) return false;
    }
    return true;
  }

  add(groups: readonly string[]): void {
    for (const group of groups) this.#counts.set(group, this.count(group) + 1);
  }

  /** Takes back an {@link add} of the same groups. */
  remove(groups: readonly string[]): void {
    for (const group of groups) {
      const left = this.count(group) - 1;
      if (left > 0) this.#counts.set(group, left);
      else this.#counts.delete(group);
    }
  }
}
