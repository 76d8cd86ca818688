/**
 * `@kad/dht`: a Kademlia node, batteries included.
 */
export type { IncomingMessage, MessageHandler } from "./application-handler.ts";
export { createNode } from "./create-node.ts";
export type { BootstrapOptions, DhtNode, DhtNodeStats, PingResult } from "./dht-node.ts";
export {
  BootstrapFailed,
  NodeClosed,
  PutFailed,
  type PutOutcome,
  type SeedFailure,
  SendFailed,
  UnresolvableHost,
} from "./errors.ts";
export type { DhtNodeEventName, DhtNodeEvents, Listener, ListenerOptions } from "./events.ts";
export { keyOfName, parseKey } from "./key.ts";
export {
  type CreateNodeOptions,
  createNodeDefaults,
  type FindNodeOptions,
  type GetOptions,
  type OperationOptions,
  type PutOptions,
  type WalkOptions,
} from "./options.ts";
export type { GetResult, PutResult } from "./records.ts";
export type { PeerInput, SeedInput } from "./seed-resolver.ts";
export type { FindResult, StreamingFind } from "./streaming-find.ts";
