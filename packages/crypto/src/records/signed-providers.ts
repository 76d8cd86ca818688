/**
 * Signed providers: what a provider says of itself, under its own signature, so that no holder can invent or change it.
 *
 * Holders know who speaks to them, since the secure channel has proven it; askers have only the holder's word. So the
 * signature travels in the metadata of core's providers, which nobody on the way looks into:
 *
 *     meta   = public key 32 | seq u64 | ttl u32 | addressesLength u8 | addresses (0 to 192 bytes)
 *              | metaLength u16 | meta | signature 64                          at most 512 bytes in all, big-endian
 *     signed = label("kad/1/provider") ‖ networkTag ‖ key 32 ‖ seq … meta      as they stand above
 *
 * The provider's id must be that of the public key. `seq` is Unix time in milliseconds, when it was said; it ends at
 * seq + ttl seconds, so that an old statement cannot be brought back. Of two, the one with the larger `seq` counts. The
 * addresses, as on the wire, are where the provider says it is: those that a holder names beside may be anything.
 */
import {
  type Address,
  type AddressCodec,
  boundAddresses,
  copyBytes,
  labelled,
  maxAddresses,
  maxProviderMetaBytes,
  type NodeId,
  type ProviderValidator,
  type RecordKey,
  UsageError,
  type ValidationContext,
} from "@kad/core";
import { readU32, readU64, writeU32, writeU64 } from "../bytes.ts";
import { type Identity, nodeIdOf } from "../identity.ts";
import { keyBytes, signatureBytes } from "../provider.ts";
import { checkedSignature, type SignatureOptions, Signatures } from "./signatures.ts";

const seqAt = keyBytes;
const ttlAt = seqAt + 8;
const addressesLengthAt = ttlAt + 4;
const addressesAt = addressesLengthAt + 1;
const leastBytes = addressesAt + 2 + signatureBytes;
const defaultTtlSeconds = 86_400;

/** What is left for the provider's own words when it signs no addresses; each address takes from it. */
export const maxSignedMetaBytes: number = maxProviderMetaBytes - leastBytes;

/** What a provider says. */
export interface ProviderStatement {
  /** When it is said, by the wall clock: of two statements the later one counts. A whole number from 0 to 2^53 − 1. */
  readonly unixMs: number;
  /** How long it may be believed from then on, 1 to 2^32 − 1 seconds; a day by default. */
  readonly ttlSeconds?: number;
  /** 0 to 401 bytes less those of the addresses; empty by default. */
  readonly meta?: Uint8Array;
  /** Where it is reached: at most 4, of 192 bytes together; the rest is left out. None by default. */
  readonly addresses?: readonly Address[];
}

/** What a provider has said. Its bytes are copies that the caller owns. */
export interface SignedProvider extends Required<ProviderStatement> {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

export interface SignedProvidersOptions extends SignatureOptions {
  /** Reads the addresses in statements. */
  readonly addresses: AddressCodec;
}

/**
 * The signed providers of one network: what is demanded of them, for `NodeOptions.providerValidator`, and how statements
 * are made and read. One object may serve many nodes.
 */
export class SignedProviders {
  readonly validator: ProviderValidator;
  readonly #signatures: Signatures;
  readonly #addresses: AddressCodec;

  /** @throws UsageError `invalidOption` */
  constructor(options: SignedProvidersOptions) {
    this.#signatures = new Signatures(options);
    this.#addresses = options.addresses;
    this.validator = Object.freeze<ProviderValidator>({
      validate: (key, provider, meta) => this.#faultOf(key, provider, meta),
      lifetimeMs,
      select: (a, b) => readU64(a, seqAt) - readU64(b, seqAt),
    });
  }

