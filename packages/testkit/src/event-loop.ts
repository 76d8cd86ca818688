/** How a suite lets the loop under test go on. */

/**
 * Runs the loop until `isDone` says so, asked after each turn, or `forMs` of the loop's own time have passed. One that
 * blocks returns nothing; inside it no promise goes on.
 */
export type RunLoop = (isDone: () => boolean, forMs: number) => void | Promise<void>;

declare const setTimeout: (callback: () => void, delayMs: number) => unknown;
declare const performance: { now(): number };

/** The loop that this program runs in anyway: Node's, Bun's, Deno's, a page's or a worker's. */
export async function runEventLoop(isDone: () => boolean, forMs: number): Promise<void> {
  const endMs = performance.now() + forMs;
  while (!isDone() && performance.now() < endMs) await shortPause();
}

/** What a wait is cut into. */
const pieces = 40;

/**
 * Runs the loop until `isDone` says so, at most about `forMs` of what it gets itself: a machine that is busy with others takes
 * away a piece of that and not the whole. Between the pieces of a loop that blocks no promise goes on either.
 */
export async function runPatiently(run: RunLoop, isDone: () => boolean, forMs: number): Promise<void> {
  for (let piece = 0; piece < pieces && !isDone(); piece++) {
    const running = run(isDone, forMs / pieces);
    if (running !== undefined) await running;
  }
}

/** One timer of the runtime: everything else that is due goes on meanwhile. */
export function shortPause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Takes the loop away for so long, as a garbage collection or the parsing of something large would. */
export function blockEventLoop(forMs: number): void {
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs);
}

/** Milliseconds of the runtime's monotonic clock. */
export function runtimeNowMs(): number {
  return performance.now();
}
