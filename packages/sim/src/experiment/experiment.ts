/**
 * A network is formed, goes through what its options say, and is measured meanwhile.
 *
 * The course of it: nodes join, one after the other; two minutes later records are written, twice each where the network will
 * be hurt. Then it is hurt, or churn begins, and time is measured in phases:
 *
 * - Without `kill` and `partitionMs` there is one, `steady`, of all `hours`. Halfway all records are written anew.
 * - With `kill`, that share of nodes crashes in one instant. `at once` is the first minute after, `later` the last of `hours`:
 *   with the default, an hour, just when all buckets have been refreshed.
 * - With `partitionMs`, `split` is as long as that; `at once` and `later` follow when the halves are one again.
 *
 * At the end every record is read back once.
 */
import type { QueryOptions } from "@kad/core";
import { Churn } from "../churn.ts";
import type { RandomStream } from "../random-stream.ts";
import { Simulation } from "../simulation.ts";
import { Swarm } from "../swarm.ts";
import { hourMs, minuteMs } from "../virtual-time.ts";
import { type ExperimentOptions, type ExperimentPlan, planOf } from "./experiment-options.ts";
import { hostsOf } from "./host-plan.ts";
import { Population } from "./population.ts";
import type { ExperimentProgress, ExperimentReport, JoinReport, PhaseName, PhaseReport } from "./report.ts";
import { Sample } from "./sample.ts";
import { surveyTables } from "./table-survey.ts";
import { TrafficMeter } from "./traffic-meter.ts";
import { Workload } from "./workload.ts";
import { type WrittenRecord, WrittenRecords } from "./written-records.ts";

/** Buckets are filled in this time after the last node has joined. */
const settleMs = 2 * minuteMs;
/** Nodes that have not joined so long after the last has come are left alone. */
const joinPatienceMs = 10 * minuteMs;
const shortPhaseMs = minuteMs;
/** Over so long records are written, and read back. */
const writeMs = minuteMs;
/** Hosts that a record is written from, one after the other, until somebody takes it. */
const writeTries = 3;
/** No query lasts longer. */
const patienceMs = 2 * minuteMs;
/** Steps in which a stage is simulated, to tell how far it is. */
const stepsPerStage = 200;
/** Nodes that are looked at for the endpoints that they talk to, about. */
const endpointSample = 200;

/**
 * Runs an experiment to its end; this takes seconds to hours, and nothing else happens meanwhile.
 * @param onProgress called now and then; what it throws ends the run
 * @throws UsageError `invalidOption`; SimulationError
 */
export function runExperiment(
  options: ExperimentOptions,
  onProgress?: (progress: ExperimentProgress) => void,
): ExperimentReport {
  return new Experiment(planOf(options), onProgress).run();
}

class Experiment {
  readonly #plan: ExperimentPlan;
  readonly #onProgress: ((progress: ExperimentProgress) => void) | undefined;
  readonly #simulation: Simulation;
  readonly #population = new Population();
  readonly #traffic: TrafficMeter;
  readonly #swarm: Swarm;
  readonly #records: WrittenRecords;
  readonly #query: QueryOptions;
  #churn: ExperimentReport["churn"];
  #formedMs = 0;

