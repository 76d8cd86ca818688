import { describe, expect, it } from "vitest";
import { describeEffort, effortFields, failureOfWalk } from "../src/walk.ts";

describe("a walk", () => {
  it.each([
    ["exhausted", 4, /^nobody answered any more/],
    ["timedOut", 1, /--timeout/],
    ["cancelled", 1, /ended early \(cancelled\)/],
    ["closed", 1, /ended early \(closed\)/],
  ] as const)("that found nothing and %s is a failure with exit code %i", (end, code, message) => {
    expect(failureOfWalk(end)?.exitCode).toBe(code);
    expect(failureOfWalk(end)?.message).toMatch(message);
  });

  it("that converged is none: there is nothing to find", () => {
    expect(failureOfWalk("converged")).toBeUndefined();
  });

  it("is told in words and in fields, with no more digits than mean something", () => {
    const effort = { requests: 1, rounds: 2, hops: 0, durationMs: 12.345678 };
    expect(describeEffort(effort)).toBe("1 request, 2 rounds, 0 hops, 12 ms");
    expect(effortFields({ ...effort, more: true } as typeof effort)).toEqual({
      ...effort,
      durationMs: 12.346,
    });
  });
});
