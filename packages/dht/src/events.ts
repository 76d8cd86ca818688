/**
 * What a node tells its listeners: an `EventTarget` with `noun:verb` names, typed, that listeners cannot break.
 *
 * Node rethrows what a listener throws as an uncaught exception, which ends the process. Here a listener that throws or
 * rejects is reported instead; the other listeners are still called.
 */
import { getEventListeners } from "node:events";
import {
  CallbackError,
  type Contact,
  type Explanation,
  type NodeEvent,
  type Path,
  type QueryFinished,
  type QueryId,
  type QueryResult,
  type RemoteErrorCode,
} from "@kad/core";
import type { BootstrapFailed } from "./errors.ts";
import { explained } from "./explained.ts";

export interface DhtNodeEvents {
  /** A peer has answered us, or proven itself in a handshake; once for each entry into the table. */
  readonly "peer:discovery": CustomEvent<Contact>;
  /** A peer did what an honest one does not do. */
  readonly "peer:misbehaviour": CustomEvent<{ readonly from: Path; readonly code: RemoteErrorCode }>;
  /** An answer has come to a query. Only queries that begin while somebody listens tell of it. */
  readonly "query:progress": CustomEvent<{
    readonly query: QueryId;
    readonly step: number;
    readonly result: QueryResult;
    /** So far, of an operation called with `explain`. */
    readonly explanation?: Explanation;
  }>;
  /** Exactly once for each query. */
  readonly "query:end": CustomEvent<QueryFinished>;
  /** A seed has answered and the walk to our own id is over: at the start, and again after the table was empty. */
  readonly "node:join": CustomEvent<{ readonly contacts: number }>;
  /** A round of asking the seeds, in the background, has ended without an answer. Another one follows. */
  readonly "bootstrap:failure": CustomEvent<BootstrapFailed>;
  /** What a listener, plugin, handler or hook threw, and what else went wrong without a caller to tell. */
  readonly "node:error": CustomEvent<unknown>;
  /** Once; nothing follows it. */
  readonly "node:close": CustomEvent<undefined>;
}

export type DhtNodeEventName = keyof DhtNodeEvents;

type Detail<K extends DhtNodeEventName> = DhtNodeEvents[K]["detail"];
type Callback = ((event: never) => unknown) | { handleEvent(event: never): unknown };

/** As for every `EventTarget`. */
export interface ListenerOptions {
  readonly once?: boolean;
  readonly capture?: boolean;
  readonly passive?: boolean;
  /** The listener is removed when it aborts. */
  readonly signal?: AbortSignal;
}

export type Listener<K extends DhtNodeEventName> =
  | ((event: DhtNodeEvents[K]) => unknown)
  | { handleEvent(event: DhtNodeEvents[K]): unknown };

export class DhtEventTarget extends EventTarget {
  readonly #report: (error: CallbackError, type: string) => void;
  /** What stands in for each listener; forgotten with the listener. */
  #contained: WeakMap<object, (event: Event) => void> | undefined = undefined;

  /** `report` hears what listeners of which event throw; it must not throw. */
  constructor(report: (error: CallbackError, type: string) => void) {
    super();
    this.#report = report;
  }

  override addEventListener<K extends DhtNodeEventName>(
    type: K,
    listener: Listener<K>,
    options?: ListenerOptions | boolean,
  ): void;
  override addEventListener(type: string, listener: Callback, options?: ListenerOptions | boolean): void;
  override addEventListener(type: string, listener: Callback, options?: ListenerOptions | boolean): void {
    super.addEventListener(type, this.#contain(listener), options);
  }

  override removeEventListener<K extends DhtNodeEventName>(
    type: K,
    listener: Listener<K>,
    options?: ListenerOptions | boolean,
  ): void;
  override removeEventListener(type: string, listener: Callback, options?: ListenerOptions | boolean): void;
  override removeEventListener(type: string, listener: Callback, options?: ListenerOptions | boolean): void {
    super.removeEventListener(type, this.#contain(listener), options);
  }

  /** Whether anybody listens; an event that nobody wants is not made. */
  protected hasListeners(type: DhtNodeEventName): boolean {
    return getEventListeners(this, type).length > 0;
  }

  protected emit<K extends DhtNodeEventName>(type: K, detail: Detail<K>): void {
    if (this.hasListeners(type)) this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** What of the machine's events listeners hear. */
  protected tell(event: NodeEvent): void {
    switch (event.type) {
      case "queryProgressed": {
        const { query, step, result } = event;
        this.emit("query:progress", { query, step, result, ...explained(event) });
        break;
      }
      case "queryFinished":
        this.emit("query:end", event);
        break;
      case "nodeDiscovered":
        this.emit("peer:discovery", event.contact);
        break;
      case "peerMisbehaved":
        this.emit("peer:misbehaviour", { from: event.from, code: event.code });
        break;
      case "requestTimedOut":
      case "messageReceived":
      case "timer":
      case "error": // plugins hear of these; an error that none takes comes back through `report`
        break;
    }
  }

  #contain(listener: Callback): (event: Event) => void {
    this.#contained ??= new WeakMap();
    const known = this.#contained.get(listener);
    if (known !== undefined) return known;
    const contained = (event: Event): void => {
      const fail = (cause: unknown): void =>
        this.#report(new CallbackError(`listener of ${event.type}`, cause), event.type);
      try {
        const isFunction = typeof listener === "function";
        const returned = isFunction
          ? listener.call(this, event as never)
          : listener.handleEvent(event as never);
        if (returned instanceof Promise) returned.catch(fail);
      } catch (cause) {
        fail(cause);
      }
    };
    this.#contained.set(listener, contained);
    this.#contained.set(contained, contained); // Node removes by what it was given, through our own method, when a signal aborts
    return contained;
  }
}
