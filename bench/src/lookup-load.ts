/**
 * So many lookups at a time, each from a node drawn by chance to a target drawn by chance, for a while. What they found
 * is kept, and judged only after the clocks have stopped.
 */
import { score } from "./id-distance.ts";
import type { Network } from "./networks/network.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { percentile } from "./statistics.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface LoadOptions {
  readonly network: Network;
  readonly random: SeededRandom;
  readonly idBytes: number;
  readonly concurrency: number;
  readonly results: number;
  /** No lookup begins after so long, or beyond so many. */
  readonly forMs: number;
  readonly atMost?: number;
  /** All from this node, else from any. */
  readonly asker?: number;
}

interface Lookup {
  readonly asker: number;
  readonly target: Uint8Array;
  readonly found: readonly Uint8Array[];
  readonly rounds: number | undefined;
  readonly durationMs: number;
}

export interface LoadFigures {
  readonly lookups: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Percent of lookups that brought exactly the nearest nodes there are, the asker left out. */
  readonly exact: number;
  /** Percent of the nearest nodes that were brought. */
  readonly recall: number;
  /** Percent of lookups that brought all of the nearest 8, whatever else. */
  readonly nearest8: number;
  readonly requestsPerLookup: number;
  readonly rounds: number | undefined;
  readonly cpuMsPerLookup: number;
  readonly cpuUsPerRequest: number;
}

export async function runLoad(options: LoadOptions): Promise<LoadFigures> {
  const { network, concurrency } = options;
  const requestsBefore = network.requests();
  const watch = new Stopwatch();
  const lookups: Lookup[] = [];
  const untilMs = performance.now() + options.forMs;
  await Promise.all(Array.from({ length: concurrency }, () => lookAgain(options, untilMs, lookups)));
  const { wallMs, cpuMs } = watch.read();
  const requests = network.requests() - requestsBefore;
  const durations = lookups.map(({ durationMs }) => durationMs);
  return {
    lookups: lookups.length,
    perSecond: lookups.length / (wallMs / 1_000),
    p50Ms: percentile(durations, 50) ?? 0,
    p95Ms: percentile(durations, 95) ?? 0,
    p99Ms: percentile(durations, 99) ?? 0,
    ...judged(options, lookups),
    requestsPerLookup: requests / lookups.length,
    cpuMsPerLookup: cpuMs / lookups.length,
    cpuUsPerRequest: (cpuMs * 1_000) / requests,
  };
}

/** So many lookups that count for nothing: code is compiled and caches fill, however slow the machine is just now. */
export async function warmUp(
  load: Pick<LoadOptions, "network" | "random" | "idBytes">,
  lookups: number,
): Promise<void> {
  await runLoad({ ...load, concurrency: 8, results: 20, forMs: 10_000, atMost: lookups });
}

async function lookAgain(options: LoadOptions, untilMs: number, lookups: Lookup[]): Promise<void> {
  const { network, random, idBytes, results, atMost = Number.POSITIVE_INFINITY, asker } = options;
  for (;;) {
    const startMs = performance.now();
    if (startMs >= untilMs || lookups.length >= atMost) return;
    const from = asker ?? random.below(network.ids.length);
    const target = random.bytes(idBytes);
    const { ids, rounds } = await network.findNode(from, target, results);
    lookups.push({ asker: from, target, found: ids, rounds, durationMs: performance.now() - startMs });
  }
}

function judged(
  { network, results }: LoadOptions,
  lookups: readonly Lookup[],
): Pick<LoadFigures, "exact" | "recall" | "nearest8" | "rounds"> {
  let exact = 0;
  let recall = 0;
  let nearest8 = 0;
  let rounds: number | undefined;
  for (const lookup of lookups) {
    const others = network.ids.filter((_id, index) => index !== lookup.asker);
    const verdict = score(lookup.target, lookup.found.slice(0, results), others, results);
    if (verdict.exact && verdict.sorted) exact++;
    recall += verdict.recall;
    if (score(lookup.target, lookup.found.slice(0, 8), others, 8).exact) nearest8++;
    if (lookup.rounds !== undefined) rounds = (rounds ?? 0) + lookup.rounds;
  }
  const count = lookups.length;
  return {
    exact: (100 * exact) / count,
    recall: (100 * recall) / count,
    nearest8: (100 * nearest8) / count,
    rounds: rounds === undefined ? undefined : rounds / count,
  };
}
