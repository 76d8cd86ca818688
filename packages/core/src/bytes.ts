/**
 * Bytes that outlive the call that brought them are copied here, and nowhere else.
 *
 * `Buffer.prototype.slice` does not copy: one such call would keep a view of the receive buffer, which the transport
 * overwrites. So `.slice(` on bytes is banned by the lint step, and this works on any `Uint8Array`, a `Buffer` included.
 */
export function copyBytes(bytes: Uint8Array, start = 0, end: number = bytes.length): Uint8Array {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Below zero when `a` sorts before `b`: bytewise, a prefix before what it begins. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
