/**
 * What a channel tells the stack above it, until it asks.
 */
import type { Address, ChannelEvent, KadError, SendFailure } from "@kad/core";
import { Fifo } from "./fifo.ts";

export class ChannelEvents {
  readonly #queue: Fifo<ChannelEvent>;

  /** @param limit more than the messages that can be kept back at once: each has one event */
  constructor(limit: number) {
    this.#queue = new Fifo(limit);
  }

  get length(): number {
    return this.#queue.length;
  }

  poll(): ChannelEvent | undefined {
    return this.#queue.shift();
  }

  /** Replies have no events. */
  sent(tag: number): void {
    if (tag !== 0) this.#queue.push({ type: "sent", tag });
  }

  sendFailed(to: Address, tag: number, reason: SendFailure): void {
    if (tag !== 0) this.#queue.push({ type: "sendFailed", to, tag, reason });
  }

  /** Something of the host's has failed. */
  error(error: KadError): void {
    this.#queue.push({ type: "error", error });
  }
}
