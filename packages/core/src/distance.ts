/**
 * The XOR metric. Kademlia (Maymounkov & Mazières 2002) §2.1: d(x, y) = x ⊕ y read as a number.
 *
 * Distances are never built as values: comparing two of them needs only the first byte in which they differ.
 * All ids given to one call have the same length; the codec refuses any other length before it comes here.
 */
import type { NodeId } from "./node-id.ts";

/** Below zero when `a` is nearer to `target` than `b`, above when it is farther, 0 when they are the same id. */
export function compareDistance(target: NodeId, a: NodeId, b: NodeId): number {
  const near = (a.prefixBits ^ target.prefixBits) >>> 0;
  const far = (b.prefixBits ^ target.prefixBits) >>> 0;
  if (near !== far) return near < far ? -1 : 1;
  const length = target.key.length;
  for (let i = 4; i < length; i++) {
    const t = target.key.charCodeAt(i);
    const difference = (a.key.charCodeAt(i) ^ t) - (b.key.charCodeAt(i) ^ t);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Bits that `a` and `b` share from the left: 0 up to the id's length in bits (then they are equal). */
export function commonPrefixLength(a: NodeId, b: NodeId): number {
  const bits = a.key.length * 8;
  const difference = a.prefixBits ^ b.prefixBits;
  if (difference !== 0) return Math.clz32(difference);
  for (let i = 4; i < a.key.length; i++) {
    const byte = a.key.charCodeAt(i) ^ b.key.charCodeAt(i);
    if (byte !== 0) return i * 8 + Math.clz32(byte) - 24;
  }
  return bits;
}

/** The bit at `index`, counted from the left (0 is the most significant). */
export function bitAt(id: NodeId, index: number): 0 | 1 {
  return ((id.key.charCodeAt(index >>> 3) >>> (7 - (index & 7))) & 1) as 0 | 1;
}

/**
 * The distance as a share of the whole space, 0 to just under 1, from its first 48 bits: all that they tell fits a
 * number exactly. For estimates of a network's size, not for ordering.
 */
export function distanceShare(a: NodeId, b: NodeId): number {
  let share = ((a.prefixBits ^ b.prefixBits) >>> 0) / 2 ** 32;
  let weight = 2 ** -40;
  for (let i = 4; i < Math.min(6, a.key.length); i++) {
    share += (a.key.charCodeAt(i) ^ b.key.charCodeAt(i)) * weight;
    weight /= 256;
  }
  return share;
}
