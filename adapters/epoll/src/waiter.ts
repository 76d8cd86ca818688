/** What waits: an epoll set, or poll(2). Sockets, one timer and a bell. */
import type { InstantMs, PolledSocket } from "@kad/core";

export interface Waiter {
  /** Readable whenever something is ready; `undefined` for poll(2), which has nothing of the kind. */
  readonly fd: number | undefined;
  /** What another thread writes 8 bytes to, a 1 as the system counts, to end a wait. */
  readonly bellFd: number;
  /** Brings what is watched in step with the sockets there are. */
  watch(sockets: readonly PolledSocket[]): void;
  /** Rings at `atMs`, or a little later; replaces the timer before. */
  setTimer(atMs: InstantMs): void;
  /** The wait under way, or the next one, ends at once. */
  ring(): void;
  /** Waits until something is ready, for at most so many whole milliseconds; `undefined`: for as long as it takes. */
  wait(timeoutMs: number | undefined): Readiness;
  /** A second call does nothing. */
  close(): void;
}

/** What a wait has brought; valid until the next one. */
export interface Readiness {
  /** May be read, or have an error that reading tells. */
  readonly readable: readonly PolledSocket[];
  readonly writable: readonly PolledSocket[];
  readonly timerFired: boolean;
  readonly rung: boolean;
  /** By a signal. JavaScript's handlers of signals have not run: they need Node's loop. */
  readonly interrupted: boolean;
}

export class ReadyList implements Readiness {
  readonly readable: PolledSocket[] = [];
  readonly writable: PolledSocket[] = [];
  timerFired = false;
  rung = false;
  interrupted = false;

  clear(): void {
    this.readable.length = 0;
    this.writable.length = 0;
    this.timerFired = false;
    this.rung = false;
    this.interrupted = false;
  }
}
