/**
 * One direction of a stream after the handshake (Noise §5.1): nonces are counted, not sent.
 */
import { InvariantError } from "@kad/core";
import { type CryptoProvider, keyBytes, tagBytes } from "../provider.ts";
import { rekeyNonce, writeCounterNonce } from "./nonce.ts";

const nothing = new Uint8Array(0);

export class CipherState {
  readonly #provider: CryptoProvider;
  readonly #nonce: Uint8Array = new Uint8Array(12);
  #key: Uint8Array;
  #counter = 0;

  /** Keeps the key. */
  constructor(provider: CryptoProvider, key: Uint8Array) {
    this.#provider = provider;
    this.#key = key;
  }

  /** Messages sealed or opened so far. */
  get counter(): number {
    return this.#counter;
  }

  /** Writes 16 bytes more than `plain` at the start of `into`. */
  seal(plain: Uint8Array, into: Uint8Array): void {
    this.#provider.seal(this.#key, this.#nextNonce(), nothing, plain, into);
  }

  /** Writes 16 bytes fewer than `sealed` at the start of `into`. `false`: not authentic; the stream is of no use then. */
  open(sealed: Uint8Array, into: Uint8Array): boolean {
    return this.#provider.open(this.#key, this.#nextNonce(), nothing, sealed, into);
  }

  /** A new key from the old one, which is forgotten (§4.2, §11.3); the counter goes on. */
  rekey(): void {
    const sealed = new Uint8Array(keyBytes + tagBytes);
    this.#provider.seal(this.#key, rekeyNonce, nothing, new Uint8Array(keyBytes), sealed);
    this.#key.fill(0);
    this.#key = sealed.subarray(0, keyBytes);
  }

  #nextNonce(): Uint8Array {
    if (this.#counter >= Number.MAX_SAFE_INTEGER) throw new InvariantError("a stream's counter is used up");
    writeCounterNonce(this.#nonce, this.#counter++);
    return this.#nonce;
  }
}
