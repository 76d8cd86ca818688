/**
 * Limits as a table of values and ranges, and how a host's own are checked.
 */
import { type LimitSpec, UsageError } from "@kad/core";

/**
 * @param defaults what differs from the specs' values
 * @throws UsageError `invalidOption` that names the limit, the value and what is allowed
 */
export function resolveSpecs<T extends Readonly<Record<keyof T, number>>>(
  specs: Readonly<Record<keyof T, LimitSpec>>,
  given: Partial<T>,
  defaults: Partial<T>,
): T {
  const resolved: Partial<Record<keyof T, number>> = {};
  for (const name of Object.keys(specs) as (keyof T & string)[]) {
    const { value, min, max } = specs[name];
    const chosen: number = given[name] ?? defaults[name] ?? value;
    if (!(Number.isInteger(chosen) && chosen >= min && chosen <= max)) {
      throw new UsageError(
        "invalidOption",
        `limits.${name}: ${String(chosen)}; allowed is a whole number from ${min} to ${max}`,
      );
    }
    resolved[name] = chosen;
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(specs, name)) {
      const known = Object.keys(specs).join(", ");
      throw new UsageError("invalidOption", `limits.${name}: there is no such limit; there are ${known}`);
    }
  }
  return Object.freeze(resolved) as T;
}