  /**
   * The metadata with which `identity` announces itself under `key`: `announce(key, { meta })`. They are renewed as they
   * are, so announce anew with new ones before `ttlSeconds` are over. A promise only where the identity gives one.
   * @throws UsageError `invalidRecord` that names the field, the value and what is allowed
   */
  sign(identity: Identity, key: RecordKey, statement: ProviderStatement): Uint8Array | Promise<Uint8Array> {
    const bytes = unsigned(identity.publicKey, statement);
    const signature = identity.sign(this.#signedText(key, bytes));
    const finish = (signed: Uint8Array): Uint8Array => {
      bytes.set(checkedSignature(signed), bytes.length - signatureBytes);
      return bytes;
    };
    return signature instanceof Promise ? signature.then(finish) : finish(signature);
  }

  /**
   * What the metadata of a provider say; `undefined` when they are no statement. The signature is not looked at:
   * `findProviders` has done that. Addresses of kinds that the codec does not know are left out.
   */
  read(meta: Uint8Array): SignedProvider | undefined {
    if (layoutFault(meta) !== undefined) return undefined;
    return {
      publicKey: copyBytes(meta, 0, keyBytes),
      unixMs: readU64(meta, seqAt),
      ttlSeconds: readU32(meta, ttlAt),
      meta: copyBytes(meta, metaAt(meta), meta.length - signatureBytes),
      addresses: this.#readAddresses(meta),
    };
  }

  #faultOf(key: RecordKey, provider: NodeId, meta: Uint8Array): string | undefined {
    const fault = layoutFault(meta);
    if (fault !== undefined) return fault;
    const publicKey = meta.subarray(0, keyBytes);
    if (!nodeIdOf(this.#signatures.provider, publicKey).equals(provider))
      return "the public key is another's";
    const signature = meta.subarray(meta.length - signatureBytes);
    return this.#signatures.isGood(publicKey, this.#signedText(key, meta), signature)
      ? undefined
      : "the signature is not the provider's for this key in this network";
  }

  #signedText(key: RecordKey, meta: Uint8Array): Uint8Array {
    const { tag } = this.#signatures.network;
    return labelled("kad/1/provider", tag, key.toBytes(), meta.subarray(seqAt, meta.length - signatureBytes));
  }

  #readAddresses(meta: Uint8Array): readonly Address[] {
    const found: Address[] = [];
    const end = addressesAt + (meta[addressesLengthAt] as number);
    let at = addressesAt;
    while (at < end && found.length < maxAddresses) {
      const address = this.#addresses.decode(meta, at, end - at);
      if (address === undefined || address.wire.length > end - at) break;
      found.push(address);
      at += address.wire.length;
    }
    return found;
  }
}

const noBytes = new Uint8Array(0);

function lifetimeMs(meta: Uint8Array, { unixMs }: ValidationContext): number {
  const ttlMs = 1_000 * readU32(meta, ttlAt);
  return unixMs === undefined ? ttlMs : readU64(meta, seqAt) + ttlMs - unixMs;
}

function metaAt(bytes: Uint8Array): number {
  return addressesAt + (bytes[addressesLengthAt] as number) + 2;
}

function layoutFault(bytes: Uint8Array): string | undefined {
  if (bytes.length < leastBytes) return "shorter than a statement that says nothing";
  const at = metaAt(bytes);
  if (bytes.length < at + signatureBytes) return "shorter than its addresses";
  const metaLength = ((bytes[at - 2] as number) << 8) | (bytes[at - 1] as number);
  if (bytes.length !== at + metaLength + signatureBytes) return "not as long as it says";
  if (!Number.isSafeInteger(readU64(bytes, seqAt))) return "a sequence number of 2^53 or more";
  return readU32(bytes, ttlAt) === 0 ? "a ttl of 0" : undefined;
}

/** A statement in which the signature is still zero. */
function unsigned(publicKey: Uint8Array, statement: ProviderStatement): Uint8Array {
  const { unixMs, ttlSeconds = defaultTtlSeconds, meta = noBytes } = statement;
  const addresses = boundAddresses(statement.addresses ?? []);
  const addressBytes = addresses.reduce((sum, { wire }) => sum + wire.length, 0);
  if (!Number.isSafeInteger(unixMs) || unixMs < 0)
    throw refusal("unixMs", String(unixMs), "whole numbers from 0 to 2^53 - 1");
  if (!(Number.isInteger(ttlSeconds) && ttlSeconds >= 1 && ttlSeconds <= 0xffff_ffff))
    throw refusal("ttlSeconds", String(ttlSeconds), "whole numbers from 1 to 2^32 - 1");
  const room = maxSignedMetaBytes - addressBytes;
  if (!(meta instanceof Uint8Array) || meta.length > room) {
    const what = meta instanceof Uint8Array ? `${meta.length} bytes` : typeof meta;
    throw refusal("meta", what, `0 to ${room} bytes beside addresses of ${addressBytes}`);
  }
  const bytes = new Uint8Array(leastBytes + addressBytes + meta.length);
  bytes.set(publicKey);
  writeU64(bytes, seqAt, unixMs);
  writeU32(bytes, ttlAt, ttlSeconds);
  bytes[addressesLengthAt] = addressBytes;
  let at = addressesAt;
  for (const { wire } of addresses) {
    bytes.set(wire, at);
    at += wire.length;
  }
  bytes[at] = meta.length >>> 8;
  bytes[at + 1] = meta.length;
  bytes.set(meta, at + 2);
  return bytes;
}

function refusal(name: string, value: string, allowed: string): UsageError {
  return new UsageError("invalidRecord", `${name}: ${value}; allowed are ${allowed}`);
}
