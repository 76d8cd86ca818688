/** Whole networks in one process, over UDP on loopback. */
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { runLoad, warmUp } from "../lookup-load.ts";
import { contestant, contestants } from "../networks/networks.ts";
import { SeededRandom } from "../seeded-random.ts";
import { Stopwatch } from "../stopwatch.ts";

const loadColumns: readonly Column[] = [
  { value: "exact", heading: "true closest, %", digits: 2, show: "worst" },
  { value: "nearest8", heading: "nearest 8, %", digits: 2, show: "worst" },
  { value: "recall", heading: "recall, %", digits: 2, show: "worst" },
  { value: "perSecond", heading: "lookups/s", digits: 0 },
  { value: "p50Ms", heading: "p50 ms", digits: 2, show: "median" },
  { value: "p95Ms", heading: "p95 ms", digits: 2, show: "median" },
  { value: "p99Ms", heading: "p99 ms", digits: 2, show: "median" },
  { value: "requestsPerLookup", heading: "requests", digits: 1, show: "median" },
  { value: "rounds", heading: "rounds", digits: 1, show: "median" },
  { value: "cpuMsPerLookup", heading: "CPU ms per lookup", digits: 2 },
  { value: "cpuUsPerRequest", heading: "CPU us per request", digits: 1 },
];

const joinColumns: readonly Column[] = [
  { value: "joinMs", heading: "all joined, ms", digits: 0 },
  { value: "joinCpuMs", heading: "CPU ms per node", digits: 2 },
  { value: "joinRequests", heading: "requests per node", digits: 1 },
];

export const lookupsBenchmark: Benchmark = {
  name: "lookups",
  title: "Lookups",
  about: `All nodes of a network share one process, so the CPU time of a request counts both of its ends: asking, answering, and
the system's work for two datagrams. Each lookup goes from a random node to a random target. *True closest*: the lookups
that brought exactly the nearest nodes alive, nearest first, the asker left out (20; 8 where the table says so); the worst
round is shown. *Requests*: all that the network sent in that time, for whatever reason, divided by lookups. bittorrent-dht and dht-rpc always look for 20. A lookup of
bittorrent-dht is that of its k-rpc with \`find_node\`, the cheapest that it has. *Joined*: from making the first node until
the last one says that it has joined, all at once; the encrypted ones sixteen at a time, since each pair that meets computes a
handshake.`,
  rounds: ({ quick }) => (quick ? 1 : 3),
  contestants: ({ quick }) =>
    (quick ? [32] : [32, 128]).flatMap((size) =>
      Object.keys(contestants).map((name) => ({
        name,
        size,
        forMs: quick ? 300 : 1_200,
        settleMs: quick ? 400 : 1_000,
        // Until most pairs have met: it is lookups that are measured, and not handshakes.
        warm: (quick ? 200 : 600) * (name === "secureDht" ? 5 : 1),
      })),
    ),
  measure,
  columns: (table) => (table.endsWith("join") ? joinColumns : loadColumns),
};

/** `settleMs`: after joining, nodes ping those who asked them, and look for those who joined with them. */
async function measure({ name, size, forMs, settleMs, warm }: Parameters): Promise<readonly Row[]> {
  const { label, load, takesResults, idBytes } = contestant(name as string);
  const make = await load();
  const random = new SeededRandom(3);
  const nodes = size as number;
  const joining = new Stopwatch();
  const network = await make(nodes);
  const joined = joining.read();
  const joinRequests = network.requests();
  await new Promise((resolve) => setTimeout(resolve, settleMs as number));
  const run = (concurrency: number, results: number, ms: number) =>
    runLoad({ network, random, idBytes, concurrency, results, forMs: ms });
  await warmUp({ network, random, idBytes }, warm as number);
  const rows: Row[] = [
    {
      table: `${nodes} nodes, join`,
      row: label,
      values: { joinMs: joined.wallMs, joinCpuMs: joined.cpuMs / nodes, joinRequests: joinRequests / nodes },
    },
    { table: `${nodes} nodes, 1 at a time`, row: label, values: { ...(await run(1, 20, forMs as number)) } },
    {
      table: `${nodes} nodes, 32 at a time`,
      row: label,
      values: { ...(await run(32, 20, forMs as number)) },
    },
  ];
  if (takesResults) {
    const table = `${nodes} nodes, 32 at a time, 8 results`;
    rows.push({ table, row: label, values: { ...(await run(32, 8, forMs as number)) } });
  }
  await network.close();
  return rows;
}