  constructor(plan: ExperimentPlan, onProgress?: (progress: ExperimentProgress) => void) {
    const { seed, network, limits, stack, nodes, joinMs, records, paths } = plan;
    this.#plan = plan;
    this.#onProgress = onProgress;
    this.#traffic = new TrafficMeter(this.#population, Math.ceil(nodes / endpointSample));
    this.#simulation = new Simulation({
      seed,
      network,
      limits,
      ...(stack && { stack }),
      observers: [this.#population, this.#traffic],
    });
    this.#swarm = new Swarm(this.#simulation, {
      nodes,
      overMs: joinMs,
      host: hostsOf(this.#simulation, plan),
    });
    this.#records = new WrittenRecords(this.#simulation.sha256, records);
    this.#query = paths === 1 ? {} : { paths };
  }

  run(): ExperimentReport {
    const join = this.#join();
    this.#pass("settling", settleMs);
    const isHurt = this.#plan.kill > 0 || this.#plan.partitionMs > 0;
    for (let version = 0; version < (isHurt ? 2 : 1); version++) this.#writeAll();
    this.#formedMs = this.#simulation.nowMs;
    this.#watchRecords();
    const phases = isHurt ? this.#goThroughHarm() : [this.#goThroughTime()];
    const records = this.#readBack();
    this.#simulation.end();
    return { join, phases, records, churn: this.#churn, events: this.#simulation.events };
  }

  #join(): JoinReport {
    const { joinMs } = this.#plan;
    const deadlineMs = joinMs + joinPatienceMs;
    while (!this.#swarm.isJoined && this.#simulation.nowMs < deadlineMs) {
      this.#simulation.runUntil(() => this.#swarm.isJoined, Math.max(1_000, joinMs / stepsPerStage));
      this.#tell("joining", Math.min(1, this.#simulation.nowMs / joinMs));
    }
    const { sent, bytesSent } = this.#simulation.network.counters;
    const durationMs = Sample.of(this.#swarm.joinTimes).summary();
    return { joined: durationMs.count, durationMs, messages: sent, bytes: bytesSent };
  }

  #goThroughTime(): PhaseReport {
    const { hours, sessions } = this.#plan;
    const rogues = this.#swarm.hosts.filter(({ isHonest }) => !isHonest);
    const churn = sessions && new Churn(this.#swarm, { sessions, steady: rogues });
    const durationMs = hours * hourMs;
    this.#simulation.after(durationMs / 2, () => this.#planWrites(Math.min(writeMs, durationMs / 4)));
    return this.#measure("steady", durationMs, () => {
      this.#churn = churn && { ...churn.counters, joinMs: Sample.of(churn.joinTimes).summary() };
    });
  }

  #goThroughHarm(): PhaseReport[] {
    const { kill, partitionMs, hours } = this.#plan;
    const phases: PhaseReport[] = [];
    if (kill > 0) this.#kill(kill);
    else phases.push(this.#split(partitionMs));
    const beganMs = this.#simulation.nowMs;
    phases.push(this.#measure("at once", shortPhaseMs));
    const laterMs = beganMs + hours * hourMs - shortPhaseMs;
    if (laterMs > this.#simulation.nowMs) {
      this.#pass("waiting", laterMs - this.#simulation.nowMs);
      phases.push(this.#measure("later", shortPhaseMs));
    }
    return phases;
  }

  #kill(share: number): void {
    const { up } = this.#swarm;
    const random = this.#simulation.stream("experiment", "kill");
    const dead = random.sample(up, Math.round(share * up.length));
    this.#simulation.note(`${dead.length} nodes crash`);
    for (const host of dead) host.crash();
    this.#records.lookAround(this.#swarm.hosts);
  }

  #split(durationMs: number): PhaseReport {
    const random = this.#simulation.stream("experiment", "partition");
    const shuffled = random.sample(this.#swarm.hosts);
    const middle = Math.floor(shuffled.length / 2);
    this.#simulation.note("the network falls in two halves");
    // slice: an array
    const heal = this.#simulation.network.partition([shuffled.slice(0, middle), shuffled.slice(middle)]);
    const phase = this.#measure("split", durationMs);
    this.#simulation.note("the halves are one again");
    heal();
    return phase;
  }

  /** @param onEnd called at its end, when some queries may still be under way */
  #measure(phase: PhaseName, durationMs: number, onEnd?: () => void): PhaseReport {
    const { lookups, results, gets } = this.#plan;
    const workload = this.#workload(phase, { lookups, results, gets, durationMs });
    const fromMs = this.#simulation.nowMs;
    this.#traffic.begin(fromMs);
    this.#pass(phase, durationMs);
    const traffic = this.#traffic.report(this.#simulation.nowMs);
    const tables = surveyTables(this.#swarm.hosts, this.#population);
    const nodes = this.#population.size;
    onEnd?.();
    const hourOf = (ms: number): number => (ms - this.#formedMs) / hourMs;
    const toHour = hourOf(this.#simulation.nowMs);
    this.#simulation.runUntil(() => workload.isIdle, patienceMs);
    return {
      phase,
      fromHour: hourOf(fromMs),
      toHour,
      nodes,
      lookups: workload.lookupReport(),
      gets: workload.getReport(),
      traffic,
      tables,
    };
  }

  #workload(
    name: string,
    amounts: { lookups: number; results: number; gets: number; durationMs: number },
  ): Workload {
    return new Workload({
      swarm: this.#swarm,
      population: this.#population,
      random: this.#simulation.stream("experiment", "workload", name),
      records: this.#records.all,
      query: this.#query,
      ...amounts,
    });
  }

  #writeAll(): void {
    if (this.#records.all.length === 0) return;
    this.#planWrites(writeMs);
    this.#pass("writing", writeMs + patienceMs);
  }

  /** Each record from another host, at an even pace. */
  #planWrites(durationMs: number): void {
    const { all } = this.#records;
    const random = this.#simulation.stream("experiment", "writers", this.#simulation.nowUs);
    for (const [place, record] of all.entries()) {
      this.#simulation.after((durationMs * place) / all.length, () => {
        this.#write(record, random, writeTries);
      });
    }
  }

  /** From another host again while nobody takes it: a writer may crash in the middle of it. */
  #write(record: WrittenRecord, random: RandomStream, triesLeft: number): void {
    const host = this.#population.pick(random, this.#swarm.hosts, this.#simulation.nowMs);
    if (host === undefined) return;
    this.#records.write(record, host, this.#query, () => {
      if (triesLeft > 1) this.#write(record, random, triesLeft - 1);
    });
  }

  #watchRecords(): void {
    if (this.#records.all.length === 0) return;
    this.#records.lookAround(this.#swarm.hosts);
    this.#simulation.after(hourMs, () => this.#watchRecords());
  }

  #readBack(): ExperimentReport["records"] {
    const { all } = this.#records;
    if (all.length === 0) return undefined;
    this.#records.lookAround(this.#swarm.hosts);
    const reader = this.#workload("reading back", { lookups: 0, results: 1, gets: 0, durationMs: 0 });
    for (const [place, record] of all.entries())
      this.#simulation.after((writeMs * place) / all.length, () => reader.get(record));
    this.#pass("reading back", writeMs);
    this.#simulation.runUntil(() => reader.isIdle, patienceMs);
    return this.#records.report(reader.getReport());
  }

  /** Lets time pass. */
  #pass(stage: ExperimentProgress["stage"], durationMs: number): void {
    const beganMs = this.#simulation.nowMs;
    for (let step = 1; step <= stepsPerStage; step++) {
      const untilMs = beganMs + (durationMs * step) / stepsPerStage;
      this.#simulation.runFor(untilMs - this.#simulation.nowMs);
      this.#tell(stage, step / stepsPerStage);
    }
  }

  #tell(stage: ExperimentProgress["stage"], done: number): void {
    const { nowMs, events } = this.#simulation;
    this.#onProgress?.({ stage, done, simulatedMs: nowMs, events, nodes: this.#population.size });
  }
}
