/** A hundred lookups at the same time, ten thousand in all: how long one takes, and what is left on the heap. */
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { collectedHeap } from "../heap.ts";
import { runLoad } from "../lookup-load.ts";
import { contestant, contestants } from "../networks/networks.ts";
import { SeededRandom } from "../seeded-random.ts";

const columns: readonly Column[] = [
  { value: "p50Ms", heading: "p50 ms", digits: 1 },
  { value: "p95Ms", heading: "p95 ms", digits: 1 },
  { value: "p99Ms", heading: "p99 ms", digits: 1 },
  { value: "perSecond", heading: "lookups/s", digits: 0 },
  { value: "exact", heading: "true closest, %", digits: 2, show: "worst" },
  { value: "lookups", heading: "lookups", digits: 0, show: "median" },
  { value: "heap2k", heading: "heap MiB after 2k", digits: 2 },
  { value: "heap10k", heading: "after 10k", digits: 2 },
  { value: "heap12k", heading: "10 s later", digits: 2 },
];

const concurrency = 100;

export const concurrentBenchmark: Benchmark = {
  name: "concurrent",
  title: "A hundred lookups at once",
  about: `128 nodes, 100 lookups under way at any time, for 20 results: all from one node, or from all of them by chance. The heap of the whole process after
garbage collection: after 2,000 lookups, when caches are full and code is compiled, after 10,000, and once what was
remembered for late answers has been forgotten. Wall-clock time, so a busy machine shows.`,
  rounds: () => 1,
  contestants: ({ quick }) => [
    ...(quick ? ["one"] : ["one", "all"]).map((askers) => ({ name: "kad", askers, quick, full: true })),
    ...(quick
      ? []
      : Object.keys(contestants)
          .filter((name) => name !== "kad")
          .map((name) => ({ name, askers: "one", quick, full: false }))),
  ],
  measure,
  columns: () => columns,
};

async function measure({ name, askers, quick, full }: Parameters): Promise<readonly Row[]> {
  const { label, load, idBytes } = contestant(name as string);
  const network = await (await load())(quick ? 32 : 128);
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // nodes look for those who joined with them
  const random = new SeededRandom(4);
  const [warm, counted] = quick ? [500, 1_500] : full ? [2_000, 8_000] : [300, 1_500];
  const run = (atMost: number) =>
    runLoad({
      network,
      random,
      idBytes,
      concurrency,
      results: 20,
      forMs: 30_000,
      atMost,
      ...(askers === "one" && { asker: 1 }),
    });
  await run(warm);
  const heap2k = collectedHeap();
  const figures = await run(counted);
  const heap10k = collectedHeap();
  let heaps: Readonly<Record<string, number>> = {};
  if (full) heaps = { heap2k: mebibytes(heap2k), heap10k: mebibytes(heap10k) };
  if (full && !quick) {
    await new Promise((resolve) => setTimeout(resolve, 10_500)); // the hard timeout of requests, and some
    heaps = { ...heaps, heap12k: mebibytes(collectedHeap()) };
  }
  await network.close();
  const row = full
    ? `${label}, from ${askers === "one" ? "one node" : "all nodes"}`
    : `${label}, from one node`;
  return [{ table: "100 at a time", row, values: { ...figures, ...heaps } }];
}

function mebibytes(bytes: number): number {
  return bytes / 2 ** 20;
}
