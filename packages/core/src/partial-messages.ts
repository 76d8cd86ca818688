/**
 * Messages that have begun and are not whole: how much memory they take in all, and which was begun first.
 */
import type { Connection } from "./connection.ts";
import type { InstantMs } from "./machine.ts";

export class PartialMessages {
  #bytes = 0;
  /** The one begun first in front. */
  readonly #connections = new Set<Connection>();

  /** In all, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get oldest(): Connection | undefined {
    for (const connection of this.#connections) return connection;
    return undefined;
  }

  /** @returns whether it is another message than the one that we knew of */
  set(nowMs: InstantMs, connection: Connection, bytes: number): boolean {
    this.#bytes += bytes - connection.partialBytes;
    connection.partialBytes = bytes;
    if (connection.partialSinceMs !== undefined) return false;
    connection.partialSinceMs = nowMs;
    this.#connections.delete(connection); // the message before was begun earlier
    this.#connections.add(connection);
    return true;
  }

  /** It is whole, or will never be. */
  clear(connection: Connection): void {
    this.#bytes -= connection.partialBytes;
    connection.partialBytes = 0;
    connection.partialSinceMs = undefined;
    this.#connections.delete(connection);
  }
}
