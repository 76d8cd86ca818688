/**
 * Small readings and writings of bytes. Big-endian.
 */

/** The caller has made sure that four bytes are there. */
export function readU32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 65_536 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}

/** As a signed number: a small integer to the engine, where half of all unsigned ones are objects of their own. */
export function readI32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return (high << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

/** Signed numbers too: the same bits. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** The caller has made sure that eight bytes are there. Exact up to 2^53 − 1; larger numbers come out as 2^53 or more. */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) * 2 ** 32 + readU32(bytes, at + 4);
}

/** A whole number from 0 to 2^53 − 1. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / 2 ** 32));
  writeU32(bytes, at + 4, value % 2 ** 32);
}

/** Whether codes are equal, in a time that does not depend on where they differ. The lengths are no secret. */
export function equalCodes(a: Uint8Array, b: Uint8Array): boolean {
  let or = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) or |= (a[i] as number) ^ (b[i] as number);
  return or === 0;
}

/** Bytes as a `Map` key: one char code (0 to 255) for each. */
export function keyOf(bytes: Uint8Array): string {
  let key = "";
  for (let i = 0; i < bytes.length; i++) key += String.fromCharCode(bytes[i] as number);
  return key;
}
