/** Keeps what a loop watches in step with the sockets that its transports have: they come, go, and want to write for a while. */
import type { PolledSocket } from "./transport.ts";

/** What the loop does for each socket. `W` is whatever it needs to know about one that it watches. */
export interface SocketWatcher<W> {
  add(socket: PolledSocket, wantsWrite: boolean): W;
  change(watch: W, socket: PolledSocket, wantsWrite: boolean): void;
  /** The descriptor may be closed by now, and its number another socket's. */
  remove(watch: W, socket: PolledSocket): void;
}

interface Watched<W> {
  readonly watch: W;
  wantsWrite: boolean;
}

export class SocketWatches<W> {
  readonly #watcher: SocketWatcher<W>;
  readonly #watched = new Map<PolledSocket, Watched<W>>();
  #last: readonly PolledSocket[] = [];

  constructor(watcher: SocketWatcher<W>) {
    this.#watcher = watcher;
  }

  get size(): number {
    return this.#watched.size;
  }

  /** Brings the watches in step. Cheap where nothing has changed: `sockets` is then the same array as before. */
  update(sockets: readonly PolledSocket[]): void {
    if (sockets !== this.#last) this.#removeMissing(sockets); // before others are added, which may have their numbers
    for (const socket of sockets) this.#updateOne(socket);
    this.#last = sockets;
  }

  /** Forgets one that the loop cannot watch any more. `false`: it was not watched. */
  remove(socket: PolledSocket): boolean {
    const known = this.#watched.get(socket);
    if (known === undefined) return false;
    this.#watched.delete(socket);
    this.#watcher.remove(known.watch, socket);
    return true;
  }

  clear(): void {
    for (const socket of [...this.#watched.keys()]) this.remove(socket);
    this.#last = [];
  }

  #removeMissing(sockets: readonly PolledSocket[]): void {
    for (const socket of [...this.#watched.keys()]) if (!sockets.includes(socket)) this.remove(socket);
  }

  #updateOne(socket: PolledSocket): void {
    const { wantsWrite } = socket;
    const known = this.#watched.get(socket);
    if (known === undefined) {
      this.#watched.set(socket, { watch: this.#watcher.add(socket, wantsWrite), wantsWrite });
    } else if (known.wantsWrite !== wantsWrite) {
      known.wantsWrite = wantsWrite;
      this.#watcher.change(known.watch, socket, wantsWrite);
    }
  }
}
