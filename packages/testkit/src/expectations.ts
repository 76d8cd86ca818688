/** The few assertions that suites need: they run in any runner, and in a page. */
import { toHex } from "@kad/core";

/** An implementation does not do what its contract says. */
export class ExpectationError extends Error {
  override readonly name: string = "ExpectationError";
}

/** @param what a sentence that says what was to be seen */
export function expectThat(what: string, isTrue: boolean): void {
  if (!isTrue) throw new ExpectationError(`expected: ${what}`);
}

/** Compares by value: plain data, bytes by their content, everything else by identity. */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (!isSame(actual, expected)) {
    throw new ExpectationError(`${what}: it is ${shown(actual)}; expected is ${shown(expected)}`);
  }
}

/** The call throws, or rejects, and `isRight` takes what it throws. */
export async function expectRefusal(
  what: string,
  call: () => unknown,
  isRight: (error: unknown) => boolean = () => true,
): Promise<void> {
  let refusal: { readonly error: unknown } | undefined;
  try {
    await call();
  } catch (error) {
    refusal = { error };
  }
  if (refusal === undefined) throw new ExpectationError(`${what}: nothing was thrown`);
  if (!isRight(refusal.error)) throw new ExpectationError(`${what}: it throws ${shown(refusal.error)}`);
}

/** The entry at a place of a list, or of bytes, where there must be one. */
export function nth<T>(list: ArrayLike<T>, place: number): T {
  const entry = list[place];
  if (entry === undefined) {
    throw new ExpectationError(`expected: a list with an entry at ${place}; it has ${list.length}`);
  }
  return entry;
}

function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && toHex(a) === toHex(b);
  }
  if (!isPlain(a) || !isPlain(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) =>
    isSame((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]),
  );
}

function isPlain(value: object): boolean {
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

const maxShown = 400;

/** Short enough for a line; never throws. */
export function shown(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value === undefined) return "undefined";
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (part instanceof Uint8Array) return toHex(part);
    if (typeof part === "bigint" || part === undefined) return String(part);
    return part;
  });
  const whole = text ?? typeof value;
  return whole.length <= maxShown ? whole : `${whole.substring(0, maxShown)}… (${whole.length} characters)`;
}
