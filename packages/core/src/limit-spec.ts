/**
 * A number that something works by: value, unit and range. Defaults, checks and the reference page are made from the same
 * table, so they cannot drift; where a number comes from stands behind it as a comment, which no page has to load.
 */
import { shown, UsageError } from "./errors.ts";

export interface LimitSpec {
  readonly value: number;
  readonly unit: "" | "ms" | "bytes" | "per second";
  readonly min: number;
  readonly max: number;
}

export function limitSpec(value: number, unit: LimitSpec["unit"], min: number, max: number): LimitSpec {
  return Object.freeze({ value, unit, min, max });
}

/**
 * The given numbers over the defaults, checked and frozen. All are whole numbers.
 * @throws UsageError `invalidOption` that names the limit, the value and the range
 */
export function resolveSpecs<Name extends string>(
  specs: Readonly<Record<Name, LimitSpec>>,
  given: Readonly<Partial<Record<Name, number>>>,
): Readonly<Record<Name, number>> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(specs, name))
      throw new UsageError("invalidOption", `limits.${name}: there is no such limit`);
  }
  const names = Object.keys(specs) as Name[];
  const limits = Object.fromEntries(names.map((name) => [name, checked(name, specs[name], given[name])]));
  return Object.freeze(limits) as Readonly<Record<Name, number>>;
}

function checked(name: string, { value: byDefault, min, max, unit }: LimitSpec, value: unknown): number {
  if (value === undefined) return byDefault;
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    const range = `a whole number from ${min} to ${max}${unit === "" ? "" : ` ${unit}`}`;
    throw new UsageError("invalidOption", `limits.${name}: ${shown(value)}; allowed is ${range}`);
  }
  return value;
}
