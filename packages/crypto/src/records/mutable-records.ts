/**
 * Mutable records: what stands under a key can be changed by the owner of an Ed25519 key, and by nobody else.
 *
 *     body   = public key 32 | flags u8 | seq u64 | ttl u32 | saltLength u8 | salt (0 to 32 bytes)
 *              | valueLength u16 | value (0 to 896 bytes) | signature 64                             big-endian
 *     key    = SHA-256(label("kad/1/mutable") ‖ public key ‖ salt)
 *     signed = label("kad/1/record") ‖ networkTag ‖ flags … value                       as they stand in the body
 *
 * As BEP 44, with a network and a lifetime under the signature. `seq` is at most 2^53 − 1. The larger one wins; equal ones
 * with equal signed bytes are the same record, whatever the signatures; with different bytes the larger SHA-256(signed)
 * wins, so that replicas converge without talking. `ttl` is in seconds, at least 1. Flag bit 0: `seq` is Unix time in
 * milliseconds and the record ends at seq + ttl, whoever stores it when; without it, anybody who has kept an old record can
 * store it again where none stands, and its ttl begins anew. Other flags are refused.
 */
import {
  compareBytes,
  copyBytes,
  type DhtRecord,
  equalBytes,
  labelled,
  NodeId,
  type RecordKey,
  type RecordValidator,
  UsageError,
  type ValidationContext,
} from "@kad/core";
import { readU32, readU64, writeU32, writeU64 } from "../bytes.ts";
import type { Identity } from "../identity.ts";
import { keyBytes, signatureBytes } from "../provider.ts";
import { checkedSignature, type SignatureOptions, Signatures } from "./signatures.ts";

/** WIRE.md §5: a value that can change has 896 bytes, on every transport. */
export const maxMutableValueBytes = 896;
export const maxSaltBytes = 32;
const defaultTtlSeconds = 86_400;

const flagsAt = keyBytes;
const seqAt = flagsAt + 1;
const ttlAt = seqAt + 8;
const saltLengthAt = ttlAt + 4;
const saltAt = saltLengthAt + 1;
const leastBytes = saltAt + 2 + signatureBytes;
const seqIsTimeFlag = 0x01;

/** The name that the type has among the validators of a node. */
const typeName = "mutable";
const typeCode = 3;

/** What an owner says. */
export interface MutableContent {
  /** 0 to 896 bytes. */
  readonly value: Uint8Array;
  /** A whole number from 0 to 2^53 − 1, larger than any that was used under this key and salt. */
  readonly seq: number;
  /** 0 to 32 bytes, so that one owner has many keys; empty by default. */
  readonly salt?: Uint8Array;
  /** How long it lives from when it is stored, 1 to 2^32 − 1 seconds; holders cut it to their own limit. A day by default. */
  readonly ttlSeconds?: number;
  /**
   * `seq` is Unix time in milliseconds, and the record ends `ttlSeconds` later for good: nobody can store it again.
   * Holders without a wall clock count from when it comes. False by default.
   */
  readonly seqIsTime?: boolean;
}

/** What a record says. Its bytes are copies that the caller owns. */
export interface MutableRecord extends Required<MutableContent> {
  /** Its owner's, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * The mutable records of one network: their rules, for `NodeOptions.validators`, and how they are made and read. One object
 * may serve many nodes.
 */
export class MutableRecords {
  /** `{ mutable: … }`, to be spread among a node's validators. */
  readonly validators: Readonly<Record<"mutable", RecordValidator>>;
  readonly #signatures: Signatures;

