/**
 * A node in a libuv loop: one that you have and run, or one of its own. Never in Node's own.
 *
 * It has one `uv_timer_t` for its next deadline, one `uv_async_t` by which others wake it, a `uv_poll_t` for each descriptor of its
 * transports (or the handles of `uvUdp`), and a check and an idle handle for its turns: what an iteration's poll has brought is read and
 * followed up once, in that iteration's check phase.
 */
import {
  type Clock,
  type Driver,
  PolledLoop,
  type PolledLoopOptions,
  type PolledSocket,
  receiveFairly,
  SocketWatches,
  type TransportRouter,
  turnMessages,
  UsageError,
} from "@kad/core";
import { openUv } from "./native-uv.ts";
import {
  type UvAsync,
  type UvBinding,
  type UvLoop,
  type UvPhase,
  type UvPoll,
  type UvRunMode,
  type UvTimer,
  uvReadable,
  uvWritable,
} from "./uv-binding.ts";
import { UvHandles } from "./uv-handles.ts";
import type { UvTransport } from "./uv-udp.ts";

/** Transports have to open at once: `uvUdp`, `posixUdp` of `@kad/transport-udp/posix`, and others that need no promise. */
export interface UvNodeOptions extends PolledLoopOptions {
  /** Default: `openUv()`, the libuv inside Node's executable. */
  readonly binding?: UvBinding;
  /** The loop to join, of that binding; whoever made it runs it and closes it. Default: one of the node's own. */
  readonly loop?: UvLoop;
  /** Default: `performance.now` and `Date.now`. */
  readonly clock?: Clock;
  /** After `close`, when the last of its close callbacks has come: a loop that was joined can be closed now, as far as it goes. */
  readonly onClosed?: () => void;
}

/** The longest delay of a timer; it is set anew when it fires too early. */
const maxDelayMs = 2 ** 31 - 1;
/** Iterations until every close callback has come: one, and one for those that a close callback has begun. */
const closingIterations = 4;

/**
 * Opens the transports and starts the node, at once. When one fails, everything is closed again; in a loop that was joined the
 * handles go with its next iteration.
 * @throws UnavailableError where koffi or the library is missing; ListenError that names the address; UsageError; SystemError
 */
export function uvNode(options: UvNodeOptions): UvNode {
  return new UvNode(options);
}

export class UvNode {
  readonly #binding: UvBinding;
  readonly #uvLoop: UvLoop;
  readonly #isOwnLoop: boolean;
  readonly #handles: UvHandles;
  readonly #timer: UvTimer;
  readonly #check: UvPhase;
  readonly #idle: UvPhase;
  readonly #async: UvAsync;
  readonly #watches: SocketWatches<UvPoll | undefined>;
  readonly #loop: PolledLoop;
  readonly #clock: Clock;
  readonly #polls = new Set<UvPoll>();
  readonly #onClosed: (() => void) | undefined;
  #readable: PolledSocket[] = [];
  #writable: PolledSocket[] = [];
  #isTurnRequested = false;
  #timerFired = false;
  #isReferenced = true;
  #isLoopClosed = false;

