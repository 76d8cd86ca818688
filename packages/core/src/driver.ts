/**
 * Drives a machine inside whatever event loop the host has: the one piece that all adapters share. Still no I/O.
 *
 * The machine is pulled, the driver pushes: it hands in what has arrived, drains transmits and then events within a budget,
 * calls plugins between transitions, and keeps one timer armed. The contract is DESIGN.md §4 and API.md §4 and §5.
 *
 * What a loop does with it:
 *
 * 1. `deliver` whatever has arrived, then `pump` once for the batch.
 * 2. When the timer that `Host.arm` asked for has fired: `wake`. A loop that blocks instead waits for at most
 *    `getNextTimeoutMs()`, and calls `pump` after every wait, whatever the wait brought.
 * 3. Commands go through `run`, at any time, from callbacks too.
 *
 * A turn has one instant: the clock is read when it begins, and what follows up to the end of the pump happens then.
 */
import type { Commands } from "./commands.ts";
import { CallbackError, InvariantError, UsageError } from "./errors.ts";
import type { NodeEvent } from "./events.ts";
import type { Deadline, InstantMs, Machine, NetworkEvent, SendFailure, Transmit } from "./machine.ts";
import type { Plugin } from "./plugin.ts";
import { PluginRegistry, type PluginRuntime } from "./plugin-registry.ts";
import { giveBackScratch, takeScratch } from "./scratch.ts";
import type { Gauge } from "./stats.ts";
import type { Outlet, SendOutcome } from "./transport.ts";

/** What an adapter supplies. Only `report` may throw. */
export interface Host {
  /** A monotonic clock, in milliseconds; read once in each turn. A smaller value than the last counts as the last. */
  nowMs(): InstantMs;
  /**
   * Keeps one timer: calls `Driver.wake` once at `deadline`, or a little later. Replaces the timer before; `undefined`
   * stops it. Delays are rounded up, and kept below 2^31 ms where the platform counts so. A loop that asks
   * `getNextTimeoutMs` before each wait does nothing here.
   */
  arm(deadline: Deadline | undefined): void;
  /** Runs `pump` once, soon: after the loop has polled for input once more. Calls with different functions are independent. */
  schedule(pump: () => void): void;
  /** Errors that nobody else takes: of callbacks, of transports, and an `InvariantError` of the node. */
  report(error: unknown): void;
}

export interface DriverOptions {
  /** Transmits in one pump, 1 or more; 256 by default: about 3 ms of work where a send costs 10 µs. */
  readonly maxTransmits?: number;
  /** Events in one pump, 1 or more; 256 by default. */
  readonly maxEvents?: number;
  /** Sees every event, before plugins do. What it throws goes to `Host.report`. */
  readonly onEvent?: (event: NodeEvent) => void;
}

export interface DriverStats {
  readonly plugins: Gauge;
  /** Messages whose plugin was removed after they had arrived. */
  readonly unclaimedMessages: number;
  /** Errors that `Host.report` itself threw at. */
  readonly lostReports: number;
  /** Turns taken to read what had arrived before a late deadline (rule 8). */
  readonly lateTurns: number;
}

const defaultBudget = 256;
/** Transmits and events of a pump after `close`: in effect all that a node holds, since nothing new appears then. */
const closingBudget = 65_536;
/** One datagram on the plain wire. */
const defaultScratchBytes = 1_200;
/** A body of 64 KiB, the most that is sent in one message, and room for headers, addresses and a channel's overhead. */
const maxScratchBytes = 65_536 + 2_048;
/** Later than that, a blocked loop is likelier than a coarse timer: what has arrived is read first. */
const lateMs = 20;

/** `wanted`: this pump found time late. `reading`: the loop is polling. `read`: time may pass. */
type Lateness = "none" | "wanted" | "reading" | "read";

