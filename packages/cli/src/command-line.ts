/**
 * From arguments to a command and its options. Nothing is guessed: what is not in the command's table is refused, with
 * the closest name that is.
 */
import { parseArgs } from "node:util";
import {
  type Command,
  type FlagSpec,
  type OptionSpecs,
  type OptionValues,
  takesValue,
  type ValueSpec,
} from "./command.ts";
import { oneLine, WrongUsage } from "./failure.ts";
import type { Env } from "./io.ts";

export type Choice =
  | { readonly type: "help"; readonly command: Command | undefined }
  | { readonly type: "version" }
  | {
      readonly type: "run";
      readonly command: Command;
      readonly options: OptionValues<OptionSpecs>;
      readonly args: readonly (string | undefined)[];
    };

/** @throws WrongUsage */
export function chooseCommand(argv: readonly string[], commands: readonly Command[], env: Env): Choice {
  const [first, ...rest] = argv;
  switch (first) {
    case undefined:
      throw new WrongUsage("which command? `kad --help` lists them");
    case "--version":
    case "-V":
      return { type: "version" };
    case "--help":
    case "-h":
      return { type: "help", command: undefined };
    case "help":
      return { type: "help", command: rest[0] === undefined ? undefined : commandNamed(rest[0], commands) };
  }
  if (first.startsWith("-")) {
    throw new WrongUsage(`the command comes first, before "${oneLine(first)}": kad COMMAND [OPTIONS]`);
  }
  const command = commandNamed(first, commands);
  return parseCommand(command, rest, env);
}

function commandNamed(name: string, commands: readonly Command[]): Command {
  const found = commands.find((command) => command.name === name);
  if (found !== undefined) return found;
  const names = commands.map((command) => command.name);
  throw new WrongUsage(
    `there is no command "${oneLine(name)}"; ${suggestion(name, names) ?? "`kad --help` lists them"}`,
  );
}

function parseCommand(command: Command, argv: readonly string[], env: Env): Choice {
  const { tokens } = parseArgs({
    args: [...argv],
    options: { help: { type: "boolean", short: "h" }, ...parseArgsOptions(command.options) },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, (string | undefined)[]>();
  const args: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") args.push(token.value);
    if (token.kind !== "option") continue;
    if (token.name === "help") return { type: "help", command };
    const values = given.get(token.name) ?? [];
    values.push(checkedValue(command, token.name, token.rawName, token.value, token.inlineValue === true));
    given.set(token.name, values);
  }
  return {
    type: "run",
    command,
    options: readOptions(command.options, given, env),
    args: checkedArgs(command, args),
  };
}

function parseArgsOptions(specs: OptionSpecs): Record<string, { type: "string" | "boolean" }> {
  const entries = Object.entries(specs);
  return Object.fromEntries(
    entries.map(([name, spec]) => [name, { type: takesValue(spec) ? "string" : "boolean" }]),
  );
}

function checkedValue(
  command: Command,
  name: string,
  rawName: string,
  value: string | undefined,
  isInline: boolean,
): string | undefined {
  const spec = Object.hasOwn(command.options, name) ? command.options[name] : undefined;
  if (spec === undefined) {
    const names = Object.keys(command.options).map((one) => `--${one}`);
    const hint = suggestion(rawName, names) ?? `\`kad ${command.name} --help\` lists them`;
    throw new WrongUsage(`kad ${command.name} has no option "${oneLine(rawName)}"; ${hint}`);
  }
  if (!takesValue(spec)) {
    if (value !== undefined) throw new WrongUsage(`${rawName} takes no value, not "${oneLine(value)}"`);
    return undefined;
  }
  if (value === undefined || (!isInline && value.startsWith("-") && value.length > 1)) {
    throw new WrongUsage(`${rawName} needs a value: ${rawName} ${spec.value}`);
  }
  return value;
}

function readOptions(
  specs: OptionSpecs,
  given: ReadonlyMap<string, readonly (string | undefined)[]>,
  env: Env,
): OptionValues<OptionSpecs> {
  const entries = Object.entries(specs);
  return Object.fromEntries(
    entries.map(([name, spec]) => [name, readOption(name, spec, given.get(name) ?? [], env)]),
  ) as OptionValues<OptionSpecs>;
}

function readOption(
  name: string,
  spec: FlagSpec | ValueSpec<unknown>,
  given: readonly (string | undefined)[],
  env: Env,
): unknown {
  if (!takesValue(spec)) return given.length > 0;
  const { parse, multiple, env: variable } = spec;
  const inherited = variable === undefined ? undefined : env[variable]?.split(/\s+/).filter(Boolean);
  const isInherited = given.length === 0 && inherited !== undefined;
  const source = isInherited ? (variable as string) : `--${name}`;
  const texts = isInherited ? inherited : (given as readonly string[]);
  if (multiple === undefined && texts.length > 1) throw new WrongUsage(`${source} is given twice`);
  const values = texts.map((text) => named(source, () => parse(text)));
  return multiple === undefined ? values[0] : values;
}

function named<T>(source: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof WrongUsage ? new WrongUsage(`${source}: ${error.message}`) : error;
  }
}

function checkedArgs(command: Command, args: readonly string[]): (string | undefined)[] {
  const specs = command.args;
  const missing = specs.find((spec, index) => spec.optional === undefined && args[index] === undefined);
  if (missing !== undefined) {
    throw new WrongUsage(`${missing.name} is missing: ${usageLine(command)}`);
  }
  const extra = args[specs.length];
  if (extra !== undefined) {
    throw new WrongUsage(`"${oneLine(extra)}" is one argument too many: ${usageLine(command)}`);
  }
  return specs.map((_spec, index) => args[index]);
}

/** `kad put VALUE [OPTIONS]`. */
export function usageLine(command: Command): string {
  const args = command.args.map(({ name, optional }) => (optional ? `[${name}]` : name));
  return ["kad", command.name, ...args, "[OPTIONS]"].join(" ");
}

/** `did you mean "demo"?` where one is meant by all appearance. */
function suggestion(typed: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((name) => ({ name, edits: editDistance(typed, name) }))
    .sort((a, b) => a.edits - b.edits);
  const [best] = ranked;
  return best !== undefined && best.edits <= Math.max(1, Math.floor(best.name.length / 3))
    ? `did you mean "${best.name}"?`
    : undefined;
}

/** Levenshtein's, of names at most so long. */
const longestName = 40;

function editDistance(a: string, b: string): number {
  if (a.length > longestName) return a.length;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
