/** Series of experiments that differ in one thing, and the chart of each. */
import type { ExperimentReport, LookupReport, PhaseReport, Summary } from "@kad/sim";
import type { Chart, Series } from "./chart.ts";
import type { ExperimentJob } from "./experiment-worker.ts";

export interface Sweep {
  /** Of the chart. */
  readonly file: string;
  readonly jobs: readonly ExperimentJob[];
  readonly chart: (reports: readonly ExperimentReport[]) => Chart;
  /** What is said of it beside the chart. */
  readonly finding?: (reports: readonly ExperimentReport[]) => SlopeFinding;
}

/** How much more of each there is in a network that is ten times as large: the slope of a line of least squares. */
interface SlopeFinding {
  readonly hopsPerTenfold: number;
  readonly roundsPerTenfold: number;
}

const leastNodes = 100;
/** Loss and churn are tried on a network of at most so many. */
const mostNodesOfOthers = 1_000;
const losses = [0, 0.1, 0.2, 0.3, 0.4, 0.5];
const churns = [0, 0.1, 0.3, 1, 3, 10];
const defaultRecords = 100;

/** @param options of all; `nodes` is the size of the largest network */
export function sweepsOf(options: ExperimentJob): readonly Sweep[] {
  const smaller = {
    records: defaultRecords,
    ...options,
    nodes: Math.min(mostNodesOfOthers, options.nodes),
  };
  const sizes = sizesUpTo(options.nodes);
  return [
    {
      file: "hops.svg",
      jobs: sizes.map((nodes) => ({ ...options, nodes })),
      chart: (reports) => sizeChart(sizes, reports),
      finding: (reports) => slopesOf(sizes, reports),
    },
    {
      file: "loss.svg",
      jobs: losses.map((loss) => ({ ...smaller, loss })),
      chart: (reports) => successChart("Success against loss", "packets lost", losses, reports, true),
    },
    {
      file: "churn.svg",
      jobs: churns.map((endsPerHour) =>
        endsPerHour === 0 ? without(smaller, "churn") : { ...smaller, churn: { endsPerHour } },
      ),
      chart: (reports) =>
        successChart(
          "Success against churn",
          "sessions of a node that end in an hour",
          churns,
          reports,
          false,
        ),
    },
  ];
}

/** 100, 300, 1,000 … and the size itself. */
function sizesUpTo(nodes: number): number[] {
  const sizes: number[] = [];
  for (let size = leastNodes; size < nodes; size *= 10)
    sizes.push(...[size, 3 * size].filter((one) => one < nodes));
  return [...sizes, nodes];
}

function sizeChart(sizes: readonly number[], reports: readonly ExperimentReport[]): Chart {
  return {
    title: "A lookup against the size of the network",
    x: { title: "nodes", isLogarithmic: true, ticks: sizes },
    y: { title: "hops, rounds" },
    series: [
      seriesOf("rounds to the end", sizes, reports, ({ lookups }) => lookups?.rounds.mean),
      seriesOf("hops to the closest", sizes, reports, ({ lookups }) => lookups?.hops.mean),
    ],
  };
}

function successChart(
  title: string,
  xTitle: string,
  xs: readonly number[],
  reports: readonly ExperimentReport[],
  isShare: boolean,
): Chart {
  const shown = isShare ? xs.map((x) => x * 100) : xs;
  const series = [
    seriesOf("gets: newest value", shown, reports, ({ gets }) => percent(gets?.success)),
    seriesOf("lookups: closest node", shown, reports, ({ lookups }) => percent(lookups?.foundClosest)),
    seriesOf("lookups: all that were due", shown, reports, ({ lookups }) => percent(lookups?.recall)),
  ];
  const least = Math.min(...series.flatMap(({ points }) => points.map(([, y]) => y)));
  return {
    title,
    x: { title: isShare ? `${xTitle} (%)` : xTitle },
    y: { title: "%", from: Math.min(90, Math.floor(least / 10) * 10), to: 100 },
    series,
  };
}

/** Where a run has no such figure, the line has no point. */
function seriesOf(
  name: string,
  xs: readonly number[],
  reports: readonly ExperimentReport[],
  figure: (phase: PhaseReport) => number | undefined,
): Series {
  const points = reports.flatMap((report, i): (readonly [number, number])[] => {
    const y = figure(lastOf(report));
    return y === undefined ? [] : [[xs[i] as number, y]];
  });
  return { name, points };
}

function percent(share: number | undefined): number | undefined {
  return share === undefined ? undefined : share * 100;
}

function slopesOf(sizes: readonly number[], reports: readonly ExperimentReport[]): SlopeFinding {
  const lookups = reports.map((report) => lastOf(report).lookups);
  const slope = (figure: (one: LookupReport) => Summary): number =>
    slopeOf(
      lookups.flatMap((one, i) =>
        one === undefined ? [] : [[Math.log10(sizes[i] as number), figure(one).mean]],
      ),
    );
  return { hopsPerTenfold: slope(({ hops }) => hops), roundsPerTenfold: slope(({ rounds }) => rounds) };
}

/** Of least squares. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const meanX = meanOf(points.map(([x]) => x));
  const meanY = meanOf(points.map(([, y]) => y));
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const joint = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return spread === 0 ? 0 : joint / spread;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function lastOf({ phases }: ExperimentReport): PhaseReport {
  return phases.at(-1) as PhaseReport;
}

function without<T extends object, K extends keyof T>(object: T, key: K): Omit<T, K> {
  const { [key]: _, ...rest } = object;
  return rest;
}
