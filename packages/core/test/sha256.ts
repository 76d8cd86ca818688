import { createHash } from "node:crypto";

/** As a host supplies it: synchronous, and a plain `Uint8Array`. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
