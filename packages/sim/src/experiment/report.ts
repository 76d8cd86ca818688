/** What an experiment says. The same options and version give the same report, on every engine. */
import type { ChurnCounters } from "../churn.ts";
import type { Summary } from "./sample.ts";
import type { TableReport } from "./table-survey.ts";
import type { TrafficReport } from "./traffic-meter.ts";
import type { GetReport, LookupReport } from "./workload.ts";
import type { RecordReport } from "./written-records.ts";

export interface JoinReport {
  /** Nodes that have joined, the first excepted. */
  readonly joined: number;
  /** Of each, from when it began to when its first walk was over. */
  readonly durationMs: Summary;
  /** Messages that all of them sent until then, and their bytes. */
  readonly messages: number;
  readonly bytes: number;
}

/** `steady`: all the time. `split`: while the network is in two. `at once`: the first minute after. `later`: the last minute. */
export type PhaseName = "steady" | "split" | "at once" | "later";

export interface PhaseReport {
  readonly phase: PhaseName;
  /** Since the network has formed. */
  readonly fromHour: number;
  readonly toHour: number;
  /** Nodes that ran at its end. */
  readonly nodes: number;
  /** Where there were any. */
  readonly lookups: LookupReport | undefined;
  readonly gets: GetReport | undefined;
  readonly traffic: TrafficReport;
  /** At its end. */
  readonly tables: TableReport;
}

export interface ExperimentReport {
  readonly join: JoinReport;
  readonly phases: readonly PhaseReport[];
  /** Where there were any. */
  readonly records: RecordReport | undefined;
  /** Where nodes came and went. */
  readonly churn: (ChurnCounters & { readonly joinMs: Summary }) | undefined;
  /** Events of the simulation: messages that arrived, timers that fired. */
  readonly events: number;
}

export interface ExperimentProgress {
  readonly stage: "joining" | "settling" | "writing" | "waiting" | PhaseName | "reading back";
  /** Of this stage, 0 to 1. */
  readonly done: number;
  /** Since the simulation began. */
  readonly simulatedMs: number;
  readonly events: number;
  /** That run. */
  readonly nodes: number;
}
