/** What ends a run before its time. */
import type { Seed } from "./random-stream.ts";
import { formatUs, type InstantUs } from "./virtual-time.ts";

/** A run has failed: an observer threw, or a host reported an error that nobody took. The cause is what was thrown. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  /** With it the run fails again, at the same instant. */
  readonly seed: Seed;
  readonly atUs: InstantUs;

  /** @param host the name of the host that has reported it, if one has */
  constructor(seed: Seed, atUs: InstantUs, host: string | undefined, cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause);
    const where = host === undefined ? "" : `${host}: `;
    super(`seed ${seed}, at ${formatUs(atUs)} ms: ${where}${what}`, { cause });
    this.seed = seed;
    this.atUs = atUs;
  }
}
