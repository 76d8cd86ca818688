/**
 * One output as a person watches it: lines that stay, and below them, on a terminal, a block that is drawn over.
 *
 * Where the output is no terminal the block is never drawn and nothing is colored: what stays is plain lines.
 */
import { stripVTControlCharacters } from "node:util";
import type { Io, Output } from "./io.ts";
import { cut } from "./text.ts";

type Paint = (text: string) => string;

export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly bad: Paint;
  readonly key: Paint;
}

/** Faster redrawing is no easier to read, and costs what it shows. */
const redrawMs = 60;
const narrowest = 40;

export class Screen {
  readonly style: Style;
  readonly isLive: boolean;
  readonly #output: Output;
  readonly #columns: () => number;
  #drawn = 0;
  #drawnAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    output: Output,
    options: { readonly isLive: boolean; readonly hasColors: boolean; columns: () => number },
  ) {
    this.#output = output;
    this.isLive = options.isLive;
    this.style = options.hasColors ? ansiStyle : plainStyle;
    this.#columns = options.columns;
  }

  static ofStdout(io: Io): Screen {
    return new Screen(io.stdout, {
      isLive: io.isTTY,
      hasColors: io.isTTY && hasColors(io),
      columns: () => io.columns,
    });
  }

  static ofStderr(io: Io): Screen {
    const isLive = io.isErrorTTY === true;
    return new Screen(io.stderr, { isLive, hasColors: isLive && hasColors(io), columns: () => io.columns });
  }

  get columns(): number {
    return Math.max(narrowest, this.#columns());
  }

  /** Lines that stay. */
  print(...lines: readonly string[]): void {
    this.#output.write(`${this.#erasure()}${lines.map((line) => `${line}\n`).join("")}`);
  }

  /** Replaces the block, if it is time to; `lines` is called only then. */
  draw(lines: () => readonly string[]): void {
    const nowMs = performance.now();
    if (!this.isLive || nowMs - this.#drawnAtMs < redrawMs) return;
    const erasure = this.#erasure();
    const block = lines().map((line) => this.#fit(line));
    this.#output.write(`${erasure}${block.join("\n")}`);
    this.#drawn = block.length;
    this.#drawnAtMs = nowMs;
  }

  /** Takes the block away. */
  clear(): void {
    const erasure = this.#erasure();
    if (erasure !== "") this.#output.write(erasure);
  }

  /** Each line is erased from below to above; the cursor ends where the block began. */
  #erasure(): string {
    const lines = this.#drawn;
    this.#drawn = 0;
    this.#drawnAtMs = Number.NEGATIVE_INFINITY;
    return lines === 0 ? "" : `\r\x1b[2K${"\x1b[1A\x1b[2K".repeat(lines - 1)}`;
  }

  /** A line that the terminal wraps would be two, and the erasure leave one of them. */
  #fit(line: string): string {
    const plain = stripVTControlCharacters(line);
    const width = this.columns - 1;
    return plain.length <= width ? line : cut(plain, width);
  }
}

/** See no-color.org. */
function hasColors({ env }: Io): boolean {
  return (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
}

const same: Paint = (text) => text;
const plainStyle: Style = { bold: same, dim: same, good: same, bad: same, key: same };
const ansiStyle: Style = {
  bold: (text) => `\x1b[1m${text}\x1b[22m`,
  dim: (text) => `\x1b[2m${text}\x1b[22m`,
  good: (text) => `\x1b[32m${text}\x1b[39m`,
  bad: (text) => `\x1b[31m${text}\x1b[39m`,
  key: (text) => `\x1b[36m${text}\x1b[39m`,
};

/** `████░░░░`. */
export function bar(done: number, total: number, width: number): string {
  const filled = total === 0 ? width : Math.round((width * Math.min(done, total)) / total);
  return "█".repeat(filled) + "░".repeat(width - filled);
}
