/**
 * What a secure channel over datagrams counts: every refusal by reason, a gauge beside every bound.
 */
import type { Gauge } from "@kad/core";
import type { CertificateFault } from "../certificate-checker.ts";
import { zeroes } from "../counters.ts";
import type { SessionEnd } from "./session-table.ts";

/** Why a packet that arrived was dropped. */
export type DatagramDropReason =
  | "unknownType" // the first byte is none of ours
  | "badLength"
  | "closed" // the channel is
  | "helloForged" // the code is wrong: another network, or bytes changed on the way
  | "badVersion" // no version in common, or a range that is none
  | "badCid" // 0
  | "badFlags" // HELLO with flags that version 1 does not have
  | "hellosLimited" // over the rate
  | "challengesFull" // too many wait to be sent
  | "simultaneous" // our own attempt with this peer goes on, theirs does not
  | "notReady" // our identity has not signed a static key yet
  | "unexpectedChallenge" // no attempt of ours waits for it
  | "challengeForged"
  | "challengesExceeded" // more than one honest answer and some racers
  | "wrongPeer" // somebody else than who was wanted
  | CertificateFault
  | "smallOrderKey" // a static key with which no secret can be agreed
  | "refusedByPolicy"
  | "cookieExpired"
  | "cookieForged"
  | "handshakeRepeated" // it has run already; our answer goes out again, a few times
  | "handshakesLimited" // over the rate of all
  | "prefixLimited" // over the rate of its /24 or /48
  | "handshakeForged"
  | "unexpectedAccept"
  | "acceptForged"
  | "unknownSession"
  | "dataRepeated"
  | "dataTooOld" // overtaken by 480 others
  | "dataForged"
  | "unknownKind" // of a later version
  | "unexpectedResponse" // to a path challenge that we have not sent
  | "unexpectedReset"
  | "resetIgnored"; // the peer was asked for a new session within the last 5 s

/** Why a message of our own was not sent. */
export type DatagramRefusal =
  | "unprovenPath" // over three times what came from an address that is not proven
  | "tooLarge"
  | "attemptsFull"
  | "heldFull"
  | "closed";

export interface DatagramStats {
  /** Packets by type. */
  readonly sent: Readonly<Record<PacketName, number>>;
  readonly received: Readonly<Record<PacketName, number>>;
  /** Packets dropped, by reason. */
  readonly dropped: Readonly<Record<DatagramDropReason, number>>;
  /** Messages of our own that were not sent, by reason. */
  readonly refused: Readonly<Record<DatagramRefusal, number>>;
  readonly sessionsOpened: { readonly initiator: number; readonly responder: number };
  readonly sessionsEnded: Readonly<Record<SessionEnd, number>>;
  /** Handshakes of ours that came to nothing. */
  readonly attemptsFailed: number;
  /** Peers that were found at another address. */
  readonly pathsMoved: number;
  readonly gauges: Readonly<Record<DatagramGauge, Gauge>>;
}

export type PacketName = "hello" | "challenge" | "handshake" | "accept" | "data" | "reset";

export type DatagramGauge =
  | "sessions"
  | "unconfirmedSessions"
  | "attempts"
  | "heldMessages"
  | "heldBytes"
  | "queuedAnswers"
  | "seenHandshakes"
  | "keptAccepts"
  | "prefixes"
  | "rememberedCertificates";

const packets: readonly PacketName[] = ["hello", "challenge", "handshake", "accept", "data", "reset"];
const dropReasons: readonly DatagramDropReason[] = [
  "unknownType",
  "badLength",
  "closed",
  "helloForged",
  "badVersion",
  "badCid",
  "badFlags",
  "hellosLimited",
  "challengesFull",
  "simultaneous",
  "notReady",
  "unexpectedChallenge",
  "challengeForged",
  "challengesExceeded",
  "wrongPeer",
  "ownIdentity",
  "zeroStatic",
  "expired",
  "badSignature",
  "smallOrderKey",
  "refusedByPolicy",
  "cookieExpired",
  "cookieForged",
  "handshakeRepeated",
  "handshakesLimited",
  "prefixLimited",
  "handshakeForged",
  "unexpectedAccept",
  "acceptForged",
  "unknownSession",
  "dataRepeated",
  "dataTooOld",
  "dataForged",
  "unknownKind",
  "unexpectedResponse",
  "unexpectedReset",
  "resetIgnored",
];
const refusals: readonly DatagramRefusal[] = [
  "unprovenPath",
  "tooLarge",
  "attemptsFull",
  "heldFull",
  "closed",
];
const sessionEnds: readonly SessionEnd[] = [
  "idle",
  "tooOld",
  "replaced",
  "evicted",
  "closedByPeer",
  "closed",
];

/** The counters behind {@link DatagramStats}: plain objects whose shape never changes. */
export class DatagramCounters {
  readonly sent: Record<PacketName, number> = zeroes(packets);
  readonly received: Record<PacketName, number> = zeroes(packets);
  readonly dropped: Record<DatagramDropReason, number> = zeroes(dropReasons);
  readonly refused: Record<DatagramRefusal, number> = zeroes(refusals);
  readonly sessionsOpened: { initiator: number; responder: number } = { initiator: 0, responder: 0 };
  readonly sessionsEnded: Record<SessionEnd, number> = zeroes(sessionEnds);
  attemptsFailed = 0;
  pathsMoved = 0;

  snapshot(gauges: DatagramStats["gauges"]): DatagramStats {
    const { sent, received, dropped, refused, sessionsOpened, sessionsEnded, attemptsFailed, pathsMoved } =
      this;
    return {
      sent: { ...sent },
      received: { ...received },
      dropped: { ...dropped },
      refused: { ...refused },
      sessionsOpened: { ...sessionsOpened },
      sessionsEnded: { ...sessionsEnded },
      attemptsFailed,
      pathsMoved,
      gauges,
    };
  }
}
