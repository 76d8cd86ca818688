/**
 * A node that a loop of the host's drives: three styles on one object. None blocks, and none needs a promise, a microtask
 * or a timer of the runtime.
 *
 * 1. Separate concerns: wait for `getSocketFd()`, for `getNextTimeoutMs()` at most; then `handleNetworkEvent()` when it is
 *    readable, `handleTimeout()` when it is not.
 * 2. A descriptor: wait for `getPollFd()` in the same way, then `processEvents(max)`, whatever the wait has brought.
 * 3. Periodic: `periodic()` does all there is, and says for how long to sleep.
 *
 * Mixed calls, repeated ones and those that come late do no harm. With a transport without descriptors (`node:dgram`) bytes
 * arrive only while Node's own loop turns; a host that blocks takes `@kad/transport-udp/posix`, or owns the socket and
 * hands bytes in.
 */
import {
  type Address,
  type AddressTable,
  type Clock,
  type Driver,
  type Gauge,
  type NodeEvent,
  type Path,
  PolledLoop,
  type PolledLoopOptions,
  type PolledSocket,
  receiveFairly,
  type TransportRouter,
  turnMessages,
  UsageError,
} from "@kad/core";
import { WaitingEvents } from "./waiting-events.ts";

export interface PollNodeOptions extends PolledLoopOptions {
  /** Default: `performance.now` and `Date.now`. */
  readonly clock?: Clock;
  /** Events wait for {@link PollNode.pollEvent}, beside the callbacks. Default false: they would wait for nobody. */
  readonly queueEvents?: boolean;
  /**
   * Something is to be done outside of a turn, or a command has been run: a host that sleeps wakes up. A signal only: it may
   * not call the node.
   */
  readonly onWake?: () => void;
}

export interface PollNodeStats {
  /** Events that wait for `pollEvent` and may be dropped. */
  readonly queuedEvents: Gauge;
  readonly eventsDropped: number;
}

/** While a socket has no room, and the host may wait for readability alone. */
const writeRetryMs = 10;

/**
 * Opens the transports and starts the node, at once. When one fails, everything is closed again.
 * @throws ListenError that names the address; UsageError `invalidOption` for a transport that opens with a promise
 */
export function pollNode(options: PollNodeOptions): PollNode {
  const node = new PollNode(options);
  const opening = node.open();
  if (opening === undefined) return node;
  const ignore = (): void => undefined;
  opening.then(() => node.close()).catch(ignore);
  throw new UsageError(
    "invalidOption",
    "transports: one of them opens with a promise; allowed here are those that open at once, and openPollNode takes any",
  );
}

/**
 * The same for any transport, `node:dgram` among them.
 * @throws (rejects) ListenError that names the address
 */
export async function openPollNode(options: PollNodeOptions): Promise<PollNode> {
  const node = new PollNode(options);
  await node.open();
  return node;
}

export class PollNode {
  readonly #loop: PolledLoop;
  readonly #addresses: AddressTable;
  readonly #events: WaitingEvents | undefined;

  /** Use {@link pollNode} or {@link openPollNode}. */
  constructor(options: PollNodeOptions) {
    const { addresses, clock = systemClock, queueEvents = false, onWake, onEvent } = options;
    this.#addresses = addresses;
    this.#events = queueEvents ? new WaitingEvents() : undefined;
    const hear = hearing(this.#events, onEvent);
    this.#loop = new PolledLoop(
      { ...options, ...(hear !== undefined && { onEvent: hear }) },
      { clock, ...(onWake !== undefined && { wake: onWake }) },
    );
  }

