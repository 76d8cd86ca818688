/**
 * One run of a host's process: a machine and its driver, on the host's clock and sockets. What the host is otherwise (its
 * name, its place, its disk) outlives it.
 */
import {
  type Address,
  type Deadline,
  Driver,
  type Host,
  type InstantMs,
  type Outlet,
  type SendOutcome,
  type Transmit,
  WallClock,
} from "@kad/core";
import { links } from "./addressing.ts";
import type { NodeMachine } from "./machine-layer.ts";
import type { SimHost } from "./sim-host.ts";
import type { Task, TaskHandle, Timeline } from "./timeline.ts";

export class Life implements Host, Outlet, Task {
  readonly driver: Driver;
  readonly machine: NodeMachine;
  /** What callers see of it. */
  readonly node: NodeMachine;
  readonly maxBytes: number;
  readonly #host: SimHost;
  readonly #timeline: Timeline;
  #deadlineMs: InstantMs | undefined;
  readonly #wallClock: WallClock = new WallClock((event) => this.driver.deliver(event));
  #timer: TaskHandle | undefined;
  #timerMs: InstantMs = 0;
  #state: "running" | "frozen" | "ended" = "running";
  #isClogged = false;
  /** Pumps whose turn came while it was frozen. */
  #held: (() => void)[] | undefined;

  constructor(
    host: SimHost,
    { machine, node }: Pick<Life, "machine" | "node">,
    timeline: Timeline,
    maxMessageBytes: number,
  ) {
    this.#host = host;
    this.#timeline = timeline;
    this.maxBytes = maxMessageBytes;
    this.machine = machine;
    this.node = node;
    this.driver = new Driver(machine, this, this, { onEvent: (event) => host.onNodeEvent(event) });
  }

  /** Tells the node its addresses and the wall clock, and begins. */
  start(addresses: readonly Address[]): void {
    this.driver.deliver({ type: "addressesChanged", addresses });
    this.#wallClock.check(this.nowMs(), this.#host.unixMs);
    this.driver.pump();
    this.#setTimer();
  }

  nowMs(): InstantMs {
    return this.#host.nowMs;
  }

  arm(deadline: Deadline | undefined): void {
    this.#deadlineMs = deadline?.atMs;
    this.#setTimer();
  }

  schedule(pump: () => void): void {
    this.#timeline.add(this.#timeline.nowUs, { run: () => this.#runPump(pump) });
  }

  report(error: unknown): void {
    this.#host.onReport(error);
  }

  send({ path }: Transmit, bytes: Uint8Array): SendOutcome {
    if (this.#isClogged) return "full";
    return this.#host.transmit(path.remote, bytes);
  }

  flush(): void {
    // Every message is under way as soon as it is sent.
  }

  /** Its timer has fired. @internal */
  run(): void {
    this.#timer = undefined;
    const nowMs = this.nowMs();
    const isTold = this.#wallClock.check(nowMs, this.#host.unixMs);
    if (this.#deadlineMs !== undefined && this.#deadlineMs <= nowMs) {
      this.#deadlineMs = undefined;
      this.driver.wake();
    } else if (isTold) this.driver.pump();
    this.#setTimer();
  }

  /** The kernel takes no more messages, or takes them again. `false`: so it was already. */
  setClogged(isClogged: boolean): boolean {
    if (isClogged === this.#isClogged) return false;
    this.#isClogged = isClogged;
    for (const link of [links.ipv4, links.ipv6])
      this.driver.deliver({ type: "flow", link, open: !isClogged });
    this.driver.pump();
    return true;
  }

  /** The process stands still: nothing of its own happens until {@link thaw}. */
  freeze(): void {
    if (this.#timer !== undefined) this.#timeline.cancel(this.#timer);
    this.#timer = undefined;
    if (this.#state === "running") this.#state = "frozen";
  }

  thaw(): void {
    this.#state = "running";
    this.#setTimer();
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const pump of held) this.schedule(pump);
  }

  /** The process is gone. */
  end(): void {
    this.freeze();
    this.#state = "ended";
  }

  #runPump(pump: () => void): void {
    if (this.#state === "running") pump();
    else if (this.#state === "frozen") {
      this.#held ??= [];
      this.#held.push(pump);
    }
  }

  /** A timer that is too early sets itself anew: deadlines mostly move back, and so cost nothing. */
  #setTimer(): void {
    if (this.#state !== "running") return;
    const targetMs = Math.min(this.#deadlineMs ?? Number.POSITIVE_INFINITY, this.#wallClock.dueAtMs);
    if (this.#timer !== undefined && this.#timerMs <= targetMs) return;
    this.#timerMs = targetMs;
    const atUs = this.#host.toTimelineUs(targetMs);
    if (this.#timer === undefined) this.#timer = this.#timeline.add(atUs, this);
    else this.#timeline.move(this.#timer, atUs);
  }
}
