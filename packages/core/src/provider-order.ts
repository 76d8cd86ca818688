/**
 * In which order the providers of one key are handed out, and where a reader stands in it: the cursor.
 *
 *     cursor = seed u32 | count u16 | offset u16
 *
 * Place i of n is `(start + i × stride) mod n`, start and stride drawn from the seed, stride without a common divisor
 * with n: an order that meets everybody once, in which each is first equally often. A holder keeps nothing for it. The
 * cursor keeps n, since another number of providers would be another order; who comes or goes meanwhile moves few others
 * (`ProviderKeeper` fills a gap with its last), so a reader misses or meets twice only those.
 */

/** Most providers of one key: what the cursor counts up to. */
export const maxOrdered = 0xffff;

export const cursorBytes = 8;

export interface ProviderOrder {
  readonly seed: number;
  /** How many there were when the order was drawn, from 1. */
  readonly count: number;
  /** Places handed out so far. */
  readonly offset: number;
}

/** `undefined`: not a cursor of ours, or one that stands at its end. */
export function readCursor(bytes: Uint8Array): ProviderOrder | undefined {
  if (bytes.length !== cursorBytes) return undefined;
  const at = (i: number): number => bytes[i] as number;
  const seed = ((at(0) << 24) | (at(1) << 16) | (at(2) << 8) | at(3)) >>> 0;
  const count = (at(4) << 8) | at(5);
  const offset = (at(6) << 8) | at(7);
  return offset < count ? { seed, count, offset } : undefined;
}

export function writeCursor({ seed, count, offset }: ProviderOrder): Uint8Array {
  return Uint8Array.of(seed >>> 24, seed >>> 16, seed >>> 8, seed, count >>> 8, count, offset >>> 8, offset);
}

/**
 * Calls `visit` with places, 0 to `count - 1`, from the offset on, until it returns `false`. Returns the offset of the
 * place at which it stopped; `count` when all have been visited.
 */
export function visitPlaces(order: ProviderOrder, visit: (place: number) => boolean): number {
  const { seed, count, offset } = order;
  const start = (seed & 0xffff) % count;
  const stride = coprime(1 + ((seed >>> 16) % count), count);
  for (let i = offset; i < count; i++) if (!visit((start + i * stride) % count)) return i;
  return count;
}

/**
 * The first number from `from` on that has no common divisor with `count`. Below 65,536 no number has more than six primes,
 * so it is at most 22 steps away (Jacobsthal's function).
 */
function coprime(from: number, count: number): number {
  let candidate = from;
  while (greatestCommonDivisor(candidate, count) > 1) candidate++;
  return candidate;
}

function greatestCommonDivisor(a: number, b: number): number {
  let [larger, smaller] = [a, b];
  while (smaller !== 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
