/**
 * What a handshake has mixed so far: chaining key, transcript hash and cipher key (Noise §5.1, §5.2).
 *
 * Nothing is changed in place: `save` and `restore` go back to before a message that turned out to be forged.
 */
import { type CryptoProvider, tagBytes } from "../provider.ts";
import { writeCounterNonce } from "./nonce.ts";

/** An opaque state. */
export interface SavedSymmetricState {
  readonly chainingKey: Uint8Array;
  readonly hash: Uint8Array;
  readonly key: Uint8Array | undefined;
  readonly counter: number;
}

const one = Uint8Array.of(1);
const two = Uint8Array.of(2);
const three = Uint8Array.of(3);
const nothing = new Uint8Array(0);

export class SymmetricState {
  readonly #provider: CryptoProvider;
  readonly #nonce: Uint8Array = new Uint8Array(12);
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #key: Uint8Array | undefined;
  #counter = 0;

  /** @param protocolName ASCII */
  constructor(provider: CryptoProvider, protocolName: string) {
    this.#provider = provider;
    const name = Uint8Array.from(protocolName, (character) => character.charCodeAt(0));
    this.#hash = name.length > 32 ? provider.sha256(name) : padded(name);
    this.#chainingKey = this.#hash;
  }

  /** The transcript so far: 32 bytes. */
  get hash(): Uint8Array {
    return this.#hash;
  }

  /** Bytes that sealing adds: 16 once there is a key. */
  get overheadBytes(): number {
    return this.#key === undefined ? 0 : tagBytes;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#provider.sha256(this.#hash, data);
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = this.#expand(input);
    this.#chainingKey = chainingKey;
    this.#setKey(key);
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, hash, key] = this.#expand(input, 3);
    this.#chainingKey = chainingKey;
    this.mixHash(hash);
    this.#setKey(key);
  }

  /** Writes `plain`, sealed once there is a key, at `into[at..)`; returns the offset after it. */
  encryptAndHash(plain: Uint8Array, into: Uint8Array, at: number): number {
    const end = at + plain.length + this.overheadBytes;
    const out = into.subarray(at, end);
    if (this.#key === undefined) out.set(plain);
    else this.#provider.seal(this.#key, this.#nextNonce(), this.#hash, plain, out);
    this.mixHash(out);
    return end;
  }

  /** A fresh array; `undefined`: not authentic, and only `restore` makes the state usable again. */
  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const length = sealed.length - this.overheadBytes;
    if (length < 0) return undefined;
    const plain = new Uint8Array(length);
    if (this.#key === undefined) plain.set(sealed);
    else if (!this.#provider.open(this.#key, this.#nextNonce(), this.#hash, sealed, plain)) return undefined;
    this.mixHash(sealed);
    return plain;
  }

  /** Two keys of 32 bytes: of what the initiator sends, and of what the responder sends. */
  split(): readonly [initiator: Uint8Array, responder: Uint8Array] {
    return this.#expand(nothing);
  }

  save(): SavedSymmetricState {
    return { chainingKey: this.#chainingKey, hash: this.#hash, key: this.#key, counter: this.#counter };
  }

  restore({ chainingKey, hash, key, counter }: SavedSymmetricState): void {
    this.#chainingKey = chainingKey;
    this.#hash = hash;
    this.#key = key;
    this.#counter = counter;
  }

  #setKey(key: Uint8Array): void {
    this.#key = key;
    this.#counter = 0;
  }

  #nextNonce(): Uint8Array {
    writeCounterNonce(this.#nonce, this.#counter++);
    return this.#nonce;
  }

  /** HKDF with two outputs (§4.3), and with a third where it is asked for. */
  #expand(input: Uint8Array): readonly [Uint8Array, Uint8Array];
  #expand(input: Uint8Array, outputs: 3): readonly [Uint8Array, Uint8Array, Uint8Array];
  #expand(input: Uint8Array, outputs?: 3): readonly Uint8Array[] {
    const provider = this.#provider;
    const secret = provider.hmacSha256(this.#chainingKey, input);
    const first = provider.hmacSha256(secret, one);
    const second = provider.hmacSha256(secret, first, two);
    return outputs === 3 ? [first, second, provider.hmacSha256(secret, second, three)] : [first, second];
  }
}

function padded(name: Uint8Array): Uint8Array {
  const hash = new Uint8Array(32);
  hash.set(name);
  return hash;
}
