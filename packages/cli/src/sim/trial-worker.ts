/** A thread that runs one trial, and tells how it ended. */
import { parentPort, workerData } from "node:worker_threads";
import { runTrial, Trace, type TrialReport } from "@kad/sim";
import { LineFile } from "../line-file.ts";

export interface TrialJob {
  readonly seed: number;
  /** A file that is there, for a line for each event; `undefined`: nobody wants one. */
  readonly trace: string | undefined;
}

export type TrialOutcome =
  | { readonly type: "passed"; readonly report: TrialReport; readonly hash: string }
  /** With what the error says. */
  | { readonly type: "failed"; readonly message: string };

parentPort?.postMessage(play(workerData as TrialJob));

function play({ seed, trace: file }: TrialJob): TrialOutcome {
  const lines = file === undefined ? undefined : LineFile.append(file);
  const trace = new Trace({ seed, ...(lines !== undefined && { sink: (line) => lines.write(line) }) });
  try {
    const report = runTrial({ seed, observers: [trace] });
    return { type: "passed", report, hash: trace.hash };
  } catch (error) {
    return { type: "failed", message: error instanceof Error ? error.message : String(error) };
  } finally {
    lines?.close();
  }
}
