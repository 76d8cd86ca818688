/**
 * Domain separation: what is hashed for one purpose can never be mistaken for what is hashed for another.
 *
 * WIRE.md §2: `label(s)` is a length byte and the ASCII text; every hash, MAC and signature input starts with one.
 */
import { UsageError } from "./errors.ts";

/**
 * `u8 length ‖ ASCII label ‖ parts`, one fresh array that the caller owns.
 * @throws UsageError `invalidArgument` when the label is not 1 to 255 ASCII characters
 */
export function labelled(label: string, ...parts: readonly Uint8Array[]): Uint8Array {
  if (!/^[\x20-\x7e]{1,255}$/.test(label)) {
    throw new UsageError(
      "invalidArgument",
      `label: "${label}"; allowed are 1 to 255 printable ASCII characters`,
    );
  }
  let length = 1 + label.length;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  bytes[0] = label.length;
  for (let i = 0; i < label.length; i++) bytes[1 + i] = label.charCodeAt(i);
  let at = 1 + label.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
