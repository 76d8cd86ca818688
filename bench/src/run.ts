/** Runs benchmarks in rounds, each contestant in turn, and prints what came of it. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Benchmark, Parameters, Row } from "./benchmark.ts";
import { benchmarks } from "./benchmarks/benchmarks.ts";
import { replaceSection } from "./document.ts";
import { describeHost, type HostDescription, loadAverage } from "./host.ts";
import { runJob } from "./jobs.ts";
import { type BenchOptions, parseOptions } from "./options.ts";
import { markdownOf, shown, type Table, tablesOf } from "./report.ts";

interface Outcome {
  readonly benchmark: Benchmark;
  readonly rounds: number;
  readonly seconds: number;
  /** Load average of the last minute, before and after. */
  readonly load: readonly [number, number];
  readonly command: string;
  readonly tables: readonly Table[];
  readonly failures: readonly string[];
}

const documentUrl = new URL("../../docs/benchmarks.md", import.meta.url);

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), benchmarks, (text) =>
    process.stderr.write(`${text}\n`),
  );
  if (options === undefined) {
    process.exitCode = 2;
    return;
  }
  const host = describeHost();
  if (options.output !== "json") print(hostLine(host));
  const outcomes: Outcome[] = [];
  for (const benchmark of options.benchmarks) {
    const outcome = await run(benchmark, options);
    outcomes.push(outcome);
    if (options.output !== "json") print(`\n## ${benchmark.title}\n\n${section(outcome)}`);
    if (options.output === "markdown") write(benchmark.name, section(outcome));
  }
  if (options.output === "json") print(JSON.stringify({ host, outcomes: outcomes.map(plain) }, undefined, 2));
  if (options.output === "markdown") write("machine", hostLine(host));
  if (outcomes.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

async function run(benchmark: Benchmark, options: BenchOptions): Promise<Outcome> {
  const { quick, rounds: given, only } = options;
  const rounds = given ?? benchmark.rounds({ quick });
  const contestants = benchmark
    .contestants({ quick })
    .filter((parameters) => only === undefined || nameOf(parameters).includes(only));
  const rows: Row[] = [];
  const failures: string[] = [];
  const startMs = performance.now();
  const loadBefore = loadAverage();
  for (let round = 1; round <= rounds; round++) {
    for (const parameters of contestants) {
      progress(`${benchmark.name} ${round}/${rounds} ${nameOf(parameters)}`);
      try {
        rows.push(...(await runJob({ benchmark: benchmark.name, parameters })));
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
  }
  progress("");
  return {
    benchmark,
    rounds,
    seconds: (performance.now() - startMs) / 1_000,
    load: [loadBefore, loadAverage()],
    command: commandOf(benchmark, options),
    tables: tablesOf(rows),
    failures,
  };
}

/** What `--only` looks into. */
function nameOf(parameters: Parameters): string {
  return Object.values(parameters).join(" ");
}

function commandOf({ name }: Benchmark, { quick, rounds, only }: BenchOptions): string {
  const words = ["npm run bench --", name];
  if (quick) words.push("--quick");
  if (rounds !== undefined) words.push(`--rounds ${rounds}`);
  if (only !== undefined) words.push(`--only ${JSON.stringify(only)}`);
  return words.join(" ");
}

function section({ benchmark, rounds, seconds, load, command, tables, failures }: Outcome): string {
  const how = rounds === 1 ? "one round" : `median (min-max) of ${rounds} rounds`;
  const ran = `\`${command}\`: ${how}, ${shown(seconds, 0)} s, load average ${load[0]} before and ${load[1]} after.`;
  const failed = failures.map((failure) => `\n\n**Failed:** ${failure}`).join("");
  return `${ran}\n\n${markdownOf(benchmark, tables)}${failed}`;
}

function hostLine({ cpu, cores, memoryGiB, system, node, load }: HostDescription): string {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}, load average ${load} at the start.`;
}

function plain({ benchmark, ...outcome }: Outcome): object {
  return { name: benchmark.name, ...outcome };
}

function write(name: string, content: string): void {
  writeFileSync(documentUrl, replaceSection(readFileSync(documentUrl, "utf8"), name, content));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line that is written over, where somebody watches. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

await main();
