/**
 * SHA-256 without a dependency: that of Node's own crypto module, asked for at run time, so that this package also loads
 * where there is none.
 */
import { type Sha256, UsageError } from "@kad/core";

interface NodeCrypto {
  createHash(name: "sha256"): { update(bytes: Uint8Array): { digest(): Uint8Array } };
  hash?(name: "sha256", bytes: Uint8Array, encoding: "buffer"): Uint8Array;
}

/** @throws UsageError `invalidOption` on a platform without it */
export function platformSha256(): Sha256 {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): unknown };
  };
  const crypto = process?.getBuiltinModule?.("node:crypto") as NodeCrypto | undefined;
  if (crypto === undefined) {
    throw new UsageError(
      "invalidOption",
      "sha256: is missing, and this platform has no node:crypto; allowed is a function from bytes to 32 bytes",
    );
  }
  const hash = crypto.hash?.bind(crypto);
  if (hash === undefined) return (bytes) => plain(crypto.createHash("sha256").update(bytes).digest());
  return (bytes) => plain(hash("sha256", bytes, "buffer"));
}

function plain(digest: Uint8Array): Uint8Array {
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length);
}
