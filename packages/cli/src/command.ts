/**
 * What a command is: one table row that parsing, help and completion of types are made from.
 *
 * Every command is a file in `commands/` that exports one {@link Command}; `commands.ts` lists them.
 */

import type { ExitCode } from "./exit-code.ts";
import type { Env, Io } from "./io.ts";

/** An option that takes no value. */
export interface FlagSpec {
  readonly summary: string;
}

/** An option with a value: `--name VALUE` or `--name=VALUE`. */
export interface ValueSpec<T> {
  readonly summary: string;
  /** What stands for the value in help: `URL`. */
  readonly value: string;
  /** @throws WrongUsage that says what is allowed; the option's name is put in front */
  readonly parse: (text: string) => T;
  /** May be given more than once. */
  readonly multiple?: true;
  /** The environment variable that is taken when the option is absent; spaces separate several values. */
  readonly env?: keyof Env;
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where options of every type stand side by side
export type OptionSpecs = Readonly<Record<string, FlagSpec | ValueSpec<any>>>;

export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends ValueSpec<infer T>
    ? S[K] extends { readonly multiple: true }
      ? readonly T[]
      : T | undefined
    : boolean;
};

export interface ArgumentSpec {
  /** As help writes it: `KEY`. */
  readonly name: string;
  readonly summary: string;
  readonly optional?: true;
}

export interface Example {
  readonly line: string;
  readonly does: string;
}

interface Invocation<S extends OptionSpecs> {
  readonly options: OptionValues<S>;
  /** As many as the command has, `undefined` for those that are optional and absent. */
  readonly args: readonly (string | undefined)[];
  readonly io: Io;
}

interface CommandParts<S extends OptionSpecs> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Paragraphs for `kad NAME --help`. */
  readonly description: readonly string[];
  readonly args?: readonly ArgumentSpec[];
  readonly options: S;
  readonly examples: readonly Example[];
  /** Resolves with the exit code. What it throws becomes one line on stderr. */
  readonly run: (invocation: Invocation<S>) => Promise<ExitCode>;
}

export type Command = Required<CommandParts<OptionSpecs>>;

/** Checks a command's `run` against its own options. */
export function defineCommand<const S extends OptionSpecs>(parts: CommandParts<S>): Command {
  return { args: [], ...parts } as unknown as Command;
}

export function takesValue(spec: FlagSpec | ValueSpec<unknown>): spec is ValueSpec<unknown> {
  return "parse" in spec;
}
