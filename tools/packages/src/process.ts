/** Runs a program to its end. */
import { execFile } from "node:child_process";

export interface Outcome {
  readonly status: number;
  readonly output: string;
  readonly errors: string;
}

export interface RunOptions {
  readonly cwd: string;
  /** It is ended after this. */
  readonly timeoutMs?: number;
  readonly input?: string;
  /** Beside what this process has. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Whatever it does is an outcome; a program that is not there rejects. */
export function run(command: readonly string[], options: RunOptions): Promise<Outcome> {
  const [file, ...args] = command as [string, ...string[]];
  const { cwd, timeoutMs = 120_000, input = "" } = options;
  const env = { ...process.env, ...options.env };
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { cwd, env, timeout: timeoutMs }, (error, output, errors) => {
      if (error !== null && error.code === "ENOENT") return reject(error);
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      const note = error?.killed ? `${command.join(" ")} did not end within ${timeoutMs} ms\n` : "";
      resolve({ status, output, errors: errors + note });
    });
    child.stdin?.on("error", () => undefined); // it may end without reading
    child.stdin?.end(input);
  });
}

/** Its output. @throws with what it wrote on stderr when its exit status is not 0 */
export async function succeed(command: readonly string[], options: RunOptions): Promise<string> {
  const { status, output, errors } = await run(command, options);
  if (status === 0) return output;
  throw new Error(`${command.join(" ")}: exit status ${status}\n${errors}${output}`);
}
