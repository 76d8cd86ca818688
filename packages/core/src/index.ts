/**
 * `@kad/core`: a Kademlia node without I/O, and the interfaces of everything that plugs into it.
 */
export { type Address, type AddressCodec, maxAddresses, maxAddressesBytes } from "./address.ts";
export {
  type AddressKind,
  type AddressLink,
  AddressTable,
  type AddressTableOptions,
  addressKinds,
  noLink,
} from "./address-table.ts";
export type { AddressScheme } from "./address-text.ts";
export { compareBytes, copyBytes, equalBytes } from "./bytes.ts";
export type { Commands, FindProvidersOptions, QueryOptions } from "./commands.ts";
export { type CloseReason, Connection, type ConnectionSocket } from "./connection.ts";
export {
  type ConnectionLimits,
  connectionLimitSpecs,
  defaultConnectionLimits,
  resolveConnectionLimits,
} from "./connection-limits.ts";
export type { AcceptRefusal, ConnectionStats } from "./connection-stats.ts";
export { Connections, type ConnectionsOptions } from "./connections.ts";
export { boundAddresses, type Contact, type Seed } from "./contact.ts";
export { bitAt, commonPrefixLength, compareDistance, distanceShare } from "./distance.ts";
export { Driver, type DriverOptions, type DriverStats, type Host } from "./driver.ts";
export {
  CallbackError,
  HookError,
  InvariantError,
  KadError,
  ListenError,
  type ListenErrorCode,
  UsageError,
  type UsageErrorCode,
} from "./errors.ts";
export type * from "./events.ts";
export {
  type ExplainedEvent,
  type ExplainedStep,
  type Explanation,
  formatExplanation,
  type SkipReason,
} from "./explanation.ts";
export { fromHex, toHex } from "./hex.ts";
export {
  immutableKey,
  immutableRecord,
  immutableValidator,
  maxImmutableValueBytes,
} from "./immutable-record.ts";
export type { ContactOrigin } from "./k-bucket.ts";
export { labelled } from "./label.ts";
export type { LimitSpec } from "./limit-spec.ts";
export {
  type Candidate,
  type CandidateState,
  Lookup,
  type LookupOptions,
  type LookupStep,
} from "./lookup.ts";
export type * from "./machine.ts";
export { MemoryRecordStore, type MemoryRecordStoreOptions } from "./memory-record-store.ts";
export type { Health } from "./network-health.ts";
export { KadNode } from "./node.ts";
export { maxIdBytes, NodeId } from "./node-id.ts";
export type { NodeOptions } from "./node-options.ts";
export {
  maxOpenNameBytes,
  maxOpenValueBytes,
  type OpenRecord,
  openKey,
  openRecord,
  openValidator,
  readOpenRecord,
} from "./open-record.ts";
export { defaultLimits, limitSpecs, type NodeLimits, resolveLimits } from "./options.ts";
export type { Plugin, PluginContext, Timeless } from "./plugin.ts";
export {
  type Clock,
  PolledLoop,
  type PolledLoopHooks,
  type PolledLoopOptions,
  receiveFairly,
  turnMessages,
} from "./polled-loop.ts";
export * from "./protocol.ts";
export {
  type Announcement,
  maxProviderMetaBytes,
  minProviderLifetimeMs,
  type Provider,
  type ProviderValidator,
} from "./provider.ts";
export type * from "./query-end.ts";
export type {
  Cursor,
  DhtRecord,
  RecordKey,
  RecordStore,
  RecordValidator,
  Sha256,
  StoredRecord,
  ValidationContext,
} from "./record.ts";
export type {
  BucketSummary,
  FailOutcome,
  InsertOutcome,
  RandomFill,
  ReadonlyRoutingTable,
  StaleBucket,
  TableEntry,
} from "./routing-table.ts";
export { RoutingTable, type RoutingTableOptions } from "./routing-table.ts";
export type * from "./secure-channel.ts";
export { SocketAddress } from "./socket-address.ts";
export { type SocketWatcher, SocketWatches } from "./socket-watches.ts";
export type * from "./stats.ts";
export { listenErrorOf, sendFailureOf, systemCodeOf } from "./system-errors.ts";
export type * from "./transport.ts";
export {
  type Inlet,
  type LinkStats,
  TransportRouter,
  type TransportRouterOptions,
} from "./transport-router.ts";
export { WallClock } from "./wall-clock.ts";
export { type NativeProtocolOptions, nativeProtocol } from "./wire/native-protocol.ts";
