/** A thread that runs experiments: it is given options, tells how far it is, and gives the report. */
import { parentPort } from "node:worker_threads";
import {
  type ExperimentOptions,
  type ExperimentProgress,
  type ExperimentReport,
  runExperiment,
} from "@kad/sim";

export type FromWorker =
  | { readonly type: "progress"; readonly progress: ExperimentProgress }
  | { readonly type: "report"; readonly report: ExperimentReport };

/** More often nobody needs to hear of it. */
const progressMs = 100;

parentPort?.on("message", (options: ExperimentOptions) => {
  const post = (message: FromWorker): void => parentPort?.postMessage(message);
  let toldMs = Number.NEGATIVE_INFINITY;
  const report = runExperiment(options, (progress) => {
    const nowMs = performance.now();
    if (nowMs - toldMs < progressMs) return;
    toldMs = nowMs;
    post({ type: "progress", progress });
  });
  post({ type: "report", report });
});
