/**
 * A node in a loop that waits for descriptors and deadlines: what the adapters of such loops share. Still no I/O.
 *
 * It is the driver's host. The adapter waits, in whatever way its loop has, and then calls {@link PolledLoop.turn}; all
 * else happens in there: read, run the pumps that waited for that, let time pass, send, hand out events. Nothing needs a
 * promise, a microtask or a timer of the runtime, so a loop that never returns to its runtime works too.
 */
import type { AddressTable } from "./address-table.ts";
import type { Commands } from "./commands.ts";
import { Driver, type DriverOptions, type Host } from "./driver.ts";
import type { NodeEvent } from "./events.ts";
import type { Deadline, InstantMs, Machine, NetworkEvent, Transmit } from "./machine.ts";
import type { Outlet, PolledSocket, PolledTransport, SendOutcome, Transport } from "./transport.ts";
import { TransportRouter } from "./transport-router.ts";
import { WallClock } from "./wall-clock.ts";

/**
 * Messages that are read in one turn at most: fewer than a node keeps replies for (`maxQueuedReplies`), so that none is
 * dropped, and than a pump sends, so that one pump is enough.
 */
export const turnMessages = 192;

/** The two clocks of a host. */
export interface Clock {
  /** Monotonic, in milliseconds from any origin; fractions are allowed. */
  nowMs(): InstantMs;
  /** Milliseconds since 1970. */
  unixMs(): number;
}

export interface PolledLoopOptions extends DriverOptions {
  /** A new node, or a channel around one. */
  readonly machine: Machine<NodeEvent> & Commands;
  /** Not yet open; at most one for each kind of address. */
  readonly transports: readonly Transport[];
  /** The table that the node was given. */
  readonly addresses: AddressTable;
  /** Gets the errors that nobody else takes. Without it they are thrown out of the turn that met them, once it is over. */
  readonly report?: (error: unknown) => void;
}

/** What the adapter's loop does for the node. None of these may call the node. */
export interface PolledLoopHooks {
  readonly clock: Clock;
  /** One timer: when it fires, at `atMs` or later, call `turn` with `timerFired`. Replaces the one before. */
  setTimer?(atMs: InstantMs): void;
  /** After each turn and each command outside of one: the transports' sockets, or what they wait for, may have changed. */
  watch?(): void;
  /** After a command outside of a turn, and when something is left to do that no descriptor or deadline tells: turn soon. */
  wake?(): void;
  /** The node is closed: stop watching. Called once; the transports close right after it. */
  release?(): void;
  /** The transports are closed, or on their way. Called once, still inside the pump that has closed the node. */
  closed?(): void;
}

/** Errors that wait for the next turn; those beyond, in a loop that does not turn, are as the ones before them. */
const maxReports = 100;

type State = "open" | "closing" | "closed";

export class PolledLoop implements Host, Outlet {
  /** For commands and plugins. */
  readonly driver: Driver;
  /** For local addresses and counters. */
  readonly router: TransportRouter;
  readonly #hooks: PolledLoopHooks;
  readonly #polled: readonly PolledTransport[];
  readonly #onReport: ((error: unknown) => void) | undefined;
  readonly #wallClock: WallClock;
  #state: State = "open";
  /** Inside `turn`, or inside a hook: a turn that begins here would be lost. */
  #isBusy = false;
  #needsTurn = false;
  #pumps: (() => void)[] = [];
  #reports: unknown[] = [];
  #deadline: Deadline | undefined;
  /** For when the timer of the hooks is set. */
  #timerAtMs: InstantMs | undefined;
  #closing: void | Promise<void> = undefined;

  constructor(options: PolledLoopOptions, hooks: PolledLoopHooks) {
    this.#hooks = hooks;
    this.#onReport = options.report;
    this.#polled = options.transports.filter(isPolled);
    this.router = new TransportRouter(options);
    this.driver = new Driver(options.machine, this, this, options);
    this.#wallClock = new WallClock((event) => this.driver.deliver(event));
  }

