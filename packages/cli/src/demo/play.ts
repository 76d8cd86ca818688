/**
 * A demo from the file to the end: what is stored, the network, the run, and the nodes that stay.
 */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { oneLine, toFailure, WrongUsage } from "../failure.ts";
import type { Io } from "../io.ts";
import { Screen } from "../screen.ts";
import { grouped } from "../text.ts";
import { chunksOf, type DemoFile, recordsOf } from "./demo-file.ts";
import { DemoRun } from "./demo-run.ts";
import type { Account } from "./events.ts";
import { JsonAccount } from "./json-account.ts";
import { type LineRecords, readLineRecords } from "./line-records.ts";
import { DemoNetwork, type Join } from "./network.ts";
import { TextAccount } from "./text-account.ts";

export interface DemoOptions {
  /** Its lines are stored, and all of it as chunks. `undefined`: the lines of the README, and the lock file. */
  readonly file: string | undefined;
  /** In this process. */
  readonly nodes: number;
  readonly processes: number;
  /** End after the last step, instead of at a signal. */
  readonly exit: boolean;
  readonly isJson: boolean;
}

/** Each is kept by 20 nodes of this very process. */
const mostRecords = 10_000;
const mostFileBytes = 16 * 2 ** 20;

/**
 * Resolves with whether every step worked, when every node and process has ended.
 * @throws (rejects) WrongUsage for a file that is not to be had; Failure when the network does not start; the signal's
 * reason when it comes before the last step is over
 */
export async function playDemo(options: DemoOptions, io: Io): Promise<boolean> {
  const { nodes, processes } = options;
  const path = options.file ?? readmePath();
  const bytes = await readBounded(path);
  const { records, ...counts } = checkedRecords(path, readLineRecords(bytes));
  const file = options.file === undefined ? await lockFile() : { name: basename(path), bytes };
  const account = options.isJson ? new JsonAccount(io.stdout) : new TextAccount(Screen.ofStdout(io));
  account.tell({
    type: "begin",
    file: basename(path),
    bytes: bytes.length,
    ...counts,
    records: records.length,
  });
  account.tell({ type: "file", file: file.name, bytes: file.bytes.length, chunks: chunksOf(file) });
  const network = new DemoNetwork({
    nodes,
    processes,
    kad: io.kad,
    records: records.length + recordsOf(file),
    signal: io.signal,
    onJoin: (join) => tellJoin(account, join),
    onVisitor: (id, address) => account.tell({ type: "visitor", id, address }),
    onError: (error) => account.tell({ type: "error", message: toFailure(error).message }),
  });
  try {
    const isGood = await new DemoRun(network, account, io.signal).play({ records, file }, nodes + processes);
    if (!options.exit) await stay(network, account, io.signal);
    return isGood;
  } finally {
    account.close();
    await network.close();
  }
}

/** Until a signal. */
async function stay(network: DemoNetwork, account: Account, signal: AbortSignal): Promise<void> {
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
  return fileOfRepository("README.md") ?? fileURLToPath(new URL("../../README.md", import.meta.url));
}

/** Where the package is installed alone there is none: its README again. */
async function lockFile(): Promise<DemoFile> {
  const path = fileOfRepository("package-lock.json") ?? readmePath();
  return { name: basename(path), bytes: await readBounded(path) };
}

function fileOfRepository(name: string): string | undefined {
  const repository = new URL("../../../../", import.meta.url);
  const file = new URL(name, repository);
  const isPart = existsSync(new URL("packages/cli/package.json", repository));
  return isPart && existsSync(file) ? fileURLToPath(file) : undefined;
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
