/**
 * Records: what is stored under a key, and the rules that say which ones are valid and which of two is the newer.
 *
 * A record travels as a type byte and a body; everything inside the body belongs to the record's validator. Two types
 * are built in: `immutable` (the key is the hash of the value: WIRE.md's label "kad/1/immutable") and `open` (anyone may
 * overwrite it, the larger sequence number wins). Others plug in as {@link RecordValidator}s.
 */
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";

/** Keys live in the same space as node ids (paper §2). */
export type RecordKey = NodeId;

/** SHA-256, synchronous; core imports nothing, so the host supplies it. The result is 32 bytes that core may keep. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** Largest body of any type, so that every transport carries every record (WIRE.md §5). */
export const maxRecordBodyBytes = 1_040;

/** What a caller puts and gets. */
export interface DhtRecord {
  /** The validator's name: `immutable`, `open`, or that of a plug-in. */
  readonly type: string;
  readonly key: RecordKey;
  /** The validator's own layout; owned by the record and never changed. */
  readonly body: Uint8Array;
  /**
   * How long holders should keep it from now, at most and by default the 24 h of `valueLifetimeMs`. A record put without
   * it is renewed for as long as its publisher keeps it; one put with it ends then.
   */
  readonly lifetimeMs?: number;
}

/** What a validator may look at beside the record. */
export interface ValidationContext {
  readonly sha256: Sha256;
  /** Wall-clock time, where the host supplies it. */
  readonly unixMs: number | undefined;
}

/**
 * The rules of one record type. Pure and synchronous: called inside a transition on bytes from strangers, must not
 * throw on any of them and must not call the node.
 */
export interface RecordValidator {
  /** The type's byte on the wire, 1 to 255: 1 is `immutable`, 2 `open`, 3 `mutable` of `@kad/crypto`, 4 to 31 are reserved. */
  readonly code: number;
  /** Largest body in bytes; refused before `validate` sees it. */
  readonly maxBodyBytes: number;
  /** How many holders a reader asks: 1 where the key proves the value, else 8. */
  readonly quorum: number;
  /** `undefined` when valid, else what is wrong in a few words. `body` is borrowed. */
  validate(key: RecordKey, body: Uint8Array, context: ValidationContext): string | undefined;
  /** Of two valid bodies under one key: above zero when `a` is to be kept, below zero for `b`, 0 when they are the same record. */
  select(a: Uint8Array, b: Uint8Array, context: ValidationContext): number;
  /**
   * For records that say so themselves: how long a valid one may be kept at most, from now on; zero or less when it is
   * over. `undefined`, and without this: as long as the holder's own limit allows. A record that is over is no fault of
   * whoever sent it, since clocks differ: `validate` does not look at it.
   */
  lifetimeMs?(body: Uint8Array, context: ValidationContext): number | undefined;
  /**
   * The sequence number of a valid body, a whole number from 0 to 2^53 − 1, which every newer record surpasses. With it
   * the type has compare-and-swap: a put with `expectedSeq`.
   */
  seqOf?(body: Uint8Array): number;
}

/** A record as a holder keeps it. Immutable; a change is a new object. */
export interface StoredRecord {
  readonly kind: "value" | "provider";
  /** The type's byte on the wire. */
  readonly typeCode: number;
  readonly key: RecordKey;
  /** For providers, the provider's id: they are kept under key ‖ provider. */
  readonly provider?: NodeId;
  /** Owned by the store. */
  readonly body: Uint8Array;
  /** Monotonic; after it the record is never served. */
  readonly expiresAtMs: InstantMs;
  /** When somebody last stored it here: a holder republishes what nobody has stored for an hour (paper §2.5). */
  readonly storedAtMs: InstantMs;
  /** We published it ourselves: it is renewed, not only passed on. */
  readonly own?: true;
}

/** Where an `entries` walk stands; opaque. */
export type Cursor = string;

/**
 * Keeps records for a node. Synchronous; loaded before the node is built; returns owned, immutable bytes.
 * Called inside a transition: it may not call the node.
 */
export interface RecordStore {
  get(key: RecordKey): StoredRecord | undefined;
  /** Replaces what stands under the same key. */
  put(record: StoredRecord): "stored" | "full";
  delete(key: RecordKey): boolean;
  /** A page of at most `limit` records from the cursor on; records stored meanwhile may or may not appear, none twice. */
  entries(
    cursor: Cursor | undefined,
    limit: number,
  ): { readonly records: readonly StoredRecord[]; readonly next: Cursor | undefined };
  /** How many records, and how many bytes their bodies take. */
  readonly size: number;
  readonly bytes: number;
}
