/** Networks for directed tests, always under all checkers. */
import { type DhtRecord, immutableRecord } from "@kad/core";
import { expect } from "vitest";
import {
  Checkers,
  type SimHost,
  type SimQuery,
  Simulation,
  type SimulationOptions,
  Swarm,
  type SwarmOptions,
} from "../src/index.ts";
import { measureProgress, type ProgressReport } from "../src/trials/progress.ts";

export const minuteMs = 60_000;

export interface Scenario {
  readonly simulation: Simulation;
  readonly swarm: Swarm;
  readonly hosts: readonly SimHost[];
}

/** A network of so many hosts that have joined. */
export function network(options: SwarmOptions & Partial<SimulationOptions>): Scenario {
  const simulation = new Simulation({ ...options, seed: options.seed ?? 1 });
  new Checkers(simulation);
  const swarm = new Swarm(simulation, options);
  expect(swarm.settle()).toBe(true);
  simulation.runFor(minuteMs);
  return { simulation, swarm, hosts: swarm.hosts };
}

/** Lets time pass until all queries are over. */
export function finish({ simulation }: Scenario, queries: readonly SimQuery[]): readonly SimQuery[] {
  expect(simulation.runUntil(() => queries.every(({ isOver }) => isOver), 5 * minuteMs)).toBe(true);
  return queries;
}

/** Puts so many records that are not renewed, through hosts by turns. */
export function store(
  scenario: Scenario,
  count: number,
  through: readonly SimHost[] = scenario.hosts,
): DhtRecord[] {
  const { sha256 } = scenario.simulation;
  const records = Array.from({ length: count }, (_, i) => immutableRecord(sha256, Uint8Array.of(i, i >> 8)));
  const hostOf = (i: number): SimHost => through[(i * 7) % through.length] as SimHost;
  finish(
    scenario,
    records.map((record, i) => hostOf(i).put(record, { keep: false })),
  );
  return records;
}

/** The share of records that a host finds each. */
export function foundOf(scenario: Scenario, records: readonly DhtRecord[], by: readonly SimHost[]): number {
  const gets = finish(
    scenario,
    records.map(({ key }, i) => (by[(i * 11 + 5) % by.length] as SimHost).get(key)),
  );
  const isFound = ({ finished }: SimQuery): boolean =>
    finished?.result.type === "value" && finished.result.record !== undefined;
  return gets.filter(isFound).length / records.length;
}

/** What the network can do now. */
export function progressOf({ swarm, simulation }: Scenario): ProgressReport {
  return measureProgress(swarm, simulation.stream("progress", simulation.nowUs), { lookups: 20, puts: 10 });
}

/** Every lookup finds everybody that it should, and everything that is put is found. */
export const whole: Partial<ProgressReport> = { alone: 0, recall: 1, accepted: 1, found: 10 };
