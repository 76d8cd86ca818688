/** What every adapter of an event loop must do. The rules: docs/driving-a-node.md, and `Host` in core's `driver.ts`. */
import { StagedSuite, type Suite } from "../../suite.ts";
import { callbackCases } from "./callback-cases.ts";
import { inputCases } from "./input-cases.ts";
import { lifeCases } from "./life-cases.ts";
import { type LoopAdapterSuiteOptions, LoopStage, loopTraitsOf, type MakeLoop } from "./stage.ts";
import { timeCases } from "./time-cases.ts";
import { traceCases } from "./trace-cases.ts";

export type { LoopAdapterSuiteOptions, MakeLoop } from "./stage.ts";

export const loopAdapterCases: Suite<MakeLoop, LoopAdapterSuiteOptions> = new StagedSuite({
  title: "an event loop",
  cases: [...timeCases, ...inputCases, ...callbackCases, ...lifeCases, ...traceCases],
  traitsOf: loopTraitsOf,
  setUp: (make: MakeLoop, options: LoopAdapterSuiteOptions) => new LoopStage(make(), options),
});

/** Registers the cases for an event loop. See {@link Suite.register} for what is refused. */
export function loopAdapterSuite(make: MakeLoop, options: LoopAdapterSuiteOptions = {}): void {
  loopAdapterCases.register(make, options);
}
