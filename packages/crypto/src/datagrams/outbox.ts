/**
 * Messages that were kept back and have a session now, and answers that wait until an address is proven.
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

interface Awaiting extends Entry {
  readonly untilMs: InstantMs;
}

/** For the proof of an address so long, and so many at once. */
const awaitingMs = 3_000;
const maxAwaiting = 64;

export class Outbox {
  readonly #context: DatagramContext;
  readonly #traffic: Traffic;
  readonly #ready: Fifo<Entry>;
  /** The oldest first. */
  #awaiting: Awaiting[] = [];

  constructor(context: DatagramContext, traffic: Traffic) {
    this.#context = context;
    this.#traffic = traffic;
    this.#ready = new Fifo(context.limits.maxHeldMessages);
  }

  /** Takes a message over, to go out through the session with the next polls. */
  push(session: Session, message: HeldMessage): void {
    this.#ready.push({ session, message });
  }

  /** `false`: there is no room for a copy. */
  hold(session: Session, to: Transmit, plaintext: Uint8Array): boolean {
    const message = this.#context.held.hold(to, plaintext);
    if (message !== undefined) this.push(session, message);
    return message !== undefined;
  }

  /** Until the peer is proven to be at its new address. `false`: there is no room for a copy. */
  await(nowMs: InstantMs, session: Session, to: Transmit, plaintext: Uint8Array): boolean {
    this.#drop(({ untilMs }) => untilMs <= nowMs);
    if (this.#awaiting.length >= maxAwaiting) return false;
    const message = this.#context.held.hold(to, plaintext);
    if (message !== undefined) this.#awaiting.push({ session, message, untilMs: nowMs + awaitingMs });
    return message !== undefined;
  }

  /** The peer is where it was thought to be. */
  onMoved(session: Session): void {
    const isOf = (entry: Awaiting): boolean => entry.session === session;
    for (const { message } of this.#awaiting.filter(isOf)) this.push(session, message);
    this.#awaiting = this.#awaiting.filter((entry) => !isOf(entry));
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
    const { events, held } = this.#context;
    this.#drop(() => true);
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) {
      held.release(next.message);
      events.sendFailed(next.message.path.remote, next.message.tag, "closed");
    }
  }

  #drop(isOver: (entry: Awaiting) => boolean): void {
    const { events, held, counters } = this.#context;
    for (const { message } of this.#awaiting.filter(isOver)) {
      held.release(message);
      counters.refused.unprovenPath++;
      events.sendFailed(message.path.remote, message.tag, "closed");
    }
    this.#awaiting = this.#awaiting.filter((entry) => !isOver(entry));
  }
}
