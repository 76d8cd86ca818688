/** All benchmarks, in the order in which they run. */
import type { Benchmark } from "../benchmark.ts";
import { cliBenchmark } from "./cli.ts";
import { codecBenchmark } from "./codec.ts";
import { concurrentBenchmark } from "./concurrent.ts";
import { cryptoBenchmark } from "./crypto.ts";
import { heapBenchmark } from "./heap.ts";
import { lookupsBenchmark } from "./lookups.ts";
import { loopBenchmark } from "./loop.ts";
import { serveBenchmark } from "./serve.ts";
import { streamsBenchmark } from "./streams.ts";
import { tableBenchmark } from "./table.ts";

export const benchmarks: readonly Benchmark[] = [
  tableBenchmark,
  codecBenchmark,
  lookupsBenchmark,
  concurrentBenchmark,
  heapBenchmark,
  loopBenchmark,
  serveBenchmark,
  streamsBenchmark,
  cryptoBenchmark,
  cliBenchmark,
];

export function benchmarkNamed(name: string): Benchmark | undefined {
  return benchmarks.find((benchmark) => benchmark.name === name);
}
