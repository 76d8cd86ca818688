import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ContactList, type TableEntry } from "../src/contact-list.ts";
import { NodeId } from "../src/node-id.ts";
import { contactOf, tinyContact, tinyId } from "./tiny-id.ts";

const seed = 0xc0117;

function entryOf(bits: number, lastSeenMs: number, more: Partial<TableEntry> = {}): TableEntry {
  const contact = tinyContact(bits);
  return { contact, lastSeenMs, failures: 0, incomingOnly: false, addedAtMs: lastSeenMs, ...more };
}

function all(list: ContactList): TableEntry[] {
  return Array.from({ length: list.length }, (_, index) => list.entryAt(index));
}

describe("ContactList", () => {
  it("keeps what is known of a contact, times between milliseconds and before zero too", () => {
    const list = new ContactList();
    const entries = [
      entryOf(1, -5.25, { failures: 254, incomingOnly: true, addedAtMs: -7.5 }),
      entryOf(2, 3, { failures: 1, addedAtMs: 2 ** 40 + 0.125 }),
    ];
    for (const entry of entries) list.insert(entry);
    expect(all(list)).toEqual(entries);
  });

  it("finds ids that share their first 32 bits by the rest", () => {
    const list = new ContactList();
    const ids = [1, 2, 3].map((last) => NodeId.fromBytes(Uint8Array.of(9, 9, 9, 9, 0, last)));
    for (const id of ids)
      list.insert({ contact: contactOf(id), lastSeenMs: 0, failures: 0, incomingOnly: false, addedAtMs: 0 });
    expect(ids.map((id) => list.indexOf(id))).toEqual([0, 1, 2]);
    expect(list.indexOf(NodeId.fromBytes(Uint8Array.of(9, 9, 9, 9, 0, 4)))).toBe(undefined);
  });

  it("has no places before its first contact, four more when it is full, and gives them back", () => {
    const list = new ContactList();
    const capacities: number[] = [list.capacity];
    for (let bits = 1; bits <= 20; bits++) {
      list.insert(entryOf(bits, bits));
      capacities.push(list.capacity);
    }
    expect(capacities.filter((capacity, i) => capacity !== capacities[i - 1])).toEqual([0, 4, 8, 12, 16, 20]);
    while (list.length > 0) {
      list.remove(0);
      expect(list.capacity - list.length).toBeLessThan(8);
    }
    expect(list.capacity).toBe(0);
  });

  it("does not hold a contact that was removed", () => {
    const list = new ContactList();
    for (const bits of [1, 2, 3]) list.insert(entryOf(bits, bits));
    list.remove(2);
    expect(list.contacts.slice(2)).toEqual([undefined, undefined]);
  });

  it("does what an array of entries does, whatever the order of calls", () => {
    const call = fc.tuple(
      fc.constantFrom("insert", "insert", "remove", "answered", "failed", "stale"),
      fc.nat(1_000),
      fc.boolean(),
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 120, size: "max" }), (calls) => {
        const list = new ContactList();
        let plain: TableEntry[] = [];
        for (const [step, [name, number, flag]] of calls.entries()) {
          const index = plain.length === 0 ? 0 : number % plain.length;
          const at = plain[index];
          if (name === "insert") {
            const entry = entryOf(step, number / 2, { incomingOnly: flag });
            list.insert(entry);
            plain.splice(plain.filter(({ lastSeenMs }) => lastSeenMs <= number / 2).length, 0, entry);
          } else if (at !== undefined && name === "remove") {
            list.remove(index);
            plain.splice(index, 1);
          } else if (at !== undefined && name === "answered") {
            const nowMs = 1_000 + step;
            list.onAnswered(index, nowMs, flag);
            plain.splice(index, 1);
            plain.push({ ...at, lastSeenMs: nowMs, failures: 0, incomingOnly: flag });
          } else if (at !== undefined && name === "failed") {
            expect(list.onFailed(index)).toBe(at.failures + 1);
            plain[index] = { ...at, failures: at.failures + 1 };
          } else if (name === "stale") {
            list.markStale(number);
            plain = plain.map((entry) => ({ ...entry, lastSeenMs: Math.min(entry.lastSeenMs, number) }));
          }
          // Whoever was marked stale keeps its place, so the plain list may be out of order only as the list is.
          plain.sort((a, b) => a.lastSeenMs - b.lastSeenMs);
          expect(all(list)).toEqual(plain);
          expect(list.toArray()).toEqual(plain.map(({ contact }) => contact));
          for (const [i, { contact }] of plain.entries()) {
            expect(list.indexOf(contact.id)).toBe(i);
            expect([list.contacts[i], list.prefixes[i]]).toEqual([contact, contact.id.prefix | 0]);
          }
        }
        expect(list.indexOf(tinyId(255))).toBe(undefined);
      }),
      { seed, numRuns: 200 },
    );
  });
});
