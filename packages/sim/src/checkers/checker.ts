/** What every checker shares: how it fails, and when it looks. */
import type { Observer } from "../observer.ts";
import type { SimHost } from "../sim-host.ts";
import type { Simulation } from "../simulation.ts";

/** Something that must never happen has happened; the simulation adds the seed and the instant. */
export class CheckFailed extends Error {
  override readonly name = "CheckFailed";
  /** The rule that is broken, as a sentence. */
  readonly rule: string;

  constructor(rule: string, host: SimHost, what: string) {
    super(`${rule}: ${host.name} ${what}`);
    this.rule = rule;
  }
}

/** Holds every honest host to one rule. */
export interface Checker extends Observer {
  /** The rule, as a sentence. */
  readonly rule: string;
  /** Looks at everybody that runs. @throws CheckFailed */
  check?(simulation: Simulation): void;
}
