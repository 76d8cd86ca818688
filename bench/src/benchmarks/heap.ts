/** What a node costs that nobody asks anything of. */
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { collectedMemory } from "../heap.ts";
import type { NetworkMaker } from "../networks/network.ts";
import { contestant, contestants } from "../networks/networks.ts";
import { Stopwatch } from "../stopwatch.ts";

const columns: readonly Column[] = [
  { value: "contacts", heading: "contacts", digits: 1 },
  { value: "heap", heading: "heap, KiB", digits: 1 },
  { value: "external", heading: "external, KiB", digits: 1 },
  { value: "together", heading: "together, KiB", digits: 1 },
  { value: "cpu", heading: "CPU, %", digits: 4 },
  { value: "requests", heading: "requests/min", digits: 2 },
  { value: "bytes", heading: "bytes/s", digits: 1 },
];

const nodes = 32;
/** Networks that are made and closed before: after two, compiled code and inline caches no longer grow. */
const warmUps = 2;

export const heapBenchmark: Benchmark = {
  name: "heap",
  title: "An idle node",
  about: `${nodes} nodes in one process that have joined and do nothing more: what each adds to the process, after garbage collection.
Before, ${warmUps} such networks were made and closed, and one more was made and is still there: so neither code, which
is compiled as it is used, nor what all nodes share is counted. Nodes share nothing that would not be in a process with one.
*Contacts*: those in a node's table. *External*: array buffers and native memory. CPU, requests and bytes (without headers of UDP and IP) of each node over
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
  for (let i = 0; i < warmUps; i++) await warmUp(make, settleMs as number);
  const first = await make(nodes);
  await passed(settleMs as number);
  const before = collectedMemory();
  const network = await make(nodes);
  await passed(settleMs as number);
  const after = collectedMemory();
  await first.close();
  await passed(settleMs as number);
  const [requests, bytes] = [network.requests(), network.bytesSent?.()];
  const watch = new Stopwatch();
  await passed(idleMs as number);
  const { wallMs, cpuMs } = watch.read();
  const perNode = (value: number) => value / nodes;
  const values = {
    contacts: perNode(network.contacts()),
    heap: perNode(after.heap - before.heap) / 1_024,
    external: perNode(after.external - before.external) / 1_024,
    together: perNode(after.heap + after.external - before.heap - before.external) / 1_024,
    cpu: perNode((100 * cpuMs) / wallMs),
    requests: perNode(((network.requests() - requests) * 60_000) / wallMs),
    ...(bytes !== undefined && { bytes: perNode((((network.bytesSent?.() ?? 0) - bytes) * 1_000) / wallMs) }),
  };
  await network.close();
  return [{ table: `of ${nodes} nodes, each`, row: label, values }];
}

/** A function of its own, so that nothing of the network is held when it returns. */
async function warmUp(make: NetworkMaker, settleMs: number): Promise<void> {
  const network = await make(nodes);
  await passed(settleMs);
  await network.close();
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
