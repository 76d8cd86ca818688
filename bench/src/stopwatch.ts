/**
 * Time as it is measured here: CPU time of the whole process, garbage collection on other threads included. On a machine
 * that others use too, the wall clock tells more about them.
 */
export interface Elapsed {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export class Stopwatch {
  readonly #wallMs = performance.now();
  readonly #cpu = process.cpuUsage();

  read(): Elapsed {
    const { user, system } = process.cpuUsage(this.#cpu);
    return { wallMs: performance.now() - this.#wallMs, cpuMs: (user + system) / 1_000 };
  }
}

/** Calls for each second of CPU time. A third of `forMs` goes before as warming, unmeasured. */
export function callsPerSecond(forMs: number, call: (index: number) => unknown): number {
  repeat(forMs / 3, call);
  const watch = new Stopwatch();
  const calls = repeat(forMs, call);
  return calls / (watch.read().cpuMs / 1_000);
}

/** What calls return is looked at, so that no compiler finds them needless. */
function repeat(forMs: number, call: (index: number) => unknown): number {
  const untilMs = performance.now() + forMs;
  let calls = 0;
  do {
    for (let i = 0; i < 64; i++) {
      if (call(calls++) === undefined) throw new Error("a call brought nothing");
    }
  } while (performance.now() < untilMs);
  return calls;
}
