/** What users of a network do, at an even pace: lookups of random points, and gets of records that were written. */
import { type Contact, NodeId, type QueryFinished, type QueryOptions } from "@kad/core";
import type { RandomStream } from "../random-stream.ts";
import type { SimHost } from "../sim-host.ts";
import type { SimQuery } from "../sim-query.ts";
import type { Swarm } from "../swarm.ts";
import type { Population } from "./population.ts";
import { Sample, type Summary } from "./sample.ts";
import { versionOf, type WrittenRecord } from "./written-records.ts";

/** What queries took that ended. */
export interface EffortReport {
  readonly hops: Summary;
  /** Longest chains of requests that had to wait for one another. */
  readonly rounds: Summary;
  readonly requests: Summary;
  readonly durationMs: Summary;
}

export interface LookupReport extends EffortReport {
  readonly begun: number;
  /** Whose host crashed or left before they ended; not counted in what follows. */
  readonly unfinished: number;
  /** That ended, but without an answer, or by their deadline. */
  readonly failed: number;
  /** Share that found the honest node closest to the target. */
  readonly foundClosest: number;
  /** Of the honest ones among the 20 nodes closest to the target (or as many as were wanted), the mean share that was found. */
  readonly recall: number;
}

export interface GetReport extends EffortReport {
  readonly begun: number;
  /** Whose host crashed or left before they ended; not counted in what follows. */
  readonly unfinished: number;
  /** That gave the newest version that anybody had taken when they began, or a newer one. */
  readonly newest: number;
  /** That gave an older one. */
  readonly stale: number;
  /** That gave none. */
  readonly missing: number;
  /** `newest` among those that ended; 1 where there were none. */
  readonly success: number;
}

export interface WorkloadOptions {
  readonly swarm: Swarm;
  readonly population: Population;
  readonly random: RandomStream;
  readonly records: readonly WrittenRecord[];
  readonly lookups: number;
  /** Nodes that a lookup is to find. */
  readonly results: number;
  readonly gets: number;
  /** Of lookups and gets. */
  readonly query: QueryOptions;
  readonly durationMs: number;
}

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #lookups = new Effort();
  readonly #gets = new Effort();
  #pending = 0;
  #failedLookups = 0;
  #foundClosest = 0;
  #recall = 0;
  #scored = 0;
  #newest = 0;
  #stale = 0;
  #missing = 0;

  /** Plans all of it, from now on. */
  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#plan(options.lookups, () => this.#lookUp());
    if (options.records.length > 0) this.#plan(options.gets, () => this.get(this.#anyRecord()));
  }

  /** All that has begun is over. */
  get isIdle(): boolean {
    return this.#pending === 0;
  }

  /** A get of one record, beside those planned. */
  get(record: WrittenRecord): void {
    const expected = record.stored;
    this.#begin(
      this.#gets,
      (host) => host.get(record.key, this.#options.query),
      ({ result }) => {
        const body = result.type === "value" ? result.record?.body : undefined;
        if (body === undefined) this.#missing++;
        else if (versionOf(body) < expected) this.#stale++;
        else this.#newest++;
      },
    );
  }

  /** `undefined`: none has begun. */
  lookupReport(): LookupReport | undefined {
    const { begun, unfinished } = this.#lookups;
    if (begun === 0) return undefined;
    return {
      begun,
      unfinished,
      failed: this.#failedLookups,
      foundClosest: this.#scored === 0 ? 1 : this.#foundClosest / this.#scored,
      recall: this.#scored === 0 ? 1 : this.#recall / this.#scored,
      ...this.#lookups.report(),
    };
  }

  /** `undefined`: none has begun. */
  getReport(): GetReport | undefined {
    const { begun, unfinished } = this.#gets;
    if (begun === 0) return undefined;
    const ended = this.#newest + this.#stale + this.#missing;
    return {
      begun,
      unfinished,
      newest: this.#newest,
      stale: this.#stale,
      missing: this.#missing,
      success: ended === 0 ? 1 : this.#newest / ended,
      ...this.#gets.report(),
    };
  }

  #plan(count: number, action: () => void): void {
    const { swarm, durationMs } = this.#options;
    const next = (place: number): void => {
      action();
      if (place + 1 < count) swarm.simulation.after(durationMs / count, () => next(place + 1));
    };
    // In the middle of its share of the time.
    if (count > 0) swarm.simulation.after(durationMs / count / 2, () => next(0));
  }

  #anyRecord(): WrittenRecord {
    return this.#options.random.pick(this.#options.records);
  }

  #lookUp(): void {
    const { results, query, random, swarm } = this.#options;
    const bytes = new Uint8Array(swarm.simulation.idBytes);
    random.fill(bytes);
    const target = NodeId.fromBytes(bytes);
    const beganMs = swarm.simulation.nowMs;
    this.#begin(
      this.#lookups,
      (host) => host.findNode(target, { ...query, results }),
      ({ end, result }, host) => {
        if (end !== "converged") this.#failedLookups++;
        this.#score(target, host, beganMs, result.type === "nodes" ? result.contacts : []);
      },
    );
  }

  #score(target: NodeId, asker: SimHost, beganMs: number, found: readonly Contact[]): void {
    const { population, results } = this.#options;
    const expected = population.expected(target, results, asker, beganMs, found);
    const ids = new Set(found.map(({ id }) => id.key));
    const isFound = ({ id }: SimHost): boolean => ids.has(id.key);
    const [closest] = expected;
    if (closest === undefined) return;
    this.#scored++;
    if (isFound(closest)) this.#foundClosest++;
    this.#recall += expected.filter(isFound).length / expected.length;
  }

  #begin(
    effort: Effort,
    begin: (host: SimHost) => SimQuery,
    onFinished: (finished: QueryFinished, host: SimHost) => void,
  ): void {
    const { population, random, swarm } = this.#options;
    const host = population.pick(random, swarm.hosts, swarm.simulation.nowMs);
    if (host === undefined) return;
    effort.begun++;
    this.#pending++;
    begin(host).onOver(({ finished }) => {
      this.#pending--;
      if (finished === undefined || finished.end === "closed") {
        effort.unfinished++;
        return;
      }
      effort.add(finished);
      onFinished(finished, host);
    });
  }
}

/** What the queries of one kind took. */
class Effort {
  begun = 0;
  unfinished = 0;
  readonly #hops = new Sample();
  readonly #rounds = new Sample();
  readonly #requests = new Sample();
  readonly #durationMs = new Sample();

  add({ stats }: QueryFinished): void {
    this.#hops.add(stats.hops);
    this.#rounds.add(stats.rounds);
    this.#requests.add(stats.requests);
    this.#durationMs.add(stats.durationMs);
  }

  report(): EffortReport {
    return {
      hops: this.#hops.summary(),
      rounds: this.#rounds.summary(),
      requests: this.#requests.summary(),
      durationMs: this.#durationMs.summary(),
    };
  }
}
