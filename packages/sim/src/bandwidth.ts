/**
 * A line that carries so many bytes a second, and the queue in front of it. What finds the queue full is dropped (tail drop).
 */
import { UsageError } from "@kad/core";
import type { InstantUs } from "./virtual-time.ts";

export interface Bandwidth {
  /** Headers count too. */
  readonly bytesPerSecond: number;
  /** Bytes that may wait in front of the line; by default what it carries in 100 ms, and at least 3,000. */
  readonly queueBytes?: number;
}

const defaultQueueSeconds = 0.1;
const leastQueueBytes = 3_000;

/** One direction of a line. */
export class Line {
  readonly bytesPerSecond: number;
  readonly queueBytes: number;
  /** When everything that was taken has left. */
  #idleAtUs: InstantUs = 0;

  /** @throws UsageError `invalidOption` */
  constructor({ bytesPerSecond, queueBytes }: Bandwidth) {
    this.bytesPerSecond = bytesPerSecond;
    this.queueBytes = queueBytes ?? Math.max(leastQueueBytes, bytesPerSecond * defaultQueueSeconds);
    if (!(bytesPerSecond > 0 && this.queueBytes >= 0)) {
      throw new UsageError(
        "invalidOption",
        `bandwidth: ${bytesPerSecond} bytes/s, queue ${queueBytes}; allowed are numbers above 0, and a queue from 0`,
      );
    }
  }

  /** When the last of the bytes has left; `undefined`: they find no room in the queue. */
  take(nowUs: InstantUs, bytes: number): InstantUs | undefined {
    if (this.waitingBytes(nowUs) > this.queueBytes) return undefined;
    this.#idleAtUs = Math.max(nowUs, this.#idleAtUs) + Math.ceil((bytes * 1e6) / this.bytesPerSecond);
    return this.#idleAtUs;
  }

  waitingBytes(nowUs: InstantUs): number {
    return (Math.max(0, this.#idleAtUs - nowUs) * this.bytesPerSecond) / 1e6;
  }
}