export class Driver implements PluginRuntime {
  readonly #machine: Machine<NodeEvent> & Commands;
  readonly #host: Host;
  readonly #outlet: Outlet;
  readonly #onEvent: ((event: NodeEvent) => void) | undefined;
  readonly #plugins: PluginRegistry;
  readonly #scratchBytes: number;
  #maxTransmits: number;
  #maxEvents: number;

  /** The last instant handed out. */
  #clockMs: InstantMs = Number.NEGATIVE_INFINITY;
  /** The instant of the turn that is open. */
  #turnMs: InstantMs | undefined;
  /** Above zero: called from inside; pumps wait. */
  #depth = 0;
  #armedAtMs: InstantMs | undefined;
  #lateness: Lateness = "none";
  #pumpScheduled = false;
  #closed = false;
  #failure: { readonly error: unknown } | undefined;
  /** Failed a second time, while it was being closed: nothing is called on it any more. */
  #broken = false;
  #lostReports = 0;
  #lateTurns = 0;
  /** Made when they are first scheduled: most drivers are never late, nor spend their budget. */
  #runScheduledPump: (() => void) | undefined = undefined;
  #endReading: (() => void) | undefined = undefined;

  /** The machine must be new: from here on only the driver calls it. */
  constructor(
    machine: Machine<NodeEvent> & Commands,
    host: Host,
    outlet: Outlet,
    options: DriverOptions = {},
  ) {
    this.#machine = machine;
    this.#host = host;
    this.#outlet = outlet;
    this.#onEvent = options.onEvent;
    this.#maxTransmits = checkedBudget("maxTransmits", options.maxTransmits);
    this.#maxEvents = checkedBudget("maxEvents", options.maxEvents);
    this.#scratchBytes = Math.min(outlet.maxBytes ?? defaultScratchBytes, maxScratchBytes);
    this.#plugins = new PluginRegistry(this);
  }

  /** @internal for plugins */
  get commands(): Commands {
    return this.#machine;
  }

  /** @internal for plugins */
  tell(message: () => void): void {
    this.#transition(message);
  }

  /** @internal for plugins */
  nowMs(): InstantMs {
    return this.#turnMs ?? this.#readClock();
  }

  /** @internal for plugins */
  report(error: unknown): void {
    this.#report(error);
  }

  /** `close` was called, or the node has broken. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Closed, and nothing left to send or to hand out. */
  get drained(): boolean {
    return this.#broken || this.#machine.drained;
  }

  /** A pump or a command is under way: this is called from inside a callback, and `pump` would do nothing. */
  get isBusy(): boolean {
    return this.#depth > 0;
  }

