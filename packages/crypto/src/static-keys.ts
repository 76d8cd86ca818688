/**
 * Our own static keys: one in force, the next one made ahead, the last one kept while a cookie may still name it.
 *
 * The first request of a handshake is not forward secret: whoever learns the responder's static key later can read it. So
 * a static key lives for a day. Signing a certificate may take time, while handshakes may not wait: the next key is made
 * and signed before it is needed, and if no signature comes the old key stays in force.
 *
 * Which key is in force changes only between two seconds of our clock, so that the second of a cookie says which it was.
 */
import { copyBytes, type InstantMs, KadError } from "@kad/core";
import { makeCertificate, shortened, signedText } from "./certificate.ts";
import type { Identity } from "./identity.ts";
import type { Network } from "./network.ts";
import {
  type CryptoProvider,
  drawSeed,
  type RandomSource,
  signatureBytes,
  type X25519KeyPair,
} from "./provider.ts";

export interface StaticKey {
  readonly pair: X25519KeyPair;
  /** 134 bytes. */
  readonly certificate: Uint8Array;
  /** 102 bytes. */
  readonly shortCertificate: Uint8Array;
}

export interface StaticKeysOptions {
  readonly provider: CryptoProvider;
  readonly identity: Identity;
  readonly network: Network;
  /** Secret-grade: static keys come from it. */
  readonly keys: RandomSource;
  readonly rotationMs: number;
  /** Told of a signature that failed; it is asked for again. */
  readonly onError: (error: KadError) => void;
}

interface Dated extends StaticKey {
  /** The first second of our clock in which it is in force. */
  readonly fromSecond: number;
  readonly hasExpiry: boolean;
}

/** A key that is made but not in force: its signature may still be on its way. */
interface Coming {
  readonly pair: X25519KeyPair;
  readonly hasExpiry: boolean;
  certificate: Uint8Array | undefined;
}

/** The next key is made so long before it is needed, or half a rotation before where that is shorter. */
const aheadMs = 10 * 60_000;
/** After a signature that failed. */
const retryMs = 60_000;
/** A key that is no longer in force is kept for so many seconds: longer than a cookie lives. */
const keptSeconds = 60;

export class StaticKeys {
  readonly #options: StaticKeysOptions;
  /** The newest first. */
  #keys: Dated[] = [];
  #coming: Coming | undefined;
  #rotateAtMs: InstantMs | undefined;
  #makeAtMs: InstantMs;
  #unixOffsetMs: number | undefined;
  /** Time alone changes nothing before. A signature that comes meanwhile is taken up when it is needed, or next. */
  #quietUntilMs: InstantMs = Number.NEGATIVE_INFINITY;

  /** Makes the first key; it is in force at once if its signature is. */
  constructor(options: StaticKeysOptions, nowMs: InstantMs, second: number, unixMs: number | undefined) {
    this.#options = options;
    this.#makeAtMs = nowMs;
    if (unixMs !== undefined) this.#unixOffsetMs = unixMs - nowMs;
    this.#make(nowMs);
    this.#adopt(nowMs, second);
  }

  /** The key in force in a second of our clock; `undefined`: none is any more, or none is signed yet. */
  at(second: number): StaticKey | undefined {
    return this.#keys.find(({ fromSecond }) => fromSecond <= second);
  }

  /** Wall-clock time; without it certificates don't expire. */
  onWallClock(nowMs: InstantMs, second: number, unixMs: number): void {
    this.#unixOffsetMs = unixMs - nowMs;
    this.#quietUntilMs = Number.NEGATIVE_INFINITY;
    const current = this.#keys[0];
    if (current !== undefined && !current.hasExpiry && this.#coming === undefined)
      this.#sign(nowMs, current.pair);
    this.handleTimeout(nowMs, second);
  }

  /** Early and repeated calls do nothing, and cost nothing: it is called with every message. */
  handleTimeout(nowMs: InstantMs, second: number): void {
    if (nowMs < this.#quietUntilMs) return;
    if (nowMs >= this.#makeAtMs && this.#coming === undefined) this.#make(nowMs);
    const isFirst = this.#keys.length === 0;
    const isDue = this.#rotateAtMs === undefined || nowMs >= this.#rotateAtMs;
    const isResigned = this.#coming?.pair === this.#keys[0]?.pair;
    if (isFirst || isDue || isResigned) this.#adopt(nowMs, isFirst ? second : second + 1);
    const last = this.#keys.findIndex(({ fromSecond }) => fromSecond + keptSeconds <= second);
    if (last >= 0 && last + 1 < this.#keys.length) this.#keys = this.#keys.slice(0, last + 1); // slice: an array
    this.#quietUntilMs = this.#nextChangeMs(nowMs);
  }

  /** While a signature is awaited, now. */
  #nextChangeMs(nowMs: InstantMs): InstantMs {
    if (this.#coming !== undefined && this.#coming.certificate === undefined) return nowMs;
    const dueMs = this.#coming === undefined ? this.#makeAtMs : (this.#rotateAtMs ?? nowMs);
    return this.#keys.length > 1 ? Math.min(dueMs, nowMs + 1_000 * keptSeconds) : dueMs;
  }

  #make(nowMs: InstantMs): void {
    const { provider, keys } = this.#options;
    this.#sign(nowMs, provider.x25519(drawSeed(keys)));
  }

  #sign(nowMs: InstantMs, pair: X25519KeyPair): void {
    const { identity, network, rotationMs } = this.#options;
    const offsetMs = this.#unixOffsetMs;
    // Twice as long as it is in force: clocks that are a day apart still agree that it is valid.
    const expiresAtUnixS =
      offsetMs === undefined ? 0 : Math.ceil((nowMs + offsetMs + 2 * rotationMs) / 1_000);
    const coming: Coming = { pair, hasExpiry: offsetMs !== undefined, certificate: undefined };
    this.#coming = coming;
    const take = (signature: Uint8Array): void => {
      if (!(signature instanceof Uint8Array) || signature.length !== signatureBytes) {
        this.#fail(nowMs, coming, new TypeError("a signature is a Uint8Array of 64 bytes"));
        return;
      }
      const { publicKey } = identity;
      coming.certificate = makeCertificate(publicKey, pair.publicKey, expiresAtUnixS, copyBytes(signature));
    };
    try {
      const signature = identity.sign(signedText(network, pair.publicKey, expiresAtUnixS));
      if (signature instanceof Uint8Array) take(signature);
      else signature.then(take, (error: unknown) => this.#fail(nowMs, coming, error));
    } catch (error) {
      this.#fail(nowMs, coming, error);
    }
  }

  #fail(nowMs: InstantMs, coming: Coming, cause: unknown): void {
    if (this.#coming !== coming) return;
    this.#coming = undefined;
    this.#makeAtMs = nowMs + retryMs;
    this.#options.onError(
      new KadError("signingFailed", "the identity did not sign the certificate of a static key", { cause }),
    );
  }

  /** The key that was made comes into force, if it is signed. */
  #adopt(nowMs: InstantMs, fromSecond: number): void {
    const coming = this.#coming;
    if (coming?.certificate === undefined) return;
    const { pair, certificate, hasExpiry } = coming;
    this.#coming = undefined;
    const isSame = pair === this.#keys[0]?.pair;
    this.#keys = [
      { pair, certificate, shortCertificate: shortened(certificate), fromSecond, hasExpiry },
      ...this.#keys,
    ];
    if (isSame) return;
    const { rotationMs } = this.#options;
    this.#rotateAtMs = nowMs + rotationMs;
    this.#makeAtMs = nowMs + rotationMs - Math.min(aheadMs, rotationMs / 2);
  }
}
