import { type Address, type Contact, commonPrefixLength } from "@kad/core";
import type { HostChange } from "../observer.ts";
import type { Packet } from "../packet.ts";
import type { SimHost } from "../sim-host.ts";
import type { Simulation } from "../simulation.ts";
import type { InstantUs } from "../virtual-time.ts";
import { type Checker, CheckFailed } from "./checker.ts";

/**
 * No id twice in a table, nor its own; nobody who has not answered from an address that the table has; no client; and every
 * bucket and every subnet within its limits.
 */
export class TableChecker implements Checker {
  readonly rule = "a table holds only those who have answered, each once, and within its limits";
  /** By host, the ids that have answered it in this life, and from where. */
  readonly #answers = new Map<SimHost, Map<string, Set<string>>>();
  readonly #clients = new Set<string>();

  onHost(_nowUs: InstantUs, host: SimHost, change: HostChange): void {
    if (change !== "started") return;
    this.#answers.set(host, new Map());
    if (host.isClient) this.#clients.add(host.id.key);
  }

  onDelivery(_nowUs: InstantUs, { target, source, message }: Packet): void {
    if (target === undefined || !target.host.isHonest || message.kind !== "response") return;
    const answers = this.#answers.get(target.host);
    const from = answers?.get(message.sender.key) ?? new Set<string>();
    from.add(source.remote.key);
    answers?.set(message.sender.key, from);
  }

  check(simulation: Simulation): void {
    const { group } = simulation;
    for (const host of simulation.hosts)
      if (host.isHonest && host.state !== "down") this.#checkTable(host, group);
  }

  #checkTable(host: SimHost, groupOf: (address: Address) => string | undefined): void {
    const { table } = host.node;
    const contacts = table.contacts();
    const ids = new Set(contacts.map(({ id }) => id.key));
    if (ids.size !== contacts.length) this.#fail(host, "has an id twice in its table");
    if (ids.has(host.id.key)) this.#fail(host, "has itself in its table");
    if (table.size !== contacts.length)
      this.#fail(host, `says that it has ${table.size} contacts, and has ${contacts.length}`);
    for (const contact of contacts) this.#checkContact(host, contact);
    this.#checkBuckets(host, contacts, groupOf);
  }

  #checkContact(host: SimHost, { id, addresses }: Contact): void {
    if (this.#clients.has(id.key)) this.#fail(host, `has the client ${id.toHex()} in its table`);
    const from = this.#answers.get(host)?.get(id.key);
    if (from === undefined || !addresses.some(({ key }) => from.has(key)))
      this.#fail(
        host,
        `has ${id.toHex()} in its table, which has never answered from ${addresses.map(({ key }) => key).join()}`,
      );
  }

  #checkBuckets(
    host: SimHost,
    contacts: readonly Contact[],
    groupOf: (address: Address) => string | undefined,
  ): void {
    const { limits, id, node } = host;
    const buckets = node.table.buckets();
    for (const { prefixLength, size, replacements } of buckets) {
      if (size > limits.bucketSize || replacements > limits.replacementCacheSize)
        this.#fail(host, `has ${size} contacts and ${replacements} replacements in bucket ${prefixLength}`);
    }
    const perSubnet = new Map<string, number>();
    for (const contact of contacts) {
      const bucket = Math.min(commonPrefixLength(id, contact.id), buckets.length - 1);
      const groups = new Set(contact.addresses.map(groupOf).filter((group) => group !== undefined));
      for (const group of groups) {
        this.#count(host, perSubnet, group, limits.maxPerSubnetInTable);
        this.#count(host, perSubnet, `${group} in bucket ${bucket}`, limits.maxPerSubnetInBucket);
      }
    }
  }

  #count(host: SimHost, counts: Map<string, number>, what: string, limit: number): void {
    const count = (counts.get(what) ?? 0) + 1;
    counts.set(what, count);
    if (count > limit) this.#fail(host, `has ${count} contacts of ${what}; allowed are ${limit}`);
  }

  #fail(host: SimHost, what: string): never {
    throw new CheckFailed(this.rule, host, what);
  }
}
