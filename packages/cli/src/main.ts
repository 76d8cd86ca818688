/**
 * The `kad` command, from arguments to exit code.
 */
import { chooseCommand } from "./command-line.ts";
import { commands } from "./commands.ts";
import { exitCode } from "./exit-code.ts";
import { toFailure } from "./failure.ts";
import { helpOf, helpOfAll } from "./help.ts";
import type { Io } from "./io.ts";
import { Screen } from "./screen.ts";
import { version } from "./version.ts";

/**
 * Runs one command and resolves with its exit code; never rejects. Everything it opened is closed by then.
 * @param argv without the program: `["node", "--json"]`
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    const choice = chooseCommand(argv, commands, io.env);
    switch (choice.type) {
      case "help":
        io.stdout.write(choice.command === undefined ? helpOfAll(commands) : helpOf(choice.command));
        return exitCode.ok;
      case "version":
        io.stdout.write(`${version()}\n`);
        return exitCode.ok;
      case "run": {
        const { command, options, args } = choice;
        return await command.run({ options, args, io });
      }
    }
  } catch (error) {
    return report(error, io);
  }
}

function report(error: unknown, io: Io): number {
  if (io.signal.aborted) return exitCode.interrupted;
  const failure = toFailure(error);
  const screen = Screen.ofStderr(io);
  screen.print(`${screen.style.bad("kad:")} ${failure.message}`);
  if ((io.env.KAD_DEBUG ?? "") !== "") screen.print(stackOf(failure));
  return failure.exitCode;
}

function stackOf(failure: Error): string {
  const { cause } = failure;
  const { stack = failure.message } = cause instanceof Error ? cause : failure;
  return stack;
}
