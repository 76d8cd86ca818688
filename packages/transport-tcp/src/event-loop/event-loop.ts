/**
 * A small event loop over sockets: they are added with callbacks and something of the user's own, and while the loop runs,
 * each whole message that arrives, each connection and each failure is one call. It lives inside Node's loop.
 *
 * Nothing is called back before `run`, and nothing after `stop`. Callbacks may add and remove sockets, send, and stop.
 */
import { Server, type Socket } from "node:net";
import { UsageError } from "@kad/core";
import { maxFrameBytes } from "../framing.ts";
import {
  type ClientHandlers,
  type ClientSocket,
  type ListenerHandlers,
  type ListeningSocket,
  LoopClient,
  type LoopCore,
  LoopListener,
  type LoopMember,
  type LoopSocket,
} from "./loop-socket.ts";
import { SocketError } from "./socket-error.ts";

export interface EventLoopOptions {
  /** Longest message, 1 to 2^30 bytes. Default: 1 MiB. */
  readonly maxMessageBytes?: number;
  /** What may wait for one socket, 1 to 2^30 bytes; beyond it `send` answers `full`. Default: 1 MiB. */
  readonly maxQueuedBytes?: number;
}

interface Run {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class EventLoop {
  readonly #core: LoopCore;
  readonly #members = new Set<LoopMember>();
  #dirty: { flush(): void }[] = [];
  #isFlushScheduled = false;
  /** Above zero: a callback is on the stack, and what it sends is flushed when it has returned. */
  #depth = 0;
  #run: Run | undefined;

  /** @throws UsageError `invalidOption` */
  constructor(options: EventLoopOptions = {}) {
    this.#core = {
      isRunning: () => this.#run !== undefined,
      maxMessageBytes: checkBytes("maxMessageBytes", options.maxMessageBytes),
      maxQueuedBytes: checkBytes("maxQueuedBytes", options.maxQueuedBytes),
      dispatch: (member, callback) => this.#dispatch(member, callback),
      sends: (client) => this.#sends(client),
      leave: (member) => this.#leave(member),
    };
  }

  /** Sockets in the loop, those that listen among them. */
  get socketCount(): number {
    return this.#members.size;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /**
   * Adds a listening socket, or a client, which is connected or on the way. The loop alone reads and writes it from now on.
   * Allowed at any time, in callbacks too.
   */
  addSocket<UserData = undefined>(
    server: Server,
    handlers: ListenerHandlers<UserData>,
    ...userData: UserData extends undefined ? [] : [UserData]
  ): ListeningSocket<UserData>;
  addSocket<UserData = undefined>(
    socket: Socket,
    handlers: ClientHandlers<UserData>,
    ...userData: UserData extends undefined ? [] : [UserData]
  ): ClientSocket<UserData>;
  addSocket<UserData>(
    socket: Server | Socket,
    handlers: ListenerHandlers<UserData> | ClientHandlers<UserData>,
    userData?: UserData,
  ): ListeningSocket<UserData> | ClientSocket<UserData> {
    const member =
      socket instanceof Server
        ? new LoopListener(this.#core, socket, handlers as ListenerHandlers<UserData>, userData as UserData)
        : new LoopClient(this.#core, socket, handlers as ClientHandlers<UserData>, userData as UserData);
    this.#members.add(member);
    return member;
  }

  /**
   * Takes a socket out of the loop, paused but open: it is the caller's again. Nothing is called back for it from now on, not
   * even the rest of what has just been read. `false`: it is not in the loop (any more).
   */
  removeSocket(socket: LoopSocket<never> | LoopSocket<unknown>): boolean {
    const member = socket as unknown as LoopMember;
    if (!this.#members.has(member)) return false;
    member.detach();
    this.#leave(member);
    return true;
  }

  /**
   * Calls back until `stop`, or until no socket is left. May be called again afterwards.
   * @throws (rejects) the `SocketError` of a callback that threw, where its socket has no `onError`; UsageError
   * `invalidArgument` while it runs
   */
  run(): Promise<void> {
    if (this.#run !== undefined)
      return Promise.reject(new UsageError("invalidArgument", "the loop is running already"));
    if (this.#members.size === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#run = { resolve, reject };
      for (const member of [...this.#members]) if (this.#members.has(member)) member.start();
    });
  }

  /**
   * Ends `run` once the callback under way has returned. Sockets stay in the loop, open and paused. What has been read with
   * the message at hand is still handed out. Does nothing when it does not run.
   */
  stop(): void {
    this.#finish((run) => run.resolve());
  }

  #finish(settle: (run: Run) => void): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    for (const member of this.#members) member.pause();
    settle(run);
  }

  #dispatch(member: LoopMember, callback: () => void): void {
    this.#depth++;
    try {
      callback();
    } catch (cause) {
      this.#onThrow(member, cause);
    } finally {
      this.#depth--;
      this.#scheduleFlush();
      this.#endIfEmpty();
    }
  }

  #onThrow(member: LoopMember, cause: unknown): void {
    const text = cause instanceof Error ? cause.message : String(cause);
    const error = new SocketError("callbackFailed", `a callback threw: ${text}`, { cause });
    try {
      if (member.fail(error)) return;
    } catch {
      // The handler of errors threw as well: there is nobody left to tell but who runs the loop.
    }
    this.#finish((run) => run.reject(error));
  }

  #sends(client: { flush(): void }): void {
    this.#dirty.push(client);
    if (this.#depth === 0) this.#scheduleFlush();
  }

  /** After all callbacks of this read, and all that the caller sends in one go. */
  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#dirty.length === 0) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      const dirty = this.#dirty;
      this.#dirty = [];
      for (const client of dirty) client.flush();
    });
  }

  #leave(member: LoopMember): void {
    this.#members.delete(member);
    this.#endIfEmpty();
  }

  /** A callback under way may yet add another. */
  #endIfEmpty(): void {
    if (this.#depth === 0 && this.#members.size === 0) this.#finish((run) => run.resolve());
  }
}

function checkBytes(option: string, value: number = maxFrameBytes): number {
  if (Number.isInteger(value) && value >= 1 && value <= 2 ** 30) return value;
  throw new UsageError("invalidOption", `${option}: ${String(value)}; allowed are 1 to ${2 ** 30} bytes`);
}
