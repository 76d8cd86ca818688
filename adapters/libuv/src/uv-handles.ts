/** The handles of one node in one loop, counted from their making to their close callbacks. */
import type { UvBinding, UvHandle, UvLoop } from "./uv-binding.ts";

export class UvHandles {
  readonly binding: UvBinding;
  readonly loop: UvLoop;
  readonly #open = new Set<UvHandle>();
  readonly #onAllClosed: () => void;

  /** `onAllClosed` is called from inside a close callback, each time that none is left. */
  constructor(binding: UvBinding, loop: UvLoop, onAllClosed: () => void) {
    this.binding = binding;
    this.loop = loop;
    this.#onAllClosed = onAllClosed;
  }

  /** Those whose close callback has not come yet. */
  get open(): number {
    return this.#open.size;
  }

  /** Counts a handle that has just been made. */
  add<H extends UvHandle>(handle: H): H {
    this.#open.add(handle);
    return handle;
  }

  /** A second call does nothing. */
  close(handle: UvHandle): void {
    if (!this.#open.has(handle) || this.binding.uv_is_closing(handle)) return;
    this.binding.uv_close(handle, () => {
      this.#open.delete(handle);
      if (this.#open.size === 0) this.#onAllClosed();
    });
  }

  closeAll(): void {
    for (const handle of [...this.#open]) this.close(handle);
  }
}
