/**
 * A page's event loop, or a worker's, as the host of a driver: one timer, one clock, and turns that no throttling delays.
 *
 * Browsers delay timers of pages that nobody looks at to one a second and then one a minute, but neither messages nor what a
 * `MessageChannel` brings. So only deadlines wait for a timer; what has arrived is pumped by a message to ourselves.
 */
import type { Deadline, Driver, Host, InstantMs } from "@kad/core";

/** What the loop needs of a driver. */
export type LoopDriver = Pick<Driver, "deliver" | "wake" | "pump">;

export interface BrowserLoopOptions {
  /** Gets the errors that nobody else takes. Default: the platform's `reportError`, which shows them in the console. */
  readonly report?: (error: unknown) => void;
}

/** What a page has and a worker perhaps not. */
const platform = globalThis as {
  readonly document?: { readonly visibilityState?: string };
  readonly reportError?: (error: unknown) => void;
};

/** The longest delay that `setTimeout` takes, about 24.8 days; it runs anything longer at once. */
const maxDelayMs = 2 ** 31 - 1;
const wallClockIntervalMs = 3_600_000;
/** The two clocks drift apart by far less; a step of the clock, or a computer that slept, is more. */
const clockJumpMs = 1_000;

export class BrowserLoop implements Host {
  readonly #report: (error: unknown) => void;
  readonly #channel: MessageChannel = new MessageChannel();
  /** What the next messages to ourselves run, in order. */
  #turns: (() => void)[] = [];
  #driver: LoopDriver | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the timer was set for; it fires a little later. */
  #setForMs: InstantMs = Number.POSITIVE_INFINITY;
  #deadlineMs: InstantMs | undefined;
  #wallClockDueMs: InstantMs = 0;
  /** Wall clock less monotonic clock, as last told to the node. */
  #clockGapMs = 0;
  #isBatchScheduled = false;

  constructor(options: BrowserLoopOptions = {}) {
    this.#report = options.report ?? platform.reportError ?? ((error) => console.error(error));
    this.#channel.port1.onmessage = () => this.#turns.shift()?.();
  }

  /** Tells the node the wall clock, now, hourly and after a jump. Once for each loop; `arm` counts from here on. */
  start(driver: LoopDriver): void {
    this.#driver = driver;
    this.#tellWallClock(this.nowMs());
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

  /**
   * By a timer, which lets the loop read first. Where the page is hidden that would take a second, and messages to ourselves
   * are the better second.
   */
  schedule(pump: () => void): void {
    if (isHidden()) this.#soon(() => this.#soon(pump));
    else setTimeout(pump, 0);
  }

  report(error: unknown): void {
    this.#report(error);
  }

  /** One pump after all that has arrived by now. */
  readonly pumpBatch = (): void => {
    if (this.#isBatchScheduled) return;
    this.#isBatchScheduled = true;
    this.#soon(() => {
      this.#isBatchScheduled = false;
      this.#driver?.pump();
    });
  };

  /** The page may have been frozen, or the computer asleep: looks at both clocks and at what is due. */
  wakeUp(): void {
    this.#advance(this.nowMs());
    this.#setTimer();
  }

  /** Stops everything for good. */
  close(): void {
    clearTimeout(this.#timer);
    this.#setForMs = Number.POSITIVE_INFINITY;
    this.#driver = undefined;
    this.#turns = [];
    this.#channel.port1.close();
  }

  #soon(turn: () => void): void {
    if (this.#driver === undefined) return;
    this.#turns.push(turn);
    this.#channel.port2.postMessage(undefined);
  }

  /** A timer that fires too early sets itself anew: deadlines mostly move back, and so cost nothing. */
  #setTimer(): void {
    if (this.#driver === undefined) return;
    const targetMs = Math.min(this.#deadlineMs ?? Number.POSITIVE_INFINITY, this.#wallClockDueMs);
    if (this.#setForMs <= targetMs) return;
    const nowMs = this.nowMs();
    const delayMs = Math.min(Math.max(1, Math.ceil(targetMs - nowMs)), maxDelayMs);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimer, delayMs);
    this.#setForMs = targetMs;
  }

  readonly #onTimer = (): void => {
    this.#setForMs = Number.POSITIVE_INFINITY;
    this.wakeUp();
  };

  #advance(nowMs: InstantMs): void {
    const hasJumped = Math.abs(Date.now() - nowMs - this.#clockGapMs) > clockJumpMs;
    const isTold = hasJumped || nowMs >= this.#wallClockDueMs;
    if (isTold) this.#tellWallClock(nowMs);
    if (this.#deadlineMs !== undefined && this.#deadlineMs <= nowMs) {
      this.#deadlineMs = undefined;
      this.#driver?.wake();
    } else if (isTold) {
      this.#driver?.pump();
    }
  }

  #tellWallClock(nowMs: InstantMs): void {
    const unixMs = Date.now();
    this.#clockGapMs = unixMs - nowMs;
    this.#wallClockDueMs = nowMs + wallClockIntervalMs;
    this.#driver?.deliver({ type: "wallClock", unixMs });
  }
}

function isHidden(): boolean {
  return platform.document?.visibilityState === "hidden";
}