  /** Use {@link uvNode}. */
  constructor(options: UvNodeOptions) {
    const { binding = openUv(), loop, clock = systemClock, onClosed } = options;
    this.#binding = binding;
    this.#clock = clock;
    this.#onClosed = onClosed;
    this.#isOwnLoop = loop === undefined;
    this.#uvLoop = loop ?? binding.uv_loop_init();
    this.#handles = new UvHandles(binding, this.#uvLoop, () => this.#onAllClosed());
    try {
      const handles = this.#handles;
      this.#timer = handles.add(binding.uv_timer_init(this.#uvLoop));
      this.#check = handles.add(binding.uv_phase_init(this.#uvLoop, "check"));
      this.#idle = handles.add(binding.uv_phase_init(this.#uvLoop, "idle"));
      this.#async = handles.add(binding.uv_async_init(this.#uvLoop, () => this.#requestTurn()));
      // They serve the others, and keep no loop alive by themselves.
      for (const handle of [this.#check, this.#idle, this.#async]) binding.uv_unref(handle);
      this.#watches = new SocketWatches({
        add: (socket, wantsWrite) => this.#addPoll(socket, wantsWrite),
        change: (poll, socket, wantsWrite) => this.#changePoll(poll, socket, wantsWrite),
        remove: (poll) => this.#removePoll(poll),
      });
      for (const transport of options.transports) if (isUvTransport(transport)) transport.joinLoop(handles);
      this.#loop = new PolledLoop(options, {
        clock,
        setTimer: (atMs) => this.#setTimer(atMs),
        watch: () => this.#watches.update(this.#loop.sockets),
        wake: () => this.#requestTurn(),
        release: () => this.#release(),
        closed: () => this.#finishOwnLoop(),
      });
      const opening = this.#loop.open();
      if (opening !== undefined) this.#refuse(opening);
    } catch (error) {
      this.#handles.closeAll();
      this.#finishOwnLoop();
      throw error;
    }
  }

  /** For commands and plugins. */
  get driver(): Driver {
    return this.#loop.driver;
  }

  /** For local addresses and counters. */
  get router(): TransportRouter {
    return this.#loop.router;
  }

  /** The loop that it lives in. */
  get loop(): UvLoop {
    return this.#uvLoop;
  }

  /** The node is closed; its handles may still be closing. */
  get closed(): boolean {
    return this.#loop.closed;
  }

  /** Its handles whose close callback has not come yet: while there are any, the loop cannot be closed. */
  get openHandles(): number {
    return this.#handles.open;
  }

  /**
   * `uv_run`: `default` runs until `stop` or `close` (or until nothing keeps the loop alive), `once` waits for one poll,
   * `nowait` does not wait. Returns whether the loop is alive.
   * @throws what nobody took and what callbacks threw, once it is over: call it again to go on. UsageError `reentrant` from
   * inside a callback
   */
  run(mode: UvRunMode = "default"): boolean {
    if (this.#uvLoop.isRunning || this.#loop.isBusy) {
      throw new UsageError("reentrant", "run: called from inside a callback; libuv does not allow that");
    }
    if (this.#isLoopClosed) return false;
    let isAlive: boolean;
    try {
      isAlive = this.#binding.uv_run(this.#uvLoop, mode) > 0;
    } finally {
      if (this.closed) this.#finishOwnLoop();
    }
    return isAlive && !this.#isLoopClosed;
  }

  /** `uv_stop`: the run under way returns after this iteration, or the next one at once. */
  stop(): void {
    if (!this.#isLoopClosed) this.#binding.uv_stop(this.#uvLoop);
  }

  /** The node has a turn in the loop's next iteration, which begins at once. Commands see to that themselves. */
  wake(): void {
    this.#binding.uv_async_send(this.#async);
  }

  /** Where the `uv_async_t` lies, for another thread that calls `uv_async_send`; only while the node is open. */
  get asyncAddress(): number {
    return this.#async.address;
  }

  /** Whether the node keeps `uv_run` going in the mode `default`; it does at first. */
  ref(): void {
    this.#isReferenced = true;
    for (const handle of [this.#timer, ...this.#polls]) this.#binding.uv_ref(handle);
    this.router.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    for (const handle of [this.#timer, ...this.#polls]) this.#binding.uv_unref(handle);
    this.router.unref();
  }

  /**
   * Ends every query, lets the last messages leave, and closes every handle. From inside a callback the turn under way does that. A
   * loop of its own is closed at once, or when `run` returns; in one that was joined the close callbacks come with its next
   * iteration, and then `onClosed`. A second call does nothing.
   * @throws what nobody took, after everything is closed
   */
  close(): void {
    void this.#loop.close(); // closes at once
  }

  #setTimer(atMs: number): void {
    this.#binding.uv_update_time(this.#uvLoop);
    // libuv counts whole milliseconds on a clock that is cut off to them: one more, or it would fire too early and again.
    // Never 0: up to 1.47 libuv goes on with timers until none is due, so one that is set to 0 again and again never lets it poll.
    const delayMs = Math.min(Math.max(1, Math.ceil(atMs - this.#clock.nowMs()) + 1), maxDelayMs);
    this.#binding.uv_timer_start(this.#timer, this.#onTimer, delayMs, 0);
  }

  /** Where a turn is on its way already, it may be one that has to poll before time passes: then that one lets it pass. */
  readonly #onTimer = (): void => {
    this.#timerFired = true;
    if (!this.#isTurnRequested) this.#turn();
  };

  #turn(): void {
    const timerFired = this.#timerFired;
    this.#timerFired = false;
    this.#loop.turn(this.#read, timerFired);
  }

  /** In the check phase of this iteration, or of the next one, whose poll does not wait. */
  #requestTurn(): void {
    if (this.#isTurnRequested) return;
    this.#isTurnRequested = true;
    this.#binding.uv_phase_start(this.#check, this.#onCheck);
    this.#binding.uv_phase_start(this.#idle, doNothing);
  }

  readonly #onCheck = (): void => {
    this.#isTurnRequested = false;
    this.#binding.uv_phase_stop(this.#check);
    this.#binding.uv_phase_stop(this.#idle);
    this.#turn();
  };

  readonly #read = (): number => {
    const [readable, writable] = [this.#readable, this.#writable];
    if (readable.length === 0 && writable.length === 0) return 0;
    this.#readable = [];
    this.#writable = [];
    for (const socket of writable) socket.writable();
    return receiveFairly(readable, turnMessages);
  };

  #addPoll(socket: PolledSocket, wantsWrite: boolean): UvPoll {
    const poll = this.#handles.add(this.#binding.uv_poll_init(this.#uvLoop, socket.fd));
    this.#polls.add(poll);
    if (!this.#isReferenced) this.#binding.uv_unref(poll);
    this.#startPoll(poll, socket, wantsWrite);
    return poll;
  }

  #startPoll(poll: UvPoll, socket: PolledSocket, wantsWrite: boolean): void {
    const events = wantsWrite ? uvReadable | uvWritable : uvReadable;
    this.#binding.uv_poll_start(poll, events, (status, came) => {
      if ((came & uvWritable) !== 0) this.#writable.push(socket);
      if (status < 0 || (came & uvReadable) !== 0) this.#readable.push(socket); // reading tells what is wrong
      this.#requestTurn();
    });
  }

  /** libuv ends the process when it is to watch what is no descriptor any more. */
  #changePoll(poll: UvPoll | undefined, socket: PolledSocket, wantsWrite: boolean): void {
    if (poll === undefined) return;
    if (this.#binding.uv_guess_handle(socket.fd) === "unknown")
      socket.receive(1); // lets the transport notice
    else this.#startPoll(poll, socket, wantsWrite);
  }

  #removePoll(poll: UvPoll | undefined): void {
    if (poll === undefined) return;
    this.#polls.delete(poll);
    this.#handles.close(poll);
  }

  /** Handles first: descriptors may be closed as soon as libuv watches them no more. */
  #release(): void {
    this.#watches.clear();
    for (const handle of [this.#timer, this.#check, this.#idle, this.#async]) this.#handles.close(handle);
  }

  #onAllClosed(): void {
    if (this.closed) this.#onClosed?.();
  }

  /** Such a transport lives in Node's loop, which does not turn while this one waits. */
  #refuse(opening: Promise<void>): never {
    const ignore = (): void => undefined;
    opening.then(() => this.#loop.close()).catch(ignore);
    void Promise.resolve(this.#loop.close()).catch(ignore);
    throw new UsageError(
      "invalidOption",
      "transports: one of them opens with a promise; allowed are those that open at once, such as uvUdp() and posixUdp() of @kad/transport-udp/posix",
    );
  }

  /** Lets the close callbacks come, and closes the loop after the last one: not while it runs, but then when it has. */
  #finishOwnLoop(): void {
    if (!this.#isOwnLoop || this.#isLoopClosed || this.#uvLoop.isRunning) return;
    const failures: unknown[] = [];
    for (let i = 0; i < closingIterations && this.#handles.open > 0; i++) {
      try {
        this.#binding.uv_run(this.#uvLoop, "nowait");
      } catch (error) {
        failures.push(error);
      }
    }
    this.#isLoopClosed = this.#binding.uv_loop_close(this.#uvLoop) === 0;
    if (failures.length > 0) throw failures[0];
  }
}

const systemClock: Clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };

const doNothing = (): void => undefined;

function isUvTransport(transport: object): transport is UvTransport {
  return "joinLoop" in transport;
}
