/**
 * `@kad/dht`: a Kademlia node, batteries included.
 */
export { type Explanation, formatExplanation } from "@kad/core";
export type { Identity, NetworkKey, Policy, SeedIdentity } from "@kad/crypto";
export type { Announcement } from "./announcements.ts";
export type { IncomingMessage, MessageHandler } from "./application-handler.ts";
export { createNode } from "./create-node.ts";
export type { DhtNode } from "./dht-node.ts";
export type { DhtNodeStats } from "./dht-node-stats.ts";
export {
  AnnounceFailed,
  BootstrapFailed,
  NodeClosed,
  PutFailed,
  type PutOutcome,
  type SeedFailure,
  SendFailed,
  Superseded,
  UnresolvableHost,
} from "./errors.ts";
export type { DhtNodeEventName, DhtNodeEvents, Listener, ListenerOptions } from "./events.ts";
export type { Explained } from "./explained.ts";
export type { ByteSource } from "./files/byte-source.ts";
export {
  type FileGaps,
  FileIncomplete,
  FilePutFailed,
  type FilePutOutcome,
  FileTooLarge,
  InvalidFile,
  type InvalidFileCode,
  type MissingPart,
  maxListedParts,
} from "./files/errors.ts";
export type { FileDownload } from "./files/file-download.ts";
export { chunkBytes, isFileRecord, maxFileBytes } from "./files/file-record.ts";
export type { PutFileResult } from "./files/file-upload.ts";
export {
  fileDefaults,
  type GetFileOptions,
  type GetFileProgress,
  type PutFileOptions,
  type PutFileProgress,
} from "./files/options.ts";
export type { BootstrapOptions } from "./joining.ts";
export { type KeptRecord, keepAliveDefaults, type Look, maxKeptRecords } from "./kept-records.ts";
export { keyOfName, parseKey } from "./key.ts";
export {
  type AnnounceOptions,
  type CreateNodeOptions,
  createNodeDefaults,
  type DhtUdpOptions,
  type FindNodeOptions,
  type FindProvidersOptions,
  type GetOptions,
  type KeepAliveOptions,
  type OperationOptions,
  type PutOptions,
  type Scheme,
  type SecurityOptions,
  type SetOptions,
  type SwapOptions,
  type WalkOptions,
  type Whose,
} from "./options.ts";
export type { PingResult } from "./peers.ts";
export type { FindProvidersResult, Provider, StreamingFindProviders } from "./providers.ts";
export type { GetResult, PutResult } from "./records.ts";
export { replayValidators } from "./replay-validators.ts";
export {
  createIdentity,
  createNetworkKey,
  loadIdentity,
  loadNetworkKey,
  loadOrCreateIdentity,
  saveIdentity,
  saveNetworkKey,
} from "./secrets.ts";
export type { SecurityStats } from "./security.ts";
export type { PeerInput, SeedInput } from "./seed-resolver.ts";
export type { FindResult, StreamingFind } from "./streaming-find.ts";
export type { StreamingQuery } from "./streaming-query.ts";
export type { NodeConnections } from "./transports.ts";
