/**
 * An event loop in virtual time with timers and turns like Node's: due timers run before it polls, what is scheduled runs
 * after. Right without a fault; with one, wrong in one way that adapters have been, or could be.
 */
import { Driver, type Host, type InstantMs, TransportRouter } from "@kad/core";
import {
  intercept,
  type LoopHarness,
  type LoopNode,
  type LoopNodeOptions,
  MemoryNetwork,
  type MemoryTransport,
} from "../../src/index.ts";
import { mutantError } from "./mutants.ts";

export type LoopFault =
  | "counts seconds"
  | "has no timer"
  | "keeps the first timer"
  | "sets no timer for what has passed"
  | "lets long delays overflow"
  | "spins"
  | "runs scheduled pumps at once"
  | "forgets timers that are late"
  | "reads the clock only when nothing has arrived"
  | "does not pump what has arrived"
  | "does not pump after commands"
  | "does not flush"
  | "hands in messages later"
  | "does not schedule"
  | "runs what is scheduled before it polls"
  | "runs commands of callbacks later"
  | "closes its transports first"
  | "closes its transports at once"
  | "reports nothing"
  | "reports nothing of transports"
  | "runs on promises"
  | "tells no addresses"
  | "tells no wall clock"
  | "tells seconds of the wall clock"
  | "opens what cannot open"
  | "keeps a node whose transport cannot open"
  | "goes deaf"
  | "goes on after closing"
  | "closes once only"
  | "leaks its transports";

interface Tenant {
  readonly driver: Driver;
  readonly host: { wasWoken: boolean; firesAtMs: InstantMs | undefined };
}

export class FaultyLoop implements LoopHarness<MemoryTransport> {
  readonly network = new MemoryNetwork();
  readonly #fault: LoopFault | undefined;
  readonly #tenants = new Set<Tenant>();
  readonly #scheduled: { readonly pump: () => void; readonly polls: number }[] = [];
  #polls = 0;
  #clockMs = 0;
  #heard = 0;

  constructor(fault?: LoopFault) {
    this.#fault = fault;
  }

  readonly nowMs = (): InstantMs => this.network.nowMs;
  readonly openHandles = (): number => this.network.openTransports;
  readonly block = (forMs: number): void => {
    this.network.nowMs += forMs;
    this.#clockMs = this.network.nowMs;
  };
  readonly run = (isDone: () => boolean, forMs: number): void | Promise<void> => {
    if (this.#fault === "runs on promises") return Promise.resolve().then(() => this.#run(isDone, forMs));
    return this.#run(isDone, forMs);
  };

  transport(): MemoryTransport {
    return this.network.transport("udp://10.0.0.1:0");
  }

  start(options: LoopNodeOptions<MemoryTransport>): LoopNode {
    const fault = this.#fault;
    const { transports, addresses } = options;
    const report = (error: unknown): void => {
      if (fault !== "reports nothing") options.report(error);
    };
    const router = new TransportRouter({ transports, addresses });
    const host = this.#host(report);
    const outlet = fault === "does not flush" ? intercept(router, { flush: () => undefined }) : router;
    let isInCallback = false;
    const driver = new Driver(options.machine, host, outlet, {
      ...options,
      onEvent: (event) => {
        isInCallback = true;
        try {
          options.onEvent?.(event);
        } finally {
          isInCallback = false;
        }
      },
    });
    const tenant = { driver, host };
    const deliver: Driver["deliver"] = (event) => {
      if (event.type === "addressesChanged" && fault === "tells no addresses") return;
      if (event.type === "message" && fault === "goes deaf" && ++this.#heard > 5) return;
      if (fault === "hands in messages later")
        this.#scheduled.push({ pump: () => driver.deliver(event), polls: 0 });
      else driver.deliver(event);
    };
    const unixMs = Date.UTC(2026, 0, 1) + this.network.nowMs;
    if (fault !== "tells no wall clock") {
      const told = fault === "tells seconds of the wall clock" ? unixMs / 1_000 : unixMs;
      driver.deliver({ type: "wallClock", unixMs: told });
    }
    const finish = (): void => {
      if (fault !== "leaks its transports") void router.close();
      if (fault !== "goes on after closing") this.#tenants.delete(tenant);
    };
    let isClosed = false;
    const close = (): void | Promise<void> => {
      if (isClosed && fault === "closes once only") throw mutantError();
      isClosed = true;
      if (fault === "closes its transports first") void router.close();
      driver.close();
      if (driver.drained || fault === "closes its transports at once") finish();
      else this.#schedule(finish);
      return fault === "runs on promises" ? Promise.resolve() : undefined;
    };
    try {
      void router.open({
        deliver,
        wake: () => {
          host.wasWoken = true;
        },
        report: fault === "reports nothing of transports" ? () => undefined : report,
      });
    } catch (error) {
      if (fault !== "keeps a node whose transport cannot open") void close();
      if (fault !== "opens what cannot open") throw error;
    }
    this.#tenants.add(tenant);
    driver.pump();
    const run: Driver["run"] = (command) => {
      if (fault === "does not pump after commands") return command(host.nowMs());
      if (fault === "runs commands of callbacks later" && isInCallback) {
        this.#schedule(() => driver.run(command));
        return undefined as ReturnType<typeof command>;
      }
      return driver.run(command);
    };
    return { driver: intercept(driver, { run }), close };
  }

  #host(report: (error: unknown) => void): Host & Tenant["host"] {
    const fault = this.#fault;
    const host: Host & Tenant["host"] = {
      wasWoken: false,
      firesAtMs: undefined,
      nowMs: () => {
        if (fault === "counts seconds") return this.network.nowMs / 1_000;
        return fault === "reads the clock only when nothing has arrived" ? this.#clockMs : this.network.nowMs;
      },
      arm: (deadline) => {
        const nowMs = this.network.nowMs;
        if (fault === "has no timer") return;
        if (fault === "keeps the first timer" && host.firesAtMs !== undefined) return;
        if (fault === "sets no timer for what has passed" && deadline && deadline.atMs <= nowMs) return;
        const isTooFar = deadline !== undefined && deadline.atMs - nowMs >= 2 ** 31;
        host.firesAtMs = isTooFar && fault === "lets long delays overflow" ? nowMs : deadline?.atMs;
      },
      schedule: (pump) => {
        if (fault === "runs scheduled pumps at once") pump();
        else if (fault !== "does not schedule") this.#schedule(pump);
      },
      report,
    };
    return host;
  }

  #schedule(pump: () => void): void {
    this.#scheduled.push({ pump, polls: this.#polls });
  }

