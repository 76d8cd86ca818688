/**
 * Help, made from the table of commands, so that it cannot say something else than the parser does.
 */
import type { Command, Example } from "./command.ts";
import { takesValue } from "./command.ts";
import { usageLine } from "./command-line.ts";
import { exitCodeMeanings } from "./exit-code.ts";
import { columns, wrap } from "./text.ts";

/** Help is read on any terminal; 80 characters is what all have. */
const width = 80;

export function helpOfAll(commands: readonly Command[]): string {
  return paragraphs([
    "kad: a Kademlia distributed hash table from a shell",
    "Usage: kad COMMAND [OPTIONS]",
    wrap(
      "Nodes that know one another's addresses form a network without a center; each record is kept by the nodes " +
        "whose ids are closest to its key. One node of a network is enough to join it.",
      width,
    ),
    section(
      "Commands",
      commands.map(({ name, summary }) => [name, summary]),
    ),
    section("Everywhere", [
      ["--help, -h", "This page, or that of one command: kad node --help"],
      ["--version", "The version of this program"],
    ]),
    examples([
      { line: "kad demo", does: "watch a network of 52 nodes at work on this machine" },
      { line: "kad node --listen udp://127.0.0.1:4100", does: "the first node of a network" },
      { line: "kad node --bootstrap udp://127.0.0.1:4100", does: "another one, in a second terminal" },
      { line: "kad put photo.jpg --bootstrap udp://127.0.0.1:4100", does: "store a file: prints its key" },
      {
        line: "kad get KEY --output copy.jpg --bootstrap udp://127.0.0.1:4100",
        does: "and have it back, from any machine",
      },
    ]),
    section("Environment", [
      ["KAD_BOOTSTRAP", "URLs, separated by spaces, for when --bootstrap is absent"],
      ["KAD_IDENTITY", "A file, for when --identity is absent"],
      ["KAD_NETWORK_KEY", "A file, for when --network-key is absent"],
      ["KAD_DEBUG", "Set to 1: errors come with their stack"],
      ["NO_COLOR", "Set to anything: no colors"],
    ]),
    section("Exit codes", Object.entries(exitCodeMeanings)),
  ]);
}

export function helpOf(command: Command): string {
  const args = command.args.map(
    ({ name, summary, optional }): Row => [name, optional ? `${summary} (optional)` : summary],
  );
  const options = Object.entries(command.options).map(([name, spec]): Row => {
    if (!takesValue(spec)) return [`--${name}`, spec.summary];
    const from = spec.env === undefined ? "" : ` (or the environment's ${spec.env})`;
    return [`--${name} ${spec.value}`, `${spec.summary}${from}`];
  });
  return paragraphs([
    wrap(`kad ${command.name}: ${command.summary}`, width),
    `Usage: ${usageLine(command)}`,
    ...command.description.map((text) => wrap(text, width)),
    ...(args.length === 0 ? [] : [section("Arguments", args)]),
    section("Options", [...options, ["--help, -h", "This page"]]),
    examples(command.examples),
  ]);
}

type Row = readonly [string, string];

function section(title: string, rows: readonly Row[]): string {
  return `${title}:\n${columns(rows, width)}`;
}

function examples(list: readonly Example[]): string {
  const lines = list.map(({ line, does }) => `  ${line}\n      ${does}`);
  return `Examples:\n${lines.join("\n")}`;
}

function paragraphs(parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}
