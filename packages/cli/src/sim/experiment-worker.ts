/** A thread that runs experiments: it is given jobs, tells how far it is, and gives the report. */
import { parentPort } from "node:worker_threads";
import {
  type ExperimentOptions,
  type ExperimentProgress,
  type ExperimentReport,
  runExperiment,
} from "@kad/sim";
import { SecureStack } from "./secure-stack.ts";

/** An experiment, without what no thread can be sent: a stack is made of functions. */
export interface ExperimentJob extends Omit<ExperimentOptions, "stack"> {
  /** Every node speaks through a secure channel; in plain text without. */
  readonly encrypted?: true;
}

export type FromWorker =
  | { readonly type: "progress"; readonly progress: ExperimentProgress }
  | { readonly type: "report"; readonly report: ExperimentReport };

/** More often nobody needs to hear of it. */
const progressMs = 100;

parentPort?.on("message", ({ encrypted, ...options }: ExperimentJob) => {
  const post = (message: FromWorker): void => parentPort?.postMessage(message);
  let toldMs = Number.NEGATIVE_INFINITY;
  const report = runExperiment({ ...options, ...(encrypted && { stack: new SecureStack() }) }, (progress) => {
    const nowMs = performance.now();
    if (nowMs - toldMs < progressMs) return;
    toldMs = nowMs;
    post({ type: "progress", progress });
  });
  post({ type: "report", report });
});
