/** What ends a run before its time. */
import type { Seed } from "./random-stream.ts";
import { formatUs, type InstantUs } from "./virtual-time.ts";

/** A run has failed: an observer threw, or a host reported an error that nobody took. The cause is what was thrown. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  /** With it the run fails again, at the same instant. */
  readonly seed: Seed;
  readonly atUs: InstantUs;

  constructor(seed: Seed, atUs: InstantUs, cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause);
    super(`seed ${seed}, at ${formatUs(atUs)} ms: ${what}`, { cause });
    this.seed = seed;
    this.atUs = atUs;
  }
}
