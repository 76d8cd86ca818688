/** What every machine must do, a node or a stack around one. The contract: `machine.ts` and `commands.ts` of core. */
import { StagedSuite, type Suite } from "../../suite.ts";
import { endCases } from "./end-cases.ts";
import { messageCases } from "./message-cases.ts";
import { MachineStage, type MachineSuiteOptions, type MakeMachine } from "./stage.ts";
import { timeCases } from "./time-cases.ts";
import { traceCases } from "./trace-cases.ts";

export type { MachineSuiteOptions, MakeMachine } from "./stage.ts";

export const machineCases: Suite<MakeMachine, MachineSuiteOptions> = new StagedSuite({
  title: "a machine",
  cases: [...timeCases, ...messageCases, ...endCases, ...traceCases],
  traitsOf: (_make: MakeMachine, options: MachineSuiteOptions) => options,
  setUp: (make: MakeMachine, options: MachineSuiteOptions) => new MachineStage(make, options),
});

/** Registers the cases for a machine. See {@link Suite.register} for what is refused. */
export function machineSuite(make: MakeMachine, options: MachineSuiteOptions = {}): void {
  machineCases.register(make, options);
}
