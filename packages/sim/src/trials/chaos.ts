/** Makes the events of a plan happen, until it is told to heal. */
import type { LinkFault } from "../network.ts";
import type { RandomStream } from "../random-stream.ts";
import type { SimHost } from "../sim-host.ts";
import type { Simulation } from "../simulation.ts";
import type { Swarm } from "../swarm.ts";
import { hourMs } from "../virtual-time.ts";
import type { FaultEvent, FaultPlan } from "./fault-plan.ts";

const dayMs = 24 * hourMs;

export class Chaos {
  readonly #swarm: Swarm;
  readonly #random: RandomStream;
  /** What is to be undone when all heals. */
  readonly #undo = new Set<() => void>();
  readonly #counts: Partial<Record<FaultEvent, number>> = {};
  #isOver = false;

  constructor(swarm: Swarm, plan: FaultPlan, random: RandomStream) {
    this.#swarm = swarm;
    this.#random = random;
    const { network } = swarm.simulation;
    const { delay, jitterMs } = network.conditions;
    const { slowness, loss, duplication, reordering } = plan;
    network.set({
      loss,
      duplication,
      reordering,
      delay: { place: (from) => delay.place(from), baseMs: (from, to) => slowness * delay.baseMs(from, to) },
      jitterMs: jitterMs.scaled(slowness),
    });
    this.#undo.add(() => network.set({ loss: 0, duplication: 0, reordering: 0, delay, jitterMs }));
    for (const [event, meanMs] of Object.entries(plan.events) as [FaultEvent, number][])
      this.#plan(event, meanMs);
  }

  get #simulation(): Simulation {
    return this.#swarm.simulation;
  }

  /** How often each event has happened. */
  get counts(): Readonly<Partial<Record<FaultEvent, number>>> {
    return this.#counts;
  }

  /** The network is whole, and everybody is up; whoever was down joins. */
  heal(): void {
    this.#isOver = true;
    for (const undo of this.#undo) undo();
    this.#undo.clear();
    for (const host of this.#swarm.hosts) {
      host.setLines({});
      if (host.state === "asleep") host.wake();
      if (host.state === "paused") host.resume();
      if (host.state === "down") this.#restart(host);
      else host.setClogged(false);
    }
  }

  #plan(event: FaultEvent, meanMs: number): void {
    this.#simulation.after(2 * meanMs * this.#random.fraction(), () => {
      if (this.#isOver) return;
      this.#counts[event] = (this.#counts[event] ?? 0) + 1;
      this.#acts[event]();
      this.#plan(event, meanMs);
    });
  }

  readonly #acts: Readonly<Record<FaultEvent, () => void>> = {
    crash: () => this.#withHost((host) => this.#endFor(host, "crash", this.#upTo(120_000))),
    leave: () => this.#withHost((host) => this.#endFor(host, "leave", this.#upTo(120_000))),
    sleep: () => this.#withHost((host) => this.#sleep(host, this.#upTo(1_200_000))),
    pause: () => this.#withHost((host) => this.#pause(host, this.#upTo(20_000))),
    wallClockStep: () =>
      this.#withHost((host) => host.stepWallClock(this.#random.nextInt(2 * dayMs) - dayMs)),
    clog: () => this.#withHost((host) => this.#clog(host, this.#upTo(10_000))),
    move: () => this.#withHost((host) => host.move()),
    partition: () => this.#cut(this.#upTo(120_000), true),
    oneWayCut: () => this.#cut(this.#upTo(120_000), false),
    badLink: () => this.#badLinks(this.#upTo(120_000)),
    massDeath: () => this.#massDeath(),
  };

  /** Short spans are as frequent as long ones. */
  #upTo(mostMs: number): number {
    return mostMs * this.#random.fraction() * this.#random.fraction();
  }

  #withHost(act: (host: SimHost) => void): void {
    const { up } = this.#swarm;
    if (up.length > 0) act(this.#random.pick(up));
  }

  #endFor(host: SimHost, how: "crash" | "leave", ms: number): void {
    if (how === "crash") host.crash();
    else host.leave();
    this.#simulation.after(ms, () => {
      if (!this.#isOver && host.state === "down") this.#restart(host);
    });
  }

  #restart(host: SimHost): void {
    const random = this.#random;
    const query = host.restart({
      sameId: random.chance(0.7),
      keepsRecords: random.chance(0.7),
      keepsContacts: random.chance(0.5),
      moves: random.chance(0.2),
    });
    if (query === undefined || random.chance(0.5)) this.#swarm.join(host);
  }

  #sleep(host: SimHost, ms: number): void {
    host.sleep();
    this.#simulation.after(ms, () => {
      if (host.state === "asleep") host.wake();
    });
  }

  #pause(host: SimHost, ms: number): void {
    host.pause();
    this.#simulation.after(ms, () => {
      if (host.state === "paused") host.resume();
    });
  }

  #clog(host: SimHost, ms: number): void {
    host.setClogged(true);
    this.#simulation.after(ms, () => {
      if (host.state === "up") host.setClogged(false); // else it stays so until all heals
    });
  }

  #cut(ms: number, isBothWays: boolean): void {
    const random = this.#random;
    const share = random.fraction();
    const some: SimHost[] = [];
    const others: SimHost[] = [];
    for (const host of this.#swarm.hosts) (random.chance(share) ? some : others).push(host);
    const { network } = this.#simulation;
    this.#undoAfter(ms, isBothWays ? network.partition([some, others]) : network.cut(some, others));
  }

  #badLinks(ms: number): void {
    const salt = this.#random.u32();
    const fault: LinkFault = this.#random.pick([{ loss: 0.9 }, { addedDelayMs: 3_000 }, { cut: true }]);
    const isBad = (from: SimHost, to: SimHost): boolean =>
      Math.imul(from.index * 7_919 + to.index + salt, 0x9e3779b1) >>> 30 === 0;
    this.#undoAfter(
      ms,
      this.#simulation.network.addRule((from, to) => (isBad(from, to) ? fault : undefined)),
    );
  }

  #massDeath(): void {
    const share = 1 / 3 + this.#random.fraction() / 3;
    for (const host of this.#swarm.up) if (this.#random.chance(share)) this.#endFor(host, "crash", 90_000);
  }

  #undoAfter(ms: number, action: () => void): void {
    const undo = (): void => {
      if (this.#undo.delete(undo)) action();
    };
    this.#undo.add(undo);
    this.#simulation.after(ms, undo);
  }
}