  /** @internal */
  open(): void | Promise<void> {
    return this.#loop.open();
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

  /** All descriptors to wait for; `wantsWrite` says for what. Ask anew before every wait. */
  get sockets(): readonly PolledSocket[] {
    return this.#loop.sockets;
  }

  /** Style 1: the descriptor to wait for, where there is exactly one. */
  getSocketFd(): number | undefined {
    const { sockets } = this.#loop;
    return sockets.length === 1 ? sockets[0]?.fd : undefined;
  }

  /**
   * How long a wait may take, in whole milliseconds, an hour at most; 0: there is something to do already. `undefined`: the
   * node is closed.
   */
  getNextTimeoutMs(): number | undefined {
    const timeoutMs = this.#loop.getNextTimeoutMs();
    if (timeoutMs === undefined || timeoutMs <= writeRetryMs) return timeoutMs;
    return this.#loop.sockets.some(({ wantsWrite }) => wantsWrite) ? writeRetryMs : timeoutMs;
  }

  /** Style 1: reads what has arrived, at most `max` messages, and does what follows from it. Returns how many it read. */
  handleNetworkEvent(max?: number): number {
    return this.processEvents(max);
  }

  /** Style 1: lets time pass, without reading. Early or repeated calls do nothing. */
  handleTimeout(): void {
    this.#loop.turn();
  }

  /**
   * Style 2: the descriptor that is readable when bytes have arrived, where there is exactly one socket; time is asked for
   * with {@link getNextTimeoutMs}. `@kad/loop-epoll` has one that tells of both.
   */
  getPollFd(): number | undefined {
    return this.getSocketFd();
  }

  /**
   * Reads at most `max` messages (192 by default), lets time pass, sends, hands out events. Returns how many it read: as
   * many as `max` means that more may wait. From inside a callback, and once closed, it does nothing and returns 0.
   * @throws what nobody took, with no `report`; the next call goes on
   */
  processEvents(max: number = turnMessages): number {
    checkMax(max);
    let messages = 0;
    for (;;) {
      const room = Math.min(turnMessages, max - messages);
      const read = this.#loop.turn(() => this.#read(room));
      messages += read;
      if (read < room || messages >= max) return messages;
    }
  }

  /** Style 3: does all there is, and says for how many milliseconds to sleep; `undefined` once closed. */
  periodic(): number | undefined {
    this.processEvents();
    return this.getNextTimeoutMs();
  }

  /**
   * A message that the host has read itself, from an address or its URL, or by a path that says more. Borrowed until this
   * returns. What follows from it happens in the next turn.
   * @throws UsageError `invalidAddress` for a text that is no URL of an address
   */
  deliver(bytes: Uint8Array, from: string | Address | Path): void {
    this.#loop.handIn({ type: "message", from: this.#pathOf(from), bytes: plain(bytes) });
  }

  /**
   * The oldest event that waits; `undefined`: none. They come after callbacks have had them.
   * @throws UsageError `invalidArgument` without `queueEvents`
   */
  pollEvent(): NodeEvent | undefined {
    if (this.#events !== undefined) return this.#events.poll();
    throw new UsageError("invalidArgument", "pollEvent: events go to callbacks only; say queueEvents: true");
  }

  stats(): PollNodeStats {
    return {
      queuedEvents: this.#events?.gauge ?? { used: 0, limit: 0 },
      eventsDropped: this.#events?.dropped ?? 0,
    };
  }

  /**
   * Ends every query, lets what the node still says leave, and closes the transports; a promise only where one of them
   * closes with one. From inside a callback the turn under way does that. What events remain can still be polled. A second
   * call does nothing.
   */
  close(): void | Promise<void> {
    return this.#loop.close();
  }

  #read(max: number): number {
    const { sockets } = this.#loop;
    for (const socket of sockets) if (socket.wantsWrite) socket.writable();
    return receiveFairly(sockets, max);
  }

  #pathOf(from: string | Address | Path): Path {
    if (typeof from !== "string" && "remote" in from) return from;
    const remote = typeof from === "string" ? this.#addresses.parse(from) : from;
    return { remote, dialable: true };
  }
}

const systemClock: Clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };

function hearing(
  events: WaitingEvents | undefined,
  onEvent: ((event: NodeEvent) => void) | undefined,
): ((event: NodeEvent) => void) | undefined {
  if (events === undefined || onEvent === undefined) return events?.push ?? onEvent;
  return (event) => {
    try {
      onEvent(event);
    } finally {
      events.push(event);
    }
  };
}

/** A `Buffer` is a `Uint8Array` whose `slice` does not copy: the node gets a view of its bytes. */
function plain(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function checkMax(max: number): void {
  if (Number.isInteger(max) && max >= 1) return;
  throw new UsageError("invalidArgument", `max: ${String(max)}; allowed is a whole number from 1`);
}
