import type { Simulation } from "../simulation.ts";
import { type Checker, CheckFailed } from "./checker.ts";

/** No gauge of `stats()` is ever above its limit. */
export class BoundChecker implements Checker {
  readonly rule = "every bound is held";

  check(simulation: Simulation): void {
    for (const host of simulation.hosts) {
      if (!host.isHonest || host.state === "down") continue;
      for (const [name, { used, limit }] of Object.entries(host.node.stats().gauges)) {
        if (!(used >= 0 && used <= limit))
          throw new CheckFailed(this.rule, host, `has ${used} ${name}; the limit is ${limit}`);
      }
    }
  }
}
