/** Several runs that differ in their seeds alone, in a few figures. */
import type { ExperimentReport, GetReport, LookupReport, PhaseName } from "@kad/sim";

export interface Range {
  readonly least: number;
  readonly mean: number;
  readonly most: number;
}

export interface PhaseSummary {
  readonly phase: PhaseName;
  /** Over those of all runs that ended; `undefined`: there were none. */
  readonly gets: { readonly ended: number; readonly success: number } | undefined;
  readonly lookups:
    | {
        readonly ended: number;
        readonly foundClosest: number;
        readonly recall: number;
        /** Of the means of each run. */
        readonly hops: Range;
        readonly rounds: Range;
        readonly requests: Range;
      }
    | undefined;
  readonly wireBytesPerNodeSecond: Range;
}

export interface SeedsSummary {
  readonly seeds: number;
  readonly phases: readonly PhaseSummary[];
  readonly records: number;
  readonly recordsLost: number;
}

export function summaryOf(reports: readonly ExperimentReport[]): SeedsSummary {
  const [first] = reports;
  return {
    seeds: reports.length,
    phases: (first?.phases ?? []).map(({ phase }, place) => phaseOf(phase, place, reports)),
    records: sum(reports.map(({ records }) => records?.records ?? 0)),
    recordsLost: sum(reports.map(({ records }) => records?.lost ?? 0)),
  };
}

function phaseOf(phase: PhaseName, place: number, reports: readonly ExperimentReport[]): PhaseSummary {
  const phases = reports.flatMap(({ phases: all }) => all[place] ?? []);
  return {
    phase,
    gets: getsOf(phases.flatMap(({ gets }) => gets ?? [])),
    lookups: lookupsOf(phases.flatMap(({ lookups }) => lookups ?? [])),
    wireBytesPerNodeSecond: rangeOf(phases.map(({ traffic }) => traffic.wireBytesPerNodeSecond)),
  };
}

function getsOf(all: readonly GetReport[]): PhaseSummary["gets"] {
  const ended = sum(all.map(({ newest, stale, missing }) => newest + stale + missing));
  return ended === 0 ? undefined : { ended, success: sum(all.map(({ newest }) => newest)) / ended };
}

function lookupsOf(all: readonly LookupReport[]): PhaseSummary["lookups"] {
  const ended = sum(all.map(endedOf));
  if (ended === 0) return undefined;
  const mean = (figure: (one: LookupReport) => number): number =>
    sum(all.map((one) => figure(one) * endedOf(one))) / ended;
  return {
    ended,
    foundClosest: mean(({ foundClosest }) => foundClosest),
    recall: mean(({ recall }) => recall),
    hops: rangeOf(all.map(({ hops }) => hops.mean)),
    rounds: rangeOf(all.map(({ rounds }) => rounds.mean)),
    requests: rangeOf(all.map(({ requests }) => requests.mean)),
  };
}

function endedOf({ begun, unfinished }: LookupReport): number {
  return begun - unfinished;
}

function rangeOf(values: readonly number[]): Range {
  return { least: Math.min(...values), mean: sum(values) / values.length, most: Math.max(...values) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
