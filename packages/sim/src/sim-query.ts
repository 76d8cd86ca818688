/** A query under way on a simulated host. */
import type { QueryFinished, QueryId } from "@kad/core";
import type { SimHost } from "./sim-host.ts";

export class SimQuery {
  readonly host: SimHost;
  readonly id: QueryId;
  #finished: QueryFinished | undefined;
  #isLost = false;
  #listeners: ((query: SimQuery) => void)[] | undefined;
  #promise: Promise<QueryFinished> | undefined;

  constructor(host: SimHost, id: QueryId) {
    this.host = host;
    this.id = id;
  }

  /** How it ended; `undefined`: it is under way, or {@link isLost}. */
  get finished(): QueryFinished | undefined {
    return this.#finished;
  }

  /** The host crashed before it ended. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Nothing more will come of it. */
  get isOver(): boolean {
    return this.#isLost || this.#finished !== undefined;
  }

  /** For scripts: resolves when it ends, rejects when its host crashes. */
  get promise(): Promise<QueryFinished> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.onOver(({ finished }) => {
        if (finished !== undefined) resolve(finished);
        else reject(new Error(`query ${this.id}: ${this.host.name} crashed before it ended`));
      });
    });
    return this.#promise;
  }

  /** Calls a function when it is over: at once, if it is. */
  onOver(listener: (query: SimQuery) => void): this {
    if (this.isOver) listener(this);
    else {
      this.#listeners ??= [];
      this.#listeners.push(listener);
    }
    return this;
  }

  /** @internal */
  onFinished(finished: QueryFinished): void {
    this.#finished = finished;
    this.#settle();
  }

  /** @internal */
  onLost(): void {
    this.#isLost = true;
    this.#settle();
  }

  #settle(): void {
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const listener of listeners ?? []) listener(this);
  }
}
