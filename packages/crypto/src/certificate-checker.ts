/**
 * Whether a certificate of somebody else counts, and whose it is. A signature takes 0.1 ms to check, or 1.2 in JavaScript,
 * so those that were good are remembered by their hash.
 */
import { NodeId } from "@kad/core";
import { expiryOf, identityOf, signatureOf, signedText, staticOf } from "./certificate.ts";
import { nodeIdOf } from "./identity.ts";
import { LruMap } from "./lru-map.ts";
import type { Network } from "./network.ts";
import type { CryptoProvider } from "./provider.ts";

/** Why a certificate does not count. */
export type CertificateFault =
  | "ownIdentity" // ourselves: a reflected packet, or a copied identity
  | "zeroStatic"
  | "expired"
  | "badSignature";

export interface CertificateCheckerOptions {
  readonly provider: CryptoProvider;
  readonly network: Network;
  /** Our own id. */
  readonly id: NodeId;
  /** Good certificates that are remembered. */
  readonly maxRemembered: number;
}

export class CertificateChecker {
  readonly #options: CertificateCheckerOptions;
  /** By the hash of the certificate. */
  readonly #known: LruMap<string, NodeId>;
  #checked = 0;

  constructor(options: CertificateCheckerOptions) {
    this.#options = options;
    this.#known = new LruMap(options.maxRemembered);
  }

  get remembered(): number {
    return this.#known.size;
  }

  /** Signatures checked so far. */
  get checked(): number {
    return this.#checked;
  }

  /**
   * Whose certificate it is, or what is wrong with it. Without wall-clock time (`unixMs`) expiry is not looked at.
   * @param certificate 134 bytes, borrowed
   */
  check(certificate: Uint8Array, unixMs: number | undefined): NodeId | CertificateFault {
    const { provider, id } = this.#options;
    const expiresAtUnixS = expiryOf(certificate);
    if (expiresAtUnixS !== 0 && unixMs !== undefined && unixMs >= 1_000 * expiresAtUnixS) return "expired";
    const hash = NodeId.fromBytes(provider.sha256(certificate)).key;
    const known = this.#known.get(hash);
    if (known !== undefined) return known;
    if (staticOf(certificate).every((byte) => byte === 0)) return "zeroStatic";
    const peer = nodeIdOf(provider, identityOf(certificate));
    if (peer.equals(id)) return "ownIdentity";
    if (!this.#isSigned(certificate, expiresAtUnixS)) return "badSignature";
    this.#known.set(hash, peer);
    return peer;
  }

  #isSigned(certificate: Uint8Array, expiresAtUnixS: number): boolean {
    const { provider, network } = this.#options;
    this.#checked++;
    const text = signedText(network, staticOf(certificate), expiresAtUnixS);
    return provider.verify(identityOf(certificate), text, signatureOf(certificate));
  }
}
