/** One contestant in one round, in a process of its own. */
import { type ChildProcess, fork } from "node:child_process";
import type { Parameters, Row } from "./benchmark.ts";

export interface Job {
  readonly benchmark: string;
  readonly parameters: Parameters;
}

export interface Answer {
  readonly rows: readonly Row[];
}

/** None takes a third of it; one that hangs is killed. */
const timeLimitMs = 120_000;

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Rejects when the process fails, hangs or ends without an answer; it has ended in any case. */
export function runJob(job: Job): Promise<readonly Row[]> {
  const child = fork(new URL("worker.js", import.meta.url), {
    execArgv: ["--expose-gc"],
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  running.add(child);
  return new Promise((resolve, reject) => {
    let answer: Answer | undefined;
    const timer = setTimeout(() => child.kill("SIGKILL"), timeLimitMs);
    child.once("message", (message: Answer) => {
      answer = message;
    });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      if (answer === undefined)
        reject(new Error(`${JSON.stringify(job)} ended with ${signal ?? code} and no figures`));
      else resolve(answer.rows);
    });
    child.send(job);
  });
}
