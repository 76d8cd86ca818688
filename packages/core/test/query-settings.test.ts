import { describe, expect, it } from "vitest";
import type { QueryOptions } from "../src/commands.ts";
import { UsageError } from "../src/errors.ts";
import { limitSpecs, resolveLimits } from "../src/options.ts";
import { resolveProviderLimit, resolveQueryOptions } from "../src/query-settings.ts";

const limits = resolveLimits({ parallelism: 5, queryTimeoutMs: 1_234, providerResults: 17 });

function refusalOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).code).toBe("invalidOption");
    return (error as UsageError).message;
  }
  return "not refused";
}

const longestMs = limitSpecs.queryTimeoutMs.max;

describe("the options of a query", () => {
  it("are completed from the node's limits and the query's own number of results", () => {
    expect(resolveQueryOptions(limits, {}, 8)).toMatchObject({
      timeoutMs: 1_234,
      parallelism: 5,
      results: 8,
      paths: 1,
      quorum: undefined,
      progress: false,
    });
  });

  it("are what the caller says", () => {
    const given = {
      timeoutMs: 0.5 + 1,
      parallelism: 1,
      results: 255,
      paths: 8,
      quorum: 3,
      progress: true,
      expectedSeq: 0,
    };
    expect(resolveQueryOptions(limits, given, 8)).toMatchObject(given);
  });

  it.each([
    ["timeoutMs", 0, longestMs],
    ["timeoutMs", longestMs + 1, longestMs],
    ["timeoutMs", Number.NaN, longestMs],
    ["timeoutMs", Number.POSITIVE_INFINITY, longestMs],
    ["timeoutMs", "1000", longestMs],
    ["parallelism", 0, 64],
    ["parallelism", 65, 64],
    ["parallelism", 1.5, 64],
    ["results", 0, 255],
    ["results", 256, 255],
    ["results", 8.1, 255],
    ["paths", 0, 8],
    ["paths", 9, 8],
    ["quorum", 0, 255],
    ["quorum", 256, 255],
    ["quorum", null, 255],
  ])("refuse %s %s, by name, value and range", (name, value, max) => {
    const message = refusalOf(() => resolveQueryOptions(limits, { [name]: value } as QueryOptions, 8));
    const shown = typeof value === "string" ? `"${value}"` : String(value);
    expect(message.startsWith(`${name}: ${shown}; allowed is `)).toBe(true);
    expect(message).toContain(`from 1 to ${max}`);
  });

  it.each([-1, 1.5, 2 ** 53, Number.NaN, "1"])(
    "refuse %s as the sequence number that is expected",
    (value) => {
      const given = { expectedSeq: value } as QueryOptions;
      expect(refusalOf(() => resolveQueryOptions(limits, given, 8))).toContain("from 0 to 9007199254740991");
    },
  );
});

describe("how many providers a query wants", () => {
  it("is the node's limit, or what the caller says", () => {
    expect(resolveProviderLimit(limits, undefined)).toBe(17);
    expect(resolveProviderLimit(limits, 3)).toBe(3);
  });

  it.each([0, -1, 1.5, limitSpecs.providerResults.max + 1, Number.NaN])("is not %s", (limit) => {
    const { min, max } = limitSpecs.providerResults;
    expect(refusalOf(() => resolveProviderLimit(limits, limit))).toBe(
      `limit: ${limit}; allowed is a whole number from ${min} to ${max}`,
    );
  });
});
