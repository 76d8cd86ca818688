/** Runs experiments and tells of them: progress on a terminal, reports as text or JSON, charts as files. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ExperimentProgress, ExperimentReport } from "@kad/sim";
import type { Io } from "../io.ts";
import { writeEvent } from "../json.ts";
import { bar, Screen } from "../screen.ts";
import { grouped, plural } from "../text.ts";
import { svgOf } from "./chart.ts";
import { describeReport, describeSeeds } from "./describe.ts";
import { runExperiments } from "./experiment-pool.ts";
import type { ExperimentJob } from "./experiment-worker.ts";
import { summaryOf } from "./seeds-summary.ts";
import { type Sweep, sweepsOf } from "./sweeps.ts";

interface PlayOptions {
  readonly workers: number;
  readonly isJson: boolean;
}

/** One run for each seed, from that of `experiment` on. */
export async function playSeeds(
  experiment: ExperimentJob,
  { seeds, ...options }: PlayOptions & { readonly seeds: number },
  io: Io,
): Promise<void> {
  const jobs = Array.from({ length: seeds }, (_, i) => ({
    ...experiment,
    seed: Number(experiment.seed) + i,
  }));
  const reports = await play(jobs, options, io);
  if (seeds === 1) return;
  const summary = summaryOf(reports);
  if (options.isJson) writeEvent(io.stdout, "seeds", rounded({ ...summary }));
  else io.stdout.write(describeSeeds(summary));
}

/** Writes the charts of all sweeps into a folder, which is made where it is missing. */
export async function playSweeps(
  experiment: ExperimentJob,
  { folder, ...options }: PlayOptions & { readonly folder: string },
  io: Io,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const sweeps = sweepsOf(experiment);
  const reports = await play(
    sweeps.flatMap(({ jobs }) => jobs),
    options,
    io,
  );
  let from = 0;
  for (const sweep of sweeps) {
    // slice: an array
    const own = reports.slice(from, from + sweep.jobs.length);
    from += sweep.jobs.length;
    await writeChart(sweep, own, join(folder, sweep.file), options.isJson, io);
  }
}

async function writeChart(
  { chart, finding }: Sweep,
  reports: readonly ExperimentReport[],
  file: string,
  isJson: boolean,
  io: Io,
): Promise<void> {
  const drawn = chart(reports);
  await writeFile(file, svgOf(drawn));
  const slopes = finding?.(reports);
  if (isJson) {
    writeEvent(io.stdout, "chart", rounded({ file, title: drawn.title, series: drawn.series, ...slopes }));
    return;
  }
  const found =
    slopes === undefined
      ? ""
      : `: ${slopes.hopsPerTenfold.toFixed(2)} hops and ${slopes.roundsPerTenfold.toFixed(2)} rounds more with ten times as many nodes`;
  io.stdout.write(`${file}${found}\n`);
}

async function play(
  jobs: readonly ExperimentJob[],
  { workers, isJson }: PlayOptions,
  io: Io,
): Promise<ExperimentReport[]> {
  const reports: ExperimentReport[] = [];
  const display = new Display(io, jobs);
  try {
    await runExperiments(jobs, {
      workers,
      io,
      onProgress: (job, progress) => display.onProgress(job, progress),
      onReport: (job, report) => {
        const options = jobs[job] as ExperimentJob;
        display.onReport();
        reports.push(report);
        if (isJson) writeEvent(io.stdout, "report", rounded({ options, ...report }));
        else io.stdout.write(`${reports.length > 1 ? "\n" : ""}${describeReport(options, report)}`);
      },
    });
  } finally {
    display.end();
  }
  return reports;
}

/** What runs, on a terminal. */
class Display {
  readonly #screen: Screen;
  readonly #jobs: readonly ExperimentJob[];
  readonly #running = new Map<number, { readonly sinceMs: number; progress: ExperimentProgress }>();
  #over = 0;

  constructor(io: Io, jobs: readonly ExperimentJob[]) {
    this.#screen = Screen.ofStderr(io);
    this.#jobs = jobs;
  }

  onProgress(job: number, progress: ExperimentProgress): void {
    const sinceMs = this.#running.get(job)?.sinceMs ?? performance.now();
    this.#running.set(job, { sinceMs, progress });
    this.#screen.draw(() => [
      ...(this.#jobs.length > 1 ? [`${this.#over} of ${plural(this.#jobs.length, "run")} done`] : []),
      ...[...this.#running].map(([one, running]) => this.#lineOf(one, running.progress, running.sinceMs)),
    ]);
  }

  /** Reports come in order, and so do those that are over. */
  onReport(): void {
    this.#running.delete(this.#over++);
    this.#screen.clear();
  }

  end(): void {
    this.#screen.clear();
  }

  #lineOf(
    job: number,
    { stage, done, nodes, simulatedMs, events }: ExperimentProgress,
    sinceMs: number,
  ): string {
    const { seed } = this.#jobs[job] as ExperimentJob;
    const name = this.#jobs.length > 1 ? `seed ${seed}  ` : "";
    const seconds = Math.max(0.001, (performance.now() - sinceMs) / 1_000);
    const rate = grouped(Math.round(events / seconds));
    return `${name}${stage.padEnd(12)} ${bar(done, 1, 20)}  ${plural(nodes, "node")}, ${timeOf(simulatedMs)} simulated, ${rate} events/s`;
  }
}

function timeOf(ms: number): string {
  const minutes = ms / 60_000;
  if (minutes < 10) return `${(ms / 1_000).toFixed(0)} s`;
  return minutes < 120 ? `${minutes.toFixed(0)} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** Numbers with at most so many digits behind the point, at any depth: more are noise. */
const digits = 6;

function rounded(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) => (typeof one === "number" ? Number(one.toFixed(digits)) : one)),
  ) as Record<string, unknown>;
}
