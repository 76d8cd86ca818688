/** The load of load-client.ts, in a process of its own that can be held. */
import { type ChildProcess, fork } from "node:child_process";
import type { LoadEvent, LoadJob } from "./load-client.ts";

export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #events: LoadEvent[] = [];
  #waiting: ((event: LoadEvent) => void) | undefined;

  constructor(job: LoadJob) {
    this.#child = fork(new URL("load-client.js", import.meta.url), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
    });
    this.#child.on("message", (event: LoadEvent) => {
      if (this.#waiting === undefined) this.#events.push(event);
      else this.#waiting(event);
      this.#waiting = undefined;
    });
    process.once("exit", () => this.#child.kill("SIGKILL"));
    this.#child.send(job);
  }

  /** How many messages have come back, of a job without an end. */
  async count(): Promise<number> {
    this.#child.send("count");
    return (await this.next()) as number;
  }

  hold(): void {
    this.#child.kill("SIGSTOP");
  }

  goOn(): void {
    this.#child.kill("SIGCONT");
  }

  /** What it tells next, which is to be this. */
  async next(expected?: LoadEvent): Promise<LoadEvent> {
    const event =
      this.#events.shift() ??
      (await new Promise<LoadEvent>((resolve) => {
        this.#waiting = resolve;
      }));
    if (expected !== undefined && event !== expected)
      throw new Error(`${JSON.stringify(event)} instead of ${JSON.stringify(expected)}`);
    return event;
  }

  end(): void {
    this.#child.kill();
  }
}
