/**
 * Raw keys of X25519 and Ed25519 as key objects of `node:crypto`, in one of two forms.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

export type OkpCurve = "X25519" | "Ed25519";

/** Raw keys are 32 bytes. Throws what `node:crypto` throws when it does not take a key. */
export interface OkpKeys {
  privateKey(curve: OkpCurve, seed: Uint8Array): KeyObject;
  publicKey(curve: OkpCurve, bytes: Uint8Array): KeyObject;
  /** The public key that belongs to a private one. */
  publicBytes(privateKey: KeyObject): Uint8Array;
}

/** JSON Web Keys (RFC 8037 §2). */
export const jwkKeys: OkpKeys = {
  privateKey: (crv, seed) =>
    createPrivateKey({ key: { kty: "OKP", crv, d: base64url(seed), x: unknownPublicKey }, format: "jwk" }),
  publicKey: (crv, bytes) =>
    createPublicKey({ key: { kty: "OKP", crv, x: base64url(bytes) }, format: "jwk" }),
  publicBytes(privateKey) {
    const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
    return plain(Buffer.from(x, "base64url"));
  },
};

/** PKCS #8 and SubjectPublicKeyInfo (RFC 8410 §3, §4, §7): fixed bytes in front of the raw key. */
export const derKeys: OkpKeys = {
  privateKey: (curve, seed) =>
    createPrivateKey({
      key: Buffer.concat([pkcs8Header(curve), seed]),
      format: "der",
      type: "pkcs8",
    }),
  publicKey: (curve, bytes) =>
    createPublicKey({ key: Buffer.concat([spkiHeader(curve), bytes]), format: "der", type: "spki" }),
  publicBytes(privateKey) {
    const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    return plain(Buffer.from(der.subarray(der.length - 32)));
  },
};

/** In its place in a private JWK: the runtime derives it. */
const unknownPublicKey = base64url(new Uint8Array(32));

/** Last byte of the object identifier 1.3.101.n. */
const curveNumber: Readonly<Record<OkpCurve, number>> = { X25519: 110, Ed25519: 112 };

/** SEQUENCE { INTEGER 0, SEQUENCE { OBJECT IDENTIFIER }, OCTET STRING { OCTET STRING { seed } } } */
export function pkcs8Header(curve: OkpCurve): Uint8Array {
  return Uint8Array.of(0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, curveNumber[curve], 4, 34, 4, 32);
}

/** SEQUENCE { SEQUENCE { OBJECT IDENTIFIER }, BIT STRING { key } } */
function spkiHeader(curve: OkpCurve): Uint8Array {
  return Uint8Array.of(0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, curveNumber[curve], 3, 33, 0);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
}

function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
