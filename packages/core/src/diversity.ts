/**
 * Subnet diversity: how many contacts of one subnet a bucket, or the whole table, already holds.
 *
 * Whoever owns one subnet can make as many ids as they like; the limits keep them from being all that we know
 * (sigp-discv5's filter, libtorrent's routing table). What a subnet is, and which are exempt, is the host's
 * {@link AddressCodec.group}: core only counts strings. A contact with several addresses counts in each of its groups.
 */
import type { Address } from "./address.ts";
import type { Contact } from "./contact.ts";
import type { ContactList } from "./contact-list.ts";
import type { NodeLimits } from "./options.ts";

/** Says in which subnet an address is; always the same, and `undefined` where it is exempt. */
export interface Grouping {
  groupOf(address: Address): string | undefined;
}

const noGroups: readonly string[] = Object.freeze([]);

/** The groups of the addresses, each once; exempt addresses (`undefined`) have none. */
export function groupsOf(addresses: readonly Address[], grouping: Grouping): readonly string[] {
  let groups: string[] | undefined;
  for (const address of addresses) {
    const group = grouping.groupOf(address);
    if (group === undefined) continue;
    if (groups === undefined) groups = [group];
    else if (!groups.includes(group)) groups.push(group);
  }
  return groups ?? noGroups;
}

/** Contacts by group, of one walk. Holds a number for each group that is present, so its contacts bound it. */
export class SubnetCounter {
  readonly #counts = new Map<string, number>();
  readonly #limit: number;

  /** @param limit contacts that one group may have */
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

export interface TableSubnetsOptions extends Grouping {
  readonly limits: Pick<NodeLimits, "maxPerSubnetInTable">;
}

/** Groups are counted together by so many hashes. */
const classes = 128;

/**
 * Contacts by group, of a routing table and its buckets. Not as a number for each group, which would take as much room as
 * the contacts do: groups are counted by a hash, together with those that have the same one. Nearly always that shows
 * that a limit is not reached; where it does not, the contacts are looked through.
 */
export class TableSubnets {
  /** Those of the table, as they are now. */
  buckets: readonly { readonly entries: ContactList }[] = [];
  readonly #options: TableSubnetsOptions;
  /** Contacts of each class of groups; made for the first contact that is not exempt. */
  #counts: Uint32Array | undefined = undefined;

  constructor(options: TableSubnetsOptions) {
    this.#options = options;
  }

  groupsOf({ addresses }: Pick<Contact, "addresses">): readonly string[] {
    return groupsOf(addresses, this.#options);
  }

  /** The contact is in a bucket from now on. */
  add(contact: Contact): void {
    this.#count(contact, 1);
  }

  /** It is not any more. */
  remove(contact: Contact): void {
    this.#count(contact, -1);
  }

  /** Contacts of this group in the table, or more: never fewer than there are. */
  atMost(group: string): number {
    return this.#counts === undefined ? 0 : (this.#counts[classOf(group)] as number);
  }

  /** How many contacts of a list are in this group. */
  countIn(list: ContactList, group: string): number {
    let count = 0;
    for (let i = 0; i < list.length; i++) {
      const { addresses } = list.contactAt(i);
      if (addresses.some((address) => this.#options.groupOf(address) === group)) count++;
    }
    return count;
  }

  /** Whether the table may have a contact more of these groups; those in which it is already (`present`) cost nothing. */
  fits(groups: readonly string[], present: readonly string[] = noGroups): boolean {
    const limit = this.#options.limits.maxPerSubnetInTable;
    for (const group of groups) {
      if (this.atMost(group) < limit || present.includes(group)) continue;
      if (this.buckets.reduce((sum, { entries }) => sum + this.countIn(entries, group), 0) >= limit)
        return false;
    }
    return true;
  }

  #count(contact: Contact, change: 1 | -1): void {
    for (const group of this.groupsOf(contact)) {
      this.#counts ??= new Uint32Array(classes);
      const at = classOf(group);
      this.#counts[at] = (this.#counts[at] as number) + change;
    }
  }
}

/** FNV-1a. */
function classOf(group: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < group.length; i++) hash = Math.imul(hash ^ group.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (classes - 1);
}
