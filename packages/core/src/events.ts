/**
 * What a node tells its driver, and what the driver tells plugins.
 */
import type { Address } from "./address.ts";
import type { Contact } from "./contact.ts";
import type { KadError } from "./errors.ts";
import type { Explanation } from "./explanation.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { Provider } from "./provider.ts";
import type { FailureReason, QueryEnd } from "./query-end.ts";
import type { DhtRecord } from "./record.ts";

/** Names one query of one node; never used twice. */
export type QueryId = number & { readonly __brand?: "QueryId" };
export type TimerId = number & { readonly __brand?: "TimerId" };
export type PluginId = number & { readonly __brand?: "PluginId" };

/** Proves that a message may still be answered; expires after `replyTokenLifetimeMs`. */
export interface ReplyToken {
  readonly id: number;
}

export type QueryResult =
  /** `findNode` and `bootstrap`: those who answered, closest first. */
  | { readonly type: "nodes"; readonly contacts: readonly Contact[] }
  /** `get`: the best record so far, those who have had this one, and the closest that answered. */
  | {
      readonly type: "value";
      readonly record: DhtRecord | undefined;
      readonly holders: readonly Contact[];
      readonly contacts: readonly Contact[];
    }
  /** `findProviders`: each provider once, ourselves excluded, in the order heard; and the closest that answered. */
  | {
      readonly type: "providers";
      readonly providers: readonly Provider[];
      readonly contacts: readonly Contact[];
    }
  /** `put`, `announce`, `withdraw`: how many were asked to store, how many did, and why others did not. */
  | {
      readonly type: "stored";
      readonly asked: number;
      readonly accepted: number;
      readonly holders: readonly Contact[];
      readonly refusals: Readonly<Partial<Record<FailureReason, number>>>;
    }
  | {
      readonly type: "pong";
      readonly contact: Contact | undefined;
      readonly rttMs: number | undefined;
      readonly reason?: FailureReason;
    }
  /** `send`: the reply's body (empty when only acknowledged), or why there is none. */
  | { readonly type: "reply"; readonly body: Uint8Array | undefined; readonly reason?: FailureReason };

export interface QueryStats {
  readonly startedAtMs: InstantMs;
  readonly durationMs: number;
  /** Requests begun; retransmissions are not counted. */
  readonly requests: number;
  readonly responses: number;
  readonly failures: number;
  /** Longest chain of requests that had to wait for one another: what a user on a WAN waits for, in round trips. */
  readonly rounds: number;
  /** Hops to hear of the closest peer found: 0 when it was in our own table. */
  readonly hops: number;
}

export interface QueryFinished {
  readonly type: "queryFinished";
  readonly query: QueryId;
  readonly end: QueryEnd;
  readonly result: QueryResult;
  readonly stats: QueryStats;
  /** Where the query was begun with `explain`. */
  readonly explanation?: Explanation;
}

export interface RequestTimeout {
  readonly type: "requestTimedOut";
  /** `undefined` for the node's own maintenance, or when the query has ended since. */
  readonly query: QueryId | undefined;
  readonly to: Address;
  readonly peer: NodeId | undefined;
}

export interface PluginTimer {
  readonly type: "timer";
  readonly timer: TimerId;
  readonly plugin: PluginId;
}

export interface ApplicationMessage {
  readonly type: "messageReceived";
  readonly from: Path;
  /** The id that the sender claims; proven only where `from.peer` is set. */
  readonly sender: NodeId;
  readonly protocol: string;
  /** Owned by the event. */
  readonly body: Uint8Array;
  /** For `reply`, once, before it expires. */
  readonly reply: ReplyToken;
}

/** What a peer did that an honest one does not do. */
export type RemoteErrorCode =
  | "malformed" // bytes of our version that cannot be read
  | "ownId" // a sender with our own id
  | "wrongSender" // a sender id other than the one that the layer below has proven
  | "unexpectedResponse" // the right request id, but from another address or of the wrong type
  | "invalidValue" // a value that its validator refuses
  | "tooManyContacts" // more contacts than asked for
  | "rateLimited"; // more requests than one source may make; reported once for each ban

export type NodeEvent =
  | {
      readonly type: "queryProgressed";
      readonly query: QueryId;
      readonly step: number;
      readonly result: QueryResult;
      /** So far, where the query was begun with `explain`. */
      readonly explanation?: Explanation;
    }
  | QueryFinished
  /** The peer answered us, or has proven itself in a handshake; never on hearsay. Once for each entry into the table. */
  | { readonly type: "nodeDiscovered"; readonly contact: Contact }
  | RequestTimeout
  | ApplicationMessage
  | PluginTimer
  | { readonly type: "peerMisbehaved"; readonly from: Path; readonly code: RemoteErrorCode }
  | { readonly type: "error"; readonly error: KadError };
