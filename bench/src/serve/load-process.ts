/** The load of load.ts, in a process of its own that can be held. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Kind } from "./requests.ts";
import type { Server } from "./servers.ts";

/** Until the compiler has seen enough. */
export const warmAnswers = 60_000;
export const warmStepMs = 100;
/** It is ended when it is not needed any more. */
const forMs = 60_000;

export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(port: number, kind: Kind) {
    const program = fileURLToPath(new URL("load.js", import.meta.url));
    const args = [program, String(port), kind, String(forMs)];
    this.#child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
    this.#closed = once(this.#child, "close");
    process.once("exit", () => this.#child.kill("SIGKILL"));
  }

  /** Resolves once the server is warm. */
  static async start(server: Server, kind: Kind): Promise<LoadProcess> {
    const load = new LoadProcess(server.port, kind);
    const before = server.answered();
    while (server.answered() - before < warmAnswers) await server.run(warmStepMs);
    return load;
  }

  hold(): void {
    this.#child.kill("SIGSTOP");
  }

  goOn(): void {
    this.#child.kill("SIGCONT");
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL"); // a held one, too
    await this.#closed;
  }
}
