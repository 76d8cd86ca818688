/**
 * Events that wait to be polled. Ends of queries and timers always have room, since the caller began them; the rest is
 * dropped and counted when nobody polls.
 */
import type { Gauge, NodeEvent } from "@kad/core";

const maxOthers = 1_024;

export class WaitingEvents {
  #arrived: NodeEvent[] = [];
  /** Newest first: the oldest is popped. */
  #leaving: NodeEvent[] = [];
  #others = 0;
  #dropped = 0;

  /** Those that can be dropped, against their bound. */
  get gauge(): Gauge {
    return { used: this.#others, limit: maxOthers };
  }

  get dropped(): number {
    return this.#dropped;
  }

  readonly push = (event: NodeEvent): void => {
    if (isDroppable(event)) {
      if (this.#others >= maxOthers) {
        this.#dropped++;
        return;
      }
      this.#others++;
    }
    this.#arrived.push(event);
  };

  poll(): NodeEvent | undefined {
    if (this.#leaving.length === 0) {
      this.#leaving = this.#arrived.reverse();
      this.#arrived = [];
    }
    const event = this.#leaving.pop();
    if (event !== undefined && isDroppable(event)) this.#others--;
    return event;
  }
}

function isDroppable({ type }: NodeEvent): boolean {
  return type !== "queryFinished" && type !== "timer";
}
