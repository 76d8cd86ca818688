/**
 * Two nodes that serve in turn, a tenth of a second each. What else the machine does meets both alike, so their ratio
 * is known far better than what each of them takes.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Kind } from "./requests.ts";
import type { Way } from "./servers.ts";

class NodeProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor(way: Way, kind: Kind) {
    this.#child = fork(new URL("serve-on-demand.js", import.meta.url), [way, kind], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
    });
    this.#ended = once(this.#child, "close").then(([code]) => {
      throw new Error(`a node that serves has ended with ${String(code)}`);
    });
    this.#ended.catch(() => undefined); // in the end it does
  }

  /** Resolves once it is warm. */
  static async start(way: Way, kind: Kind): Promise<NodeProcess> {
    const process = new NodeProcess(way, kind);
    await process.#answer();
    return process;
  }

  /** Serves for so long; CPU time for each answer, in microseconds. */
  async serve(forMs: number): Promise<number> {
    this.#child.send(forMs);
    return (await this.#answer()) as number;
  }

  end(): void {
    this.#child.disconnect();
  }

  async #answer(): Promise<unknown> {
    const [answer] = (await Promise.race([once(this.#child, "message"), this.#ended])) as [unknown];
    return answer;
  }
}

/** What `way` takes for each answer, as a multiple of what `other` takes: one for each pair of turns. */
export async function ratiosInTurn(
  way: Way,
  other: Way,
  { kind, turns, forMs }: { readonly kind: Kind; readonly turns: number; readonly forMs: number },
): Promise<number[]> {
  const one = await NodeProcess.start(way, kind);
  const two = await NodeProcess.start(other, kind);
  const ratios: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    // Which of them comes first changes: load that grows or falls favours neither.
    const isFirst = turn % 2 === 0;
    const early = await (isFirst ? one : two).serve(forMs);
    const late = await (isFirst ? two : one).serve(forMs);
    ratios.push(isFirst ? early / late : late / early);
  }
  for (const node of [one, two]) node.end();
  return ratios;
}
