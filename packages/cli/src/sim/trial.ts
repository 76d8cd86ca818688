/** `kad sim --trial SEED`: a network under faults drawn from a seed, as our tests run hundreds of them. */
import { once } from "node:events";
import { abortable } from "../abort.ts";
import { type ExitCode, exitCode } from "../exit-code.ts";
import type { Io } from "../io.ts";
import { writeEvent } from "../json.ts";
import { LineFile } from "../line-file.ts";
import { grouped, plural } from "../text.ts";
import { newWorker } from "./experiment-pool.ts";
import type { TrialJob, TrialOutcome } from "./trial-worker.ts";

export interface TrialOptions extends TrialJob {
  readonly isJson: boolean;
}

/** @throws WrongUsage where the trace cannot be written */
export async function playTrial({ isJson, ...job }: TrialOptions, io: Io): Promise<ExitCode> {
  if (job.trace !== undefined) LineFile.create(job.trace, "--trace").close();
  const worker = newWorker("trial-worker", { workerData: job, execArgv: io.kad.slice(1, -1) }); // slice: a list of strings
  let outcome: TrialOutcome;
  try {
    [outcome] = (await abortable(once(worker, "message"), io.signal)) as [TrialOutcome];
  } finally {
    await worker.terminate();
  }
  if (isJson) tellJson(job.seed, outcome, io);
  else io.stdout.write(describe(job.seed, outcome));
  return outcome.type === "passed" ? exitCode.ok : exitCode.failed;
}

function tellJson(seed: number, outcome: TrialOutcome, io: Io): void {
  if (outcome.type === "failed") {
    writeEvent(io.stdout, "trial", { seed, passed: false, message: outcome.message });
    return;
  }
  const { plan: _, ...report } = outcome.report;
  writeEvent(io.stdout, "trial", { seed, passed: true, trace: outcome.hash, ...report });
}

function describe(seed: number, outcome: TrialOutcome): string {
  if (outcome.type === "failed") return `trial ${seed} has failed\n${outcome.message}\n`;
  const { faults, events, packets, commands, simulatedMs, progress } = outcome.report;
  const happened = Object.entries(events).map(([name, count]) => `${count} × ${name}`);
  return [
    `trial ${seed}: no rule was broken, and once it was whole the network made progress`,
    `faults: ${faults}`,
    `happened: ${happened.length === 0 ? "nothing besides" : happened.join(", ")}`,
    `${plural(commands, "command")}, ${grouped(packets)} packets, ${Math.round(simulatedMs / 1_000)} s simulated, trace ${outcome.hash}`,
    `in the end ${plural(progress.hosts, "host")}: lookups found ${(progress.recall * 100).toFixed(1)} % of those that they should, ` +
      `${progress.found} of ${plural(progress.gets, "new record")} and ${progress.oldFound} of ${progress.oldGets} from before were found`,
    "",
  ].join("\n");
}
