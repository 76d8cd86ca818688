/** Bytes as hexadecimal text and back. */

/** Two lower case digits for each byte. */
export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += digitsOf[byte] as string;
  return hex;
}

/** `undefined` when it is not an even number of hexadecimal digits; of either case. */
export function fromHex(hex: string): Uint8Array | undefined {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) return undefined;
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
  return bytes;
}

const digitsOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
