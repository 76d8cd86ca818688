import { fileURLToPath } from "node:url";
import { type Io, main } from "../../src/index.ts";
import type { Env } from "../../src/io.ts";

/** Program and arguments that run the command from its sources. */
export const kadFromSource: readonly string[] = [
  process.execPath,
  "--import",
  "tsx",
  "-C",
  "@kad/source",
  fileURLToPath(new URL("./kad.ts", import.meta.url)),
];

export interface TestIoOptions {
  readonly stdin?: AsyncIterable<Uint8Array | string>;
  readonly env?: Env;
  readonly isTTY?: boolean;
  readonly isErrorTTY?: boolean;
  readonly columns?: number;
  readonly kad?: readonly string[];
}

/** Some of what events have; each has its own. */
export interface JsonEvent {
  readonly event: string;
  readonly id?: string;
  readonly publicKey?: string;
  readonly addresses?: readonly string[];
  readonly address?: string;
  readonly pid?: number;
  readonly key?: string;
  readonly join?: string;
}

/** What a command reads and writes, held in memory. */
export class TestIo implements Io {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly env: Env;
  readonly isTTY: boolean;
  readonly isErrorTTY: boolean;
  readonly columns: number;
  readonly kad: readonly string[];
  readonly #end = new AbortController();
  readonly #chunks: Uint8Array[] = [];
  #errors = "";
  readonly #watchers = new Set<() => void>();

  constructor(options: TestIoOptions = {}) {
    const { isTTY = false, isErrorTTY = false, columns = 120, env = {}, kad = kadFromSource } = options;
    this.stdin = options.stdin ?? chunks();
    this.env = env;
    this.isTTY = isTTY;
    this.isErrorTTY = isErrorTTY;
    this.columns = columns;
    this.kad = kad;
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  readonly stdout = {
    write: (chunk: string | Uint8Array): void => {
      this.#chunks.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : Uint8Array.from(chunk));
      for (const watch of this.#watchers) watch();
    },
  };

  readonly stderr = {
    write: (chunk: string | Uint8Array): void => {
      this.#errors += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
      for (const watch of this.#watchers) watch();
    },
  };

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#chunks.flatMap((chunk) => [...chunk]));
  }

  get out(): string {
    return new TextDecoder().decode(this.bytes);
  }

  get err(): string {
    return this.#errors;
  }

  /** Every line of stdout as JSON. */
  get events(): JsonEvent[] {
    const lines = this.out.split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as JsonEvent);
  }

  eventsOf(name: string): JsonEvent[] {
    return this.events.filter(({ event }) => event === name);
  }

  /** As SIGTERM does. */
  abort(): void {
    this.#end.abort(new Error("SIGTERM"));
  }

  /** Resolves as soon as stdout matches, with the match. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(pattern, () => this.out);
  }

  /** The same of stderr. */
  untilError(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(pattern, () => this.err);
  }

  #until(pattern: RegExp, text: () => string): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      const watch = (): void => {
        const match = pattern.exec(text());
        if (match === null) return;
        this.#watchers.delete(watch);
        resolve(match);
      };
      this.#watchers.add(watch);
      watch();
    });
  }
}

/** Runs a command to its end. */
export async function run(
  argv: readonly string[],
  options: TestIoOptions = {},
): Promise<TestIo & { code: number }> {
  const io = new TestIo(options);
  const code = await main(argv, io);
  return Object.assign(io, { code });
}

/** Begins a command that lives until `io.abort()`. */
export function begin(
  argv: readonly string[],
  options: TestIoOptions = {},
): { io: TestIo; code: Promise<number> } {
  const io = new TestIo(options);
  return { io, code: main(argv, io) };
}

export async function* chunks(...parts: (Uint8Array | string)[]): AsyncGenerator<Uint8Array | string> {
  yield* parts;
}
