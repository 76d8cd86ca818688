/** `npm run bench -- [name ...] [--quick] [--json] [--markdown] [--rounds N] [--only TEXT]` */
import { parseArgs } from "node:util";
import type { Benchmark } from "./benchmark.ts";

export interface BenchOptions {
  readonly benchmarks: readonly Benchmark[];
  readonly quick: boolean;
  /** `tables` to a terminal; `json` for programs; `markdown` writes them into docs/benchmarks.md too. */
  readonly output: "tables" | "json" | "markdown";
  /** Instead of what each benchmark has by itself. */
  readonly rounds: number | undefined;
  /** Contestants whose parameters have this in them; `undefined`: all. */
  readonly only: string | undefined;
}

/** `undefined`, after a word to `complain`, for what cannot be understood. */
export function parseOptions(
  args: readonly string[],
  all: readonly Benchmark[],
  complain: (text: string) => void,
): BenchOptions | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        markdown: { type: "boolean", default: false },
        rounds: { type: "string" },
        only: { type: "string" },
      },
    });
    const unknown = positionals.find((name) => !all.some((benchmark) => benchmark.name === name));
    if (unknown !== undefined) throw new Error(`there is no benchmark "${unknown}"`);
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 100)) {
      throw new Error(`--rounds ${values.rounds}; allowed are 1 to 100`);
    }
    if (values.only !== undefined && values.markdown)
      throw new Error("--only with --markdown: the document has whole benchmarks");
    return {
      benchmarks: positionals.length === 0 ? all : all.filter(({ name }) => positionals.includes(name)),
      quick: values.quick,
      output: values.json ? "json" : values.markdown ? "markdown" : "tables",
      rounds,
      only: values.only,
    };
  } catch (error) {
    complain(`${(error as Error).message}\n${usage(all)}`);
    return undefined;
  }
}

function usage(all: readonly Benchmark[]): string {
  return `npm run bench -- [name ...] [--quick] [--json | --markdown] [--rounds N] [--only TEXT]
names: ${all.map(({ name }) => name).join(" ")}; all of them by default`;
}
