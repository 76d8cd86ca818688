/**
 * Providers: who serves a key. The value stays with them; the network only keeps where to ask for it.
 *
 * BEP 5's peers and libp2p's provider records. Ours carry up to 512 bytes of metadata beside the contact, and they are
 * found page by page, in an order that each asker draws anew, so that a key with hundreds of providers works.
 */
import type { Contact } from "./contact.ts";
import type { NodeId } from "./node-id.ts";
import type { RecordKey, ValidationContext } from "./record.ts";

/** DESIGN.md §6: room for what a service says of itself; one provider then always fits a message of 1,143 bytes. */
export const maxProviderMetaBytes = 512;

/** A cursor on the wire: holders put in it what they like. */
export const maxProviderCursorBytes = 8;

/** Below it, renewals would come about as fast as the walks that they take. */
export const minProviderLifetimeMs = 10_000;

/** What a caller announces under a key. */
export interface Announcement {
  /** What others should know before they connect, 0 to 512 bytes; empty by default. Copied. */
  readonly meta?: Uint8Array;
  /**
   * How long holders keep it if it is not renewed, 10 s to `providerLifetimeMs`, which is the default. It is renewed when
   * about half of that has passed, until it is withdrawn.
   */
  readonly lifetimeMs?: number;
}

/** Somebody who serves a key. */
export interface Provider {
  /** Nobody has proven it: it is what the provider, or a holder in its name, has said. */
  readonly contact: Contact;
  /** 0 to 512 bytes. */
  readonly meta: Uint8Array;
  /** What remained when it was heard: it is renewed meanwhile as long as the provider lives. */
  readonly lifetimeMs: number;
}

/**
 * What a network demands of its providers: holders take, and askers believe, only those whose metadata pass. Without it
 * any metadata do. Pure and synchronous: called inside a transition on bytes from strangers, must not throw on any of
 * them and must not call the node.
 */
export interface ProviderValidator {
  /**
   * `undefined` when valid, else what is wrong in a few words. Whether it is over is `lifetimeMs`'s to say.
   * @param provider whose metadata they are said to be; a layer below may have proven it to the holder, never to the asker
   * @param meta 0 to 512 bytes, borrowed
   */
  validate(
    key: RecordKey,
    provider: NodeId,
    meta: Uint8Array,
    context: ValidationContext,
  ): string | undefined;
  /** How long valid metadata may be believed, from now on; zero or less when they are over. `undefined`: as long as others allow. */
  lifetimeMs?(meta: Uint8Array, context: ValidationContext): number | undefined;
  /** Of two valid metadata of one provider: above zero when `a` are the newer, below zero for `b`, 0 when neither is. */
  select?(a: Uint8Array, b: Uint8Array): number;
}
