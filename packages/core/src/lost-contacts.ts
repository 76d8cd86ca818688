/**
 * Contacts that have left the table for their silence: most are gone for good, but after a partition of the network they are
 * all that is left of its other part. They are asked in turn, now and then, whether they are back.
 *
 * The newest are kept, and who has been asked goes behind the others.
 */
import type { Contact } from "./contact.ts";
import { LeanMap } from "./lean-map.ts";
import type { NodeId } from "./node-id.ts";

export class LostContacts {
  readonly #limit: number;
  /** By id; the one to ask next in front. */
  readonly #contacts = new LeanMap<string, Contact>();

  /** @param limit the most that are kept; 0: none */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#contacts.size;
  }

  add(contact: Contact): void {
    if (this.#limit === 0) return;
    this.#contacts.delete(contact.id.key);
    if (this.#contacts.size >= this.#limit)
      this.#contacts.delete(this.#contacts.keys().next().value as string);
    this.#contacts.set(contact.id.key, contact);
  }

  /** Up to `count` whose turn it is. */
  next(count: number): Contact[] {
    const chosen: Contact[] = [];
    for (const contact of this.#contacts.values()) {
      if (chosen.length === count) break;
      chosen.push(contact);
    }
    for (const contact of chosen) this.add(contact);
    return chosen;
  }

  /** It is back. `false`: it was not lost. */
  delete(id: NodeId): boolean {
    return this.#contacts.delete(id.key);
  }
}
