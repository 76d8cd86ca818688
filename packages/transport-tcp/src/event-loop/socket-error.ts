/** What happened to a socket of a loop. */
import { KadError } from "@kad/core";

export type SocketErrorCode =
  | "ended" // the other side has closed it, between two messages
  | "truncated" // it has closed it in the middle of a message
  | "tooLarge" // it announces a message over the limit
  | "broken" // a reset, a refused dial, or another error of the system; see `cause`
  | "callbackFailed"; // a callback of this socket threw; see `cause`

/** Given to `onError`. After all but `callbackFailed` the socket is closed and no longer in the loop. */
export class SocketError extends KadError {
  declare readonly code: SocketErrorCode;

  constructor(code: SocketErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
  }
}
