/**
 * `@kad/crypto`: who a node is, and how it speaks to others so that nobody on the path reads, forges or replays it.
 */
export type { CertificateFault } from "./certificate-checker.ts";
export { channelsByKind } from "./channels-by-kind.ts";
export { Credentials, type CredentialsOptions } from "./credentials.ts";
export {
  type DatagramChannel,
  type DatagramChannelOptions,
  datagramOverheadBytes,
  secureDatagrams,
} from "./datagrams/datagram-channel.ts";
export { type DatagramLimits, datagramLimitSpecs } from "./datagrams/limits.ts";
export type { SessionEnd } from "./datagrams/session-table.ts";
export type {
  DatagramDropReason,
  DatagramGauge,
  DatagramRefusal,
  DatagramStats,
  PacketName,
} from "./datagrams/stats.ts";
export { type Identity, nodeIdOf, puzzleDifficulty, SeedIdentity } from "./identity.ts";
export { Network, NetworkKey } from "./network.ts";
export { nobleProvider } from "./noble-provider.ts";
export type { Policy } from "./policy.ts";
export type { CryptoProvider, Ed25519KeyPair, RandomSource, X25519KeyPair } from "./provider.ts";
export {
  type MutableContent,
  type MutableRecord,
  MutableRecords,
  maxMutableValueBytes,
  maxSaltBytes,
} from "./records/mutable-records.ts";
export type { SignatureOptions } from "./records/signatures.ts";
export {
  maxSignedMetaBytes,
  type ProviderStatement,
  type SignedProvider,
  SignedProviders,
  type SignedProvidersOptions,
} from "./records/signed-providers.ts";
export { secure } from "./secure.ts";
export type { StaticKey } from "./static-keys.ts";
export { type StreamLimits, streamLimitSpecs } from "./streams/limits.ts";
export type { StreamEnd, StreamGauge, StreamRefusal, StreamStats } from "./streams/stats.ts";
export { type StreamChannel, type StreamChannelOptions, secureStreams } from "./streams/stream-channel.ts";
export { systemRandom } from "./system-random.ts";
