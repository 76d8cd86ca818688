/**
 * A function that native code can call. What it throws never crosses native frames: there it would cost all later
 * callbacks of the run, or stop a watcher for good. It returns nothing: what would it return after a throw?
 */
import type { Koffi, KoffiType } from "./koffi.ts";
import { countCallback } from "./ledger.ts";

export interface NativeCallbackOptions {
  readonly koffi: Koffi;
  /** Of `koffi.proto`, with the result `void`. */
  readonly type: KoffiType;
  readonly call: (...args: never[]) => void;
  /** Gets what `call` throws. */
  readonly onError: (error: unknown) => void;
}

export class NativeCallback {
  /** What native code is given. */
  readonly pointer: bigint;
  readonly #koffi: Koffi;
  #isRegistered = true;

  constructor({ koffi, type, call, onError }: NativeCallbackOptions) {
    this.#koffi = koffi;
    this.pointer = koffi.register(guarded(call, onError), koffi.pointer(type));
    countCallback(1);
  }

  /** Native code will not call it any more. A second call does nothing. */
  unregister(): void {
    if (!this.#isRegistered) return;
    this.#isRegistered = false;
    countCallback(-1);
    this.#koffi.unregister(this.pointer);
  }
}

/** The same function, which never throws. */
export function guarded<A extends readonly unknown[]>(
  call: (...args: A) => void,
  onError: (error: unknown) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      call(...args);
    } catch (error) {
      onError(error);
    }
  };
}
