/** What goes wrong on the way to the system. */
import { KadError } from "@kad/core";

export type UnavailableErrorCode =
  | "koffiMissing" // the package koffi cannot be loaded
  | "unsupportedPlatform" // these calls are not there, or laid out in another way
  | "missingSymbol"; // a library lacks a function

/** Something native cannot be used here; the message says what to install, or what to use instead. */
export class UnavailableError extends KadError {
  declare readonly code: UnavailableErrorCode;

  constructor(code: UnavailableErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
  }
}

/** A call to the system failed. `code` is the system's name for it (`EBADF`, `ECONNREFUSED`, …). */
export class SystemError extends KadError {
  /** The function that was called. */
  readonly call: string;
  readonly errno: number;

  constructor(call: string, errno: number, name: string) {
    super(name, `${call}: ${name}`);
    this.call = call;
    this.errno = errno;
  }
}
