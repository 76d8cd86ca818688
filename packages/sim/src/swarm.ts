/**
 * Many hosts that join one network, and try again until they have.
 */
import { UsageError } from "@kad/core";
import type { HostOptions } from "./host-options.ts";
import type { NodeMachine } from "./machine-layer.ts";
import type { RandomStream } from "./random-stream.ts";
import type { SimHost } from "./sim-host.ts";
import type { SimQuery } from "./sim-query.ts";
import type { Simulation } from "./simulation.ts";

export interface SwarmOptions<M extends NodeMachine = NodeMachine> {
  /** How many, 1 or more. */
  readonly nodes: number;
  /** Over how long they come, one after the other; 0, the default: all in the same instant. */
  readonly overMs?: number;
  /** Of every host, or by its place from 0. */
  readonly host?: HostOptions<M> | ((place: number) => HostOptions<M>);
  /**
   * Through whom a host joins: `first` names the first host to all, as a fixed bootstrap node does; `any` (the default) up to
   * `seedsPerHost` of those that are there.
   */
  readonly through?: "first" | "any";
  /** 1 or more; 3 by default. */
  readonly seedsPerHost?: number;
}

/** Pause before a host that knows nobody asks again: as `@kad/dht` does. */
const retryMs = 5_000;

export class Swarm<M extends NodeMachine = NodeMachine> {
  readonly simulation: Simulation;
  readonly hosts: readonly SimHost<M>[];
  readonly #options: SwarmOptions<M>;
  readonly #random: RandomStream;
  /** When each host's first query to join had converged, in ms after it began, by place. */
  readonly #joinedAfterMs: (number | undefined)[] = [];
  /** Hosts that have not joined yet. */
  readonly #joining = new Set<SimHost<M>>();
  /** Hosts that have come. */
  #arrived = 0;

  /**
   * Adds the hosts; those that come later are down until then.
   * @throws UsageError `invalidOption`
   */
  constructor(simulation: Simulation, options: SwarmOptions<M>) {
    const { nodes, overMs = 0, host = {} } = options;
    if (!(Number.isInteger(nodes) && nodes >= 1)) {
      throw new UsageError("invalidOption", `nodes: ${nodes}; allowed is a whole number from 1`);
    }
    this.simulation = simulation;
    this.#options = options;
    this.#random = simulation.stream("swarm", simulation.hosts.length);
    this.hosts = simulation.addHosts<M>(nodes, (place) => ({
      ...(typeof host === "function" ? host(place) : host),
      isStarted: false,
    }));
    for (const [place, one] of this.hosts.entries()) {
      simulation.after((overMs * place) / nodes, () => this.#arrive(place, one));
    }
  }

  /** Those that run. */
  get up(): SimHost<M>[] {
    return this.hosts.filter((host) => host.state === "up");
  }

  /** Everybody has come, and all that run have joined. */
  get isJoined(): boolean {
    return this.#arrived === this.hosts.length && this.#joining.size === 0;
  }

  /** How long each took to join, in ms, of those that have. */
  get joinTimes(): number[] {
    return this.#joinedAfterMs.filter((ms) => ms !== undefined);
  }

  /** Lets time pass until all have joined. `false`: they have not within so long. @throws SimulationError */
  settle(withinMs: number = 600_000): boolean {
    return this.simulation.runUntil(() => this.isJoined, withinMs);
  }

  /** Whom a host may join through now. */
  seedsFor(host: SimHost): SimHost[] {
    const { through = "any", seedsPerHost = 3 } = this.#options;
    if (through === "first") return this.hosts[0] === host ? [] : [this.hosts[0] as SimHost];
    const others: SimHost[] = [];
    // Drawn by place: whoever is not there is passed over, a few times.
    for (let tries = 0; tries < 8 * seedsPerHost && others.length < seedsPerHost; tries++) {
      const other = this.hosts[this.#random.nextInt(Math.max(1, this.#arrived))] as SimHost;
      if (other !== host && other.state === "up" && !others.includes(other)) others.push(other);
    }
    return others;
  }

  /** Joins, and again after a pause, until it has; a host that ends meanwhile is left alone. */
  join(host: SimHost<M>): void {
    this.#joining.add(host);
    this.#attempt(host, this.simulation.nowMs);
  }

  #arrive(place: number, host: SimHost<M>): void {
    host.start();
    this.#arrived = place + 1;
    if (place > 0) this.join(host);
  }

  #attempt(host: SimHost<M>, startedMs: number): void {
    const seeds = host.state === "down" ? [] : this.seedsFor(host);
    if (seeds.length === 0) this.#joining.delete(host);
    else host.join(seeds).onOver((query) => this.#onOver(host, query, startedMs));
  }

  #onOver(host: SimHost<M>, query: SimQuery, startedMs: number): void {
    const { simulation } = this;
    if (query.finished !== undefined && query.finished.end !== "converged") {
      simulation.after(retryMs, () => this.#attempt(host, startedMs));
      return;
    }
    this.#joining.delete(host);
    if (!query.isLost)
      this.#joinedAfterMs[host.index - (this.hosts[0] as SimHost).index] ??= simulation.nowMs - startedMs;
  }
}
