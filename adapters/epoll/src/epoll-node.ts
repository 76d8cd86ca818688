/**
 * A node in a real epoll set. It blocks in `epoll_wait` while there is nothing to do, and Node's own event loop need not turn.
 *
 * Two ways to run it. The set is the node's own: call `run()`, or `wait()` in a `while` loop. Or your loop waits for something
 * else anyway: watch `getPollFd()`, which `attach` adds to a set of yours, and call `processEvents` when it is readable.
 *
 * In a loop that never returns to Node no promise, microtask, timer of Node's or JavaScript signal handler runs. Nothing here needs one.
 */
import {
  type Clock,
  type Driver,
  PolledLoop,
  type PolledLoopOptions,
  receiveFairly,
  type TransportRouter,
  turnMessages,
  UsageError,
} from "@kad/core";
import { addToSet, EpollWaiter } from "./epoll-waiter.ts";
import { PollWaiter } from "./poll-waiter.ts";
import { type Readiness, ReadyList, type Waiter } from "./waiter.ts";

/** Transports have to open at once: `posixUdp` of `@kad/transport-udp/posix`, and others that need no promise. */
export interface EpollNodeOptions extends PolledLoopOptions {
  /** `poll`: poll(2), as wherever there is no epoll. Default: `epoll` on Linux. */
  readonly wait?: "epoll" | "poll";
  /** Default: `performance.now` and `Date.now`. */
  readonly clock?: Clock;
  /**
   * A signal has ended a wait. Handlers of signals need Node's loop and have not run: `stop()` here, and they run once your
   * program has returned to it. May call anything.
   */
  readonly onInterrupt?: () => void;
}

/** Counters since the start; plain data that the caller owns. */
export interface EpollNodeStats {
  /** Calls to wait, those without patience among them. */
  readonly waits: number;
  /** Waits that ended because the timer had fired. */
  readonly timers: number;
  /** Waits that ended because a command or another thread had rung. */
  readonly rings: number;
  readonly interrupts: number;
  readonly messages: number;
}

/** The longest timeout that the system takes; a timer ends a wait before. */
const maxWaitMs = 2 ** 31 - 1;

/**
 * Opens the transports and starts the node, at once. When one fails, everything is closed again.
 * @throws UnavailableError where koffi is missing or the platform is another one, which says what to install or to use
 * instead; ListenError that names the address; UsageError `invalidOption`; SystemError where no descriptor is left
 */
export function epollNode(options: EpollNodeOptions): EpollNode {
  return new EpollNode(options);
}

export class EpollNode {
  readonly #loop: PolledLoop;
  readonly #waiter: Waiter;
  readonly #onInterrupt: (() => void) | undefined;
  readonly #attached = new Set<() => void>();
  readonly #counts = { waits: 0, timers: 0, rings: 0, interrupts: 0, messages: 0 };
  #ready: Readiness = new ReadyList();
  /** Messages that the turn under way may read. */
  #room = 0;
  #isRunning = false;
  #isTurning = false;
  /** The last turn has left something to do. */
  #isDue = false;
  /** Somebody has the descriptor, and may wait for it. */
  #isWatched = false;

