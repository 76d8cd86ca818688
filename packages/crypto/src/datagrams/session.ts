/**
 * A session: two keys, two counters, and what is known of where the peer is.
 *
 * Found by its cid alone, so that a peer whose address changes needs to do nothing.
 *
 * Its instants are whole milliseconds: small integers stand in the object itself, where others are objects of their own, one
 * more to be fetched and written for each packet.
 */
import { type InstantMs, InvariantError, type NodeId } from "@kad/core";
import type { PeerPath } from "../peer-path.ts";
import { keyBytes } from "../provider.ts";
import { ReplayWindow } from "./replay-window.ts";
import { type Slot, windowWords } from "./session-memory.ts";

/**
 * `accepting`: the peer's HANDSHAKE is good and our ACCEPT has not been written: there are no keys yet.
 * `unconfirmed`: we accepted, and nothing has come on it: whoever stole our static key could have begun it.
 * `confirmed`: we began it, or the peer has shown that it has the keys.
 */
export type SessionState = "accepting" | "unconfirmed" | "confirmed";

/** Another address from which the peer seems to speak; it is asked whether it hears us there. */
export interface Candidate {
  readonly path: PeerPath;
  /** What it must send back: 8 bytes. */
  readonly token: Uint8Array;
  readonly sinceMs: InstantMs;
  receivedBytes: number;
  sentBytes: number;
  askedAtMs: InstantMs;
  /** To be asked with the next poll. */
  isAsking: boolean;
}

export interface SessionOptions {
  readonly cid: number;
  /** What the peer finds it by; 0 until an acceptor knows it. */
  readonly remoteCid: number;
  readonly isInitiator: boolean;
  readonly path: PeerPath;
  readonly nowMs: InstantMs;
  /** The session's own until it has ended. */
  readonly memory: Slot;
  /** The subnet it counts for; `undefined`: exempt, or begun by us. */
  readonly prefix: string | undefined;
}

const keyWords = 8;

/** The last counter is never used: a u32 and one more must not wrap around. */
export const counterLimit: number = 2 ** 32 - 1;

export class Session {
  // What each packet needs comes first, side by side in memory.
  state: SessionState;
  readonly remoteCid: number;
  sendCounter = 0;
  /** The last address that was proven. */
  path: PeerPath;
  readonly window: ReplayWindow;
  lastUsedAtMs: InstantMs;
  lastReceivedAtMs: InstantMs;
  /** The first message that nothing has come after; `undefined`: the peer spoke last. */
  unansweredSinceMs: InstantMs | undefined = undefined;
  candidate: Candidate | undefined = undefined;
  /** DATA has come on it: the peer sends on it. */
  isHeard = false;
  /** Taken out of the table. */
  isEnded = false;
  readonly isInitiator: boolean;
  readonly createdAtMs: InstantMs;
  failedOpens = 0;
  /** The key to send with and the peer's stand behind the window. */
  readonly memory: Slot;
  readonly peer: NodeId;
  /** As a signed number, and so is `remoteCid`. */
  readonly cid: number;
  readonly prefix: string | undefined;
  /** Key of the address before that: what is sent there by mistake goes to the new one. */
  formerAddress: string | undefined = undefined;
  /** Sent back with the next poll: the peer asks whether we hear it. */
  challenged: { readonly path: PeerPath; readonly token: Uint8Array } | undefined = undefined;
  /** The next session of the same peer, which was begun earlier. */
  older: Session | undefined = undefined;
  /** When a session in its place was last asked for. */
  renewedAtMs: InstantMs | undefined = undefined;
  /** An empty message is due, by which the peer sees that we have the keys. */
  isConfirming = false;

  constructor({ cid, remoteCid, isInitiator, path, nowMs, memory, prefix }: SessionOptions) {
    this.cid = cid;
    this.remoteCid = remoteCid;
    this.isInitiator = isInitiator;
    this.prefix = prefix;
    this.path = path;
    this.peer = path.peer;
    this.memory = memory;
    this.window = new ReplayWindow(memory.words, memory.at);
    this.state = isInitiator ? "confirmed" : "accepting";
    const wholeMs = Math.floor(nowMs);
    this.createdAtMs = wholeMs;
    this.lastReceivedAtMs = wholeMs;
    this.lastUsedAtMs = wholeMs;
  }

  /** Both are copied. */
  setKeys(send: Uint8Array, receive: Uint8Array): void {
    const { bytes } = this.memory;
    bytes.set(send, this.#keysAt);
    bytes.set(receive, this.#keysAt + keyBytes);
  }

  /** Writes the key to send with over eight words. */
  copySendKey(into: Uint32Array): void {
    this.#copyKey(this.memory.at + windowWords, into);
  }

  /** Writes the peer's key over eight words. */
  copyReceiveKey(into: Uint32Array): void {
    this.#copyKey(this.memory.at + windowWords + keyWords, into);
  }

  /** Cheaper than a view, for each packet. Once a session has ended, another one's keys may stand there. */
  #copyKey(at: number, into: Uint32Array): void {
    if (this.isEnded) throw new InvariantError("a session was used after its end");
    const { words } = this.memory;
    for (let i = 0; i < keyWords; i++) into[i] = words[at + i] as number;
  }

  get #keysAt(): number {
    return 4 * (this.memory.at + windowWords);
  }
}
