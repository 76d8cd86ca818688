/**
 * Two contestants that work in turn, a tenth of a second or so each. What else the machine does meets both alike, so their
 * ratio is known far better than what each of them takes.
 *
 * Each is a program of its own. It says anything once it is warm; then milliseconds come in, and CPU microseconds for each unit of
 * its work go out.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

export interface Program {
  readonly url: URL;
  readonly args: readonly string[];
}

class Contestant {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor({ url, args }: Program) {
    this.#child = fork(url, args, { stdio: ["ignore", "ignore", "inherit", "ipc"], execArgv: [] });
    this.#ended = once(this.#child, "close").then(([code]) => {
      throw new Error(`${args.join(" ")} has ended with ${String(code)}`);
    });
    this.#ended.catch(() => undefined); // in the end it does
  }

  /** Resolves once it is warm. */
  static async start(program: Program): Promise<Contestant> {
    const contestant = new Contestant(program);
    await contestant.#answer();
    return contestant;
  }

  /** CPU time for each unit of work, in microseconds. */
  async work(forMs: number): Promise<number> {
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

/** What `one` takes for its work, as a multiple of what `other` takes: one for each pair of turns. */
export async function ratiosInTurn(
  one: Program,
  other: Program,
  { turns, forMs }: { readonly turns: number; readonly forMs: number },
): Promise<number[]> {
  const [first, second] = [await Contestant.start(one), await Contestant.start(other)];
  const ratios: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    // Which of them begins changes: load that grows or falls favours neither.
    const begins = turn % 2 === 0;
    const early = await (begins ? first : second).work(forMs);
    const late = await (begins ? second : first).work(forMs);
    ratios.push(begins ? early / late : late / early);
  }
  for (const contestant of [first, second]) contestant.end();
  return ratios;
}
