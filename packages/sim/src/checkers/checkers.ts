/** All checkers together, held against a simulation while it runs. */
import type { Simulation } from "../simulation.ts";
import { AmplificationChecker } from "./amplification-checker.ts";
import { BoundChecker } from "./bound-checker.ts";
import type { Checker } from "./checker.ts";
import { ClosingChecker } from "./closing-checker.ts";
import { QueryChecker } from "./query-checker.ts";
import { RecordChecker } from "./record-checker.ts";
import { TableChecker } from "./table-checker.ts";

export interface CheckersOptions {
  /** How often everybody is looked at, in ms of the simulation; 10,000 by default. */
  readonly intervalMs?: number;
  /** Besides those that there are. */
  readonly more?: readonly Checker[];
}

/** One of each checker that there is. */
export function allCheckers(): Checker[] {
  return [
    new QueryChecker(),
    new TableChecker(),
    new BoundChecker(),
    new ClosingChecker(),
    new RecordChecker(),
    new AmplificationChecker(),
  ];
}

/**
 * Adds all checkers, before any host is there. What one finds ends the run with a {@link SimulationError} that names the seed;
 * its cause is a {@link CheckFailed}. That no machine sees time run backwards is checked too.
 */
export class Checkers {
  readonly #simulation: Simulation;
  readonly #checkers: readonly Checker[];
  readonly #intervalMs: number;
  #isStopped = false;
  /** Times that everybody was looked at. */
  rounds = 0;

  constructor(simulation: Simulation, { intervalMs = 10_000, more = [] }: CheckersOptions = {}) {
    this.#simulation = simulation;
    this.#checkers = [...allCheckers(), ...more];
    this.#intervalMs = intervalMs;
    for (const checker of this.#checkers) simulation.observers.add(checker);
    this.#plan();
  }

  /** Looks at everybody now. @throws CheckFailed */
  check(): void {
    this.rounds++;
    for (const checker of this.#checkers) checker.check?.(this.#simulation);
  }

  /** Looks no more by itself. */
  stop(): void {
    this.#isStopped = true;
  }

  #plan(): void {
    this.#simulation.after(this.#intervalMs, () => {
      if (this.#isStopped) return;
      this.check();
      this.#plan();
    });
  }
}
