/** Bytes from text as in the vectors: two digits for each. */
import { fromHex as readHex } from "@kad/core";

/** @throws RangeError that names the text, for one that is not whole bytes in hexadecimal digits */
export function fromHex(hex: string): Uint8Array {
  const bytes = readHex(hex);
  if (bytes === undefined)
    throw new RangeError(`"${hex.substring(0, 80)}" is no hex: two digits for each byte are`);
  return bytes;
}
