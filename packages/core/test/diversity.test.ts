import { describe, expect, it } from "vitest";
import { groupsOf, SubnetCounter } from "../src/diversity.ts";
import { tinyAddress, tinyGroup } from "./tiny-id.ts";

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
        tinyGroup,
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
