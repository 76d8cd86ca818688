import type { Seed } from "../random-stream.ts";

/** A trial has failed. `cause` says where: a `SimulationError`, or a {@link NoProgress}. */
export class TrialError extends Error {
  override readonly name = "TrialError";
  readonly seed: Seed;
  /** What the network suffered, in one line. */
  readonly faults: string;

  /** @internal */
  constructor(seed: Seed, faults: string, cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause);
    super(`${what}\nfaults: ${faults}\nto see it again: npx kad sim --trial ${seed}`, { cause });
    this.seed = seed;
    this.faults = faults;
  }
}

/** What a network did not do that it should have. */
export class NoProgress extends Error {
  override readonly name = "NoProgress";
}
