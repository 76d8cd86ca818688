/**
 * A trial: a network that is drawn from a seed with its faults, under all checkers. First chaos; then everything heals, and
 * progress is demanded; then everybody leaves.
 */
import { Checkers } from "../checkers/checkers.ts";
import type { HostOptions } from "../host-options.ts";
import type { Nat } from "../nat.ts";
import type { Observer } from "../observer.ts";
import type { Seed } from "../random-stream.ts";
import { type RogueKind, rogueHost } from "../rogues/rogues.ts";
import { Simulation } from "../simulation.ts";
import { Swarm } from "../swarm.ts";
import { Chaos } from "./chaos.ts";
import { demand } from "./demand.ts";
import { describePlan, drawFaultPlan, type FaultEvent, type FaultPlan } from "./fault-plan.ts";
import { measureProgress, type ProgressReport } from "./progress.ts";
import { TrialError } from "./trial-error.ts";
import { chattyPlugin, Workload } from "./workload.ts";

export interface TrialOptions {
  readonly seed: Seed;
  /** In place of what is drawn. */
  readonly plan?: Partial<FaultPlan>;
  readonly observers?: readonly Observer[];
  /** How long the network has to recover, in ms; 400,000 by default: suspicion and bans last five minutes. */
  readonly recoveryMs?: number;
}

export interface TrialReport {
  readonly plan: FaultPlan;
  /** In one line. */
  readonly faults: string;
  /** How often each fault has happened. */
  readonly events: Readonly<Partial<Record<FaultEvent, number>>>;
  readonly simulatedMs: number;
  /** Of all kinds: packets that arrived, timers, pumps. */
  readonly happenings: number;
  readonly packets: number;
  readonly commands: number;
  readonly progress: ProgressReport;
}

/** Records from before that are fetched at the end. */
const maxOldKeys = 10;
/** Hosts behind one NAT. */
const hostsPerNat = 4;

/**
 * @throws TrialError that names the seed, when a rule was broken or a network that is whole again makes no progress
 * @throws UsageError `invalidOption`
 */
export function runTrial(options: TrialOptions): TrialReport {
  const { seed, observers = [], recoveryMs = 400_000 } = options;
  const simulation = new Simulation({ seed, observers });
  const plan: FaultPlan = { ...drawFaultPlan(simulation.stream("trial", "plan")), ...options.plan };
  try {
    return run(simulation, plan, recoveryMs);
  } catch (error) {
    throw new TrialError(seed, describePlan(plan), error);
  }
}

function run(simulation: Simulation, plan: FaultPlan, recoveryMs: number): TrialReport {
  new Checkers(simulation);
  const swarm = makeSwarm(simulation, plan);
  const chaos = new Chaos(swarm, plan, simulation.stream("trial", "chaos"));
  const workload = new Workload(swarm, plan.commandsPerSecond, simulation.stream("trial", "work"));
  simulation.note(`chaos: ${describePlan(plan)}`);
  simulation.runFor(plan.growthMs + plan.chaosMs);
  workload.stop();
  chaos.heal();
  for (const host of swarm.hosts) if (!host.isHonest && host.state === "up") host.crash();
  simulation.note("healed");
  simulation.runFor(recoveryMs);
  const oldKeys = workload.stored.slice(-maxOldKeys); // slice: an array
  const random = simulation.stream("trial", "progress");
  const progress = measureProgress(swarm, random, { lookups: 10, puts: 5, oldKeys });
  simulation.note(`progress: ${JSON.stringify(progress)}`);
  demand(progress, plan);
  simulation.note("everybody leaves");
  for (const host of swarm.hosts) if (host.state === "up") host.leave();
  simulation.runFor(30_000);
  simulation.end();
  return {
    plan,
    faults: describePlan(plan),
    events: chaos.counts,
    simulatedMs: simulation.nowMs,
    happenings: simulation.events,
    packets: simulation.network.counters.sent,
    commands: workload.commands,
    progress,
  };
}

function makeSwarm(simulation: Simulation, plan: FaultPlan): Swarm {
  const random = simulation.stream("trial", "hosts");
  let nat: Nat | undefined;
  let behind = 0;
  /** One is a flood; more only take time. */
  let hasFlooder = false;
  const rogue = (): RogueKind => {
    const kind = random.pick(plan.rogueKinds);
    if (kind !== "flooder") return kind;
    if (hasFlooder) return "silent";
    hasFlooder = true;
    return kind;
  };
  const host = (place: number): HostOptions => {
    const isFirst = place === 0; // somebody must be there to join through
    const isRogue = !isFirst && random.chance(plan.rogues);
    const isClient = !isFirst && !isRogue && random.chance(plan.clients);
    const isBehindNat = !isFirst && random.chance(plan.behindNat) && plan.families !== "ipv6";
    const isSlow = random.chance(plan.slowLines);
    const line = { bytesPerSecond: plan.lineBytesPerSecond };
    const plugins = simulation.stream("trial", "plugins", place);
    if (isBehindNat && behind++ % hostsPerNat === 0) nat = simulation.addNat({ kind: plan.natKind });
    return {
      ...(isRogue && rogueHost(rogue())),
      families: plan.families,
      limits: plan.limits,
      clockOriginMs: random.nextInt(1_000_000_000) / 1_000,
      wallClockErrorMs: random.nextInt(100_000) - 50_000,
      plugins: () => [chattyPlugin(plugins)],
      ...(isClient && { mode: "client" }),
      ...(isBehindNat && nat !== undefined && { nat }),
      ...(isSlow && { uplink: line, downlink: line }),
    };
  };
  const { nodes, growthMs, through } = plan;
  return new Swarm(simulation, { nodes, overMs: growthMs, through, host });
}
