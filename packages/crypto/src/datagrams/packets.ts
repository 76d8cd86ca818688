/**
 * The packets of the secure channel over datagrams, byte by byte: docs/secure-wire.md is their description.
 *
 *     HELLO 192       5 | minVersion | maxVersion | flags 0 | cid 4 | e 32 | zero 136 | MAC 16
 *     CHALLENGE 176   6 | version | cid 4 | cookie 20 | sealed certificate 134 + 16
 *     HANDSHAKE 226+n 7 | version | minVersion | maxVersion | cid 4 | cookie 20 | e 32 | sealed static 48 |
 *                     sealed { short certificate 102 | message n } + 16
 *     ACCEPT 57+n     8 | initiator cid 4 | e 32 | sealed { responder cid 4 | message n } + 16
 *     DATA 26+n       9 | receiver cid 4 | counter u32 | sealed { kind 1 | body n } + 16
 *     RESET 9         10 | cid 4 | counter 4
 *
 * The first bytes are ones that RFC 7983 leaves free, so a socket can be shared with STUN, DTLS, QUIC and RTP.
 */
import { labelled } from "@kad/core";
import { writeU32 } from "../bytes.ts";
import { certificateBytes, shortCertificateBytes } from "../certificate.ts";
import type { Network } from "../network.ts";
import { type CryptoProvider, keyBytes, tagBytes } from "../provider.ts";

export const helloType = 5;
export const challengeType = 6;
export const handshakeType = 7;
export const acceptType = 8;
export const dataType = 9;
export const resetType = 10;

/** What passes everywhere without being cut (RFC 9000 §14 has the same). */
export const maxDatagramBytes = 1_200;

export const cidBytes = 4;
export const cookieBytes = 20;
/** What of a HELLO is the same in the HANDSHAKE: everything but zeros and MAC. */
export const helloHeadBytes = 40;
export const helloBytes = 192;
const helloMacBytes = 16;
/** Where the key stands in HELLO. */
export const helloKeyAt = 8;

const challengeHeadBytes: number = 2 + cidBytes + cookieBytes;
export const challengeBytes: number = challengeHeadBytes + certificateBytes + tagBytes;

/** Where IK's first message begins in HANDSHAKE, and its second in ACCEPT. */
export const handshakeHeadBytes: number = 4 + cidBytes + cookieBytes;
export const acceptHeadBytes: number = 1 + cidBytes;
/** What these packets hold beside the message. */
export const handshakeOverheadBytes: number =
  handshakeHeadBytes + keyBytes + (keyBytes + tagBytes) + shortCertificateBytes + tagBytes;
export const acceptOverheadBytes: number = acceptHeadBytes + keyBytes + cidBytes + tagBytes;

export const dataHeadBytes: number = 1 + cidBytes + 4;
export const dataOverheadBytes: number = dataHeadBytes + 1 + tagBytes;
export const resetBytes: number = 1 + cidBytes + 4;

/** What DATA holds. */
export const kinds = {
  nothing: 0,
  message: 1,
  pathChallenge: 2,
  pathResponse: 3,
  close: 4,
} as const;
export const pathTokenBytes = 8;

/** We speak version 1 alone. */
export const minVersion = 1;
export const maxVersion = 1;

/** The highest version that both know; `undefined`: there is none. */
export function commonVersion(theirMin: number, theirMax: number): number | undefined {
  const version = Math.min(theirMax, maxVersion);
  return version >= Math.max(theirMin, minVersion) && theirMin <= theirMax ? version : undefined;
}

/** The first 40 bytes of a HELLO, a fresh array. */
export function helloHead(theirMin: number, theirMax: number, cid: number, key: Uint8Array): Uint8Array {
  const head = new Uint8Array(helloHeadBytes);
  head[0] = helloType;
  head[1] = theirMin;
  head[2] = theirMax;
  writeU32(head, 4, cid);
  head.set(key, helloKeyAt);
  return head;
}

/** Writes the whole HELLO at the start of `into`. */
export function writeHello(
  provider: CryptoProvider,
  network: Network,
  head: Uint8Array,
  into: Uint8Array,
): void {
  into.set(head);
  into.fill(0, helloHeadBytes, helloBytes);
  into.set(helloMac(provider, network, into), helloBytes - helloMacBytes);
}

/** The code that belongs to the HELLO at the start of `bytes`: nobody outside of a private network can make it. */
export function helloMac(provider: CryptoProvider, network: Network, bytes: Uint8Array): Uint8Array {
  const text = bytes.subarray(0, helloBytes - helloMacBytes);
  return provider.hmacSha256(network.helloKey, text).subarray(0, helloMacBytes);
}

/** Writes a CHALLENGE at the start of `into`. */
export function writeChallenge(
  provider: CryptoProvider,
  network: Network,
  challenge: {
    readonly version: number;
    readonly head: Uint8Array;
    readonly cookie: Uint8Array;
    readonly certificate: Uint8Array;
  },
  into: Uint8Array,
): void {
  const { version, head, cookie, certificate } = challenge;
  into[0] = challengeType;
  into[1] = version;
  into.set(head.subarray(4, 4 + cidBytes), 2);
  into.set(cookie, 2 + cidBytes);
  const ad = into.subarray(0, challengeHeadBytes);
  const key = challengeKey(provider, network, head);
  provider.seal(key, challengeNonce(ad), ad, certificate, into.subarray(challengeHeadBytes, challengeBytes));
}

/** The certificate in a CHALLENGE that answers our HELLO, a fresh array; `undefined`: it does not. */
export function openChallenge(
  provider: CryptoProvider,
  network: Network,
  head: Uint8Array,
  challenge: Uint8Array,
): Uint8Array | undefined {
  const ad = challenge.subarray(0, challengeHeadBytes);
  const certificate = new Uint8Array(certificateBytes);
  const sealed = challenge.subarray(challengeHeadBytes);
  const key = challengeKey(provider, network, head);
  return provider.open(key, challengeNonce(ad), ad, sealed, certificate) ? certificate : undefined;
}

/** Of a CHALLENGE. */
export function cookieIn(challenge: Uint8Array): Uint8Array {
  return challenge.subarray(2 + cidBytes, challengeHeadBytes);
}

/** What both sides of a handshake must agree on: 106 bytes. */
export function datagramPrologue(agreed: {
  readonly network: Network;
  /** minVersion, maxVersion, version. */
  readonly versions: readonly [number, number, number];
  /** The initiator's. */
  readonly cid: number;
  readonly cookie: Uint8Array;
  /** The responder's. */
  readonly identity: Uint8Array;
}): Uint8Array {
  const cid = new Uint8Array(cidBytes);
  writeU32(cid, 0, agreed.cid);
  const versions = Uint8Array.from(agreed.versions);
  return labelled("kad/1/datagram", agreed.network.tag, versions, cid, agreed.cookie, agreed.identity);
}

function challengeKey(provider: CryptoProvider, network: Network, head: Uint8Array): Uint8Array {
  return provider.hmacSha256(network.helloKey, challengeLabel, head);
}

/** Twelve bytes of the cookie's code: no two cookies have the same but by chance. */
function challengeNonce(head: Uint8Array): Uint8Array {
  return head.subarray(2 + cidBytes + 4, 2 + cidBytes + 16);
}

const challengeLabel = labelled("kad/1/challenge");