  /** @throws UsageError `invalidOption` */
  constructor(options: SignatureOptions) {
    this.#signatures = new Signatures(options);
    this.validators = Object.freeze({ [typeName]: this.#validator() });
  }

  /** Signatures that are remembered as good. */
  get remembered(): number {
    return this.#signatures.remembered;
  }

  /**
   * Where records of this owner stand.
   * @param publicKey 32 bytes
   * @param salt 0 to 32 bytes
   * @throws UsageError `invalidRecord` when one of them is of another length
   */
  keyOf(publicKey: Uint8Array, salt: Uint8Array = noBytes): RecordKey {
    checkPublicKey(publicKey);
    checkSalt(salt);
    return this.#keyOf(publicKey, salt);
  }

  /**
   * A signed record for `put`, its bytes copies. As fast as the identity: a promise only where that gives one. To replace
   * only what one has read, put it with `expectedSeq` as read.
   * @throws UsageError `invalidRecord` that names the field, the value and what is allowed
   */
  sign(identity: Identity, content: MutableContent): DhtRecord | Promise<DhtRecord> {
    const body = unsignedBody(identity.publicKey, content);
    const signature = identity.sign(this.#signedText(body));
    const finish = (bytes: Uint8Array): DhtRecord => {
      body.set(checkedSignature(bytes), body.length - signatureBytes);
      return { type: typeName, key: this.#keyOf(publicKeyOf(body), saltOf(body)), body };
    };
    return signature instanceof Promise ? signature.then(finish) : finish(signature);
  }

  /** What a body says; `undefined` when it is no mutable record. The signature is not looked at: `get` has done that. */
  read(body: Uint8Array): MutableRecord | undefined {
    if (layoutFault(body) !== undefined) return undefined;
    return {
      publicKey: copyBytes(publicKeyOf(body)),
      salt: copyBytes(saltOf(body)),
      seq: readU64(body, seqAt),
      value: copyBytes(body, valueAt(body), body.length - signatureBytes),
      ttlSeconds: readU32(body, ttlAt),
      seqIsTime: isSeqTime(body),
    };
  }

  #validator(): RecordValidator {
    return Object.freeze<RecordValidator>({
      code: typeCode,
      maxBodyBytes: leastBytes + maxSaltBytes + maxMutableValueBytes,
      quorum: 8,
      validate: (key, body) => this.#faultOf(key, body),
      select: (a, b) => this.#newer(a, b),
      lifetimeMs,
      seqOf: (body) => readU64(body, seqAt),
    });
  }

  #faultOf(key: RecordKey, body: Uint8Array): string | undefined {
    const fault = layoutFault(body);
    if (fault !== undefined) return fault;
    const publicKey = publicKeyOf(body);
    if (!key.equals(this.#keyOf(publicKey, saltOf(body)))) return "the key is not that of owner and salt";
    const signature = body.subarray(body.length - signatureBytes);
    return this.#signatures.isGood(publicKey, this.#signedText(body), signature)
      ? undefined
      : "the signature is not the owner's in this network";
  }

  /** Both are valid under one key, and so of one owner and salt. */
  #newer(a: Uint8Array, b: Uint8Array): number {
    const later = readU64(a, seqAt) - readU64(b, seqAt);
    if (later !== 0 || equalBytes(contentOf(a), contentOf(b))) return later;
    const { provider } = this.#signatures;
    return compareBytes(provider.sha256(this.#signedText(a)), provider.sha256(this.#signedText(b)));
  }

  #signedText(body: Uint8Array): Uint8Array {
    return labelled("kad/1/record", this.#signatures.network.tag, contentOf(body));
  }

  #keyOf(publicKey: Uint8Array, salt: Uint8Array): RecordKey {
    return NodeId.fromBytes(this.#signatures.provider.sha256(keyLabel, publicKey, salt));
  }
}

const keyLabel = labelled("kad/1/mutable");
const noBytes = new Uint8Array(0);

function lifetimeMs(body: Uint8Array, { unixMs }: ValidationContext): number {
  const ttlMs = 1_000 * readU32(body, ttlAt);
  return isSeqTime(body) && unixMs !== undefined ? readU64(body, seqAt) + ttlMs - unixMs : ttlMs;
}

/** Fields by their places; the body is laid out as it must be. */
function publicKeyOf(body: Uint8Array): Uint8Array {
  return body.subarray(0, keyBytes);
}

function isSeqTime(body: Uint8Array): boolean {
  return ((body[flagsAt] as number) & seqIsTimeFlag) !== 0;
}

function saltOf(body: Uint8Array): Uint8Array {
  return body.subarray(saltAt, saltAt + (body[saltLengthAt] as number));
}

function valueAt(body: Uint8Array): number {
  return saltAt + (body[saltLengthAt] as number) + 2;
}

/** What is signed, apart from label and network: all between owner and signature. */
function contentOf(body: Uint8Array): Uint8Array {
  return body.subarray(flagsAt, body.length - signatureBytes);
}

function layoutFault(body: Uint8Array): string | undefined {
  if (body.length < leastBytes) return "shorter than a record without salt and value";
  const saltLength = body[saltLengthAt] as number;
  if (saltLength > maxSaltBytes) return `a salt of ${saltLength} bytes`;
  const at = valueAt(body);
  if (body.length < at + signatureBytes) return "shorter than its salt";
  const valueLength = ((body[at - 2] as number) << 8) | (body[at - 1] as number);
  if (valueLength > maxMutableValueBytes) return `a value of ${valueLength} bytes`;
  if (body.length !== at + valueLength + signatureBytes) return "not as long as its value says";
  if (((body[flagsAt] as number) & ~seqIsTimeFlag) !== 0) return "unknown flags";
  if (!Number.isSafeInteger(readU64(body, seqAt))) return "a sequence number of 2^53 or more";
  return readU32(body, ttlAt) === 0 ? "a ttl of 0" : undefined;
}

/** A body in which the signature is still zero. */
function unsignedBody(publicKey: Uint8Array, content: MutableContent): Uint8Array {
  const { value, seq, salt = noBytes, ttlSeconds = defaultTtlSeconds, seqIsTime = false } = content;
  checkPublicKey(publicKey);
  checkSalt(salt);
  if (!(value instanceof Uint8Array) || value.length > maxMutableValueBytes)
    throw refusal("value", shownBytes(value), `0 to ${maxMutableValueBytes} bytes`);
  if (!Number.isSafeInteger(seq) || seq < 0) throw refusal("seq", seq, "whole numbers from 0 to 2^53 - 1");
  if (!(Number.isInteger(ttlSeconds) && ttlSeconds >= 1 && ttlSeconds <= 0xffff_ffff))
    throw refusal("ttlSeconds", ttlSeconds, "whole numbers from 1 to 2^32 - 1");
  const body = new Uint8Array(leastBytes + salt.length + value.length);
  body.set(publicKey);
  body[flagsAt] = seqIsTime ? seqIsTimeFlag : 0;
  writeU64(body, seqAt, seq);
  writeU32(body, ttlAt, ttlSeconds);
  body[saltLengthAt] = salt.length;
  body.set(salt, saltAt);
  const at = valueAt(body);
  body[at - 2] = value.length >>> 8;
  body[at - 1] = value.length;
  body.set(value, at);
  return body;
}

function checkPublicKey(publicKey: Uint8Array): void {
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== keyBytes)
    throw refusal("publicKey", shownBytes(publicKey), `${keyBytes} bytes`);
}

function checkSalt(salt: Uint8Array): void {
  if (!(salt instanceof Uint8Array) || salt.length > maxSaltBytes)
    throw refusal("salt", shownBytes(salt), `0 to ${maxSaltBytes} bytes`);
}

function shownBytes(value: unknown): string {
  return value instanceof Uint8Array ? `${value.length} bytes` : typeof value;
}

function refusal(name: string, value: unknown, allowed: string): UsageError {
  return new UsageError("invalidRecord", `${name}: ${String(value)}; allowed are ${allowed}`);
}
