/** What an experiment is made from, checked and completed. */
import { type NodeLimits, UsageError } from "@kad/core";
import { constantDelay } from "../delay.ts";
import type { Distribution } from "../distribution.ts";
import { type NatKind, natKinds } from "../nat.ts";
import type { NetworkConditions } from "../network.ts";
import type { NodeStack } from "../node-stack.ts";
import type { Seed } from "../random-stream.ts";
import { type RogueKind, rogueKinds } from "../rogues/rogues.ts";
import { sessionLengths } from "../session-lengths.ts";
import { hourMs, minuteMs } from "../virtual-time.ts";

/** How often nodes leave: so many of their sessions end in an hour on average, or half of them within so long. */
export type ChurnPlan = { readonly endsPerHour: number } | { readonly medianMs: number };

/** Shares are 0 to 1. */
export interface ExperimentOptions {
  readonly seed: Seed;
  /** All together, 2 or more. */
  readonly nodes: number;
  /** How long the network is looked at once it has formed; 1 by default. */
  readonly hours?: number;
  /** Over how long nodes come, one after the other; 10 ms for each by default. */
  readonly joinMs?: number;
  /** Share of packets lost, from the beginning. */
  readonly loss?: number;
  /** Share of packets that arrive twice. */
  readonly duplication?: number;
  /** Share of packets that later ones overtake. */
  readonly reordering?: number;
  /** One way, the same between any two; by default as on the internet ({@link internetDelays}). */
  readonly delayMs?: number;
  /** Nodes come and go, from when the network has formed: by sessions of shape `weibull059`. None by default. */
  readonly churn?: ChurnPlan;
  /** Share of nodes that are Sybils of one attacker ({@link SybilNode}). */
  readonly sybils?: number;
  /** Shares of nodes that misbehave in other ways, each as its class says ({@link SilentNode}, {@link LyingNode} …). */
  readonly rogues?: Partial<Readonly<Record<RogueKind, number>>>;
  /** Share of nodes that are clients: they ask, and nobody asks them. */
  readonly clients?: number;
  /** Shares of nodes that stand behind a NAT of this kind, each behind its own, and do not know it: they say they are servers. */
  readonly nat?: Partial<Readonly<Record<NatKind, number>>>;
  /** Share of nodes that crash at the same instant once the network has formed. */
  readonly kill?: number;
  /** The network falls in two halves for so long, once it has formed. */
  readonly partitionMs?: number;
  /** Records written before, and again halfway where neither nodes are killed nor the network falls apart. */
  readonly records?: number;
  /** Lookups of random points in each phase; 1,000 by default. */
  readonly lookups?: number;
  /** Nodes that a lookup is to find; `bucketSize` by default. */
  readonly results?: number;
  /** Gets of records in each phase; as many as lookups by default. */
  readonly gets?: number;
  /** Disjoint paths of each lookup, get and put. */
  readonly paths?: number;
  /** Of every node, over core's defaults. */
  readonly limits?: Partial<NodeLimits>;
  /** Around every node, rogues and Sybils included: a secure channel, for one. Nothing by default. */
  readonly stack?: NodeStack;
}

/** All that can be told before the run. */
export interface ExperimentPlan
  extends Required<Omit<ExperimentOptions, "churn" | "delayMs" | "partitionMs" | "kill" | "stack">> {
  readonly network: Partial<NetworkConditions>;
  readonly sessions: Distribution | undefined;
  readonly kill: number;
  readonly partitionMs: number;
  readonly stack: NodeStack | undefined;
}

const joinMsPerNode = 10;
const defaultLookups = 1_000;
const defaultResults = 20;

const optionNames: Readonly<Record<keyof ExperimentOptions, true>> = {
  seed: true,
  nodes: true,
  hours: true,
  joinMs: true,
  loss: true,
  duplication: true,
  reordering: true,
  delayMs: true,
  churn: true,
  sybils: true,
  rogues: true,
  clients: true,
  nat: true,
  kill: true,
  partitionMs: true,
  records: true,
  lookups: true,
  results: true,
  gets: true,
  paths: true,
  limits: true,
  stack: true,
};

