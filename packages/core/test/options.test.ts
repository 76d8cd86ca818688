import { describe, expect, it } from "vitest";
import { UsageError } from "../src/errors.ts";
import { defaultLimits, limitSpecs, type NodeLimits, resolveLimits } from "../src/options.ts";

const names = Object.keys(limitSpecs) as (keyof NodeLimits)[];

function refusalOf(given: object): string {
  try {
    resolveLimits(given);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).code).toBe("invalidOption");
    return (error as UsageError).message;
  }
  return "not refused";
}

describe("every limit", () => {
  it.each(names)("%s has a default within its range, whole numbers all", (name) => {
    const { value, min, max } = limitSpecs[name];
    for (const number of [value, min, max]) expect(Number.isInteger(number)).toBe(true);
    expect(min).toBeLessThanOrEqual(value);
    expect(value).toBeLessThanOrEqual(max);
    expect(defaultLimits[name]).toBe(value);
  });

  it.each(names)("%s is taken at both ends of its range", (name) => {
    const { min, max } = limitSpecs[name];
    expect(resolveLimits({ [name]: min })[name]).toBe(min);
    expect(resolveLimits({ [name]: max })[name]).toBe(max);
  });

  it.each(names)("%s is refused outside its range, by name, value and range", (name) => {
    const { min, max, unit } = limitSpecs[name];
    const range = `a whole number from ${min} to ${max}${unit === "" ? "" : ` ${unit}`}`;
    for (const value of [min - 1, max + 1, min + 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(refusalOf({ [name]: value })).toBe(`limits.${name}: ${value}; allowed is ${range}`);
    expect(refusalOf({ [name]: `${min}` })).toBe(`limits.${name}: "${min}"; allowed is ${range}`);
    expect(refusalOf({ [name]: null })).toBe(`limits.${name}: null; allowed is ${range}`);
    expect(refusalOf({ [name]: {} })).toBe(`limits.${name}: object; allowed is ${range}`);
  });

  it.each(names)("%s says its unit where its name does", (name) => {
    const { unit } = limitSpecs[name];
    expect(unit === "ms").toBe(name.endsWith("Ms"));
    expect(unit === "bytes").toBe(/Bytes(Per|$)/.test(name));
  });
});

describe("limits", () => {
  it("that do not exist are refused by name", () => {
    expect(refusalOf({ bucketsize: 20 })).toBe("limits.bucketsize: there is no such limit");
    expect(refusalOf({ toString: 1 })).toBe("limits.toString: there is no such limit");
  });

  it("given as undefined are the default", () => {
    expect(resolveLimits({ bucketSize: undefined } as unknown as Partial<NodeLimits>).bucketSize).toBe(20);
  });

  it("that were made before are taken as they are, and none at all are the defaults: nodes share them", () => {
    const limits = resolveLimits({ bucketSize: 8 });
    expect(resolveLimits(limits)).toBe(limits);
    expect(resolveLimits({})).toBe(defaultLimits);
    expect(resolveLimits({ bucketSize: 8 })).not.toBe(limits);
  });

  it("cannot be changed afterwards, nor can the table from which they come", () => {
    const limits = resolveLimits({ bucketSize: 8 });
    expect(Object.isFrozen(limits)).toBe(true);
    expect(Object.isFrozen(limitSpecs)).toBe(true);
    expect(names.every((name) => Object.isFrozen(limitSpecs[name]))).toBe(true);
    expect(defaultLimits.bucketSize).toBe(20);
  });
});
