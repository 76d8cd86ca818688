/** What carries messages in memory: a queue in order of arrival, and a script that says what becomes of each message. */
import { type Address, copyBytes, type InstantMs } from "@kad/core";

/** A message that was sent, as a script sees it. */
export interface LinkMessage {
  /** 0 for the first message on this link, then 1, and so on. */
  readonly number: number;
  readonly from: Address;
  readonly to: Address;
  readonly bytes: Uint8Array;
  readonly sentAtMs: InstantMs;
}

/**
 * After how many milliseconds a message arrives: `[20]`. Not at all: `[]`; twice: `[20, 35]`. Those with a shorter delay
 * overtake others.
 */
export type LinkScript = (message: LinkMessage) => readonly number[];

/** A copy that has arrived; the bytes are the receiver's. */
export type Arrival = LinkMessage & { readonly arrivesAtMs: InstantMs };

export class Link {
  /** May be replaced at any time; counts for what is sent from then on. */
  script: LinkScript;
  /** By arrival, and then by sending. */
  readonly #onTheWay: Arrival[] = [];
  #sent = 0;

  constructor(script: LinkScript) {
    this.script = script;
  }

  /** Copies on their way. */
  get size(): number {
    return this.#onTheWay.length;
  }

  /** When the next one arrives; `undefined` when there is none. */
  get nextArrivalMs(): InstantMs | undefined {
    return this.#onTheWay[0]?.arrivesAtMs;
  }

  /** Copies the bytes, once for each arrival. */
  send(nowMs: InstantMs, from: Address, to: Address, bytes: Uint8Array): void {
    const message = { number: this.#sent++, from, to, bytes, sentAtMs: nowMs };
    for (const delayMs of this.script({ ...message, bytes: copyBytes(bytes) })) {
      const arrival = { ...message, bytes: copyBytes(bytes), arrivesAtMs: nowMs + delayMs };
      const place = this.#onTheWay.findLastIndex(({ arrivesAtMs }) => arrivesAtMs <= arrival.arrivesAtMs);
      this.#onTheWay.splice(place + 1, 0, arrival);
    }
  }

  /** The next one that has arrived by now. */
  take(nowMs: InstantMs): Arrival | undefined {
    const [first] = this.#onTheWay;
    return first !== undefined && first.arrivesAtMs <= nowMs ? this.#onTheWay.shift() : undefined;
  }
}
