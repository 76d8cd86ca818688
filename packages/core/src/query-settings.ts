/**
 * The options of one query, checked and completed from the node's limits.
 */
import type { QueryOptions } from "./commands.ts";
import { shown, UsageError } from "./errors.ts";
import { QueryTrace } from "./explanation.ts";
import { limitSpecs, type NodeLimits } from "./options.ts";

export interface ResolvedQueryOptions {
  readonly timeoutMs: number;
  readonly parallelism: number;
  readonly results: number;
  readonly paths: number;
  readonly quorum: number | undefined;
  readonly expectedSeq: number | undefined;
  readonly progress: boolean;
  /** Where it is written down what the query does, for those who want that explained. */
  readonly trace: QueryTrace | undefined;
}

const ranges: Readonly<
  Record<
    "timeoutMs" | "parallelism" | "results" | "paths" | "quorum" | "expectedSeq",
    readonly [number, number]
  >
> = {
  timeoutMs: [limitSpecs.queryTimeoutMs.min, limitSpecs.queryTimeoutMs.max],
  parallelism: [limitSpecs.parallelism.min, limitSpecs.parallelism.max],
  results: [1, 255],
  paths: [1, 8],
  quorum: [1, 255],
  expectedSeq: [0, Number.MAX_SAFE_INTEGER],
};

/** @throws UsageError `invalidOption` that names the option, the value and the range */
export function resolveQueryOptions(
  limits: NodeLimits,
  options: QueryOptions,
  results: number,
): ResolvedQueryOptions {
  for (const name of Object.keys(ranges) as (keyof typeof ranges)[]) check(name, options[name]);
  return {
    timeoutMs: options.timeoutMs ?? limits.queryTimeoutMs,
    parallelism: options.parallelism ?? limits.parallelism,
    results: options.results ?? results,
    paths: options.paths ?? 1,
    quorum: options.quorum,
    expectedSeq: options.expectedSeq,
    progress: options.progress ?? false,
    trace: options.explain === true ? new QueryTrace(limits.maxExplainedSteps) : undefined,
  };
}

/** @throws UsageError `invalidOption` */
export function resolveProviderLimit(limits: NodeLimits, limit: number | undefined): number {
  const { min, max } = limitSpecs.providerResults;
  if (limit === undefined) return limits.providerResults;
  if (Number.isInteger(limit) && limit >= min && limit <= max) return limit;
  throw new UsageError(
    "invalidOption",
    `limit: ${shown(limit)}; allowed is a whole number from ${min} to ${max}`,
  );
}

function check(name: keyof typeof ranges, value: unknown): void {
  if (value === undefined) return;
  const [min, max] = ranges[name];
  const isWhole =
    typeof value === "number" &&
    (Number.isInteger(value) || (name === "timeoutMs" && Number.isFinite(value)));
  if (!isWhole || value < min || value > max) {
    throw new UsageError(
      "invalidOption",
      `${name}: ${shown(value)}; allowed is a number from ${min} to ${max}`,
    );
  }
}
