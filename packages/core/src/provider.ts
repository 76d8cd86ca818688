/**
 * Providers: who serves a key. The value stays with them; the network only keeps where to ask for it.
 *
 * BEP 5's peers and libp2p's provider records. Ours carry up to 512 bytes of metadata beside the contact, and they are
 * found page by page, in an order that each asker draws anew, so that a key with hundreds of providers works.
 */
import type { Contact } from "./contact.ts";

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
