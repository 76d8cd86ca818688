import { expect, it } from "vitest";
import { HookError, type KadError } from "../src/errors.ts";
import type { ProviderValidator } from "../src/provider.ts";
import { ProviderRules } from "../src/provider-rules.ts";
import { sha256 } from "./sha256.ts";
import { tinyId } from "./tiny-id.ts";

const meta = Uint8Array.of(1);

function rulesOf(validator: ProviderValidator | undefined): { rules: ProviderRules; reported: KadError[] } {
  const reported: KadError[] = [];
  const rules = new ProviderRules(
    {
      sha256,
      limits: { providerLifetimeMs: 5_000 },
      unixMs: () => 77,
      report: (error) => void reported.push(error),
    },
    validator,
  );
  return { rules, reported };
}

it("a network without rules takes every provider", () => {
  const { rules } = rulesOf(undefined);
  expect(rules.faultOf(tinyId(1), tinyId(2), meta)).toBeUndefined();
  expect([rules.longestMs(meta), rules.newer(meta, meta)]).toEqual([5_000, 0]);
});

it("rules that only judge let live as long as the limit says, and know no order", () => {
  const { rules } = rulesOf({ validate: () => "no" });
  expect(rules.faultOf(tinyId(1), tinyId(2), meta)).toBe("no");
  expect([rules.longestMs(meta), rules.newer(meta, meta)]).toEqual([5_000, 0]);
});

it("rules are told the key, the provider, the hash and the wall clock", () => {
  const seen: unknown[] = [];
  const { rules } = rulesOf({
    validate: (...given) => void seen.push(given),
    lifetimeMs: (...given) => void seen.push(given),
    select: (...given) => seen.push(given),
  });
  rules.faultOf(tinyId(1), tinyId(2), meta);
  rules.longestMs(meta);
  rules.newer(meta, Uint8Array.of(2));
  expect(seen).toEqual([
    [tinyId(1), tinyId(2), meta, { sha256, unixMs: 77 }],
    [meta, { sha256, unixMs: 77 }],
    [meta, Uint8Array.of(2)],
  ]);
});

it("rules that throw are reported, and refuse", () => {
  const fail = (): never => {
    throw new RangeError("rules");
  };
  const { rules, reported } = rulesOf({ validate: fail, lifetimeMs: fail, select: fail });
  expect(rules.faultOf(tinyId(1), tinyId(2), meta)).toBe("not checked");
  expect([rules.longestMs(meta), rules.newer(meta, meta)]).toEqual([0, 0]);
  expect(reported).toEqual([expect.any(HookError), expect.any(HookError), expect.any(HookError)]);
});
