/**
 * The primitives in JavaScript, from the noble libraries: they run in Node, in browsers and everywhere else.
 *
 * Their curves are computed on BigInt, whose time depends on the numbers: not constant-time in the strict sense.
 */

import { copyBytes } from "@kad/core";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import * as ed25519 from "@noble/ed25519";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { x25519 } from "./noble-x25519.ts";
import {
  type CryptoProvider,
  checkedProvider,
  type Ed25519KeyPair,
  tagBytes,
  type X25519KeyPair,
} from "./provider.ts";

/** A handshake takes about 6 ms of CPU on each side. */
const handshakesPerSecond = 25;

/** ChaCha20-Poly1305 alone, also for a runtime that has all but this. */
export const nobleAead: Pick<CryptoProvider, "seal" | "open"> = {
  seal(key, nonce, ad, plain, into) {
    chacha20poly1305(key, nonce, ad).encrypt(plain, into.subarray(0, plain.length + tagBytes));
  },
  open(key, nonce, ad, sealed, into) {
    try {
      chacha20poly1305(key, nonce, ad).decrypt(sealed, into.subarray(0, sealed.length - tagBytes));
      return true;
    } catch {
      return false;
    }
  },
};

/** Stateless: one serves any number of nodes. */
export function nobleProvider(): CryptoProvider {
  ed25519.hashes.sha512 = sha512; // without it noble's Ed25519 has no synchronous calls
  return checkedProvider(primitives);
}

const primitives: CryptoProvider = {
  name: "noble",
  handshakesPerSecond,
  sha256(...parts) {
    if (parts.length === 1) return sha256(parts[0] as Uint8Array);
    const hash = sha256.create();
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
  hmacSha256(key, ...parts) {
    const mac = hmac.create(sha256, key);
    for (const part of parts) mac.update(part);
    return mac.digest();
  },
  x25519(seed): X25519KeyPair {
    const secret = copyBytes(seed);
    return {
      publicKey: x25519.getPublicKey(secret),
      dh(publicKey) {
        try {
          return x25519.getSharedSecret(secret, publicKey);
        } catch {
          return undefined; // all zero
        }
      },
    };
  },
  ed25519(seed): Ed25519KeyPair {
    const secret = copyBytes(seed);
    return {
      publicKey: ed25519.getPublicKey(secret),
      sign: (message) => ed25519.sign(message, secret),
    };
  },
  verify(publicKey, message, signature) {
    try {
      return ed25519.verify(signature, message, publicKey, { zip215: false });
    } catch {
      return false;
    }
  },
  ...nobleAead,
};
