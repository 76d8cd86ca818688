/**
 * Messages that have a session and cannot leave at once: they were kept back for it, or wait until the peer has shown that
 * it has the keys, or until it is proven to be at its new address.
 */
import type { InstantMs, Transmit } from "@kad/core";
import { Fifo } from "../fifo.ts";
import type { HeldMessage } from "../held-messages.ts";
import type { DatagramContext } from "./context.ts";
import { kinds } from "./packets.ts";
import { counterLimit, type Session } from "./session.ts";
import type { Traffic } from "./traffic.ts";

interface Entry {
  readonly session: Session;
  readonly message: HeldMessage;
}

/** `proof`: of the address; without it the message is dropped. `keys`: without a sign of them it is sent all the same. */
interface Waiting extends Entry {
  readonly for: "proof" | "keys";
  readonly untilMs: InstantMs;
}

const proofMs = 3_000;
const maxForProof = 64;
/**
 * Our ACCEPT may be lost, and DATA in front of it would be too. If it was not, it is the peer's first DATA that was: then
 * ours is as good.
 */
export const keysMs = 600;

export class Outbox {
  readonly #context: DatagramContext;
  readonly #traffic: Traffic;
  readonly #ready: Fifo<Entry>;
  /** In the order in which they came. */
  #waiting: Waiting[] = [];
  /** Nothing is over before. */
  #dueMs: InstantMs | undefined;

  constructor(context: DatagramContext, traffic: Traffic) {
    this.#context = context;
    this.#traffic = traffic;
    this.#ready = new Fifo(context.limits.maxHeldMessages);
  }

  get nextDeadlineMs(): InstantMs | undefined {
    return this.#dueMs;
  }

  /** Takes a message over. It leaves with the next polls, if the peer is known to have the keys. */
  push(session: Session, message: HeldMessage): void {
    if (session.state === "confirmed") this.#ready.push({ session, message });
    else this.#wait({ session, message, for: "keys", untilMs: session.createdAtMs + keysMs });
  }

  /** {@link push} with a copy. `false`: there is no room for it. */
  hold(session: Session, to: Transmit, plaintext: Uint8Array): boolean {
    const message = this.#context.held.hold(to, plaintext);
    if (message !== undefined) this.push(session, message);
    return message !== undefined;
  }

  /** Until the peer is proven to be at its new address. `false`: there is no room for a copy. */
  holdForProof(nowMs: InstantMs, session: Session, to: Transmit, plaintext: Uint8Array): boolean {
    if (this.#waiting.filter((entry) => entry.for === "proof").length >= maxForProof) return false;
    const message = this.#context.held.hold(to, plaintext);
    if (message !== undefined) this.#wait({ session, message, for: "proof", untilMs: nowMs + proofMs });
    return message !== undefined;
  }

  /** The peer is where it was thought to be. */
  onMoved(session: Session): void {
    this.#release((entry) => entry.session === session && entry.for === "proof");
  }

  /** The peer has the keys. */
  onConfirmed(session: Session): void {
    this.#release((entry) => entry.session === session && entry.for === "keys");
  }

  /** Early and repeated calls do nothing. */
  handleTimeout(nowMs: InstantMs): void {
    if (this.#dueMs === undefined || nowMs < this.#dueMs) return;
    this.#drop((entry) => entry.for === "proof" && entry.untilMs <= nowMs);
    this.#release((entry) => entry.untilMs <= nowMs);
    this.#dueMs = undefined;
    for (const { untilMs } of this.#waiting) this.#setDue(untilMs);
  }

  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const { events, held } = this.#context;
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) {
      const { session, message } = next;
      held.release(message);
      if (session.isEnded || session.sendCounter >= counterLimit) {
        events.sendFailed(message.path.remote, message.tag, "closed");
        continue;
      }
      const length = this.#traffic.seal(nowMs, session, kinds.message, message.bytes, into);
      events.sent(message.tag);
      return { path: session.path, peer: session.peer, length, tag: message.tag };
    }
    return undefined;
  }

  /** Nothing leaves any more. */
  close(): void {
    this.#drop(() => true);
    this.#dueMs = undefined;
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) this.#fail(next);
  }

  #wait(entry: Waiting): void {
    this.#waiting.push(entry);
    this.#setDue(entry.untilMs);
  }

  #setDue(atMs: InstantMs): void {
    if (this.#dueMs === undefined || atMs < this.#dueMs) this.#dueMs = atMs;
  }

  #release(isReady: (entry: Waiting) => boolean): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((entry) => !isReady(entry));
    for (const entry of waiting) if (isReady(entry)) this.#ready.push(entry);
  }

  #drop(isOver: (entry: Waiting) => boolean): void {
    for (const entry of this.#waiting) {
      if (!isOver(entry)) continue;
      if (entry.for === "proof") this.#context.counters.refused.unprovenPath++;
      this.#fail(entry);
    }
    this.#waiting = this.#waiting.filter((entry) => !isOver(entry));
  }

  #fail({ message }: Entry): void {
    this.#context.held.release(message);
    this.#context.events.sendFailed(message.path.remote, message.tag, "closed");
  }
}
