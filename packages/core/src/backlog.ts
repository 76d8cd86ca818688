/**
 * What waits for connections that do not take it at once: how much in all, and who has taken nothing for longest.
 */
import type { Connection } from "./connection.ts";
import type { InstantMs } from "./machine.ts";

export class Backlog {
  #bytes = 0;
  /** The one that has taken nothing for longest in front. */
  readonly #behind = new Set<Connection>();

  /** In all, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  add(connection: Connection, bytes: number): void {
    connection.bufferedBytes += bytes;
    this.#bytes += bytes;
  }

  /**
   * Looks at what waits in a socket: keeps the sum true, and sees whether the other side takes any.
   * @returns whether the connection has just fallen behind
   */
  look(nowMs: InstantMs, connection: Connection): boolean {
    const { bufferedBytes } = connection.socket;
    const takenBytes = connection.givenBytes - bufferedBytes;
    const hasProgress = takenBytes > connection.takenBytes;
    connection.takenBytes = takenBytes;
    this.#bytes += bufferedBytes - connection.bufferedBytes;
    connection.bufferedBytes = bufferedBytes;
    const wasBehind = connection.isBehind;
    connection.isBehind = bufferedBytes > 0;
    if (bufferedBytes === 0) {
      if (wasBehind) this.#behind.delete(connection);
      return false;
    }
    if (wasBehind && !hasProgress) return false;
    connection.progressAtMs = nowMs;
    this.#behind.delete(connection);
    this.#behind.add(connection);
    return !wasBehind;
  }

  /** Whoever has taken nothing for longest, if that is `forMs` at least. */
  stalled(nowMs: InstantMs, forMs: number): Connection | undefined {
    for (const connection of this.#behind)
      return nowMs - connection.progressAtMs >= forMs ? connection : undefined;
    return undefined;
  }

  /** What waits for it never leaves. */
  remove(connection: Connection): void {
    this.#bytes -= connection.bufferedBytes;
    connection.bufferedBytes = 0;
    connection.isBehind = false;
    this.#behind.delete(connection);
  }
}
