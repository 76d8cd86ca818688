/**
 * A bounded number of tasks at once: whoever begins the next one waits until there is room.
 */
export class TaskWindow {
  readonly #limit: number;
  readonly #onFailure: (error: unknown) => void;
  #running = 0;
  #failure: { readonly error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  /** @param onFailure told of the first task that fails, when it does */
  constructor(limit: number, onFailure: (error: unknown) => void) {
    this.#limit = limit;
    this.#onFailure = onFailure;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves when the task has begun. Rejects, and does not begin it, with the error of the first that failed. */
  async begin(task: () => Promise<void>): Promise<void> {
    while (this.#running >= this.#limit && !this.hasFailed) await this.#change();
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#running++;
    void this.#run(task);
  }

  /** Resolves when every task has ended, however it did. */
  async idle(): Promise<void> {
    while (this.#running > 0) await this.#change();
  }

  /** Resolves when every task has ended; rejects as `begin` does. */
  async done(): Promise<void> {
    await this.idle();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #run(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (this.#failure === undefined) {
        this.#failure = { error };
        this.#onFailure(error);
      }
    } finally {
      this.#running--;
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
