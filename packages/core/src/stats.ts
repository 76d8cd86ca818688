/**
 * Counters and gauges of a node: a counter for every refusal by reason, a gauge beside every bound.
 */
import type { RemoteErrorCode } from "./events.ts";
import type { Health } from "./network-health.ts";
import type { MalformedReason, RefusalReason } from "./protocol.ts";

/** Why something that arrived was dropped without an answer. */
export type DropReason =
  | MalformedReason
  | "closed" // the node is closed
  | "ownId" // a sender with our own id, or a reply that carries it
  | "wrongSender" // a sender id other than the one proven below
  | "unknownResponse" // no request of ours waits for it: late, repeated or forged
  | "wrongSource" // the right request id from another address or peer
  | "duplicate" // an application message sent again that we have already
  | "wrongType" // a response that does not fit its request
  | "rateLimited"
  | "banned"
  | "repliesFull"; // the ring of replies has no room

/** Why a candidate contact was not taken. */
export type ContactRefusal =
  | "self"
  | "client"
  | "subnetInBucket"
  | "subnetInTable"
  | "incomingInBucket"
  | "noAddress"
  | "unreachableKind"
  | "busy"; // as many pings as may already wait

/** A bound and how much of it is in use. */
export interface Gauge {
  readonly used: number;
  readonly limit: number;
}

/** A snapshot; plain data that the caller owns. */
export interface NodeStats {
  readonly messagesReceived: number;
  readonly messagesSent: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly requestsReceived: number;
  readonly requestsSent: number;
  readonly responsesReceived: number;
  readonly retransmissions: number;
  readonly requestTimeouts: number;
  /** Messages dropped, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Requests of others that we refused, by reason. */
  readonly refused: Readonly<Record<RefusalReason, number>>;
  /** Contacts not taken into the table, by reason. */
  readonly contactsRefused: Readonly<Record<ContactRefusal, number>>;
  readonly misbehaviour: Readonly<Record<RemoteErrorCode, number>>;
  /** Events dropped because nobody polled them, by type. */
  readonly eventsDropped: { readonly queryProgressed: number; readonly other: number };
  /** Estimate of the number of other nodes in the network; `undefined` until enough walks tell. */
  readonly networkSize: number | undefined;
  readonly health: Health;
  readonly gauges: Readonly<Record<GaugeName, Gauge>>;
}

export type GaugeName =
  | "contacts"
  | "queries"
  | "requestsInFlight"
  | "pendingRequests"
  | "peerHistories"
  | "pings"
  | "lostContacts"
  | "queuedReplies"
  | "queuedAnswers"
  | "queuedEvents"
  | "queuedMessages"
  | "replyTokens"
  | "sendBytes"
  | "records"
  | "recordBytes"
  | "providers"
  | "providerBytes"
  | "providerKeys"
  | "ownProviders"
  | "republishing"
  | "sources"
  | "pluginTimers";
