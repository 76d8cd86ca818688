/**
 * Which faults a trial has, drawn from its seed, swarm style (TigerBeetle's simulator does so): some are off, the rest come at
 * wild weights, since a mixture in which everything happens a little finds little.
 */
import { limitSpecs, type NodeLimits } from "@kad/core";
import type { Families } from "../addressing.ts";
import { Distribution } from "../distribution.ts";
import type { NatKind } from "../nat.ts";
import type { RandomStream } from "../random-stream.ts";
import { type RogueKind, rogueKinds } from "../rogues/rogues.ts";

/** Things that happen to hosts and to the network now and then; the mean pause between two of them, in ms. */
export type FaultEvent =
  | "crash" // and a restart later, in one of all ways
  | "leave" // the same, with a good-bye
  | "sleep" // up to 20 minutes
  | "pause" // up to 20 seconds
  | "wallClockStep" // up to a day, forward or back
  | "clog" // up to 10 seconds
  | "move"
  | "partition" // in two, up to 60 seconds
  | "oneWayCut" // the same, in one direction
  | "badLink" // some pairs lose most, or take seconds
  | "massDeath"; // a third to two thirds at once

export const faultEvents: readonly FaultEvent[] = [
  "crash",
  "leave",
  "sleep",
  "pause",
  "wallClockStep",
  "clog",
  "move",
  "partition",
  "oneWayCut",
  "badLink",
  "massDeath",
];

export interface FaultPlan {
  readonly nodes: number;
  readonly families: Families;
  /** Over how long the nodes come, in ms. */
  readonly growthMs: number;
  readonly through: "first" | "any";
  /** Shares of hosts. */
  readonly clients: number;
  readonly behindNat: number;
  readonly natKind: NatKind;
  /** Hosts on a line of so many bytes a second. */
  readonly slowLines: number;
  readonly lineBytesPerSecond: number;
  readonly rogues: number;
  readonly rogueKinds: readonly RogueKind[];
  readonly loss: number;
  readonly duplication: number;
  readonly reordering: number;
  /** Every trip takes so many times as long. */
  readonly slowness: number;
  readonly limits: Partial<NodeLimits>;
  readonly events: Readonly<Partial<Record<FaultEvent, number>>>;
  /** Commands a second, of all hosts together. */
  readonly commandsPerSecond: number;
  readonly chaosMs: number;
}

const nodeCounts = new Distribution([
  [0, 30],
  [0.85, 42],
  [0.98, 70],
  [1, 201],
]);

/** Limits that are made small, down to these values, so that they are met. */
const smallLimits: Partial<Record<keyof NodeLimits, number>> = {
  bucketSize: 3,
  replacementCacheSize: 0,
  maxIncomingPerBucket: 1,
  maxFailures: 1,
  parallelism: 1,
  maxCandidates: 20,
  maxPeerHistories: 16,
  maxInFlight: 4,
  maxInFlightPerWindow: 4,
  maxPendingRequests: 16,
  maxQueries: 8,
  maxQueuedReplies: 2,
  maxQueuedEvents: 16,
  maxQueuedMessages: 2,
  maxReplyTokens: 2,
  maxSendBytes: 2_000,
  maxSendBytesPerPeer: 1_000,
  maxRecords: 4,
  maxRecordBytes: 2_000,
  maxRecordsPerSource: 2,
  maxProviders: 4,
  maxProvidersPerKey: 2,
  maxProviderKeys: 2,
  maxOwnProviders: 2,
  maxSources: 16,
  verifyPingBurst: 1,
  requestBurst: 10,
  maxExplainedSteps: 8,
  retries: 0,
  softTimeoutJitterMs: 0,
};

export function drawFaultPlan(random: RandomStream): FaultPlan {
  /** Off half of the time; else anything up to the most, small values as often as large ones. */
  const weight = (most: number): number =>
    random.chance(0.5) ? 0 : most * random.fraction() * random.fraction();
  return {
    nodes: Math.floor(nodeCounts.draw(random)),
    families: random.pick(["ipv4", "ipv4", "ipv6", "both"] as const),
    growthMs: random.pick([0, 0, 5_000, 60_000]),
    through: random.pick(["first", "any"] as const),
    clients: weight(0.6),
    behindNat: weight(0.6),
    natKind: random.pick(["fullCone", "restricted", "portRestricted", "symmetric"] as const),
    slowLines: weight(1),
    lineBytesPerSecond: random.pick([2_000, 20_000, 200_000]),
    rogues: weight(0.6),
    rogueKinds: random.sample(rogueKinds, 1 + random.nextInt(rogueKinds.length)),
    loss: weight(0.6),
    duplication: weight(0.5),
    reordering: weight(1),
    slowness: random.chance(0.7) ? 1 : random.pick([0.01, 3, 10]),
    limits: drawLimits(random),
    events: drawEvents(random),
    commandsPerSecond: random.pick([0.3, 1, 5]),
    chaosMs: random.pick([10_000, 30_000, 90_000]),
  };
}

function drawLimits(random: RandomStream): Partial<NodeLimits> {
  const limits: Partial<Record<keyof NodeLimits, number>> = {};
  if (random.chance(0.6)) return limits;
  const share = random.fraction() / 2;
  for (const [name, least] of Object.entries(smallLimits) as [keyof NodeLimits, number][]) {
    if (!random.chance(share)) continue;
    const { value } = limitSpecs[name];
    // Between the least and the default, mostly near the least.
    limits[name] =
      least + Math.floor(Math.max(0, value - least) * random.fraction() * random.fraction() * 0.2);
  }
  return limits;
}

function drawEvents(random: RandomStream): Partial<Record<FaultEvent, number>> {
  const events: Partial<Record<FaultEvent, number>> = {};
  const share = 0.1 + random.fraction() * 0.6;
  for (const event of faultEvents) {
    const meanMs = 500 + 60_000 * random.fraction() * random.fraction();
    if (random.chance(share)) events[event] = event === "massDeath" ? 4 * meanMs : meanMs;
  }
  return events;
}

/** In one line, without what is off. */
export function describePlan(plan: FaultPlan): string {
  const { limits, events, rogueKinds: kinds, ...rest } = plan;
  const parts = Object.entries(rest)
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => `${name} ${typeof value === "number" ? round(value) : value}`);
  if (plan.rogues > 0) parts.push(kinds.join("+"));
  for (const [event, meanMs] of Object.entries(events))
    parts.push(`${event} every ${round(meanMs / 1_000)} s`);
  for (const [name, value] of Object.entries(limits)) parts.push(`${name} ${value}`);
  return parts.join(", ");
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
