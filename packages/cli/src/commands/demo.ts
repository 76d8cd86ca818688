/**
 * `kad demo`: a network on this machine that stores a file, loses a third of its nodes and still has it.
 */
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { count, json } from "../options.ts";

const defaultNodes = 50;
const defaultProcesses = 2;
/** Beside the holders of a record (20) others must be left; and each node is a socket. */
const leastNodes = 4;
const mostNodes = 500;
const mostProcesses = 16;

export const demo: Command = defineCommand({
  name: "demo",
  summary: "Watch a network on this machine store a file, lose a third of its nodes and still have it",
  description: [
    "Starts 50 nodes on 50 UDP sockets of loopback in this process, and two more in processes of their own. Stores every " +
      "line of a file as a record through one node, and reads each back through another. Stores a file as chunks, which some " +
      "nodes announce and others find. Kills a third of the nodes, the one that stored everything among them, and reads " +
      "all again. Every byte is compared.",
    "A blank line is a record too; equal lines share one; a line over 1,000 bytes is cut there. Then the nodes stay, " +
      "and a line is shown with which a second terminal joins them.",
  ],
  args: [
    {
      name: "FILE",
      summary: "For its lines and as chunks; by default this repository's README and its lock file",
      optional: true,
    },
  ],
  options: {
    exit: { summary: "End by itself: with 0 if every step worked, else with 1" },
    nodes: {
      value: "N",
      summary: `Nodes in this process; ${defaultNodes} by default`,
      parse: count(leastNodes, mostNodes),
    },
    processes: {
      value: "N",
      summary: `Nodes in processes of their own; ${defaultProcesses} by default`,
      parse: count(0, mostProcesses),
    },
    json,
  },
  examples: [
    { line: "kad demo", does: "the whole, until Ctrl-C" },
    {
      line: "kad demo --exit LICENSE",
      does: "with another file, as a test: its exit code tells whether all worked",
    },
    { line: "kad demo --exit --json", does: "every join, store and read as a JSON object" },
  ],
  async run({ options, args, io }) {
    const { nodes = defaultNodes, processes = defaultProcesses, exit, json: isJson } = options;
    const { playDemo } = await import("../demo/play.ts");
    const isGood = await playDemo({ file: args[0], nodes, processes, exit, isJson }, io);
    return isGood ? exitCode.ok : exitCode.failed;
  },
});
