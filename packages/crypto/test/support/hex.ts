import { fromHex, toHex } from "@kad/core";

/** For comparing: shorter to read in a report than an array. */
export function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "none" : toHex(bytes);
}

/** Bytes of text that is known to be hexadecimal; spaces and line ends are left out. */
export function unhex(text: string): Uint8Array {
  const bytes = fromHex(text.replace(/\s/g, ""));
  if (bytes === undefined) throw new Error(`not hexadecimal: ${text}`);
  return bytes;
}
