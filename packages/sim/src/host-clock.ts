/** The two clocks of a host: a monotonic one, which may stand still while it sleeps, and a wall clock, which may be wrong. */
import type { InstantMs } from "@kad/core";
import type { Simulation } from "./simulation.ts";
import { type InstantUs, toMs, toUs } from "./virtual-time.ts";

export class HostClock {
  readonly #simulation: Simulation;
  /** Monotonic clock less time of the simulation. */
  #offsetUs: number;
  /** Since when it stands still. */
  #stoodAtUs: InstantUs | undefined;
  #wallClockErrorMs: number;

  constructor(simulation: Simulation, originMs: number, wallClockErrorMs: number) {
    this.#simulation = simulation;
    this.#offsetUs = toUs(originMs);
    this.#wallClockErrorMs = wallClockErrorMs;
  }

  get nowMs(): InstantMs {
    return toMs((this.#stoodAtUs ?? this.#simulation.nowUs) + this.#offsetUs);
  }

  get unixMs(): number {
    return this.#simulation.unixMs + this.#wallClockErrorMs;
  }

  /** When the monotonic clock says this, if it does not stand still before. */
  toTimelineUs(hostMs: InstantMs): InstantUs {
    return toUs(hostMs) - this.#offsetUs;
  }

  stop(): void {
    this.#stoodAtUs = this.#simulation.nowUs;
  }

  /** Goes on where it stood. */
  start(): void {
    if (this.#stoodAtUs !== undefined) this.#offsetUs -= this.#simulation.nowUs - this.#stoodAtUs;
    this.#stoodAtUs = undefined;
  }

  stepWallClock(byMs: number): void {
    this.#wallClockErrorMs += byMs;
  }
}
