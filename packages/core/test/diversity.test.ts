import { describe, expect, it } from "vitest";
import { ContactList } from "../src/contact-list.ts";
import { groupsOf, SubnetCounter, TableSubnets } from "../src/diversity.ts";
import { tinyAddress, tinyContact, tinyGroup } from "./tiny-id.ts";

describe("groupsOf", () => {
  it.each([
    [["a/1"], ["a"]],
    [
      ["a/1", "a/2", "b/1"],
      ["a", "b"],
    ],
    [["loopback"], []],
    [["loopback", "b/1", "loopback2"], ["b"]],
    [[], []],
  ])("of %j is %j: each once, exempt addresses in none", (keys, groups) => {
    expect(
      groupsOf(
        keys.map((key) => tinyAddress(key)),
        { groupOf: tinyGroup },
      ),
    ).toEqual(groups);
  });
});

describe("SubnetCounter", () => {
  it("has room for a group until its limit, for each group apart", () => {
    const counter = new SubnetCounter(2);
    counter.add(["a"]);
    expect(counter.fits(["a"])).toBe(true);
    counter.add(["a", "b"]);
    expect(counter.fits(["a"])).toBe(false);
    expect(counter.fits(["b"])).toBe(true);
    expect(counter.fits(["b", "a"])).toBe(false);
    expect(counter.fits([])).toBe(true);
  });

  it("does not count a contact against itself", () => {
    const counter = new SubnetCounter(1);
    counter.add(["a", "b"]);
    expect(counter.fits(["a"], ["a", "b"])).toBe(true);
    expect(counter.fits(["a", "c"], ["a", "b"])).toBe(true);
    counter.add(["c"]);
    expect(counter.fits(["a", "c"], ["a", "b"])).toBe(false);
  });

  it("forgets groups that are gone, so that it stays as small as what it counts", () => {
    const counter = new SubnetCounter(2);
    counter.add(["a"]);
    counter.add(["a"]);
    counter.remove(["a"]);
    expect([counter.count("a"), counter.size]).toEqual([1, 1]);
    counter.remove(["a"]);
    expect([counter.count("a"), counter.size]).toEqual([0, 0]);
  });
});

describe("TableSubnets", () => {
  /** A table of three buckets, with a contact in the next of them for each address given. */
  function tableOf(...contacts: (readonly string[])[]): { subnets: TableSubnets; lists: ContactList[] } {
    const lists = [new ContactList(), new ContactList(), new ContactList()];
    const subnets = new TableSubnets({ limits: { maxPerSubnetInTable: 3 }, groupOf: tinyGroup });
    subnets.buckets = lists.map((entries) => ({ entries }));
    for (const [i, addresses] of contacts.entries()) {
      const contact = tinyContact(i, ...addresses);
      const entry = { contact, lastSeenMs: i, failures: 0, incomingOnly: false, addedAtMs: i };
      (lists[i % 3] as ContactList).insert(entry);
      subnets.add(contact);
    }
    return { subnets, lists };
  }

  it("has room for a group until the table's limit, over all buckets together, for each group apart", () => {
    const { subnets } = tableOf(["a/1"], ["a/2", "b/1"], ["a/3", "a/4"], ["exempt"]);
    expect(subnets.fits(["a"])).toBe(false);
    expect(subnets.fits(["b"])).toBe(true);
    expect(subnets.fits(["b", "a"])).toBe(false);
    expect(subnets.fits(["a"], ["a"])).toBe(true);
    expect(subnets.fits([])).toBe(true);
  });

  it("counts groups that have the same hash together, and is not misled by it", () => {
    const groups = Array.from({ length: 600 }, (_, i) => `net-${i}`);
    const { subnets, lists } = tableOf(...groups.map((group) => [`${group}/1`]));
    expect(groups.some((group) => subnets.atMost(group) > 3)).toBe(true);
    expect(groups.every((group) => subnets.atMost(group) >= 1 && subnets.fits([group]))).toBe(true);
    expect(subnets.countIn(lists[0] as ContactList, "net-3")).toBe(1);
    for (const [i, group] of groups.entries()) subnets.remove(tinyContact(i, `${group}/1`));
    expect(groups.every((group) => subnets.atMost(group) === 0)).toBe(true);
  });

  it("counts nothing while all contacts are exempt", () => {
    const { subnets } = tableOf(["here"], ["there"]);
    expect([subnets.atMost("a"), subnets.fits(["a"])]).toEqual([0, true]);
  });
});
