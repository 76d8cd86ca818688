import { headerBytes, writeHeader } from "../src/framing.ts";

/** A message as it stands in the stream. */
export function frame(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + message.length);
  writeHeader(bytes, 0, message.length);
  bytes.set(message, headerBytes);
  return bytes;
}
