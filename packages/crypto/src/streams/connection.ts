/**
 * One connection of a stream transport: its handshake, and then what goes through it.
 */
import type { InstantMs, NodeId, Path } from "@kad/core";
import { Fifo } from "../fifo.ts";
import type { HeldMessage } from "../held-messages.ts";
import type { SealedStream } from "./sealed-stream.ts";
import type { InitiatorHandshake, ResponderHandshake } from "./stream-handshake.ts";

/**
 * `dialling`: we have begun it, and wait for message 2. `answering`: the other side has, and we wait for message 3.
 * `open`: both sides are proven.
 */
export type Stage =
  | { readonly type: "dialling"; readonly handshake: InitiatorHandshake }
  | { readonly type: "answering"; readonly handshake: ResponderHandshake }
  | { readonly type: "open"; readonly stream: SealedStream };

/** A message on its way out; `offset`: so much of it has been sent in parts. */
export interface Outgoing {
  readonly message: HeldMessage;
  offset: number;
}

export class Connection {
  readonly isInitiator: boolean;
  readonly beganAtMs: InstantMs;
  path: Path;
  stage: Stage;
  /** Proven; `undefined` until it is open. */
  peer: NodeId | undefined = undefined;
  openedAtMs: InstantMs = 0;
  lastReceivedAtMs: InstantMs = 0;
  /** Messages of the handshake, and sealed ones that the transport has not taken: they go first, as they are. */
  readonly ready: Uint8Array[] = [];
  /** Messages that are still to be sealed. */
  readonly outgoing: Fifo<Outgoing>;
  outgoingBytes = 0;
  /** The transport could take no more: it is not asked before. */
  blockedUntilMs: InstantMs | undefined = undefined;
  /** Another connection with the same peer is used in its place. */
  isRetired = false;
  isEnded = false;

  constructor(path: Path, isInitiator: boolean, stage: Stage, nowMs: InstantMs, maxOutgoing: number) {
    this.path = path;
    this.isInitiator = isInitiator;
    this.stage = stage;
    this.beganAtMs = nowMs;
    this.outgoing = new Fifo(maxOutgoing);
  }

  get key(): string {
    return this.path.remote.key;
  }

  get isOpen(): boolean {
    return this.stage.type === "open";
  }

  get hasToSend(): boolean {
    return this.ready.length > 0 || (this.isOpen && this.outgoing.length > 0);
  }
}
