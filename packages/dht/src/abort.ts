/**
 * Listening to abort signals: one listener for each signal, however many operations share it.
 *
 * A hundred lookups under one signal are ordinary, and Node warns of a leak from the eleventh listener on.
 */
interface Watch {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/** Calls back once `signal` aborts, at most once, until released. Nothing stays on the signal after the last release. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const watch = watches.get(signal) ?? begin(signal);
  watch.callbacks.add(callback);
  return () => {
    if (watch.callbacks.delete(callback) && watch.callbacks.size === 0) end(signal, watch);
  };
}

/** Settles like `promise`, but rejects with `signal.reason` as soon as that aborts; the promise's end is then ignored. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let release = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    release = onAbort(signal, () => reject(signal.reason));
    if (signal.aborted) reject(signal.reason);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    release();
  }
}

function begin(signal: AbortSignal): Watch {
  const callbacks = new Set<() => void>();
  const watch: Watch = {
    callbacks,
    listener: () => {
      watches.delete(signal);
      for (const callback of callbacks) callback();
    },
  };
  watches.set(signal, watch);
  signal.addEventListener("abort", watch.listener, { once: true });
  return watch;
}

function end(signal: AbortSignal, watch: Watch): void {
  signal.removeEventListener("abort", watch.listener);
  if (watches.get(signal) === watch) watches.delete(signal);
}