  /**
   * The only way in for commands: reads the clock once, runs the command and pumps. Called from inside a callback, the
   * command runs at once at the turn's instant, and the pump under way goes on from there.
   * @throws whatever the command throws; UsageError `closed` after the node broke
   */
  run<T>(command: (nowMs: InstantMs) => T): T {
    if (this.#failure !== undefined) {
      throw new UsageError("closed", "the node was closed after a fault of its own", {
        cause: this.#failure.error,
      });
    }
    if (this.#depth === 0) this.#turnMs = this.#readClock();
    this.#depth++;
    try {
      return command(this.#now());
    } catch (error) {
      if (error instanceof InvariantError) this.#fail(error);
      throw error;
    } finally {
      this.#depth--;
      this.pump();
    }
  }

  /** Hands in what has arrived; does not pump: the adapter pumps once for the batch. Never throws on remote bytes. */
  deliver(event: NetworkEvent): void {
    if (this.#failure !== undefined) return;
    this.#depth++;
    try {
      this.#machine.handleNetworkEvent(this.#now(), event);
    } catch (error) {
      this.#onFault(error);
    } finally {
      this.#depth--;
    }
  }

  /** The timer of `Host.arm` has fired, early perhaps; it counts as no longer armed. Begins a turn, and pumps. */
  wake(): void {
    this.#armedAtMs = undefined;
    if (this.#depth === 0) this.#turnMs = undefined; // what was delivered but not pumped may be old by now
    this.pump();
  }

  /** Lets time pass, sends, hands out events, flushes, re-arms. Never throws; from inside a callback it does nothing. */
  pump(): void {
    if (this.#depth > 0) return;
    this.#depth++;
    let spent = false;
    try {
      const nowMs = this.#now();
      this.#passTime(nowMs);
      spent = this.#drain(nowMs);
    } finally {
      this.#flush();
      this.#rearm();
      this.#turnMs = undefined;
      this.#depth--;
    }
    if (spent) this.#schedulePump();
    if (this.#lateness === "wanted") this.#scheduleReading();
  }

  /**
   * Attaches a plugin and calls its `onAttach`. The returned function removes it, its protocol and its timers.
   * @throws UsageError `invalidArgument` for a protocol that another plugin has or that is no name, `tooMany` beyond 256
   * plugins, `closed`
   */
  use(plugin: Plugin): () => void {
    if (this.#closed) throw new UsageError("closed", "the node is closed");
    return this.#plugins.add(plugin);
  }

  /**
   * How long a loop that blocks may wait, in whole milliseconds from now; 0 also while another pump is scheduled.
   * `undefined`: until something arrives.
   */
  getNextTimeoutMs(): number | undefined {
    if (this.#pumpScheduled || this.#lateness === "reading") return 0;
    const deadline = this.#nextDeadline();
    if (deadline === undefined) return undefined;
    return Math.max(0, Math.ceil(deadline.atMs - (this.#turnMs ?? this.#readClock())));
  }

  /**
   * Closes the node: every query ends `closed`, what was queued is sent and handed out, and the timer is disarmed. From
   * inside a callback, the pump under way does that. A second call does nothing. Close the transports afterwards.
   */
  close(): void {
    if (this.#closed) return;
    if (this.#depth === 0) this.#turnMs = this.#readClock();
    this.#depth++;
    this.#closeMachine();
    this.#depth--;
    this.pump();
  }

  stats(): DriverStats {
    return {
      plugins: this.#plugins.gauge,
      unclaimedMessages: this.#plugins.unclaimedMessages,
      lostReports: this.#lostReports,
      lateTurns: this.#lateTurns,
    };
  }

  #transition(call: () => void): void {
    if (this.#failure !== undefined) return;
    this.#depth++;
    try {
      call();
    } catch (error) {
      this.#onFault(error);
    } finally {
      this.#depth--;
    }
  }

  /** Inside a transition. A hook of the host that called us there made a mistake of its own, and the node is unharmed. */
  #onFault(error: unknown): void {
    if (this.#depth > 1 && error instanceof UsageError && error.code === "reentrant") throw error;
    this.#fail(error);
  }

  #now(): InstantMs {
    this.#turnMs ??= this.#readClock();
    return this.#turnMs;
  }

  #readClock(): InstantMs {
    const nowMs = this.#host.nowMs();
    if (nowMs > this.#clockMs) this.#clockMs = nowMs;
    return this.#clockMs;
  }

  /** Rule 8: what has arrived is delivered before time passes, and at most one turn is taken for that. */
  #passTime(nowMs: InstantMs): void {
    if (this.#closed || this.#lateness === "reading") return;
    const deadline = this.#nextDeadline();
    const isDue = deadline !== undefined && deadline.atMs <= nowMs;
    if (isDue && this.#lateness === "none" && nowMs - deadline.atMs > lateMs) {
      this.#lateness = "wanted";
      return;
    }
    this.#lateness = "none";
    if (!isDue) return;
    this.#transition(() => this.#machine.handleTimeout(nowMs));
  }

  /** `true` when a budget is spent. Each event waits until all transmits before it have been drained. */
  #drain(nowMs: InstantMs): boolean {
    const scratch = takeScratch(this.#scratchBytes);
    let transmits = 0;
    let events = 0;
    for (;;) {
      while (transmits < this.#maxTransmits && this.#sendNext(nowMs, scratch)) transmits++;
      if (events >= this.#maxEvents || !this.#dispatchNext()) break;
      events++;
    }
    giveBackScratch(scratch);
    return transmits >= this.#maxTransmits || events >= this.#maxEvents;
  }

  #sendNext(nowMs: InstantMs, scratch: Uint8Array): boolean {
    if (this.#broken) return false;
    let transmit: Transmit | undefined;
    try {
      transmit = this.#machine.pollTransmit(nowMs, scratch);
    } catch (error) {
      this.#fail(error);
    }
    if (transmit === undefined) return false;
    const failure = this.#send(transmit, scratch.subarray(0, transmit.length));
    if (failure !== undefined) {
      this.deliver({ type: "sendFailed", to: transmit.path.remote, tag: transmit.tag, reason: failure });
    }
    return true;
  }

  #send(transmit: Transmit, bytes: Uint8Array): SendFailure | undefined {
    if (transmit.deferred) return undefined; // a layer above the transports holds it back: there is nothing to send yet
    let outcome: SendOutcome;
    try {
      outcome = this.#outlet.send(transmit, bytes);
    } catch (error) {
      this.#report(error);
      return "closed"; // the transport's fault, so it must not count against the peer
    }
    if (outcome === "full") return "queueFull";
    return outcome === "unreachable" ? "unreachable" : undefined;
  }

  #dispatchNext(): boolean {
    if (this.#broken) return false;
    let event: NodeEvent | undefined;
    try {
      event = this.#machine.pollEvent();
    } catch (error) {
      this.#fail(error);
    }
    if (event === undefined) return false;
    try {
      this.#onEvent?.(event);
    } catch (cause) {
      this.#report(new CallbackError("onEvent", cause));
    }
    this.#plugins.dispatch(event);
    return true;
  }

  #flush(): void {
    try {
      this.#outlet.flush();
    } catch (error) {
      this.#report(error);
    }
  }

  #rearm(): void {
    if (this.#lateness === "wanted" || this.#lateness === "reading") return; // the turn to read ends in a pump
    const deadline = this.#nextDeadline();
    if (deadline?.atMs === this.#armedAtMs) return;
    this.#armedAtMs = deadline?.atMs;
    this.#host.arm(deadline);
  }

  #nextDeadline(): Deadline | undefined {
    if (this.#closed) return undefined;
    try {
      return this.#machine.nextDeadline();
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    this.#runScheduledPump ??= () => {
      this.#pumpScheduled = false;
      this.pump();
    };
    this.#host.schedule(this.#runScheduledPump);
  }

  #scheduleReading(): void {
    this.#lateness = "reading";
    this.#lateTurns++;
    this.#endReading ??= () => {
      if (this.#lateness === "reading") this.#lateness = "read";
      this.pump();
    };
    this.#host.schedule(this.#endReading);
  }

  /** Anything that the machine throws by itself is a fault of this library: it is closed, and reported once. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) {
      this.#broken = true;
      return;
    }
    this.#failure = { error };
    this.#closeMachine();
    this.#callReport(error);
  }

  #closeMachine(): void {
    this.#closed = true;
    this.#lateness = "none";
    this.#maxTransmits = closingBudget;
    this.#maxEvents = closingBudget;
    try {
      this.#machine.close(this.#now());
    } catch (error) {
      this.#fail(error);
    }
  }

  #report(error: unknown): void {
    const failure = this.#failure;
    const isKnown =
      failure !== undefined &&
      error instanceof Error &&
      (error === failure.error || error.cause === failure.error);
    if (!isKnown) this.#callReport(error);
  }

  #callReport(error: unknown): void {
    try {
      this.#host.report(error);
    } catch {
      this.#lostReports++;
    }
  }
}

function checkedBudget(name: string, value: number | undefined): number {
  if (value === undefined) return defaultBudget;
  if (Number.isInteger(value) && value >= 1 && value <= closingBudget) return value;
  throw new UsageError(
    "invalidOption",
    `${name}: ${String(value)}; allowed is a whole number from 1 to ${closingBudget}`,
  );
}
