/**
 * What can go wrong, sorted by whose doing it is.
 *
 * Remote bytes never throw: they become a typed drop and a counter. Misuse by the caller throws {@link UsageError} at
 * once. Outcomes (timed out, nobody had it, refused) are values in the event that finishes a query. A broken invariant
 * throws {@link InvariantError}: a fault of this library; the driver closes the node and reports it.
 */

/** Base of every error here. `code` is stable and meant for programs; `message` is for people and may change. */
export class KadError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

export type UsageErrorCode =
  | "invalidOption" // an option is of the wrong type or outside its range
  | "invalidId" // an id or key has the wrong length or form
  | "invalidAddress" // an address's text cannot be read, or its scheme has no transport
  | "invalidRecord" // a record is too large, of an unknown type, or its validator refuses it
  | "noAddress" // a client without addresses cannot provide anything: nobody could reach it
  | "invalidArgument" // any other argument of a command
  | "reentrant" // a hook (store, validator, hash, random, address codec) called the node
  | "closed" // a command on a closed node
  | "tooMany"; // more queries, timers or plugins than their cap

/** The caller broke the contract: thrown at once, names the field, the value and what is allowed; nothing has changed. */
export class UsageError extends KadError {
  declare readonly code: UsageErrorCode;

  constructor(code: UsageErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
  }
}

/** This library broke a promise of its own: a fault to report. The node that threw it cannot be used any more. */
export class InvariantError extends KadError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("invariant", message, options);
  }
}

/** A hook that the host supplied (store, validator, hash) threw; the error is in `cause`, the message was refused. */
export class HookError extends KadError {
  constructor(hook: string, cause: unknown) {
    super("hookFailed", `${hook} threw: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** A callback of a plugin or host (`onMessage`, `onEvent`, …) threw or rejected; what it threw is in `cause`. */
export class CallbackError extends KadError {
  constructor(callback: string, cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super("callbackFailed", `${callback} failed: ${message}`, { cause });
  }
}

export type ListenErrorCode =
  | "addressInUse" // somebody else listens there
  | "addressNotAvailable" // no interface of this host has the address
  | "notPermitted" // the operating system does not allow it, such as a port below 1024
  | "listenFailed"; // anything else; see `cause`

/** A transport could not listen. `url` is the address as it was asked for. */
export class ListenError extends KadError {
  declare readonly code: ListenErrorCode;
  readonly url: string;

  constructor(code: ListenErrorCode, url: string, cause: unknown) {
    super(code, `${url}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.url = url;
  }
}

/** A value as it stands in a message about it: short, and without what an object might print. */
export function shown(value: unknown): string {
  if (typeof value === "string") return `"${value.slice(0, 80)}"`; // slice: a string
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return `${value}`;
  return value === null ? "null" : typeof value;
}
