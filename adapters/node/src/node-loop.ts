/**
 * Node's event loop as the host of a driver: one timer, one clock, and turns that come after the loop has polled.
 *
 * An iteration of the loop runs due timers, then polls for input, then runs immediates (Node's guide to its event loop).
 * So a timer may run before input that has waited longer, which is why the driver asks for a turn to read (rule 8).
 */
import {
  type Deadline,
  type Driver,
  type Host,
  type Inlet,
  type InstantMs,
  type NetworkEvent,
  WallClock,
} from "@kad/core";

/** What the loop needs of a driver. */
export type LoopDriver = Pick<Driver, "deliver" | "wake" | "pump">;

export interface NodeLoopOptions {
  /** Gets the errors that nobody else takes. Default: `process.emitWarning`. */
  readonly report?: (error: unknown) => void;
}

/** The longest delay that `setTimeout` takes, about 24.8 days; it runs anything longer at once. */
const maxDelayMs = 2 ** 31 - 1;

export class NodeLoop implements Host, Inlet {
  readonly #report: (error: unknown) => void;
  #driver: LoopDriver | undefined;
  #timer: NodeJS.Timeout | undefined;
  #delayMs = 0;
  /** When the timer fires; `undefined` when it is not set. */
  #firesAtMs: InstantMs | undefined;
  #deadlineMs: InstantMs | undefined;
  readonly #wallClock: WallClock = new WallClock((event) => this.#driver?.deliver(event));
  #isReferenced = true;
  #batchScheduled = false;
  /** Inside a timer or an immediate of ours: the loop polls before it runs the next immediate. */
  #pollsNext = false;

  constructor(options: NodeLoopOptions = {}) {
    this.#report = options.report ?? warn;
  }

  /** Tells the node the wall clock, now, hourly and after a jump. Once for each loop; `arm` counts from here on. */
  start(driver: LoopDriver): void {
    this.#driver = driver;
    this.#wallClock.check(this.nowMs(), Date.now());
    driver.pump();
    this.#setTimer();
  }

  nowMs(): InstantMs {
    return performance.now();
  }

  arm(deadline: Deadline | undefined): void {
    this.#deadlineMs = deadline?.atMs;
    this.#setTimer();
  }

  schedule(pump: () => void): void {
    if (this.#pollsNext) this.#soon(pump);
    else this.#soon(() => this.#soon(pump));
  }

  report(error: unknown): void {
    this.#report(error);
  }

  /** For a router of transports: hands in what has arrived. */
  deliver(event: NetworkEvent): void {
    this.#driver?.deliver(event);
  }

  /** For a router of transports: {@link pumpBatch}. */
  wake(): void {
    this.pumpBatch();
  }

  /**
   * One pump after all that this poll has brought. Against a pump for each datagram, two nodes do 5 % more requests a
   * second with 32 in flight, and 8 % fewer with one.
   */
  pumpBatch(): void {
    if (this.#batchScheduled) return;
    this.#batchScheduled = true;
    this.#soon(this.#runBatch);
  }

  /** Whether a deadline keeps the process alive; it does at first. */
  ref(): void {
    this.#isReferenced = true;
    this.#setReference();
  }

  unref(): void {
    this.#isReferenced = false;
    this.#setReference();
  }

  /** Stops the timer for good. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#firesAtMs = undefined;
    this.#driver = undefined;
  }

  readonly #runBatch = (): void => {
    this.#batchScheduled = false;
    this.#driver?.pump();
  };

  #soon(callback: () => void): void {
    setImmediate(() => this.#beforePoll(callback));
  }

  #beforePoll(callback: () => void): void {
    this.#pollsNext = true;
    try {
      callback();
    } finally {
      this.#pollsNext = false;
    }
  }

  /** A timer that fires too early sets itself anew: deadlines mostly move back, and so cost nothing. */
  #setTimer(): void {
    if (this.#driver === undefined) return;
    const targetMs = Math.min(this.#deadlineMs ?? Number.POSITIVE_INFINITY, this.#wallClock.dueAtMs);
    if (this.#firesAtMs === undefined || this.#firesAtMs > targetMs) this.#startTimer(targetMs);
    this.#setReference();
  }

  #startTimer(targetMs: InstantMs): void {
    const nowMs = performance.now();
    const delayMs = Math.min(Math.max(1, Math.ceil(targetMs - nowMs)), maxDelayMs);
    if (this.#timer !== undefined && delayMs === this.#delayMs) {
      this.#timer.refresh();
    } else {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(this.#onTimer, delayMs);
      this.#delayMs = delayMs;
    }
    this.#firesAtMs = nowMs + delayMs;
  }

  /** With nothing to wait for but the wall clock, the process may end. */
  #setReference(): void {
    if (this.#isReferenced && this.#deadlineMs !== undefined) this.#timer?.ref();
    else this.#timer?.unref();
  }

  readonly #onTimer = (): void => {
    this.#firesAtMs = undefined;
    this.#beforePoll(() => this.#advance(performance.now()));
    this.#setTimer();
  };

  #advance(nowMs: InstantMs): void {
    const isTold = this.#wallClock.check(nowMs, Date.now());
    if (this.#deadlineMs !== undefined && this.#deadlineMs <= nowMs) {
      this.#deadlineMs = undefined;
      this.#driver?.wake();
    } else if (isTold) {
      this.#driver?.pump();
    }
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
