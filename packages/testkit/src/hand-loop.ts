/**
 * An event loop by hand: its clock moves when the test turns it, its sockets are a {@link MemoryNetwork}, and it refuses
 * to sleep while something of its nodes is unsent. For tests of plugins and of whatever else lives on a driver; and the
 * loop that the suite for event loops is tried on.
 */
import { Driver, type InstantMs, TransportRouter } from "@kad/core";
import type { CommandedMachine } from "./commanded-machine.ts";
import { ExpectationError } from "./expectations.ts";
import type { LoopHarness, LoopNode, LoopNodeOptions } from "./loop-harness.ts";
import { MemoryNetwork, type MemoryTransport } from "./memory-network.ts";
import { UnsentWatch } from "./unsent-watch.ts";

export interface HandLoopOptions {
  /** By default one of its own, on which everything arrives at once. */
  readonly network?: MemoryNetwork;
  /** How long one turn takes, in ms of the loop's clock; by default no time at all. */
  readonly turnMs?: number;
  /** What the wall clock shows when the loop's own clock stands at 0. */
  readonly unixMs?: number;
}

const wallClockIntervalMs = 3_600_000;
/** A loop that turns so often at one instant has nothing to do and does not know it. */
const maxTurnsAtOnce = 100_000;

export interface HandNodeOptions<M extends CommandedMachine> extends LoopNodeOptions {
  readonly machine: M;
}

export interface HandNode<M extends CommandedMachine> extends LoopNode {
  /** The machine, watched: a command that no pump follows keeps the loop from sleeping. */
  readonly machine: M;
  close(): void;
}

interface Tenant {
  readonly driver: Driver;
  readonly watch: UnsentWatch;
}

export class HandLoop implements LoopHarness<MemoryTransport> {
  readonly network: MemoryNetwork;
  readonly #turnMs: number;
  readonly #unixMs: number;
  readonly #tenants = new Set<Tenant>();
  readonly #scheduled: (() => void)[] = [];
  #wallClockDueMs = wallClockIntervalMs;

  constructor(options: HandLoopOptions = {}) {
    this.network = options.network ?? new MemoryNetwork();
    this.#turnMs = options.turnMs ?? 0;
    this.#unixMs = options.unixMs ?? Date.UTC(2026, 0, 1);
  }

  readonly nowMs = (): InstantMs => this.network.nowMs;

  /** Time passes while nobody turns the loop. */
  readonly block = (forMs: number): void => {
    this.network.nowMs += forMs;
  };

  transport(): MemoryTransport {
    return this.network.transport("udp://10.0.0.1:0");
  }

  /** How many transports are open on its network. */
  readonly openHandles = (): number => this.network.openTransports;

  /** Its transports must open without a promise. Give commands to the machine that comes back, inside `driver.run`. */
  start<M extends CommandedMachine>(options: HandNodeOptions<M>): HandNode<M> {
    const { addresses, report } = options;
    const watch = new UnsentWatch();
    const machine = watch.machine(options.machine);
    const transports = options.transports.map((transport) => watch.transport(transport));
    const router = new TransportRouter({ transports, addresses });
    const host = {
      nowMs: this.nowMs,
      arm: () => {}, // asked before each wait
      schedule: (pump: () => void) => void this.#scheduled.push(pump),
      report,
    };
    const driver = new Driver(machine, host, router, options);
    const tenant = { driver, watch };
    const closeTransports = (): void => {
      void router.close();
      this.#tenants.delete(tenant);
    };
    const close = (): void => {
      driver.close();
      if (driver.drained) closeTransports();
      else this.#scheduled.push(closeTransports); // called from a callback: the pump under way sends the rest
    };
    this.#tellWallClock(driver);
    try {
      void router.open({ deliver: (event) => driver.deliver(event), wake: () => {}, report });
    } catch (error) {
      close();
      throw error;
    }
    driver.pump();
    this.#tenants.add(tenant);
    return { machine, driver, close };
  }

  /**
   * Waits for something to do, at most until `untilMs`, and does it.
   * @throws ExpectationError when it would sleep while something is unsent
   */
  turn(untilMs: InstantMs): void {
    const scheduled = this.#scheduled.splice(0);
    const waitMs = scheduled.length > 0 ? 0 : this.#waitMs(untilMs);
    if (waitMs > 0) this.#refuseToSleepOverUnsent();
    this.network.nowMs += waitMs + this.#turnMs;
    this.network.deliver();
    this.#passWallClock();
    for (const pump of scheduled) pump();
    for (const { driver } of this.#tenants) driver.pump();
  }

  /**
   * Turns until `isDone` says so, or `forMs` have passed.
   * @throws ExpectationError as `turn` does, and when it turns without end at one instant
   */
  readonly run = (isDone: () => boolean, forMs: number): void => {
    const endMs = this.network.nowMs + forMs;
    let movedAtMs = Number.NEGATIVE_INFINITY;
    for (let turns = 0; !isDone() && this.network.nowMs < endMs; turns++) {
      if (this.network.nowMs > movedAtMs) turns = 0;
      if (turns > maxTurnsAtOnce) throw new ExpectationError(`the loop never sleeps at ${movedAtMs} ms`);
      movedAtMs = this.network.nowMs;
      this.turn(endMs);
    }
  };

  #waitMs(untilMs: InstantMs): number {
    const timeouts = [...this.#tenants].flatMap(({ driver }) => driver.getNextTimeoutMs() ?? []);
    const instants = [untilMs, this.network.nextArrivalMs ?? untilMs, this.#wallClockDueMs];
    return Math.max(0, Math.min(...timeouts, ...instants.map((atMs) => atMs - this.network.nowMs)));
  }

  #refuseToSleepOverUnsent(): void {
    for (const { watch } of this.#tenants) {
      if (watch.unsent !== undefined) throw new ExpectationError(`the loop would sleep: ${watch.unsent}`);
    }
  }

  #passWallClock(): void {
    if (this.network.nowMs < this.#wallClockDueMs) return;
    this.#wallClockDueMs = this.network.nowMs + wallClockIntervalMs;
    for (const { driver } of this.#tenants) this.#tellWallClock(driver);
  }

  #tellWallClock(driver: Driver): void {
    driver.deliver({ type: "wallClock", unixMs: this.#unixMs + this.network.nowMs });
  }
}
