/**
 * `@kad/sim`: a deterministic network in a box.
 */
export type { Families, Subnet } from "./addressing.ts";
export type { Bandwidth, Line } from "./bandwidth.ts";
export { AmplificationChecker } from "./checkers/amplification-checker.ts";
export { BoundChecker } from "./checkers/bound-checker.ts";
export { type Checker, CheckFailed } from "./checkers/checker.ts";
export { allCheckers, Checkers, type CheckersOptions } from "./checkers/checkers.ts";
export { ClosingChecker } from "./checkers/closing-checker.ts";
export { QueryChecker } from "./checkers/query-checker.ts";
export { RecordChecker } from "./checkers/record-checker.ts";
export { TableChecker } from "./checkers/table-checker.ts";
export { Churn, type ChurnCounters, type ChurnOptions } from "./churn.ts";
export {
  constantDelay,
  type DelayModel,
  type InternetDelaysOptions,
  internetDelays,
  type Place,
  usualJitterMs,
} from "./delay.ts";
export { Distribution, type Quantile } from "./distribution.ts";
export type { Endpoint } from "./endpoint.ts";
export { SimulationError } from "./errors.ts";
export { runExperiment } from "./experiment/experiment.ts";
export type { ChurnPlan, ExperimentOptions } from "./experiment/experiment-options.ts";
export { Population } from "./experiment/population.ts";
export type {
  ExperimentProgress,
  ExperimentReport,
  JoinReport,
  PhaseName,
  PhaseReport,
} from "./experiment/report.ts";
export { Sample, type Summary } from "./experiment/sample.ts";
export { surveyTables, type TableReport } from "./experiment/table-survey.ts";
export { TrafficMeter, type TrafficReport } from "./experiment/traffic-meter.ts";
export type { EffortReport, GetReport, LookupReport } from "./experiment/workload.ts";
export type { RecordReport } from "./experiment/written-records.ts";
export { HostCommands } from "./host-commands.ts";
export type { HostOptions, HostState, MakeMachine, RestartOptions } from "./host-options.ts";
export {
  type CommandArguments,
  type CommandName,
  MachineLayer,
  type NodeMachine,
} from "./machine-layer.ts";
export { type Nat, type NatKind, type NatOptions, natKinds } from "./nat.ts";
export {
  defaultConditions,
  type LinkFault,
  type LinkRule,
  type Network,
  type NetworkConditions,
  type NetworkCounters,
} from "./network.ts";
export type { NodeStack, StackSurroundings } from "./node-stack.ts";
export type { CommandCall, HostChange, Observer, Observers } from "./observer.ts";
export type { DropReason, Packet } from "./packet.ts";
export { RandomStream, type Seed } from "./random-stream.ts";
export { CallLog, type CallLogOptions, type CallLogState } from "./recording/call-log.ts";
export type { Facts, Json, RecordedCall, RecordingHeader } from "./recording/format.ts";
export { record, recordedNode } from "./recording/recording-machine.ts";
export {
  type Difference,
  RecordingError,
  type ReplayedCall,
  type ReplayOptions,
  type ReplayReport,
  replay,
  replayStream,
} from "./recording/replay.ts";
export { FloodingNode } from "./rogues/flooder.ts";
export { GarbageNode } from "./rogues/garbage.ts";
export { LyingNode } from "./rogues/liar.ts";
export { Rogue, type RogueAnswer } from "./rogues/rogue.ts";
export { type RogueKind, rogueHost, rogueKinds, sybilHosts } from "./rogues/rogues.ts";
export { SilentNode } from "./rogues/silent.ts";
export { StaleNode } from "./rogues/stale.ts";
export { SybilGroup, SybilNode } from "./rogues/sybil.ts";
export { type SessionShape, sessionLengths, sessionShapes } from "./session-lengths.ts";
export type { SimHost } from "./sim-host.ts";
export type { SimQuery } from "./sim-query.ts";
export { type Planned, Simulation, type SimulationOptions } from "./simulation.ts";
export { Swarm, type SwarmOptions } from "./swarm.ts";
export { Trace, type TraceOptions } from "./trace.ts";
export { type FaultEvent, type FaultPlan, faultEvents } from "./trials/fault-plan.ts";
export type { ProgressReport } from "./trials/progress.ts";
export { runTrial, type TrialOptions, type TrialReport } from "./trials/trial.ts";
export { NoProgress, TrialError } from "./trials/trial-error.ts";
export type { InstantUs } from "./virtual-time.ts";
