/**
 * The network that a node belongs to: its name, and where it is private the key without which nobody gets an answer.
 *
 *     networkTag = SHA-256(label("kad/1/network") ‖ name)
 *     prk        = HMAC-SHA-256(networkTag, network key or 32 zero bytes)          HKDF-Extract (RFC 5869 §2.2)
 *     K_hello    = HMAC-SHA-256(prk, label("kad/1/hello") ‖ 01)                    HKDF-Expand, one block
 *     psk        = HMAC-SHA-256(prk, label("kad/1/psk") ‖ 01)                      only with a network key
 *
 * The tag stands in every prologue and in everything that is signed, so nothing of one network counts in another.
 */
import { copyBytes, fromHex, labelled, toHex, UsageError } from "@kad/core";
import { type CryptoProvider, drawSeed, keyBytes, type RandomSource } from "./provider.ts";

const maxNameBytes = 255;
const firstBlock = Uint8Array.of(1);

/** The secret of a private network: 32 bytes that all of its nodes hold. It shows itself to nobody who does not ask. */
export class NetworkKey {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * Copies the bytes.
   * @throws UsageError `invalidArgument` when they are not 32, or all zero (what public networks have in its place); the
   * bytes are not in the message
   */
  static fromBytes(bytes: Uint8Array): NetworkKey {
    if (!(bytes instanceof Uint8Array) || bytes.length !== keyBytes) {
      const length = bytes instanceof Uint8Array ? `${bytes.length} bytes` : typeof bytes;
      throw new UsageError("invalidArgument", `network key: ${length}; allowed are ${keyBytes} bytes`);
    }
    if (bytes.every((byte) => byte === 0))
      throw new UsageError("invalidArgument", "network key: all zero; allowed are 32 random bytes");
    return new NetworkKey(copyBytes(bytes));
  }

  /** @throws UsageError `invalidArgument` when it is not 64 hexadecimal digits; the text is not in the message */
  static fromHex(hex: string): NetworkKey {
    const bytes = typeof hex === "string" && hex.length === 2 * keyBytes ? fromHex(hex) : undefined;
    if (bytes !== undefined) return NetworkKey.fromBytes(bytes);
    const what = typeof hex === "string" ? `a text of ${hex.length} characters` : typeof hex;
    throw new UsageError("invalidArgument", `network key: ${what}; allowed are 64 hexadecimal digits`);
  }

  /** @param random must be secret-grade */
  static generate(random: RandomSource): NetworkKey {
    return NetworkKey.fromBytes(drawSeed(random));
  }

  /** The secret itself, a copy: to be kept where nobody else reads it. */
  exportBytes(): Uint8Array {
    return copyBytes(this.#bytes);
  }

  /** The secret itself, as {@link fromHex} reads it. */
  exportHex(): string {
    return toHex(this.#bytes);
  }

  toString(): string {
    return "NetworkKey";
  }

  toJSON(): string {
    return "NetworkKey";
  }
}

/** What follows from name and key. Immutable; its keys show themselves in no log. */
export class Network {
  readonly name: string;
  /** 32 bytes, known to whoever knows the name. */
  readonly tag: Uint8Array;
  /** A network key is needed to be answered. */
  readonly isPrivate: boolean;
  readonly #helloKey: Uint8Array;
  readonly #psk: Uint8Array | undefined;

  /**
   * @param name 1 to 255 bytes of UTF-8; nodes of another name do not understand each other
   * @throws UsageError `invalidOption` when the name is empty or too long
   */
  constructor(provider: CryptoProvider, name: string, key?: NetworkKey) {
    const nameBytes = new TextEncoder().encode(name);
    if (typeof name !== "string" || nameBytes.length < 1 || nameBytes.length > maxNameBytes) {
      throw new UsageError(
        "invalidOption",
        `network: ${nameBytes.length} bytes of UTF-8; allowed are 1 to ${maxNameBytes} bytes`,
      );
    }
    this.name = name;
    this.tag = provider.sha256(labelled("kad/1/network", nameBytes));
    this.isPrivate = key !== undefined;
    const prk = provider.hmacSha256(this.tag, key?.exportBytes() ?? new Uint8Array(keyBytes));
    const expand = (label: string): Uint8Array => provider.hmacSha256(prk, labelled(label, firstBlock));
    this.#helloKey = expand("kad/1/hello");
    this.#psk = key === undefined ? undefined : expand("kad/1/psk");
  }

  /** Authenticates the packets that come before any key exchange. @internal */
  get helloKey(): Uint8Array {
    return this.#helloKey;
  }

  /** For Noise's `psk0`. @internal */
  get psk(): Uint8Array | undefined {
    return this.#psk;
  }
}
