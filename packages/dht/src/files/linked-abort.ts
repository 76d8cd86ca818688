/**
 * Ending what several may end: the caller, the end of the node, and whoever began it.
 */
import { onAbort } from "../abort.ts";

/** Aborts with the first of the given signals, or by itself. Listens to them until it is released. */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #releases: (() => void)[] = [];

  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    for (const signal of signals) {
      if (signal === undefined) continue;
      if (signal.aborted) this.abort(signal.reason);
      else this.#releases.push(onAbort(signal, () => this.abort(signal.reason)));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  release(): void {
    for (const release of this.#releases.splice(0)) release();
  }
}

/** @throws (rejects) the reason of `signal` as soon as that aborts */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      release();
      resolve();
    }, delayMs);
    const release = onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

const firstPauseMs = 250;
const longestPauseMs = 4_000;

/** How long to wait before a record is asked for, or stored, again: what is lost or full may not be a moment later. */
export function pauseBeforeRetryMs(attempt: number): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1));
}
