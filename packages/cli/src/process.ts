/**
 * The command in a process of its own: its streams, signals and end.
 */
import { exitCode } from "./exit-code.ts";
import { oneLine } from "./failure.ts";
import type { Env, Io } from "./io.ts";
import { main } from "./main.ts";

/** Not SIGHUP: a handler would undo what `nohup` does. */
const signals = ["SIGINT", "SIGTERM"] as const;
const widthOfNone = 80;
/** "Obeys within a second" holds behind `npx` too. */
const parentCheckMs = 250;

/**
 * Runs `main` on this process's arguments and ends the process with its exit code. The first signal asks the command to
 * end, a second one ends it at once. When whoever reads the output has gone, that is a signal too.
 * @param kad program and arguments that run this command once more
 */
export async function runProcess(kad: readonly string[]): Promise<void> {
  const { KAD_DEBUG, npm_lifecycle_event }: Env & { npm_lifecycle_event?: string } = process.env;
  const end = new AbortController();
  for (const signal of signals) {
    process.on(signal, () => {
      if (end.signal.aborted) process.exit(exitCode.interrupted);
      end.abort(new Error(signal));
    });
  }
  if (npm_lifecycle_event !== undefined) endWithParent(end);
  for (const output of [process.stdout, process.stderr]) output.on("error", (error) => end.abort(error));
  process.on("uncaughtException", (error) => {
    process.stderr.write(`kad: unexpected: ${KAD_DEBUG ? error.stack : oneLine(error.message)}\n`);
    process.exit(exitCode.failed);
  });
  const code = await main(process.argv.slice(2), ioOfProcess(end.signal, kad)); // slice: a list of strings
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
}

/** npm and npx pass a signal on to the shell between us alone; that dies of it, and would leave us behind. */
function endWithParent(end: AbortController): void {
  const parent = process.ppid;
  const check = (): void => {
    if (process.ppid !== parent) end.abort(new Error("the parent process has ended"));
  };
  setInterval(check, parentCheckMs).unref();
}

/** Getters: `process.stdin` is opened by its first use, and the width changes with the window. */
function ioOfProcess(signal: AbortSignal, kad: readonly string[]): Io {
  return {
    get stdin() {
      return process.stdin;
    },
    get columns() {
      return process.stdout.columns ?? process.stderr.columns ?? widthOfNone;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal,
    isTTY: process.stdout.isTTY === true,
    isErrorTTY: process.stderr.isTTY === true,
    kad,
  };
}

/** Pipes are written later on some systems; `process.exit` would cut them off. */
function flushed(output: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    output.write("", () => resolve());
  });
}
