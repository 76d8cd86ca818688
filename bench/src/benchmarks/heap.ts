/** What a node costs that nobody asks anything of. */
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { collectedMemory } from "../heap.ts";
import { contestant, contestants } from "../networks/networks.ts";
import { Stopwatch } from "../stopwatch.ts";

const columns: readonly Column[] = [
  { value: "heap", heading: "heap, KiB", digits: 1 },
  { value: "external", heading: "external, KiB", digits: 1 },
  { value: "resident", heading: "RSS, KiB", digits: 0 },
  { value: "cpu", heading: "CPU, %", digits: 4 },
  { value: "requests", heading: "requests/min", digits: 2 },
  { value: "bytes", heading: "bytes/s", digits: 1 },
];

const nodes = 32;

export const heapBenchmark: Benchmark = {
  name: "heap",
  title: "An idle node",
  about: `${nodes} nodes in one process that have joined and do nothing more: what each adds to the process, after garbage collection.
Before, one small network of the same kind was made and closed, so that code and what all nodes share is not counted.
*External*: array buffers and native memory. CPU, requests and bytes (without headers of UDP and IP) of each node over
the seconds after; a quiet minute can be deferred work: bittorrent-dht pings after 15 min of silence.`,
  rounds: ({ quick }) => (quick ? 1 : 3),
  contestants: ({ quick }) =>
    Object.keys(contestants).map((name) => ({
      name,
      settleMs: quick ? 500 : 1_500,
      idleMs: quick ? 500 : 8_000,
    })),
  measure,
  columns: () => columns,
};

async function measure({ name, settleMs, idleMs }: Parameters): Promise<readonly Row[]> {
  const { label, load } = contestant(name as string);
  const make = await load();
  const first = await make(8);
  await passed(settleMs as number);
  await first.close();
  await passed(200);
  const before = collectedMemory();
  const network = await make(nodes);
  await passed(settleMs as number);
  const after = collectedMemory();
  const [requests, bytes] = [network.requests(), network.bytesSent?.()];
  const watch = new Stopwatch();
  await passed(idleMs as number);
  const { wallMs, cpuMs } = watch.read();
  const perNode = (value: number) => value / nodes;
  const values = {
    heap: perNode(after.heap - before.heap) / 1_024,
    external: perNode(after.external - before.external) / 1_024,
    resident: perNode(after.resident - before.resident) / 1_024,
    cpu: perNode((100 * cpuMs) / wallMs),
    requests: perNode(((network.requests() - requests) * 60_000) / wallMs),
    ...(bytes !== undefined && { bytes: perNode((((network.bytesSent?.() ?? 0) - bytes) * 1_000) / wallMs) }),
  };
  await network.close();
  return [{ table: `of ${nodes} nodes, each`, row: label, values }];
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
