/**
 * The primitives that everything here stands on, and the checks that no implementation of them may leave out.
 *
 * Synchronous, since a machine without I/O cannot wait, and without randomness: seeds are inputs. Two implementations:
 * `nobleProvider` runs anywhere, `nodeProvider` of `@kad/crypto/node` takes a tenth of the time for a handshake. Both
 * give the same bytes; `checkedProvider` makes sure that both refuse the same input.
 */
import { UsageError } from "@kad/core";
import { isSmallOrder } from "./small-order.ts";

export const keyBytes = 32;
export const nonceBytes = 12;
export const tagBytes = 16;
export const signatureBytes = 64;

/** X25519 (RFC 7748). */
export interface X25519KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; `undefined` when the result is all zero (RFC 7748 §6.1): the peer's key is of small order. */
  dh(publicKey: Uint8Array): Uint8Array | undefined;
}

/** Ed25519 (RFC 8032). */
export interface Ed25519KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** Every array that is returned is a plain `Uint8Array` that the caller owns. */
export interface CryptoProvider {
  /** For logs and reports: `noble`, `node`, `node and noble`. */
  readonly name: string;
  /** Handshakes a second that take about a fifth of a core: what a channel takes from strangers. */
  readonly handshakesPerSecond: number;
  /** SHA-256 of the parts one after another: 32 bytes. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  /** HMAC-SHA-256 of the parts one after another (RFC 2104): 32 bytes. */
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** @throws UsageError `invalidArgument` when the seed is not 32 bytes */
  x25519(seed: Uint8Array): X25519KeyPair;
  /** @throws UsageError `invalidArgument` when the seed is not 32 bytes */
  ed25519(seed: Uint8Array): Ed25519KeyPair;
  /**
   * Strict (RFC 8032 §5.1.7, canonical encodings only). `false` too for keys of small order, under which one signature
   * can fit any message, and for keys and signatures of a wrong length.
   */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /**
   * ChaCha20-Poly1305 (RFC 8439): writes the ciphertext and its 16 bytes of tag at the start of `into`, which must not
   * overlap `plain`. A nonce is used once with a key: the caller sees to that.
   * @throws UsageError `invalidArgument` when the key is not 32 bytes, the nonce not 12, or `into` too short
   */
  seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plain: Uint8Array, into: Uint8Array): void;
  /**
   * Writes the plain text, 16 bytes shorter than `sealed`, at the start of `into`, which must not overlap it. `false`:
   * not authentic; then what stands in `into` means nothing.
   * @throws UsageError as {@link seal}
   */
  open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array, into: Uint8Array): boolean;
}

/** Source of secret-grade random bytes: fills the whole array. */
export interface RandomSource {
  fill(into: Uint8Array): void;
}

/** 32 bytes from `random`, owned by the caller. */
export function drawSeed(random: RandomSource): Uint8Array {
  const seed = new Uint8Array(keyBytes);
  random.fill(seed);
  return seed;
}

/** Puts the shared checks in front of bare primitives: these get right lengths only, and no key of small order. */
export function checkedProvider(primitives: CryptoProvider): CryptoProvider {
  return new CheckedProvider(primitives);
}

class CheckedProvider implements CryptoProvider {
  readonly name: string;
  readonly handshakesPerSecond: number;
  readonly #primitives: CryptoProvider;

  constructor(primitives: CryptoProvider) {
    this.name = primitives.name;
    this.handshakesPerSecond = primitives.handshakesPerSecond;
    this.#primitives = primitives;
  }

  sha256(...parts: readonly Uint8Array[]): Uint8Array {
    return this.#primitives.sha256(...parts);
  }

  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
    return this.#primitives.hmacSha256(key, ...parts);
  }

  x25519(seed: Uint8Array): X25519KeyPair {
    demandLength("seed", seed, keyBytes);
    const pair = this.#primitives.x25519(seed);
    return {
      publicKey: pair.publicKey,
      dh: (publicKey) => {
        if (publicKey.length !== keyBytes) return undefined;
        const shared = pair.dh(publicKey);
        return shared === undefined || isAllZero(shared) ? undefined : shared;
      },
    };
  }

  ed25519(seed: Uint8Array): Ed25519KeyPair {
    demandLength("seed", seed, keyBytes);
    return this.#primitives.ed25519(seed);
  }

  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    if (publicKey.length !== keyBytes || signature.length !== signatureBytes) return false;
    return !isSmallOrder(publicKey) && this.#primitives.verify(publicKey, message, signature);
  }

  seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plain: Uint8Array, into: Uint8Array): void {
    demandLength("key", key, keyBytes);
    demandLength("nonce", nonce, nonceBytes);
    demandRoom(into, plain.length + tagBytes);
    this.#primitives.seal(key, nonce, ad, plain, into);
  }

  open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array, into: Uint8Array): boolean {
    demandLength("key", key, keyBytes);
    demandLength("nonce", nonce, nonceBytes);
    if (sealed.length < tagBytes) return false;
    demandRoom(into, sealed.length - tagBytes);
    return this.#primitives.open(key, nonce, ad, sealed, into);
  }
}

/** Reads every byte, whatever it finds: the time it takes says nothing of the secret. */
function isAllZero(bytes: Uint8Array): boolean {
  let or = 0;
  for (let i = 0; i < bytes.length; i++) or |= bytes[i] as number;
  return or === 0;
}

function demandLength(name: string, bytes: Uint8Array, length: number): void {
  if (bytes.length === length) return;
  throw new UsageError("invalidArgument", `${name}: ${bytes.length} bytes; allowed are ${length} bytes`);
}

function demandRoom(into: Uint8Array, length: number): void {
  if (into.length >= length) return;
  throw new UsageError("invalidArgument", `into: ${into.length} bytes; needed are ${length} bytes`);
}
