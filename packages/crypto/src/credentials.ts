/**
 * What a node's channels share: who we are, in which network, with which static keys, and whom we have believed before.
 */
import { type Gauge, type InstantMs, type KadError, type NodeId, UsageError } from "@kad/core";
import { CertificateChecker, type CertificateFault } from "./certificate-checker.ts";
import { type Identity, nodeIdOf } from "./identity.ts";
import { Network, type NetworkKey } from "./network.ts";
import { type CryptoProvider, keyBytes, type RandomSource } from "./provider.ts";
import { type StaticKey, StaticKeys } from "./static-keys.ts";

export interface CredentialsOptions {
  readonly provider: CryptoProvider;
  readonly identity: Identity;
  /** Name of the network, 1 to 255 bytes of UTF-8; `kad` by default. */
  readonly network?: string;
  /** Makes the network private: whoever has it not gets no answer. */
  readonly networkKey?: NetworkKey;
  /**
   * Secret-grade randomness for static and ephemeral keys and for the secrets of cookies. Apart from the `random` of
   * node and channels, so that a recording of that holds no key.
   */
  readonly keys: RandomSource;
  /** How long a static key is in force, in ms, 1 min to 30 days; 1 day by default. */
  readonly rotationMs?: number;
  /** The host's monotonic clock now. */
  readonly nowMs: InstantMs;
  /** Wall-clock time now; without it, certificates neither expire nor are found to have expired. */
  readonly unixMs?: number;
}

/** Certificates of others that are remembered as good (WIRE.md §3.2). */
const maxRemembered = 1_024;
const dayMs = 86_400_000;
const defaultNetworkName = "kad";

export class Credentials {
  readonly provider: CryptoProvider;
  readonly network: Network;
  readonly keys: RandomSource;
  /** Our own id: SHA-256 over the identity's public key. */
  readonly id: NodeId;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly #statics: StaticKeys;
  readonly #checker: CertificateChecker;
  readonly #originMs: InstantMs;
  #unixOffsetMs: number | undefined;
  /** Of the identity; the last one alone, since all say the same. */
  #error: KadError | undefined;

  /** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
  constructor(options: CredentialsOptions) {
    const { provider, identity, network = defaultNetworkName, networkKey, keys, nowMs, unixMs } = options;
    const { rotationMs = dayMs } = options;
    if (!(rotationMs >= 60_000 && rotationMs <= 30 * dayMs)) {
      throw new UsageError(
        "invalidOption",
        `rotationMs: ${String(rotationMs)}; allowed are 60000 to ${30 * dayMs} ms`,
      );
    }
    if (!(identity.publicKey instanceof Uint8Array) || identity.publicKey.length !== keyBytes)
      throw new UsageError(
        "invalidOption",
        `identity.publicKey: allowed is a Uint8Array of ${keyBytes} bytes`,
      );
    this.provider = provider;
    this.network = new Network(provider, network, networkKey);
    this.keys = keys;
    this.publicKey = identity.publicKey;
    this.id = nodeIdOf(provider, identity.publicKey);
    this.#originMs = nowMs;
    this.#unixOffsetMs = unixMs === undefined ? undefined : unixMs - nowMs;
    this.#checker = new CertificateChecker({ provider, network: this.network, id: this.id, maxRemembered });
    const onError = (error: KadError): void => {
      this.#error = error;
    };
    const statics = { provider, identity, network: this.network, keys, rotationMs, onError };
    this.#statics = new StaticKeys(statics, nowMs, 0, unixMs);
  }

  /** Seconds since we were made, on the host's monotonic clock: what cookies are dated with, u32. */
  secondOf(nowMs: InstantMs): number {
    return Math.max(0, Math.floor((nowMs - this.#originMs) / 1_000)) >>> 0;
  }

  /** Our static key in that second; `undefined` while the identity has not signed one, and for a second long past. */
  staticAt(second: number): StaticKey | undefined {
    return this.#statics.at(second);
  }

  /** Whose certificate it is, or why it does not count. 134 bytes, borrowed. */
  check(nowMs: InstantMs, certificate: Uint8Array): NodeId | CertificateFault {
    const offsetMs = this.#unixOffsetMs;
    return this.#checker.check(certificate, offsetMs === undefined ? undefined : nowMs + offsetMs);
  }

  onWallClock(nowMs: InstantMs, unixMs: number): void {
    this.#unixOffsetMs = unixMs - nowMs;
    this.#statics.onWallClock(nowMs, this.secondOf(nowMs), unixMs);
  }

  /**
   * Makes and replaces static keys. Early and repeated calls do nothing, and it waits for none: a channel calls it whenever
   * it is called itself, and a key that nobody asks for may be as old as it is.
   */
  handleTimeout(nowMs: InstantMs): void {
    this.#statics.handleTimeout(nowMs, this.secondOf(nowMs));
  }

  /** Certificates of others that are known to be good. */
  get rememberedCertificates(): Gauge {
    return { used: this.#checker.remembered, limit: maxRemembered };
  }

  /** That the identity could not sign; told once. */
  takeError(): KadError | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }
}