  /** See {@link Outlet}. */
  get maxBytes(): number {
    return this.router.maxBytes;
  }

  /** Everything is closed; transports that return a promise may still be about it. */
  get closed(): boolean {
    return this.#state === "closed";
  }

  /** Called from inside a callback: a turn would do nothing, and a wait would keep the turn under way from going on. */
  get isBusy(): boolean {
    return this.#isBusy || this.driver.isBusy;
  }

  /** The descriptors to wait for, as they are now. */
  get sockets(): readonly PolledSocket[] {
    if (this.#polled.length === 1) return (this.#polled[0] as PolledTransport).sockets;
    return this.#polled.flatMap(({ sockets }) => sockets);
  }

  /**
   * Opens the transports and starts the node; a promise only where a transport returned one. When one fails, everything is
   * closed again, the machine too.
   * @throws (or rejects) ListenError that names the address
   */
  open(): void | Promise<void> {
    this.turn();
    let opening: void | Promise<void>;
    try {
      opening = this.router.open({
        deliver: (event) => this.driver.deliver(event),
        wake: () => this.#attend(),
        report: (error) => this.report(error),
      });
    } catch (error) {
      return this.#giveUp(error);
    }
    if (opening === undefined) return this.#opened();
    return opening.then(
      () => this.#opened(),
      (error: unknown) => this.#giveUp(error),
    );
  }

  /**
   * One turn: `read` hands in what has arrived, and what it returns is returned. From inside a callback, and once closed,
   * nothing happens and 0 is returned.
   * @throws what nobody took, after all has been done; several errors as an AggregateError. The next turn goes on
   */
  turn(read: () => number = readNothing, timerFired = false): number {
    if (this.isBusy) return 0;
    if (this.#state === "closed") {
      this.#throwReports(); // of a close that a callback had asked for
      return 0;
    }
    this.#isBusy = true;
    if (timerFired) this.#timerAtMs = undefined;
    const pumps = this.#pumps;
    if (pumps.length > 0) this.#pumps = [];
    let messages = 0;
    try {
      messages = read();
    } catch (error) {
      this.report(error);
    }
    this.#needsTurn = false; // what comes up from here on is for the next one, a send that fails in `flush` for instance
    for (const pump of pumps) pump();
    const { clock } = this.#hooks;
    this.#wallClock.check(clock.nowMs(), clock.unixMs());
    if (timerFired) this.driver.wake();
    else this.driver.pump();
    this.#isBusy = false;
    this.#afterPump(this.#needsTurn);
    this.#throwReports();
    return messages;
  }

  /** Something that has arrived outside of a turn: the next one follows it up, and is asked for. Nothing, once closed. */
  handIn(event: NetworkEvent): void {
    if (this.#state === "closed") return;
    this.driver.deliver(event);
    this.#attend();
  }

  /**
   * How long a wait may take, in whole milliseconds from now, an hour at most: the wall clock is looked at then. `undefined`
   * once closed.
   */
  getNextTimeoutMs(): number | undefined {
    if (this.#state === "closed") return undefined;
    if (this.#needsTurn) return 0;
    const timeoutMs = this.driver.getNextTimeoutMs() ?? Number.POSITIVE_INFINITY;
    const wallClockMs = Math.max(0, Math.ceil(this.#wallClock.dueAtMs - this.#hooks.clock.nowMs()));
    return Math.min(timeoutMs, wallClockMs);
  }

  /**
   * Ends every query, lets what the node still says leave, and frees everything; a promise only where a transport returned
   * one. From inside a callback the pump under way does that. A second call does nothing and returns the same.
   * @throws what nobody took, after everything is closed
   */
  close(): void | Promise<void> {
    if (this.#state === "open") {
      this.#state = "closing";
      this.driver.close();
      this.driver.pump(); // a driver that broke was closed already, and closing it again pumps nothing
      if (this.closed && !this.#isBusy) this.#throwReports();
    }
    return this.#closing;
  }

  // What the driver calls.

  nowMs(): InstantMs {
    return this.#hooks.clock.nowMs();
  }

  arm(deadline: Deadline | undefined): void {
    this.#deadline = deadline;
    if (!this.#isBusy) this.#callHook(this.#setTimer);
  }

  schedule(pump: () => void): void {
    this.#pumps.push(pump);
    this.#attend();
  }

  report(error: unknown): void {
    if (this.#onReport !== undefined) {
      this.#onReport(error);
      return;
    }
    if (this.#reports.length < maxReports) this.#reports.push(error);
    this.#attend();
  }

  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    return this.router.send(transmit, bytes);
  }

  /** The end of every pump. */
  flush(): void {
    this.router.flush();
    if (this.#state === "closing") this.#finish();
    else if (!this.#isBusy) this.#afterPump(true);
  }

  #opened(): void {
    if (this.#state !== "open") return;
    this.turn();
  }

  /** What opening met comes before what closing meets. */
  #giveUp(error: unknown): void | Promise<void> {
    const rethrow = (): never => {
      throw error;
    };
    try {
      const closing = this.close();
      if (closing !== undefined) return closing.then(rethrow, rethrow);
    } catch {}
    return rethrow();
  }

  /** Outside of a turn, somebody has to be told. */
  #attend(): void {
    this.#needsTurn = true;
    if (!this.#isBusy) this.#callHook(this.#wake);
  }

  #afterPump(isAttentionNeeded: boolean): void {
    this.#callHook(this.#watch);
    this.#callHook(this.#setTimer);
    if (isAttentionNeeded) this.#callHook(this.#wake);
  }

  readonly #wake = (): void => this.#hooks.wake?.();
  readonly #watch = (): void => this.#hooks.watch?.();
  readonly #setTimer = (): void => {
    const atMs = Math.min(this.#deadline?.atMs ?? Number.POSITIVE_INFINITY, this.#wallClock.dueAtMs);
    if (atMs === this.#timerAtMs) return;
    this.#timerAtMs = atMs;
    this.#hooks.setTimer?.(atMs);
  };

  #callHook(hook: () => void): void {
    if (this.#state !== "open") return;
    this.#isBusy = true;
    try {
      hook();
    } catch (error) {
      this.report(error);
    } finally {
      this.#isBusy = false;
    }
  }

  #finish(): void {
    this.#state = "closed";
    this.#pumps = [];
    this.#try(() => this.#hooks.release?.());
    this.#try(() => {
      this.#closing = this.router.close();
    });
    this.#try(() => this.#hooks.closed?.());
  }

  #try(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.report(error);
    }
  }

  #throwReports(): void {
    const reports = this.#reports;
    if (reports.length === 0) return;
    this.#reports = [];
    if (reports.length === 1) throw reports[0];
    throw new AggregateError(reports, `${reports.length} errors in one turn`);
  }
}

/**
 * Reads at most `max` messages from sockets that are ready, or may be: each has an equal share of what is left, again and
 * again while one of them has used all of its own. Returns how many were read; fewer than `max`: there are no more.
 */
export function receiveFairly(sockets: readonly PolledSocket[], max: number): number {
  let messages = 0;
  let hungry = sockets;
  while (hungry.length > 0 && messages < max) {
    const share = Math.ceil((max - messages) / hungry.length);
    const more: PolledSocket[] = [];
    for (const socket of hungry) {
      const room = Math.min(share, max - messages);
      const read = room === 0 ? 0 : socket.receive(room);
      messages += read;
      if (read > 0 && read === room) more.push(socket);
    }
    hungry = more;
  }
  return messages;
}

function isPolled(transport: Transport): transport is PolledTransport {
  return "sockets" in transport;
}

function readNothing(): number {
  return 0;
}
