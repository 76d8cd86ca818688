/** The command as its user waits for it, and files in a network that loses a third of its nodes. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { RecordKey } from "@kad/core";
import { createNode, type DhtNode } from "@kad/dht";
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { SeededRandom } from "../seeded-random.ts";
import { spreadOf } from "../statistics.ts";

const nodes = 50;
const startTable = "from process start to its end";
const fileTable = `a file, ${nodes} nodes`;

const columns: Readonly<Record<string, readonly Column[]>> = {
  [startTable]: [{ value: "ms", heading: "ms", digits: 0 }],
  [fileTable]: [
    { value: "seconds", heading: "s", digits: 2 },
    { value: "kBps", heading: "kB/s", digits: 0 },
  ],
};

export const cliBenchmark: Benchmark = {
  name: "cli",
  title: "The command, and files",
  about: `All nodes are in one process, on UDP sockets of loopback: what is measured is mostly the processor, shared by all of
them. *From process start*: \`kad\` as a process of its own, the median of several; *nothing* is Node alone. \`kad get\` is of a
small value. *A file*: random bytes by \`putFile\` of one node with room for them everywhere, and by \`getFile\` of a client that
has only just come; with every third node closed without a word; then compared. A put of a chunk is some 40 requests, a get
two.`,
  rounds: ({ quick }) => (quick ? 1 : 3),
  contestants: ({ quick }) => [
    { what: "start", times: quick ? 3 : 15 },
    { what: "file", megabytes: quick ? 0.2 : 10 },
  ],
  measure,
  columns: (table) => columns[table] ?? [],
};

async function measure({ what, times, megabytes }: Parameters): Promise<readonly Row[]> {
  const network = await openNetwork();
  try {
    return what === "start"
      ? await measureStart(network, times as number)
      : await measureFile(network, (megabytes as number) * 1_000_000);
  } finally {
    await Promise.all(network.map((node) => node.close()));
  }
}

/** Room for a file of 10 MB that has 20 holders for each chunk: some 4,200 records for each node, unevenly. */
const limits = { maxRecords: 12_000, maxRecordBytes: 2 ** 24 };

async function openNetwork(): Promise<[DhtNode, ...DhtNode[]]> {
  const listen = "udp://127.0.0.1:0";
  const first = await createNode({ listen, limits });
  const network: [DhtNode, ...DhtNode[]] = [first];
  while (network.length < nodes) {
    network.push(await createNode({ listen, bootstrap: first.addresses, limits }));
  }
  return network;
}

const command = fileURLToPath(new URL("../../../packages/cli/bin/kad.js", import.meta.url));

async function measureStart(
  network: readonly [DhtNode, ...DhtNode[]],
  times: number,
): Promise<readonly Row[]> {
  const [first] = network;
  const { key } = await first.put("a small value");
  const [bootstrap = ""] = first.addresses;
  const get = [command, "get", key.toHex(), "--bootstrap", bootstrap];
  const rows = [
    await timeOf("nothing", ["--eval", ""], times),
    await timeOf("kad --help", [command, "--help"], times),
    await timeOf("kad get", get, times, "a small value"),
  ];
  closeThird(network);
  return [...rows, await timeOf("kad get, a third of the nodes gone", get, times, "a small value")];
}

async function timeOf(row: string, args: string[], times: number, output?: string): Promise<Row> {
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const startMs = performance.now();
    const { stdout } = await promisify(execFile)(process.execPath, args);
    taken.push(performance.now() - startMs);
    if (output !== undefined && stdout !== output) throw new Error(`${row}: ${JSON.stringify(stdout)}`);
  }
  return { table: startTable, row, values: { ms: spreadOf(taken)?.median } };
}

async function measureFile(network: readonly [DhtNode, ...DhtNode[]], size: number): Promise<readonly Row[]> {
  const [first, writer] = network;
  const bytes = new SeededRandom(9).bytes(size);
  const putMs = performance.now();
  const { key } = await (writer as DhtNode).putFile(bytes);
  const put = fileRow("put", size, performance.now() - putMs);
  const whole = await getRow("get", first, key, bytes);
  closeThird(network);
  return [put, whole, await getRow("get, a third of the nodes gone", first, key, bytes)];
}

async function getRow(row: string, first: DhtNode, key: RecordKey, bytes: Uint8Array): Promise<Row> {
  const client = await createNode({ bootstrap: first.addresses });
  const startMs = performance.now();
  let at = 0;
  for await (const piece of client.getFile(key)) {
    if (Buffer.compare(piece, bytes.subarray(at, at + piece.length)) !== 0) throw new Error("other bytes");
    at += piece.length;
  }
  const elapsedMs = performance.now() - startMs;
  if (at !== bytes.length) throw new Error(`${at} of ${bytes.length} bytes`);
  await client.close();
  return fileRow(row, at, elapsedMs);
}

function fileRow(row: string, size: number, elapsedMs: number): Row {
  return { table: fileTable, row, values: { seconds: elapsedMs / 1_000, kBps: size / elapsedMs } };
}

/** Each second, fifth, eighth … of them: the writer, and never the first. They have nothing to withdraw. */
function closeThird(network: readonly DhtNode[]): void {
  for (let i = 1; i < network.length; i += 3) void network[i]?.close();
}
