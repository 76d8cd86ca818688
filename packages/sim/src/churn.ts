/**
 * Hosts that come and go: each stays for a session, is away for a while, and comes back or is replaced by another.
 */
import { Distribution } from "./distribution.ts";
import type { RandomStream } from "./random-stream.ts";
import { sessionLengths } from "./session-lengths.ts";
import type { SimHost } from "./sim-host.ts";
import type { Planned, Simulation } from "./simulation.ts";
import type { Swarm } from "./swarm.ts";
import { hourMs, minuteMs } from "./virtual-time.ts";

export interface ChurnOptions {
  /** In ms; {@link sessionLengths} `weibull059` with a median of an hour by default. */
  readonly sessions?: Distribution;
  /** In ms, between two sessions; 1 to 10 minutes by default. */
  readonly absences?: Distribution;
  /** Share of sessions that end with a good-bye; 0.5 by default. The others end without a word. */
  readonly goodbyes?: number;
  /**
   * `new`: another node comes in its place, with an id, a disk and an address of its own. `same`: the same node comes back
   * with its records, and asks the contacts that it had. By default half of them each, drawn at each return.
   */
  readonly returns?: "new" | "same";
  /** Hosts that stay; none by default. */
  readonly steady?: readonly SimHost[];
}

export interface ChurnCounters {
  left: number;
  crashed: number;
  returned: number;
}

export class Churn {
  readonly counters: ChurnCounters = { left: 0, crashed: 0, returned: 0 };
  readonly #joinTimes: number[] = [];
  readonly #swarm: Swarm;
  readonly #options: ChurnOptions;
  readonly #sessions: Distribution;
  readonly #absences: Distribution;
  readonly #random: RandomStream;
  readonly #planned = new Map<SimHost, Planned>();

  /**
   * Begins at once. Sessions are under way then: what remains of each is drawn as of somebody met at a random moment, so
   * that the network is as steady at the beginning as it is later.
   */
  constructor(swarm: Swarm, options: ChurnOptions = {}) {
    this.#swarm = swarm;
    this.#options = options;
    this.#sessions = options.sessions ?? sessionLengths("weibull059", hourMs);
    this.#absences = options.absences ?? Distribution.uniform(minuteMs, 10 * minuteMs);
    this.#random = this.#simulation.stream("churn");
    const steady = new Set(options.steady);
    for (const host of swarm.hosts) {
      if (!steady.has(host))
        this.#plan(host, this.#sessions.drawResidual(this.#random), () => this.#end(host));
    }
  }

  /** How long each that came back took to join, in ms, of those that have. */
  get joinTimes(): readonly number[] {
    return this.#joinTimes;
  }

  /** Whoever is there stays, and whoever is away comes back at once. */
  stop(): void {
    for (const [host, planned] of this.#planned) {
      planned.cancel();
      if (host.state === "down") this.#return(host);
    }
    this.#planned.clear();
  }

  get #simulation(): Simulation {
    return this.#swarm.simulation;
  }

  #plan(host: SimHost, afterMs: number, action: () => void): void {
    this.#planned.set(host, this.#simulation.after(afterMs, action));
  }

  #end(host: SimHost): void {
    if (host.state === "down") return; // somebody else has ended it
    if (this.#random.chance(this.#options.goodbyes ?? 0.5)) {
      this.counters.left++;
      host.leave();
    } else {
      this.counters.crashed++;
      host.crash();
    }
    this.#plan(host, this.#absences.draw(this.#random), () => this.#begin(host));
  }

  #begin(host: SimHost): void {
    if (host.state !== "down") return;
    this.#return(host);
    this.#plan(host, this.#sessions.draw(this.#random), () => this.#end(host));
  }

  #return(host: SimHost): void {
    this.counters.returned++;
    const { returns = this.#random.chance(0.5) ? "new" : "same" } = this.#options;
    const isSame = returns === "same";
    const query = host.restart({
      sameId: isSame,
      keepsRecords: isSame,
      keepsContacts: isSame,
      moves: !isSame,
      seeds: this.#swarm.seedsFor(host),
    });
    query?.onOver(({ finished }) => {
      if (finished?.end === "converged") this.#joinTimes.push(finished.stats.durationMs);
    });
  }
}
