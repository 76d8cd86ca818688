/**
 * One timer for a deadline that mostly moves back: it is set anew only when the deadline comes nearer, and when it fires.
 */

/** The longest delay that `setTimeout` takes. */
const maxDelayMs = 2 ** 31 - 1;

export class DeadlineTimer {
  readonly #onDue: (nowMs: number) => void;
  #timer: NodeJS.Timeout | undefined;
  /** The deadline that the timer was set for; it fires a little later. */
  #setForMs = Number.POSITIVE_INFINITY;
  #deadlineMs: number | undefined;

  /** @param onDue called at a deadline; what is to be waited for next is told through `arm`, also from inside it */
  constructor(onDue: (nowMs: number) => void) {
    this.#onDue = onDue;
  }

  /** Replaces the deadline; `undefined`: there is none. Sockets keep the process alive, the timer does not. */
  arm(deadlineMs: number | undefined): void {
    this.#deadlineMs = deadlineMs;
    if (deadlineMs === undefined || deadlineMs >= this.#setForMs) return;
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    const delayMs = Math.min(maxDelayMs, Math.max(1, Math.ceil(deadlineMs - nowMs)));
    this.#setForMs = deadlineMs;
    this.#timer = setTimeout(this.#fire, delayMs);
    this.#timer.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#deadlineMs = undefined;
  }

  readonly #fire = (): void => {
    this.#setForMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    const deadlineMs = this.#deadlineMs;
    if (deadlineMs !== undefined && deadlineMs <= nowMs) this.#onDue(nowMs);
    else this.arm(deadlineMs);
  };
}
