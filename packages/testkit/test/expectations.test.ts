import { createHash } from "node:crypto";
import { NodeId, toHex } from "@kad/core";
import { describe, expect, it } from "vitest";
import { shown } from "../src/expectations.ts";
import {
  ExpectationError,
  expectEqual,
  expectRefusal,
  expectThat,
  fromHex,
  seededRandom,
  sha256,
} from "../src/index.ts";

describe("an expectation of equality", () => {
  const id = NodeId.fromHex("aa");

  it.each([
    ["numbers", 1, 1],
    ["not-a-numbers", Number.NaN, Number.NaN],
    ["bytes by their content", Uint8Array.of(1, 2), Buffer.from([1, 2])],
    ["plain objects and lists, deeply", { a: [1, { b: undefined }] }, { a: [1, {}] }],
    ["other objects by identity", id, id],
  ])("is met by %s", (_title, a, b) => {
    expect(() => expectEqual("it", a, b)).not.toThrow();
  });

  it.each([
    ["a number", 1, 2, "it: it is 1; expected is 2"],
    ["bytes", Uint8Array.of(1, 255), Uint8Array.of(1), 'it: it is "01ff"; expected is "01"'],
    ["bytes and a list", Uint8Array.of(1), [1], 'it: it is "01"; expected is [1]'],
    ["a list and an object", [], {}, "it: it is []; expected is {}"],
    ["what is missing", undefined, null, "it: it is undefined; expected is null"],
    ["two ids", id, NodeId.fromHex("aa"), 'it: it is "aa"; expected is "aa"'],
    ["a bigint", 1n, 2n, 'it: it is "1"; expected is "2"'],
    ["a function", shown, 1, "it: it is function; expected is 1"],
  ])("is not met by %s, and shows both", (_title, a, b, message) => {
    expect(() => expectEqual("it", a, b)).toThrow(new ExpectationError(message));
  });

  it("shows no more than a line", () => {
    expect(shown("x".repeat(5_000)).length).toBeLessThan(450);
    expect(shown("x".repeat(5_000))).toContain("(5002 characters)");
  });
});

describe("an expectation", () => {
  it("says what was expected", () => {
    expect(() => expectThat("the sky is up", true)).not.toThrow();
    expect(() => expectThat("the sky is down", false)).toThrow(
      new ExpectationError("expected: the sky is down"),
    );
  });

  it("of a refusal is met by what throws or rejects, if it is the right error", async () => {
    const refuse = (): never => {
      throw new RangeError("no");
    };
    await expectRefusal("it", refuse);
    await expectRefusal(
      "it",
      () => Promise.reject(new RangeError("no")),
      (error) => error instanceof RangeError,
    );
    await expect(expectRefusal("it", () => 1)).rejects.toThrow("it: nothing was thrown");
    await expect(expectRefusal("it", refuse, () => false)).rejects.toThrow("it: it throws RangeError: no");
  });
});

describe("bytes as text", () => {
  it("go both ways", () => {
    expect(toHex(Uint8Array.of(0, 1, 254, 255))).toBe("0001feff");
    expect(fromHex("0001FEff")).toEqual(Uint8Array.of(0, 1, 254, 255));
    expect(fromHex("")).toEqual(new Uint8Array(0));
  });

  it.each(["0", "0g", "0x00", " 00"])("are refused where they are none: %j", (hex) => {
    expect(() => fromHex(hex)).toThrow(RangeError);
  });
});

describe("SHA-256 without a platform", () => {
  it("is that of node:crypto, at every length around the blocks", () => {
    const random = seededRandom(1);
    for (const length of [...Array.from({ length: 140 }, (_, i) => i), 1_000, 10_000]) {
      const bytes = new Uint8Array(length);
      random.fill(bytes);
      expect(toHex(sha256(bytes))).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });
});

describe("seeded draws", () => {
  it("are the same for the same seed, and in range", () => {
    const [one, other] = [seededRandom(5), seededRandom(5)];
    const draws = Array.from({ length: 100 }, () => one.next());
    expect(Array.from({ length: 100 }, () => other.next())).toEqual(draws);
    expect(draws.every((draw) => Number.isInteger(draw) && draw >= 0 && draw < 2 ** 32)).toBe(true);
    expect(new Set(draws).size).toBe(100);
    expect(seededRandom(0).next()).toBe(seededRandom(1).next());
    expect(Array.from({ length: 50 }, () => one.below(3)).every((draw) => draw < 3)).toBe(true);
  });

  it("are the same on every engine: these are fixed", () => {
    const random = seededRandom(42);
    const bytes = new Uint8Array(8);
    random.fill(bytes);
    expect([random.next(), toHex(bytes)]).toEqual([3_120_216_979, "a846f5189953e0fe"]);
  });
});
