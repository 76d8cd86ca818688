/**
 * What a secure channel over streams counts: every refusal by reason, a gauge beside every bound.
 */
import type { Gauge } from "@kad/core";
import type { CertificateFault } from "../certificate-checker.ts";
import { zeroes } from "../counters.ts";

/** Why a connection has ended. */
export type StreamEnd =
  | CertificateFault
  | "closed" // our channel is
  | "closedByPeer"
  | "truncated" // without the peer's goodbye
  | "unreachable" // it never came about
  | "timedOut" // the handshake took too long
  | "badLength" // of a message of the handshake, or of a sealed one
  | "badVersion" // not spoken here, or lower than both could do
  | "forged" // a message that cannot be opened
  | "wrongPeer" // somebody else than who was wanted
  | "smallOrderKey" // with which no secret can be agreed
  | "refusedByPolicy"
  | "notReady" // our identity has not signed a static key yet
  | "handshakesLimited" // over the rate of all, or as many as may be under way
  | "prefixLimited" // over the rate of its /24 or /48
  | "connectionsFull"
  | "tooLarge" // a message, or parts of all, over the bound
  | "tooOld" // a day: another one takes its place
  | "replaced" // by another connection with the same peer
  | "sendFailed"; // a sealed message was lost on our side, and nothing after it could be opened

/** Why a message of our own was not sent. */
export type StreamRefusal =
  | "closed"
  | "noConnection"
  | "wrongPeer"
  | "tooLarge"
  | "heldFull"
  | "connectionsFull";

export interface StreamStats {
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly connectionsOpened: { readonly initiator: number; readonly responder: number };
  readonly connectionsEnded: Readonly<Record<StreamEnd, number>>;
  /** Messages of connections that there are not. */
  readonly unexpectedMessages: number;
  /** Messages of a kind that a later version may have. */
  readonly unknownKinds: number;
  /** Messages of our own that were not sent, by reason. */
  readonly refused: Readonly<Record<StreamRefusal, number>>;
  readonly gauges: Readonly<Record<StreamGauge, Gauge>>;
}

export type StreamGauge =
  | "connections"
  | "handshakes"
  | "heldMessages"
  | "heldBytes"
  | "partsBytes"
  | "prefixes"
  | "rememberedCertificates";

const ends: readonly StreamEnd[] = [
  "ownIdentity",
  "zeroStatic",
  "expired",
  "badSignature",
  "closed",
  "closedByPeer",
  "truncated",
  "unreachable",
  "timedOut",
  "badLength",
  "badVersion",
  "forged",
  "wrongPeer",
  "smallOrderKey",
  "refusedByPolicy",
  "notReady",
  "handshakesLimited",
  "prefixLimited",
  "connectionsFull",
  "tooLarge",
  "tooOld",
  "replaced",
  "sendFailed",
];
const refusals: readonly StreamRefusal[] = [
  "closed",
  "noConnection",
  "wrongPeer",
  "tooLarge",
  "heldFull",
  "connectionsFull",
];

/** The counters behind {@link StreamStats}: plain objects whose shape never changes. */
export class StreamCounters {
  messagesSent = 0;
  messagesReceived = 0;
  readonly connectionsOpened: { initiator: number; responder: number } = { initiator: 0, responder: 0 };
  readonly connectionsEnded: Record<StreamEnd, number> = zeroes(ends);
  unexpectedMessages = 0;
  unknownKinds = 0;
  readonly refused: Record<StreamRefusal, number> = zeroes(refusals);

  snapshot(gauges: StreamStats["gauges"]): StreamStats {
    const { messagesSent, messagesReceived, unexpectedMessages, unknownKinds } = this;
    return {
      messagesSent,
      messagesReceived,
      connectionsOpened: { ...this.connectionsOpened },
      connectionsEnded: { ...this.connectionsEnded },
      unexpectedMessages,
      unknownKinds,
      refused: { ...this.refused },
      gauges,
    };
  }
}
