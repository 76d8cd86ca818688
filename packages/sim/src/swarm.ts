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
  /** `false`: whoever has joined is left to itself. By default it joins again when that is in doubt, as `@kad/dht` does. */
  readonly keepsJoined?: boolean;
}

/** Pause before a host that knows nobody asks again. */
const retryMs = 5_000;
/** How often tables are looked for that are empty, or of which nobody answers. */
const tableCheckMs = 30_000;
/** How often a host with few contacts looks for others: it may be on an island. */
const smallTablePauseMs = 300_000;

export class Swarm<M extends NodeMachine = NodeMachine> {
  readonly simulation: Simulation;
  readonly hosts: readonly SimHost<M>[];
  readonly #options: SwarmOptions<M>;
  readonly #random: RandomStream;
  /** When each host's first query to join had converged, in ms after it began, by place. */
  readonly #joinedAfterMs: (number | undefined)[] = [];
  /** Hosts that have not joined yet. */
  readonly #joining = new Set<SimHost<M>>();
  /** Hosts that had, and do so again. */
  readonly #rejoining = new Set<SimHost<M>>();
  /** When each has last begun to, in ms, by place. */
  readonly #lastAskedMs: number[] = [];
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
    if (options.keepsJoined ?? true) this.#keepJoined();
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
    this.#attempt(host, this.#joining, this.simulation.nowMs);
  }

  #keepJoined(): void {
    this.simulation.after(tableCheckMs, () => {
      for (const host of this.hosts) {
        const isBusy = this.#joining.has(host) || this.#rejoining.has(host);
        if (isBusy || host.state !== "up") continue;
        if (isAlone(host)) {
          this.#rejoining.add(host);
          this.#attempt(host, this.#rejoining, this.simulation.nowMs);
        } else if (host.node.table.size < host.limits.smallTableSize) this.#lookForLand(host);
      }
      this.#keepJoined();
    });
  }

  /** A seed that is none of its few contacts may know more. */
  #lookForLand(host: SimHost<M>): void {
    const { nowMs } = this.simulation;
    const place = this.#placeOf(host);
    if (nowMs - (this.#lastAskedMs[place] ?? 0) < smallTablePauseMs) return;
    this.#lastAskedMs[place] = nowMs;
    const strangers = this.seedsFor(host).filter(({ id }) => host.node.table.get(id) === undefined);
    for (const seed of strangers) {
      host.ping(seed.seed).onOver(({ finished }) => {
        if (finished?.end === "converged" && host.state === "up") host.join([seed]);
      });
    }
  }

  #placeOf(host: SimHost): number {
    return host.index - (this.hosts[0] as SimHost).index;
  }

  #arrive(place: number, host: SimHost<M>): void {
    host.start();
    this.#arrived = place + 1;
    if (place > 0) this.join(host);
  }

  #attempt(host: SimHost<M>, trying: Set<SimHost<M>>, startedMs: number): void {
    if (host.state === "asleep" || host.state === "paused") {
      this.simulation.after(retryMs, () => this.#attempt(host, trying, startedMs));
      return;
    }
    const seeds = host.state === "down" ? [] : this.seedsFor(host);
    this.#lastAskedMs[this.#placeOf(host)] = this.simulation.nowMs;
    if (seeds.length === 0) trying.delete(host);
    else host.join(seeds).onOver((query) => this.#onOver(host, trying, query, startedMs));
  }

  #onOver(host: SimHost<M>, trying: Set<SimHost<M>>, query: SimQuery, startedMs: number): void {
    const { simulation } = this;
    if (query.finished !== undefined && query.finished.end !== "converged") {
      simulation.after(retryMs, () => this.#attempt(host, trying, startedMs));
      return;
    }
    trying.delete(host);
    if (!query.isLost) this.#joinedAfterMs[this.#placeOf(host)] ??= simulation.nowMs - startedMs;
  }
}

/** Nobody to ask, or nobody who answers. */
function isAlone(host: SimHost): boolean {
  return host.node.table.size === 0 || host.node.stats().health === "offline";
}
