/** Channels of `@kad/crypto` that are moved by hand, one side after the other, so that each can be timed alone. */
import { AddressTable, type NodeId, type Path, type SecureChannel, type Transmit } from "@kad/core";
import {
  Credentials,
  type CryptoProvider,
  type DatagramChannel,
  nobleProvider,
  SeedIdentity,
  type StreamChannel,
  secureDatagrams,
  secureStreams,
  systemRandom,
} from "@kad/crypto";
import { nodeProvider } from "@kad/crypto/node";

export const providers = { native: nodeProvider, noble: nobleProvider } as const;

/** Loopback is exempt from the limits that count by subnet. */
const addresses: AddressTable = new AddressTable({ exempt: ["127.0.0.0/8"] });
addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
addresses.setLink("tcp4", { link: 2, maxBytes: 2 ** 20 });

/** The clock stands still: what takes time here is work. */
export const nowMs = 1_000;
const scratch = new Uint8Array(2 ** 17);

export function credentialsOf(provider: CryptoProvider, atMs: number = nowMs): Credentials {
  const identity = SeedIdentity.generate(provider, systemRandom);
  return new Credentials({ provider, identity, keys: systemRandom, nowMs: atMs, unixMs: Date.now() });
}

export function datagramsOf(
  credentials: Credentials,
  known: AddressTable = addresses,
  atMs: number = nowMs,
): DatagramChannel {
  const limits = { maxSeenHandshakes: 2 ** 17 };
  return secureDatagrams({ credentials, random: systemRandom, addresses: known, limits, nowMs: atMs });
}

export function streamsOf(credentials: Credentials): StreamChannel {
  return secureStreams({
    credentials,
    addresses,
    nowMs,
    limits: { maxConnections: 4_096, maxHandshakes: 4_096 },
  });
}

export function pathTo(scheme: "udp" | "tcp", port: number, dialable = true): Path {
  return { remote: addresses.parse(`${scheme}://127.0.0.1:${port}`), dialable };
}

/** Hands a message over to be sealed; what comes of it at once, if anything. */
export function seal(
  channel: SecureChannel,
  to: Path,
  plaintext: Uint8Array,
  peer: NodeId | undefined,
  tag = 1,
  atMs: number = nowMs,
): Uint8Array | undefined {
  const transmit: Transmit = { path: to, peer, length: plaintext.length, tag };
  const length = channel.seal(atMs, transmit, plaintext, scratch);
  return typeof length === "number" ? Uint8Array.from(scratch.subarray(0, length)) : undefined;
}

/** The next packet of the channel's own; it must have one. */
export function poll(channel: SecureChannel, atMs: number = nowMs): Uint8Array {
  const transmit = channel.pollTransmit(atMs, scratch);
  if (transmit === undefined) throw new Error("the channel has nothing to send");
  const bytes = Uint8Array.from(scratch.subarray(0, transmit.length));
  while (channel.pollEvent() !== undefined);
  return bytes;
}
