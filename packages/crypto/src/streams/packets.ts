/**
 * The messages of the secure channel over streams, byte by byte: docs/secure-wire.md is their description.
 *
 *     1 ->  version 1 | maxVersion 1 | e 32 [| tag 16 with psk0]                                34 or 50
 *     2 <-  version 1 | e 32 | sealed static 48 | sealed { short certificate 102 | extensions } + 16      199 + x
 *     3 ->  sealed static 48 | sealed { short certificate 102 | extensions } + 16               166 + x
 *     then  sealed { kind 1 | body n } + 16                                                     17 + n
 *
 * The transport delivers whole messages; nothing is framed here.
 */
import { labelled } from "@kad/core";
import type { Network } from "../network.ts";
import { keyBytes, tagBytes } from "../provider.ts";

/** We speak version 1 alone. */
export const streamVersion = 1;
/** Longest message of the handshake, extensions included. */
export const maxHandshakeBytes = 1_024;
export const firstHeadBytes = 2;
export const secondHeadBytes = 1;

/** Length of message 1. */
export function firstBytes({ isPrivate }: Network): number {
  return firstHeadBytes + keyBytes + (isPrivate ? tagBytes : 0);
}

export const streamOverheadBytes: number = 1 + tagBytes;
/** Longest sealed message (Noise §3). */
export const maxSealedBytes = 65_535;
/** Body of a part that we send: AEADs in JavaScript gain nothing from longer ones. */
export const partBytes = 16_384;

export const streamKinds = {
  nothing: 0,
  /** The end of a message, or all of it. */
  end: 1,
  /** More of it follows. */
  part: 2,
  close: 4,
} as const;

/** What both sides of a handshake must agree on. */
export function streamPrologue(network: Network, version: number, maxVersion: number): Uint8Array {
  return labelled("kad/1/stream", network.tag, Uint8Array.of(version, maxVersion));
}