  #run(isDone: () => boolean, forMs: number): void {
    const endMs = this.network.nowMs + forMs;
    while (!isDone() && this.network.nowMs < endMs) this.#turn(endMs);
  }

  #turn(endMs: InstantMs): void {
    const turnMs = this.#fault === "spins" ? 0.05 : 0.5;
    this.network.nowMs += this.#waitMs(endMs) + turnMs;
    if (this.#fault === "runs what is scheduled before it polls") {
      for (let next = this.#scheduled.shift(); next !== undefined; next = this.#scheduled.shift())
        next.pump();
    }
    this.#runTimers();
    this.#polls++;
    const arrived = this.network.deliver();
    if (arrived === 0) this.#clockMs = this.network.nowMs;
    const due = this.#scheduled.filter(({ polls }) => polls < this.#polls);
    this.#scheduled.splice(0, due.length);
    for (const { pump } of due) pump();
    this.#pumpBatches();
  }

  #runTimers(): void {
    for (const { driver, host } of this.#tenants) {
      const { firesAtMs } = host;
      if (firesAtMs === undefined || firesAtMs > this.network.nowMs) continue;
      host.firesAtMs = undefined;
      const isForgotten =
        this.#fault === "forgets timers that are late" && firesAtMs < this.network.nowMs - 20;
      if (!isForgotten) driver.wake();
    }
  }

  #pumpBatches(): void {
    for (const { driver, host } of this.#tenants) {
      const isWoken = host.wasWoken && this.#fault !== "does not pump what has arrived";
      host.wasWoken = false;
      if (isWoken || this.#fault === "spins" || this.#fault === "goes on after closing") driver.pump();
    }
  }

  #waitMs(endMs: InstantMs): number {
    if (this.#scheduled.length > 0 || this.#fault === "spins") return 0;
    const timers = [...this.#tenants].map(({ host }) => host.firesAtMs ?? endMs);
    const untilMs = Math.min(endMs, ...timers, this.network.nextArrivalMs ?? endMs);
    return Math.max(0, untilMs - this.network.nowMs);
  }
}
