import { describe, expect, it } from "vitest";
import { LostContacts } from "../src/lost-contacts.ts";
import { tinyContact } from "./tiny-id.ts";

const [a, b, c, d] = [tinyContact(1), tinyContact(2), tinyContact(3), tinyContact(4)];

describe("lost contacts", () => {
  it("have their turns, one after the other", () => {
    const lost = new LostContacts(4);
    for (const contact of [a, b, c]) lost.add(contact);
    expect([lost.next(1), lost.next(1), lost.next(1), lost.next(1)]).toEqual([[a], [b], [c], [a]]);
    expect(lost.next(2)).toEqual([b, c]);
    expect(lost.next(9)).toEqual([a, b, c]);
  });

  it("are so many at most, the newest, each once", () => {
    const lost = new LostContacts(2);
    for (const contact of [a, b, c, d, d]) lost.add(contact);
    expect(lost.size).toBe(2);
    expect(lost.next(9)).toEqual([c, d]);
    const none = new LostContacts(0);
    none.add(a);
    expect([none.size, none.next(9)]).toEqual([0, []]);
  });

  it("are lost no longer once they are back", () => {
    const lost = new LostContacts(2);
    lost.add(a);
    expect([lost.delete(a.id), lost.delete(a.id), lost.size, lost.next(1)]).toEqual([true, false, 0, []]);
  });
});
