/**
 * Reads a transcript as a stranger would who has its seeds and the description of the wire, and no channel: every offset
 * is written out here, and Noise runs apart.
 */
import { AddressTable, labelled } from "@kad/core";
import { Handshake, type TransportKeys } from "../../src/noise/handshake.ts";
import { IK, type Pattern, withPsks, XX } from "../../src/noise/patterns.ts";
import type { CryptoProvider } from "../../src/provider.ts";
import { hex, unhex } from "./hex.ts";
import type { DatagramTranscript, Role, StreamTranscript } from "./transcripts.ts";

type Inside = string | null;

/** Noise as both sides run it, from the seeds. */
function noiseOf(
  provider: CryptoProvider,
  { network, initiator, responder }: DatagramTranscript | StreamTranscript,
  base: Pattern,
  prologue: Uint8Array,
): Readonly<Record<Role, Handshake>> {
  const pattern = network.psk === null ? base : withPsks(base, [0]);
  const psks = network.psk === null ? undefined : [unhex(network.psk)];
  const sideOf = (role: Role): Handshake => {
    const { staticSeed, ephemeralSeed } = role === "initiator" ? initiator : responder;
    return new Handshake({
      provider,
      pattern,
      role,
      prologue,
      static: provider.x25519(unhex(staticSeed)),
      ephemeral: () => provider.x25519(unhex(ephemeralSeed)),
      remoteStatic: base.knownResponder && role === "initiator" ? unhex(responder.staticKey) : undefined,
      psks,
    });
  };
  return { initiator: sideOf("initiator"), responder: sideOf("responder") };
}

/** A message of one side, read by the other; both must come to the same bytes. */
function pass(from: Handshake, to: Handshake, message: Uint8Array): Uint8Array {
  const payload = to.readMessage(message);
  if (payload === undefined) throw new Error("the message cannot be read");
  const written = new Uint8Array(message.length);
  from.writeMessage(payload, written, 0);
  if (hex(written) !== hex(message)) throw new Error("the message is not what its seeds give");
  return payload;
}

/** What is inside of each packet, in hex: the message of HANDSHAKE, cid and message of ACCEPT, kind and body of DATA. */
export function insideDatagrams(provider: CryptoProvider, transcript: DatagramTranscript): Inside[] {
  const { network, initiator, responder } = transcript;
  const addresses = new AddressTable();
  let hello = new Uint8Array(0);
  let noise: Readonly<Record<Role, Handshake>> | undefined;
  let keys: Readonly<Record<Role, TransportKeys>> | undefined;
  return transcript.packets.map(({ from, type, hex: text }) => {
    const bytes = unhex(text);
    switch (type) {
      case "hello": {
        hello = Uint8Array.from(bytes);
        const code = provider.hmacSha256(unhex(network.helloKey), bytes.subarray(0, 176));
        if (hex(code.subarray(0, 16)) !== hex(bytes.subarray(176))) throw new Error("another MAC");
        return null;
      }
      case "challenge": {
        const label = labelled("kad/1/challenge");
        const key = provider.hmacSha256(unhex(network.helloKey), label, hello.subarray(0, 40));
        const certificate = new Uint8Array(134);
        const sealed = bytes.subarray(26);
        if (!provider.open(key, bytes.subarray(10, 22), bytes.subarray(0, 26), sealed, certificate))
          throw new Error("the certificate cannot be opened");
        const code = provider.hmacSha256(
          unhex(transcript.cookieSecret),
          labelled("kad/1/cookie"),
          bytes.subarray(6, 10),
          addresses.parse(transcript.packets[0]?.source as string).wire,
          hello.subarray(0, 40),
          certificate,
        );
        if (hex(code.subarray(0, 16)) !== hex(bytes.subarray(10, 26))) throw new Error("another cookie");
        return hex(certificate);
      }
      case "handshake": {
        const versions = Uint8Array.of(bytes[2] as number, bytes[3] as number, bytes[1] as number);
        const prologue = labelled(
          "kad/1/datagram",
          unhex(network.tag),
          versions,
          bytes.subarray(4, 8),
          bytes.subarray(8, 28),
          unhex(responder.publicKey),
        );
        noise = noiseOf(provider, transcript, IK, prologue);
        const payload = pass(noise.initiator, noise.responder, bytes.subarray(28));
        const certificate = unhex(initiator.certificate);
        if (hex(payload.subarray(0, 32)) !== initiator.publicKey) throw new Error("another identity");
        if (hex(payload.subarray(32, 102)) !== hex(certificate.subarray(64))) throw new Error("another one");
        return hex(payload.subarray(102));
      }
      case "accept": {
        if (noise === undefined) throw new Error("no handshake");
        const payload = pass(noise.responder, noise.initiator, bytes.subarray(5));
        keys = { initiator: noise.initiator.split(), responder: noise.responder.split() };
        return hex(payload);
      }
      case "data": {
        const key = keys?.[from].send;
        if (key === undefined) throw new Error("no keys");
        const opened = new Uint8Array(bytes.length - 25);
        const nonce = Uint8Array.of(0, 0, 0, 0, ...bytes.subarray(5, 9).toReversed(), 0, 0, 0, 0);
        if (!provider.open(key, nonce, bytes.subarray(0, 9), bytes.subarray(9), opened))
          throw new Error("DATA cannot be opened");
        return hex(opened);
      }
      default:
        return null;
    }
  });
}

/** What is inside of each message, in hex: short certificates, then kind and body. */
export function insideStreams(provider: CryptoProvider, transcript: StreamTranscript): Inside[] {
  const prologue = labelled("kad/1/stream", unhex(transcript.network.tag), Uint8Array.of(1, 1));
  const noise = noiseOf(provider, transcript, XX, prologue);
  const keys = {
    initiator: undefined as TransportKeys | undefined,
    responder: undefined as TransportKeys | undefined,
  };
  const counters = { initiator: 0, responder: 0 };
  return transcript.messages.map(({ from, hex: text }, i) => {
    const bytes = unhex(text);
    const other = from === "initiator" ? "responder" : "initiator";
    if (i < 3) {
      const payload = pass(noise[from], noise[other], bytes.subarray([2, 1, 0][i] as number));
      if (i === 2) for (const role of ["initiator", "responder"] as const) keys[role] = noise[role].split();
      return i === 0 ? null : hex(payload);
    }
    const opened = new Uint8Array(bytes.length - 16);
    const nonce = new Uint8Array(12);
    nonce[4] = counters[from]++;
    const key = keys[from]?.send;
    if (key === undefined || !provider.open(key, nonce, new Uint8Array(0), bytes, opened))
      throw new Error("a message cannot be opened");
    return hex(opened);
  });
}
