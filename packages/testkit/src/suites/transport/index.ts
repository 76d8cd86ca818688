/** What every transport must do. The contract: `transport.ts` of core. */
import { StagedSuite, type Suite } from "../../suite.ts";
import { connectionCases } from "./connection-cases.ts";
import { lifeCases } from "./life-cases.ts";
import { messageCases } from "./message-cases.ts";
import {
  type MakeTransport,
  TransportStage,
  type TransportSuiteOptions,
  transportTraitsOf,
} from "./stage.ts";

export type { MakeTransport, StalledListener, TransportHarness, TransportSuiteOptions } from "./stage.ts";

export const transportCases: Suite<MakeTransport, TransportSuiteOptions> = new StagedSuite({
  title: "a transport",
  cases: [...messageCases, ...connectionCases, ...lifeCases],
  traitsOf: transportTraitsOf,
  setUp: (make: MakeTransport, options: TransportSuiteOptions) => new TransportStage(make, options),
});

/** Registers the cases for a transport. See {@link Suite.register} for what is refused. */
export function transportSuite(make: MakeTransport, options: TransportSuiteOptions = {}): void {
  transportCases.register(make, options);
}
