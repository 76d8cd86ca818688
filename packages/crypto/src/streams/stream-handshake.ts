/**
 * The handshake of one connection: Noise XX, three messages, with certificates in the second and third.
 *
 * The initiator sees who is there before it shows who it is.
 */
import type { NodeId } from "@kad/core";
import { completed, shortCertificateBytes } from "../certificate.ts";
import type { CertificateFault } from "../certificate-checker.ts";
import type { Credentials } from "../credentials.ts";
import { Handshake, type TransportKeys } from "../noise/handshake.ts";
import { withPsks, XX } from "../noise/patterns.ts";
import { drawSeed } from "../provider.ts";
import type { StaticKey } from "../static-keys.ts";
import {
  firstHeadBytes,
  maxHandshakeBytes,
  secondHeadBytes,
  streamPrologue,
  streamVersion,
} from "./packets.ts";

/** Why a message of the handshake ends the connection. */
export type HandshakeFault = CertificateFault | "badLength" | "badVersion" | "forged" | "smallOrderKey";

/** Whose connection it is, if the certificate counts. */
export interface Proven {
  readonly peer: NodeId;
  readonly certificate: Uint8Array;
}

const nothing = new Uint8Array(0);

/** Ours: message 1 is written at once. */
export class InitiatorHandshake {
  readonly #credentials: Credentials;
  readonly #own: StaticKey;
  readonly #noise: Handshake;
  readonly first: Uint8Array;

  constructor(credentials: Credentials, own: StaticKey) {
    this.#credentials = credentials;
    this.#own = own;
    this.#noise = handshake(credentials, own, "initiator", streamVersion);
    const into = new Uint8Array(maxHandshakeBytes);
    into[0] = streamVersion;
    into[1] = streamVersion;
    this.first = into.subarray(0, this.#noise.writeMessage(nothing, into, firstHeadBytes));
  }

  /** Message 2, borrowed. Who is there; or why this cannot go on. */
  onSecond(nowMs: number, wire: Uint8Array): Proven | HandshakeFault {
    if (wire.length > maxHandshakeBytes || wire.length < secondHeadBytes) return "badLength";
    if (wire[0] !== streamVersion) return "badVersion";
    return proven(nowMs, this.#credentials, this.#noise, wire.subarray(secondHeadBytes));
  }

  /** Message 3: who we are. */
  third(): Uint8Array | "smallOrderKey" {
    return written(this.#noise, this.#own, 0);
  }

  split(): TransportKeys {
    return this.#noise.split();
  }
}

/** Of others, from message 1 on. */
export class ResponderHandshake {
  readonly #credentials: Credentials;
  readonly #noise: Handshake;
  readonly second: Uint8Array;

  private constructor(credentials: Credentials, noise: Handshake, second: Uint8Array) {
    this.#credentials = credentials;
    this.#noise = noise;
    this.second = second;
  }

  /** Message 1, borrowed; message 2 is written at once. */
  static begin(
    credentials: Credentials,
    own: StaticKey,
    wire: Uint8Array,
  ): ResponderHandshake | HandshakeFault {
    if (wire.length > maxHandshakeBytes || wire.length < firstHeadBytes) return "badLength";
    const [version = 0, maxVersion = 0] = wire;
    // Of whoever could do better, as we could, somebody has made this out of it.
    if (version === 0 || version !== Math.min(maxVersion, streamVersion)) return "badVersion";
    const noise = handshake(credentials, own, "responder", maxVersion);
    const payload = noise.readMessage(wire.subarray(firstHeadBytes));
    if (payload === undefined || payload.length > 0) return "forged";
    const second = written(noise, own, secondHeadBytes);
    if (typeof second === "string") return second;
    second[0] = streamVersion;
    return new ResponderHandshake(credentials, noise, second);
  }

  /** Message 3, borrowed. Who is there; or why this cannot go on. */
  onThird(nowMs: number, wire: Uint8Array): Proven | HandshakeFault {
    if (wire.length > maxHandshakeBytes) return "badLength";
    return proven(nowMs, this.#credentials, this.#noise, wire);
  }

  split(): TransportKeys {
    return this.#noise.split();
  }
}

function handshake(
  credentials: Credentials,
  own: StaticKey,
  role: "initiator" | "responder",
  maxVersion: number,
): Handshake {
  const { provider, network, keys } = credentials;
  return new Handshake({
    provider,
    pattern: network.isPrivate ? withPsks(XX, [0]) : XX,
    role,
    prologue: streamPrologue(network, streamVersion, maxVersion),
    static: own.pair,
    ephemeral: () => provider.x25519(drawSeed(keys)),
    psks: network.psk && [network.psk],
  });
}

/** The next message, with our certificate, behind room for a head. */
function written(
  noise: Handshake,
  { shortCertificate }: StaticKey,
  headBytes: number,
): Uint8Array | "smallOrderKey" {
  const into = new Uint8Array(maxHandshakeBytes);
  const end = noise.writeMessage(shortCertificate, into, headBytes);
  return end === undefined ? "smallOrderKey" : into.subarray(0, end);
}

function proven(
  nowMs: number,
  credentials: Credentials,
  noise: Handshake,
  message: Uint8Array,
): Proven | HandshakeFault {
  const payload = noise.readMessage(message);
  if (payload === undefined || payload.length < shortCertificateBytes) return "forged";
  // What follows the certificate is of a later version.
  const certificate = completed(payload, noise.remoteStatic as Uint8Array);
  const peer = credentials.check(nowMs, certificate);
  return typeof peer === "string" ? peer : { peer, certificate };
}