  /** Use {@link epollNode}. */
  constructor(options: EpollNodeOptions) {
    const { clock = systemClock, wait = process.platform === "linux" ? "epoll" : "poll" } = options;
    if (wait !== "epoll" && wait !== "poll") {
      throw new UsageError("invalidOption", `wait: ${String(wait)}; allowed are "epoll" and "poll"`);
    }
    this.#onInterrupt = options.onInterrupt;
    const nowMs = (): number => clock.nowMs();
    this.#waiter = wait === "epoll" ? new EpollWaiter(nowMs) : new PollWaiter(nowMs);
    try {
      this.#loop = new PolledLoop(options, {
        clock,
        setTimer: (atMs) => this.#waiter.setTimer(atMs),
        watch: () => this.#waiter.watch(this.#loop.sockets),
        wake: () => this.#onWake(),
        release: () => this.#release(),
      });
    } catch (error) {
      this.#waiter.close();
      throw error;
    }
    const opening = this.#loop.open();
    if (opening !== undefined) this.#refuse(opening);
  }

  /** For commands and plugins. */
  get driver(): Driver {
    return this.#loop.driver;
  }

  /** For local addresses and counters. */
  get router(): TransportRouter {
    return this.#loop.router;
  }

  get closed(): boolean {
    return this.#loop.closed;
  }

  /**
   * The set's own descriptor: readable whenever the node needs {@link processEvents}, for a message, a deadline, room to write,
   * or something that a command has left. Level-triggered. It stays the same, and is closed by `close`.
   * @throws UsageError `invalidArgument` with poll(2), which has no such descriptor, and once closed
   */
  getPollFd(): number {
    const { fd } = this.#waiter;
    if (this.closed) throw new UsageError("closed", "getPollFd: the node is closed");
    this.#isWatched = true;
    if (fd !== undefined) return fd;
    throw new UsageError(
      "invalidArgument",
      "getPollFd: poll(2) has no descriptor of its own; call wait() or run()",
    );
  }

  /**
   * How long a wait may take, in whole milliseconds; 0: there is something to do already. For loops that cannot watch
   * {@link getPollFd}, which tells of deadlines too. `undefined` once closed.
   */
  getNextTimeoutMs(): number | undefined {
    return this.#loop.getNextTimeoutMs();
  }

  /**
   * Adds {@link getPollFd} to an epoll set of yours, with `data` (a whole number below 2^32; the descriptor by default) to tell
   * it by. The returned function takes it out again; closing the node does too. It is as any descriptor there: level-triggered.
   * @throws SystemError `EBADF` where `set` is none, `EEXIST` where it is there already; UsageError as `getPollFd`
   */
  attach(set: number, data: number = this.getPollFd()): () => void {
    checkWhole("set", set, 2 ** 31 - 1);
    checkWhole("data", data, 2 ** 32 - 1);
    const remove = addToSet(set, this.getPollFd(), data);
    const detach = (): void => {
      if (this.#attached.delete(detach)) remove();
    };
    this.#attached.add(detach);
    return detach;
  }

  /**
   * Reads at most `max` messages (192 by default) without waiting, lets time pass, sends, hands out events. Returns how many
   * it read. From inside a callback, and once closed, it does nothing and returns 0.
   * @throws what nobody took, with no `report`; the next call goes on
   */
  processEvents(max: number = turnMessages): number {
    checkWhole("max", max, Number.MAX_SAFE_INTEGER, 1);
    let messages = 0;
    for (;;) {
      const room = Math.min(turnMessages, max - messages);
      const read = this.#turn(0, room);
      messages += read;
      if (read < room || messages >= max) return messages;
    }
  }

  /**
   * Blocks until there is something to do, `maxMs` at most, and does it. Returns how many messages it read: at most 192. From
   * inside a callback, and once closed, it returns 0 at once.
   * @throws as `processEvents`
   */
  wait(maxMs?: number): number {
    if (maxMs !== undefined && !(maxMs >= 0)) {
      throw new UsageError("invalidArgument", `maxMs: ${String(maxMs)}; allowed is a number from 0`);
    }
    // The system takes whole numbers, and a fraction would be cut off: 0.4 would not wait at all.
    return this.#turn(maxMs === undefined ? undefined : Math.min(Math.ceil(maxMs), maxWaitMs), turnMessages);
  }

  /**
   * Blocks, and does what there is to do, until `stop` or `close` is called from a callback.
   * @throws what nobody took, with no `report`: call `run` again to go on. UsageError `reentrant` from inside a callback
   */
  run(): void {
    if (this.#isRunning || this.#loop.isBusy) {
      throw new UsageError("reentrant", "run: called from inside a callback, where it would never return");
    }
    this.#isRunning = true;
    try {
      while (this.#isRunning && !this.closed) this.wait();
    } finally {
      this.#isRunning = false;
    }
  }

  /** The `run` under way returns after this turn. Without one nothing happens. */
  stop(): void {
    this.#isRunning = false;
  }

  /** Ends the wait under way, or the next one. Commands do so by themselves. */
  wake(): void {
    this.#waiter.ring();
  }

  /**
   * A descriptor by which another thread ends a wait: it writes 8 bytes, the number 1 in the order of the machine. Only while the node
   * is open.
   */
  get wakeFd(): number {
    return this.#waiter.bellFd;
  }

  stats(): EpollNodeStats {
    return { ...this.#counts };
  }

  /**
   * Ends every query, lets the last messages leave, and closes every descriptor. From inside a callback the turn under way does
   * that. A second call does nothing.
   * @throws what nobody took, after everything is closed
   */
  close(): void {
    void this.#loop.close(); // closes at once
  }

  /** Such a transport lives in Node's loop, which does not turn while this one waits. */
  #refuse(opening: Promise<void>): never {
    const ignore = (): void => undefined;
    opening.then(() => this.#loop.close()).catch(ignore);
    void Promise.resolve(this.#loop.close()).catch(ignore);
    throw new UsageError(
      "invalidOption",
      "transports: one of them opens with a promise; allowed are those that open at once, such as posixUdp() of @kad/transport-udp/posix",
    );
  }

  #turn(timeoutMs: number | undefined, room: number): number {
    if (this.#loop.isBusy) return 0;
    if (this.closed) return this.#loop.turn();
    const ready = this.#waiter.wait(this.#isDue ? 0 : timeoutMs);
    this.#ready = ready;
    this.#room = room;
    this.#count(ready);
    if (ready.interrupted) this.#onInterrupt?.();
    this.#isDue = false;
    this.#isTurning = true;
    try {
      return this.#loop.turn(this.#read, ready.timerFired);
    } finally {
      this.#isTurning = false;
    }
  }

  /** After a turn of our own the next wait does not wait; where others wait for the descriptor, it has to say so. */
  #onWake(): void {
    if (this.#isTurning && !this.#isWatched) this.#isDue = true;
    else this.#waiter.ring();
  }

  #count({ timerFired, rung, interrupted }: Readiness): void {
    this.#counts.waits++;
    if (timerFired) this.#counts.timers++;
    if (rung) this.#counts.rings++;
    if (interrupted) this.#counts.interrupts++;
  }

  readonly #read = (): number => {
    const { readable, writable } = this.#ready;
    for (const socket of writable) socket.writable();
    const messages = receiveFairly(readable, this.#room);
    this.#counts.messages += messages;
    return messages;
  };

  #release(): void {
    for (const detach of [...this.#attached]) detach();
    this.#waiter.close();
  }
}

const systemClock: Clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };

function checkWhole(name: string, value: number, max: number, min = 0): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new UsageError(
    "invalidArgument",
    `${name}: ${String(value)}; allowed is a whole number from ${min} to ${max}`,
  );
}
