/** Bytes as text: two lower case digits for each, as in the vectors. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @throws RangeError that names the text, for one that is not whole bytes in hexadecimal digits */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    throw new RangeError(`"${hex.slice(0, 80)}" is no hex: two digits for each byte are`); // slice: hex is a string
  }
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.substring(2 * i, 2 * i + 2), 16),
  );
}
