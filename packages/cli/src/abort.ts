/**
 * Waiting for what does not listen to a signal itself.
 */

/** As `work`, or the signal's reason as soon as that aborts. What `work` comes to then, nobody hears. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  const over = new AbortController();
  try {
    return await new Promise<T>((resolve, reject) => {
      const fail = (): void => reject(signal.reason);
      if (signal.aborted) fail();
      else signal.addEventListener("abort", fail, { signal: over.signal });
      work.then(resolve, reject);
    });
  } finally {
    over.abort();
  }
}

/** Resolves as soon as the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
