/**
 * `kad demo`: a network on this machine that stores a file, loses a third of its nodes and still has it.
 */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, defineCommand } from "../command.ts";
import { DemoRun } from "../demo/demo-run.ts";
import type { Account } from "../demo/events.ts";
import { JsonAccount } from "../demo/json-account.ts";
import { type LineRecords, readLineRecords } from "../demo/line-records.ts";
import { DemoNetwork, type Join } from "../demo/network.ts";
import { TextAccount } from "../demo/text-account.ts";
import { exitCode } from "../exit-code.ts";
import { oneLine, toFailure, WrongUsage } from "../failure.ts";
import type { Io } from "../io.ts";
import { count, json } from "../options.ts";
import { Screen } from "../screen.ts";
import { grouped } from "../text.ts";

const defaultNodes = 50;
const defaultProcesses = 2;
/** Beside the holders of a record (20) others must be left; and each node is a socket. */
const leastNodes = 4;
const mostNodes = 500;
const mostProcesses = 16;
/** Each is kept by 20 nodes of this very process. */
const mostRecords = 10_000;
const mostFileBytes = 16 * 2 ** 20;

export const demo: Command = defineCommand({
  name: "demo",
  summary: "Watch a network on this machine store a file, lose a third of its nodes and still have it",
  description: [
    "Starts 50 nodes on 50 UDP sockets of loopback in this process, and two more in processes of their own. Stores every " +
      "line of a file as a record through one node, reads each back through another and compares all bytes, kills a third " +
      "of the nodes, the one that stored everything among them, and reads all again.",
    "A blank line is a record too; equal lines share one; a line over 1,000 bytes is cut there. Then the nodes stay, " +
      "and a line is shown with which a second terminal joins them.",
  ],
  args: [{ name: "FILE", summary: "The file; the README of this repository by default", optional: true }],
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
    const file = args[0] ?? readmePath();
    const bytes = await readBounded(file);
    const lines = checkedRecords(file, readLineRecords(bytes));
    const account = isJson ? new JsonAccount(io.stdout) : new TextAccount(Screen.ofStdout(io));
    const { records, ...counts } = lines;
    account.tell({
      type: "begin",
      file: basename(file),
      bytes: bytes.length,
      ...counts,
      records: records.length,
    });
    const { createNode } = await import("@kad/dht");
    const network = new DemoNetwork({
      createNode,
      nodes,
      processes,
      kad: io.kad,
      records: records.length,
      signal: io.signal,
      onJoin: (join) => tellJoin(account, join),
      onVisitor: (id, address) => account.tell({ type: "visitor", id, address }),
      onError: (error) => account.tell({ type: "error", message: toFailure(error).message }),
    });
    try {
      const run = new DemoRun(network, account, io.signal);
      const isGood = await run.play(records, nodes + processes);
      if (!exit) await stay(network, account, io);
      return isGood ? exitCode.ok : exitCode.failed;
    } finally {
      account.close();
      await network.close();
    }
  },
});

/** Until a signal. */
async function stay(network: DemoNetwork, account: Account, { signal }: Io): Promise<void> {
  account.tell({ type: "ready", join: `npx kad node --bootstrap ${network.address}` });
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function tellJoin(account: Account, { member, contacts, effort }: Join): void {
  const { id, address } = member;
  const pid = member.type === "process" ? member.child.pid : undefined;
  account.tell({ type: "joined", id, address, pid, contacts, effort });
}

/** Of the repository that this package is part of, or of the package where it is installed alone. */
function readmePath(): string {
  const repository = new URL("../../../../", import.meta.url);
  const isPart = existsSync(new URL("packages/cli/package.json", repository));
  const candidates = [
    ...(isPart ? [new URL("README.md", repository)] : []),
    new URL("../../README.md", import.meta.url),
  ];
  const found = candidates.find((candidate) => existsSync(candidate)) ?? (candidates[0] as URL);
  return fileURLToPath(found);
}

async function readBounded(file: string): Promise<Uint8Array> {
  const { size } = await stat(file);
  if (size > mostFileBytes) {
    throw new WrongUsage(
      `${oneLine(file)}: ${grouped(size)} bytes; the demo takes up to ${grouped(mostFileBytes)}`,
    );
  }
  return await readFile(file);
}

function checkedRecords(file: string, lines: LineRecords): LineRecords {
  const { length } = lines.records;
  if (length >= 1 && length <= mostRecords) return lines;
  const found = length === 0 ? "it is empty" : `${grouped(length)} different lines`;
  throw new WrongUsage(
    `${oneLine(file)}: ${found}; the demo takes 1 to ${grouped(mostRecords)} different lines`,
  );
}
