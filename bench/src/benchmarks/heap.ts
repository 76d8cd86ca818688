/** What a node costs that nobody asks anything of. */
import { setFlagsFromString } from "node:v8";
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { collectedMemory } from "../heap.ts";
import type { Network, NetworkMaker } from "../networks/network.ts";
import { contestant, contestants } from "../networks/networks.ts";
import { Stopwatch } from "../stopwatch.ts";
import { loneNodeColumns, loneNodeTable, measureLoneNodes } from "./lone-nodes.ts";

const columns: readonly Column[] = [
  { value: "contacts", heading: "contacts", digits: 1 },
  { value: "heap", heading: "heap, KiB", digits: 1 },
  { value: "external", heading: "external, KiB", digits: 1 },
  { value: "together", heading: "together, KiB", digits: 1 },
  { value: "cpu", heading: "CPU, %", digits: 4 },
  { value: "requests", heading: "requests/min", digits: 2 },
  { value: "bytes", heading: "bytes/s", digits: 1 },
];

/** Of each network: its nodes know one another, so their number says how many contacts they have. */
const size = 32;
/** Networks that are made and closed before: after two, bytecode and inline caches hardly grow any more. */
const warmUps = 2;
/** Networks that are measured together: what still grows by itself is divided by all of their nodes. */
const measured = 3;

export const heapBenchmark: Benchmark = {
  name: "heap",
  title: "An idle node",
  about: `Nodes in one process, in ${measured} networks of ${size}, that have joined and do nothing more: what each adds to the process,
after garbage collection. Before, ${warmUps} such networks were made and closed, and one more was made and is still there, and
the engine's compilers are off: so neither code, which grows as it is used, nor what a process has once is counted. *Contacts*: those in a node's table.
*External*: array buffers and native memory. CPU, requests and bytes (without headers of UDP and IP) of each node over
the seconds after; a quiet minute can be deferred work: bittorrent-dht pings after 15 min of silence.

*Alone*: nodes of core without driver or socket, empty, and after walks through a world of peers that all answer; *bytes*, of heap
and array buffers together, for each contact and each that waits for a place, with all that is remembered of those met. Nodes
of one process may share their addresses and their wire, as those of a simulation do.`,
  rounds: ({ quick }) => (quick ? 1 : 2),
  contestants: ({ quick }) => [
    ...Object.keys(contestants).map((name) => ({
      name,
      settleMs: quick ? 500 : 1_500,
      idleMs: quick ? 500 : 8_000,
      restMs: quick ? 500 : 3_000,
    })),
    ...[false, true].map((isShared) => ({ name: "lone", isShared, quick })),
  ],
  measure: (parameters) => {
    const { name, isShared, quick } = parameters;
    return name === "lone"
      ? measureLoneNodes(isShared === true, quick === true)
      : measureNetworks(parameters);
  },
  columns: (table) => (table === loneNodeTable ? loneNodeColumns : columns),
};

/** `restMs` and `idleMs` together are longer than any of them waits for an answer: at the end nothing is under way. */
async function measureNetworks({ name, settleMs, idleMs, restMs }: Parameters): Promise<readonly Row[]> {
  for (const compiler of ["opt", "sparkplug"]) setFlagsFromString(`--no-${compiler}`);
  const { label, load } = contestant(name as string);
  const make = await load();
  for (let i = 0; i < warmUps; i++) await warmUp(make, settleMs as number);
  const networks = [await make(size)];
  await passed((idleMs as number) + (restMs as number));
  const before = collectedMemory();
  for (let i = 0; i < measured; i++) networks.push(await make(size));
  await passed(settleMs as number);
  const idle = await idleFor(idleMs as number, networks);
  await passed(restMs as number);
  const after = collectedMemory();
  const added = (value: number) => value / (size * measured);
  const values = {
    contacts: sum(networks, (network) => network.contacts()) / (size * networks.length),
    heap: added(after.heap - before.heap) / 1_024,
    external: added(after.external - before.external) / 1_024,
    together: added(after.heap + after.external - before.heap - before.external) / 1_024,
    ...idle,
  };
  await Promise.all(networks.map((network) => network.close()));
  return [{ table: `of ${size} nodes, each`, row: label, values }];
}

/** What each node does of its own. */
async function idleFor(ms: number, networks: readonly Network[]): Promise<Row["values"]> {
  const requests = () => sum(networks, (network) => network.requests());
  const bytes = () => sum(networks, (network) => network.bytesSent?.() ?? 0);
  const [requestsBefore, bytesBefore] = [requests(), bytes()];
  const watch = new Stopwatch();
  await passed(ms);
  const { wallMs, cpuMs } = watch.read();
  const perNode = (value: number) => value / (size * networks.length);
  return {
    cpu: perNode((100 * cpuMs) / wallMs),
    requests: perNode(((requests() - requestsBefore) * 60_000) / wallMs),
    ...(networks[0]?.bytesSent !== undefined && {
      bytes: perNode(((bytes() - bytesBefore) * 1_000) / wallMs),
    }),
  };
}

function sum(networks: readonly Network[], of: (network: Network) => number): number {
  return networks.reduce((total, network) => total + of(network), 0);
}

/** A function of its own, so that nothing of the network is held when it returns. */
async function warmUp(make: NetworkMaker, settleMs: number): Promise<void> {
  const network = await make(size);
  await passed(settleMs);
  await network.close();
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
