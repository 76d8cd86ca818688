/**
 * The nearest of a bucket's contacts, sorted as they are found: an insertion sort over prefixes, which lie in a row, and which
 * mostly decide. Its oracle is a sort of all contacts by distance.
 */
import type { Contact } from "./contact.ts";
import type { ContactList } from "./contact-list.ts";
import { compareDistance } from "./distance.ts";
import type { NodeId } from "./node-id.ts";
import { limitSpecs } from "./options.ts";

/**
 * Distances of the contacts that are being sorted, as many as a bucket may hold; of one table at a time, since nothing that is
 * called meanwhile may call a table.
 */
const distances = new Int32Array(limitSpecs.bucketSize.max);
/** XOR with it lets signed numbers compare as if they were unsigned. */
const signBit = 0x8000_0000 | 0;

/** Appends contacts to `nearest` sorted by distance, up to `count` in all, among those that `accept` returns true for. */
export function gatherNearest(
  { contacts, prefixes, length }: ContactList,
  target: NodeId,
  count: number,
  accept: ((contact: Contact) => boolean) | undefined,
  nearest: Contact[],
): void {
  const start = nearest.length;
  const room = count - start;
  const flip = target.prefixBits ^ signBit;
  let found = 0;
  for (let i = 0; i < length; i++) {
    const contact = contacts[i] as Contact;
    if (accept !== undefined && !accept(contact)) continue;
    const distance = (prefixes[i] as number) ^ flip;
    let at = found < room ? found++ : room;
    for (; at > 0; at--) {
      const other = distances[at - 1] as number;
      const before = nearest[start + at - 1] as Contact;
      if (other < distance || (other === distance && compareDistance(target, before.id, contact.id) < 0))
        break;
      if (at === room) continue;
      distances[at] = other;
      nearest[start + at] = before;
    }
    if (at === room) continue;
    distances[at] = distance;
    nearest[start + at] = contact;
  }
}
