/**
 * The buffers that drivers have messages written into. A driver needs one only while it pumps, so all of a process share
 * them: as many exist as pumps have run inside one another, which is one unless an outlet delivers at once.
 */
const maxIdle = 4;
const idle: Uint8Array[] = [];

/** A buffer of exactly so many bytes, whatever is in it, until it is given back. */
export function takeScratch(bytes: number): Uint8Array {
  const last = idle.at(-1);
  if (last?.length === bytes) return idle.pop() as Uint8Array;
  const index = idle.findIndex(({ length }) => length === bytes);
  return index < 0 ? new Uint8Array(bytes) : (idle.splice(index, 1)[0] as Uint8Array);
}

/** Beyond a few, of which the oldest goes, it is left to the garbage collector. */
export function giveBackScratch(scratch: Uint8Array): void {
  if (idle.length >= maxIdle) idle.shift();
  idle.push(scratch);
}
