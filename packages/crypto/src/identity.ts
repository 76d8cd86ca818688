/**
 * Who a node is: an Ed25519 key. Its id is a hash of the public key, so nobody can claim the id of another.
 *
 * The identity only signs: the certificates of the keys that handshakes use, and records. So it may sit in a signer that
 * takes its time, or that never shows its key.
 */
import { copyBytes, labelled, NodeId, UsageError } from "@kad/core";
import {
  type CryptoProvider,
  drawSeed,
  type Ed25519KeyPair,
  keyBytes,
  type RandomSource,
} from "./provider.ts";

/** An identity wherever it is kept. */
export interface Identity {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Plain Ed25519 (RFC 8032) over the whole message: 64 bytes, or a promise of them. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** An identity whose seed is in memory. It shows the seed to nobody who does not ask. */
export class SeedIdentity implements Identity {
  readonly publicKey: Uint8Array;
  readonly id: NodeId;
  readonly #seed: Uint8Array;
  readonly #pair: Ed25519KeyPair;

  private constructor(provider: CryptoProvider, seed: Uint8Array) {
    this.#seed = seed;
    this.#pair = provider.ed25519(seed);
    this.publicKey = this.#pair.publicKey;
    this.id = nodeIdOf(provider, this.publicKey);
  }

  /** Copies the seed. @throws UsageError `invalidArgument` when it is not 32 bytes; the seed is not in the message */
  static fromSeed(provider: CryptoProvider, seed: Uint8Array): SeedIdentity {
    return new SeedIdentity(provider, copyBytes(seed));
  }

  /**
   * A new identity.
   * @param random must be secret-grade
   * @param difficulty leading zero bits of the id's puzzle, 0 to 24: see {@link puzzleDifficulty}. Takes about
   * 2^difficulty keys, 24 thousand a second with `nodeProvider`
   * @throws UsageError `invalidOption` for another difficulty
   */
  static generate(provider: CryptoProvider, random: RandomSource, difficulty = 0): SeedIdentity {
    if (!(Number.isInteger(difficulty) && difficulty >= 0 && difficulty <= maxDifficulty)) {
      throw new UsageError(
        "invalidOption",
        `difficulty: ${String(difficulty)}; allowed is a whole number from 0 to ${maxDifficulty}`,
      );
    }
    for (;;) {
      const identity = new SeedIdentity(provider, drawSeed(random));
      if (difficulty === 0 || puzzleDifficulty(provider, identity.id) >= difficulty) return identity;
    }
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#pair.sign(message);
  }

  /** The secret itself, 32 bytes, a copy: to be kept where nobody else reads it. */
  exportSeed(): Uint8Array {
    return copyBytes(this.#seed);
  }

  toString(): string {
    return `SeedIdentity ${this.id.toHex()}`;
  }

  toJSON(): object {
    return { id: this.id };
  }
}

/** Above, the search would take hours. */
const maxDifficulty = 24;

/**
 * SHA-256(label("kad/1/id") ‖ public key), so that an id proves its key.
 * @param publicKey 32 bytes
 */
export function nodeIdOf(provider: CryptoProvider, publicKey: Uint8Array): NodeId {
  return NodeId.fromBytes(provider.sha256(idLabel, publicKey), 0, keyBytes);
}

/**
 * S/Kademlia's static puzzle (§4.1): leading zero bits of SHA-256(label("kad/1/puzzle") ‖ id), 0 to 256. A speed bump for
 * who wants many ids, not a defence: whoever walks keys in native code is orders of magnitude faster.
 */
export function puzzleDifficulty(provider: CryptoProvider, id: NodeId): number {
  const hash = provider.sha256(labelled("kad/1/puzzle", id.toBytes()));
  const first = hash.findIndex((byte) => byte !== 0);
  return first < 0 ? 8 * hash.length : 8 * first + Math.clz32(hash[first] as number) - 24;
}

const idLabel = labelled("kad/1/id");
