/**
 * Certificates: an identity says that a static X25519 key is its own.
 *
 *     certificate = identity 32 | static 32 | expires 6 | signature 64            134 bytes
 *     short form  = identity 32 | expires 6 | signature 64                        102: where the static is known already
 *     signature   = Ed25519(label("kad/1/static") ‖ networkTag ‖ static ‖ expires)
 *
 * `expires` is in Unix seconds, big-endian; 0: it does not expire. Static keys are certified and not converted from the
 * identity, so that they can be replaced every day, and the identity only has to sign.
 */
import { labelled } from "@kad/core";
import type { Network } from "./network.ts";
import { keyBytes, signatureBytes } from "./provider.ts";

const expiresBytes = 6;
export const certificateBytes: number = 2 * keyBytes + expiresBytes + signatureBytes;
export const shortCertificateBytes: number = certificateBytes - keyBytes;

/** Views of a certificate's parts; it is as long as it must be. */
export function identityOf(certificate: Uint8Array): Uint8Array {
  return certificate.subarray(0, keyBytes);
}

export function staticOf(certificate: Uint8Array): Uint8Array {
  return certificate.subarray(keyBytes, 2 * keyBytes);
}

export function signatureOf(certificate: Uint8Array): Uint8Array {
  return certificate.subarray(certificateBytes - signatureBytes);
}

/** Unix seconds; 0: never. */
export function expiryOf(certificate: Uint8Array): number {
  let seconds = 0;
  for (let i = 0; i < expiresBytes; i++) seconds = seconds * 256 + (certificate[2 * keyBytes + i] as number);
  return seconds;
}

/** What the identity signs. */
export function signedText(network: Network, staticKey: Uint8Array, expiresAtUnixS: number): Uint8Array {
  return labelled("kad/1/static", network.tag, staticKey, writtenExpiry(expiresAtUnixS));
}

export function makeCertificate(
  identity: Uint8Array,
  staticKey: Uint8Array,
  expiresAtUnixS: number,
  signature: Uint8Array,
): Uint8Array {
  const certificate = new Uint8Array(certificateBytes);
  certificate.set(identity);
  certificate.set(staticKey, keyBytes);
  certificate.set(writtenExpiry(expiresAtUnixS), 2 * keyBytes);
  certificate.set(signature, certificateBytes - signatureBytes);
  return certificate;
}

/** The short form, a fresh array. */
export function shortened(certificate: Uint8Array): Uint8Array {
  const short = new Uint8Array(shortCertificateBytes);
  short.set(identityOf(certificate));
  short.set(certificate.subarray(2 * keyBytes), keyBytes);
  return short;
}

/** The whole certificate from its short form and the static key that came beside it, a fresh array. */
export function completed(short: Uint8Array, staticKey: Uint8Array): Uint8Array {
  const certificate = new Uint8Array(certificateBytes);
  certificate.set(short.subarray(0, keyBytes));
  certificate.set(staticKey, keyBytes);
  certificate.set(short.subarray(keyBytes, shortCertificateBytes), 2 * keyBytes);
  return certificate;
}

function writtenExpiry(unixSeconds: number): Uint8Array {
  const bytes = new Uint8Array(expiresBytes);
  let rest = unixSeconds;
  for (let i = expiresBytes - 1; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}