/** Whoever misspells an option would else take the figures of another network for those of the one that was meant. */
function checkNames(options: ExperimentOptions): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(optionNames, name));
  if (unknown === undefined) return;
  throw new UsageError(
    "invalidOption",
    `${unknown}: there is no such option; allowed are ${Object.keys(optionNames).join(", ")}`,
  );
}

/** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
export function planOf(options: ExperimentOptions): ExperimentPlan {
  checkNames(options);
  const { nodes, hours = 1, lookups = defaultLookups, records = 0, limits = {}, seed } = options;
  whole("nodes", nodes, 2, 10_000_000);
  const plan: ExperimentPlan = {
    seed,
    nodes,
    hours: between("hours", hours, 0, 24 * 366),
    joinMs: between("joinMs", options.joinMs ?? nodes * joinMsPerNode, 0, 24 * hourMs),
    loss: share("loss", options.loss),
    duplication: share("duplication", options.duplication),
    reordering: share("reordering", options.reordering),
    sybils: share("sybils", options.sybils),
    rogues: shares("rogues", options.rogues ?? {}, rogueKinds),
    clients: share("clients", options.clients),
    nat: shares("nat", options.nat ?? {}, natKinds),
    kill: share("kill", options.kill),
    partitionMs: between("partitionMs", options.partitionMs ?? 0, 0, 24 * 366 * hourMs),
    records: whole("records", records, 0, 1_000_000),
    lookups: whole("lookups", lookups, 0, 100_000_000),
    results: whole("results", options.results ?? limits.bucketSize ?? defaultResults, 1, 255),
    gets: whole("gets", options.gets ?? lookups, 0, 100_000_000),
    paths: whole("paths", options.paths ?? 1, 1, 8),
    limits,
    stack: options.stack,
    network: networkOf(options),
    sessions: options.churn === undefined ? undefined : sessionsOf(options.churn),
  };
  if (plan.kill > 0 && plan.partitionMs > 0) {
    throw new UsageError("invalidOption", "kill, partitionMs: both are given; allowed is one of them");
  }
  const others = plan.sybils + sum(plan.rogues) + plan.clients;
  if (others > 1) {
    throw new UsageError(
      "invalidOption",
      `sybils, rogues, clients: ${others} in all; allowed is 1, the share of all nodes`,
    );
  }
  return plan;
}

function networkOf({
  loss,
  duplication,
  reordering,
  delayMs,
}: ExperimentOptions): Partial<NetworkConditions> {
  return {
    ...(loss !== undefined && { loss }),
    ...(duplication !== undefined && { duplication }),
    ...(reordering !== undefined && { reordering }),
    ...(delayMs !== undefined && { delay: constantDelay(between("delayMs", delayMs, 0, minuteMs)) }),
  };
}

function sessionsOf(churn: ChurnPlan): Distribution {
  if ("medianMs" in churn)
    return sessionLengths("weibull059", between("churn", churn.medianMs, 1, 8_784 * hourMs));
  const { endsPerHour } = churn;
  if (!(endsPerHour > 0 && endsPerHour <= 1_000)) {
    throw new UsageError(
      "invalidOption",
      `churn: ${endsPerHour} sessions an hour; allowed is a number above 0, up to 1000`,
    );
  }
  const shape = sessionLengths("weibull059", 1);
  return shape.scaled(hourMs / endsPerHour / shape.mean);
}

function share(name: string, value: number | undefined): number {
  return between(name, value ?? 0, 0, 1);
}

/** Of kinds that exclude each other. */
function shares<K extends string>(
  name: string,
  given: Partial<Readonly<Record<K, number>>>,
  kinds: readonly K[],
): Partial<Readonly<Record<K, number>>> {
  for (const [kind, value] of Object.entries(given) as [K, number | undefined][]) {
    if (!kinds.includes(kind))
      throw new UsageError("invalidOption", `${name}: ${kind}; allowed are ${kinds.join(", ")}`);
    share(`${name}.${kind}`, value);
  }
  between(`${name}, in all`, sum(given), 0, 1);
  return given;
}

function sum(shares: Readonly<Record<string, number | undefined>>): number {
  return Object.values(shares).reduce<number>((total, value = 0) => total + value, 0);
}

function between(name: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw new UsageError("invalidOption", `${name}: ${value}; allowed is a number from ${min} to ${max}`);
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError("invalidOption", `${name}: ${value}; allowed is a whole number from ${min} to ${max}`);
}
