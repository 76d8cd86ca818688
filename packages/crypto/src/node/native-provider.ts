/**
 * The primitives of `node:crypto`, behind the same synchronous interface.
 *
 * Raw keys go in and out as JWK (RFC 8037): on Node 20 an import through DER costs 79 µs for a public key and 360 for a
 * private one, through JWK 6 and 33. A JWK of a private key holds the public one too, which Node derives by itself, so
 * a seed alone is enough there. A runtime that insists on it, or knows no JWK, is found out by known answers when the
 * provider is made, and gets DER.
 */
import * as crypto from "node:crypto";
import { nobleAead } from "../noble-provider.ts";
import {
  type CryptoProvider,
  checkedProvider,
  type Ed25519KeyPair,
  type X25519KeyPair,
} from "../provider.ts";
import { checkKnownAnswers } from "./known-answers.ts";
import { derKeys, jwkKeys, type OkpKeys } from "./okp-keys.ts";

/** A handshake takes about 0.4 ms of CPU on each side. */
const handshakesPerSecond = 500;

const cipherName = "chacha20-poly1305";
const cipherOptions = { authTagLength: 16 } as const;

type Aead = Pick<CryptoProvider, "seal" | "open">;

/**
 * Checks itself against known answers, with JWK keys and then with DER; where the runtime has no ChaCha20-Poly1305 (Bun),
 * with that of noble, which leaves handshakes nearly as fast.
 * @throws KadError `cryptoUnavailable` when this runtime's `node:crypto` gives the rest neither way
 */
export function nodeProvider(): CryptoProvider {
  const aeads = [nodeAead, nobleAead];
  return firstSound(aeads.flatMap((aead) => [nativeProvider(jwkKeys, aead), nativeProvider(derKeys, aead)]));
}

/** @internal With one form of keys, unchecked. */
export function nativeProvider(keys: OkpKeys, aead: Aead = nodeAead): CryptoProvider {
  return checkedProvider(primitives(keys, aead));
}

/** @internal The first that gives the known answers. @throws what the last one did wrong */
export function firstSound(candidates: readonly CryptoProvider[]): CryptoProvider {
  let fault: unknown;
  for (const provider of candidates) {
    try {
      checkKnownAnswers(provider);
      return provider;
    } catch (error) {
      fault = error;
    }
  }
  throw fault;
}

function primitives(keys: OkpKeys, aead: Aead): CryptoProvider {
  return {
    name: aead === nodeAead ? "node" : "node and noble",
    handshakesPerSecond,
    sha256(...parts) {
      if (parts.length === 1) return sha256(parts[0] as Uint8Array);
      const hash = crypto.createHash("sha256");
      for (const part of parts) hash.update(part);
      return plain(hash.digest());
    },
    hmacSha256(key, ...parts) {
      const mac = crypto.createHmac("sha256", key);
      for (const part of parts) mac.update(part);
      return plain(mac.digest());
    },
    x25519(seed): X25519KeyPair {
      const privateKey = keys.privateKey("X25519", seed);
      return {
        publicKey: keys.publicBytes(privateKey),
        dh(peer) {
          try {
            const publicKey = keys.publicKey("X25519", peer);
            return plain(crypto.diffieHellman({ privateKey, publicKey }));
          } catch {
            return undefined; // OpenSSL refuses an all-zero result
          }
        },
      };
    },
    ed25519(seed): Ed25519KeyPair {
      const privateKey = keys.privateKey("Ed25519", seed);
      return {
        publicKey: keys.publicBytes(privateKey),
        sign: (message) => plain(crypto.sign(null, message, privateKey)),
      };
    },
    verify(publicKey, message, signature) {
      try {
        return crypto.verify(null, message, keys.publicKey("Ed25519", publicKey), signature);
      } catch {
        return false; // no point on the curve
      }
    },
    ...aead,
  };
}

const nodeAead: Aead = {
  seal(key, nonce, ad, plainText, into) {
    const cipher = crypto.createCipheriv(cipherName, key, nonce, cipherOptions);
    cipher.setAAD(ad, { plaintextLength: plainText.length });
    into.set(cipher.update(plainText));
    cipher.final();
    into.set(cipher.getAuthTag(), plainText.length);
  },
  open(key, nonce, ad, sealed, into) {
    const length = sealed.length - cipherOptions.authTagLength;
    const decipher = crypto.createDecipheriv(cipherName, key, nonce, cipherOptions);
    decipher.setAAD(ad, { plaintextLength: length });
    decipher.setAuthTag(sealed.subarray(length));
    const opened = decipher.update(sealed.subarray(0, length));
    try {
      decipher.final();
    } catch {
      return false;
    }
    into.set(opened);
    return true;
  },
};

/** Before Node 20.12 and 21.7, and in other runtimes, there is no `crypto.hash`. */
const sha256: (bytes: Uint8Array) => Uint8Array =
  typeof crypto.hash === "function"
    ? (bytes) => plain(crypto.hash("sha256", bytes, "buffer"))
    : (bytes) => plain(crypto.createHash("sha256").update(bytes).digest());

function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
