/**
 * A handshake of ours that is under way: with an address, whoever is expected there.
 */
import type { InstantMs, NodeId, Path } from "@kad/core";
import type { HeldMessage } from "../held-messages.ts";
import type { Handshake } from "../noise/handshake.ts";
import type { X25519KeyPair } from "../provider.ts";

/** Waits for a CHALLENGE. */
interface HelloStage {
  readonly type: "hello";
  /** Of others than wanted, or that could not be used. */
  challenges: number;
}

/** Waits for the ACCEPT. */
export interface HandshakeStage {
  readonly type: "handshake";
  readonly peer: NodeId;
  readonly noise: Handshake;
  readonly packet: Uint8Array;
  /** The message inside, until it has left for the first time. */
  carried: HeldMessage | undefined;
  readonly challengedAtMs: InstantMs;
}

export interface Attempt {
  readonly path: Path;
  readonly endsAtMs: InstantMs;
  /** A session with this peer is wanted though no message waits. */
  wanted: NodeId | undefined;
  readonly held: HeldMessage[];
  /** Somebody else than who was wanted has answered. */
  sawOther: boolean;
  /** The peer whose ACCEPT it waits for has begun a session itself: without that ACCEPT it ends in silence. */
  isServed: boolean;
  cid: number;
  ephemeral: X25519KeyPair;
  /** The first 40 bytes of the HELLO. */
  head: Uint8Array;
  stage: HelloStage | HandshakeStage;
  /** Of the stage's packet. */
  sendings: number;
  /** When it is sent again, or given up. */
  nextAtMs: InstantMs;
}

/** Whether a session with this peer would help anybody who waits. */
export function wants({ held, wanted, stage }: Attempt, peer: NodeId): boolean {
  if (stage.type === "handshake" && stage.peer.equals(peer)) return true;
  if (wanted?.equals(peer)) return true;
  return held.some((message) => message.peer === undefined || message.peer.equals(peer));
}
