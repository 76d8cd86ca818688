/** Runs experiments in threads, several at once; so this one can draw meanwhile, and end at once. */
import { Worker, type WorkerOptions } from "node:worker_threads";
import type { ExperimentProgress, ExperimentReport } from "@kad/sim";
import { abortable } from "../abort.ts";
import type { Io } from "../io.ts";
import type { ExperimentJob, FromWorker } from "./experiment-worker.ts";

export interface PoolOptions {
  /** Threads at once. */
  readonly workers: number;
  readonly io: Pick<Io, "signal" | "kad">;
  readonly onProgress: (job: number, progress: ExperimentProgress) => void;
  /** In the order of the jobs, whichever ends first. */
  readonly onReport: (job: number, report: ExperimentReport) => void;
}

/**
 * Resolves when all are over. Rejects with what the first that failed threw, or with the signal's reason. No thread is left
 * in any case.
 */
export async function runExperiments(
  jobs: readonly ExperimentJob[],
  { workers, io, onProgress, onReport }: PoolOptions,
): Promise<void> {
  io.signal.throwIfAborted();
  const reports: (ExperimentReport | undefined)[] = jobs.map(() => undefined);
  const heapMb = Math.max(...jobs.map(heapMbOf));
  const threads = Array.from(
    { length: Math.min(workers, jobs.length) },
    () => new ExperimentThread(heapMb, io.kad),
  );
  let begun = 0;
  let told = 0;
  const work = async (thread: ExperimentThread): Promise<void> => {
    for (let job = begun++; job < jobs.length; job = begun++) {
      reports[job] = await thread.run(jobs[job] as ExperimentJob, (progress) => onProgress(job, progress));
      for (let next = reports[told]; next !== undefined; next = reports[told]) onReport(told++, next);
    }
  };
  try {
    await abortable(Promise.all(threads.map(work)), io.signal);
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

const mib = 2 ** 20;
/** What is new mostly does not live long: a large nursery spares the collector much of its work. */
const nurseryMb = 128;
/**
 * What a node takes, with all that is under way while a network forms, is some 35 kB; and what there is besides. With much
 * more than that the collector would wait until a large network has three times the memory that it needs.
 */
const bytesPerNode = 45_000;
/** Of an encrypted one, besides: sessions with all that it has met. */
const bytesOfSessions = 1_200_000;
const leastHeapMb = 2_048;

function heapMbOf({ nodes, encrypted }: ExperimentJob): number {
  return leastHeapMb + Math.ceil((nodes * (bytesPerNode + (encrypted ? bytesOfSessions : 0))) / mib);
}

/** One after the other. */
class ExperimentThread {
  readonly #worker: Worker;

  constructor(maxOldGenerationSizeMb: number, kad: readonly string[]) {
    this.#worker = newWorker("experiment-worker", {
      execArgv: kad.slice(1, -1), // slice: a list of strings
      resourceLimits: { maxYoungGenerationSizeMb: nurseryMb, maxOldGenerationSizeMb },
    });
  }

  run(options: ExperimentJob, onProgress: (progress: ExperimentProgress) => void): Promise<ExperimentReport> {
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const onMessage = (message: FromWorker): void => {
        if (message.type === "progress") onProgress(message.progress);
        else {
          worker.off("message", onMessage).off("error", reject);
          resolve(message.report);
        }
      };
      worker.on("message", onMessage).on("error", reject);
      worker.postMessage(options);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/**
 * Of the file of this name beside this one that has the same ending. Where that is a source, the thread does not inherit what the process
 * reads sources with (on Node 20), and asks for it itself.
 */
export function newWorker(name: string, options: WorkerOptions): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const file = new URL(`./${name}.${isSource ? "ts" : "js"}`, import.meta.url);
  if (!isSource) return new Worker(file, options);
  const code = `import("tsx/esm/api").then(({ register }) => { register(); return import("${file.href}"); })`;
  return new Worker(code, { ...options, eval: true });
}
