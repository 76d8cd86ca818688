/**
 * Signatures under records, checked once each: a reader hears the same record from eight holders, and a check takes 0.1 ms,
 * or 1.2 in JavaScript. Those that were good are remembered by their hash.
 */
import { UsageError } from "@kad/core";
import { keyOf } from "../bytes.ts";
import { LruMap } from "../lru-map.ts";
import type { Network } from "../network.ts";
import { type CryptoProvider, signatureBytes } from "../provider.ts";

export interface SignatureOptions {
  readonly provider: CryptoProvider;
  /** Whose records they are: a signature for one network counts in no other. */
  readonly network: Network;
  /** Good signatures that are remembered, 1 to 65,536; 1,024 by default, of about 150 bytes each. */
  readonly maxRemembered?: number;
}

const mostRemembered = 65_536;

export class Signatures {
  readonly provider: CryptoProvider;
  readonly network: Network;
  readonly #known: LruMap<string, true>;

  /** @throws UsageError `invalidOption` */
  constructor({ provider, network, maxRemembered = 1_024 }: SignatureOptions) {
    if (!(Number.isInteger(maxRemembered) && maxRemembered >= 1 && maxRemembered <= mostRemembered)) {
      throw new UsageError(
        "invalidOption",
        `maxRemembered: ${String(maxRemembered)}; allowed is a whole number from 1 to ${mostRemembered}`,
      );
    }
    this.provider = provider;
    this.network = network;
    this.#known = new LruMap(maxRemembered);
  }

  get remembered(): number {
    return this.#known.size;
  }

  /** Strict: see `CryptoProvider.verify`. All is borrowed. */
  isGood(publicKey: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
    const hash = keyOf(this.provider.sha256(publicKey, text, signature));
    if (this.#known.get(hash) === true) return true;
    if (!this.provider.verify(publicKey, text, signature)) return false;
    this.#known.set(hash, true);
    return true;
  }
}

/** @throws UsageError `invalidRecord` when a signer gives something else; the bytes are not in the message */
export function checkedSignature(signature: Uint8Array): Uint8Array {
  if (signature instanceof Uint8Array && signature.length === signatureBytes) return signature;
  throw new UsageError(
    "invalidRecord",
    `the identity signed with something other than ${signatureBytes} bytes`,
  );
}
