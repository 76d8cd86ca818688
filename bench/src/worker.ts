/** The process in which one contestant is measured: one job comes in, its rows go out, and it ends. */
import { benchmarkNamed } from "./benchmarks/benchmarks.ts";
import type { Answer, Job } from "./jobs.ts";

process.once("disconnect", () => process.exit(1)); // whoever asked is gone
process.once("message", (job: Job) => {
  measure(job).then(
    (answer) => process.send?.(answer, () => process.exit(0)), // whatever contestants leave behind
    (error: unknown) => {
      throw error;
    },
  );
});

async function measure({ benchmark, parameters }: Job): Promise<Answer> {
  const found = benchmarkNamed(benchmark);
  if (found === undefined) throw new Error(`no benchmark "${benchmark}"`);
  return { rows: await found.measure(parameters) };
}
