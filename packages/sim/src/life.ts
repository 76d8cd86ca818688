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
} from "@kad/core";
import { links } from "./addressing.ts";
import type { NodeMachine } from "./machine-layer.ts";
import type { SimHost } from "./sim-host.ts";
import type { Task, TaskHandle, Timeline } from "./timeline.ts";
import { hourMs } from "./virtual-time.ts";

/** As loop-node does: told hourly, and when the wall clock has moved by over a second against the monotonic one. */
const wallClockIntervalMs = hourMs;
const clockJumpMs = 1_000;

export class Life implements Host, Outlet, Task {
  readonly driver: Driver;
  readonly machine: NodeMachine;
  /** What callers see of it. */
  readonly node: NodeMachine;
  readonly maxBytes: number;
  readonly #host: SimHost;
  readonly #timeline: Timeline;
  #deadlineMs: InstantMs | undefined;
  #wallClockDueMs: InstantMs = Number.NEGATIVE_INFINITY;
  /** Wall clock less monotonic clock, as last told to the node. */
  #clockGapMs = 0;
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
    this.#tellWallClock(this.nowMs());
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
    const hasJumped = Math.abs(this.#host.unixMs - nowMs - this.#clockGapMs) > clockJumpMs;
    const isTold = hasJumped || nowMs >= this.#wallClockDueMs;
    if (isTold) this.#tellWallClock(nowMs);
    if (this.#deadlineMs !== undefined && this.#deadlineMs <= nowMs) {
      this.#deadlineMs = undefined;
      this.driver.wake();
    } else if (isTold) this.driver.pump();
    this.#setTimer();
  }

  /** The kernel takes no more messages, or takes them again. */
  setClogged(isClogged: boolean): void {
    if (isClogged === this.#isClogged) return;
    this.#isClogged = isClogged;
    for (const link of [links.ipv4, links.ipv6])
      this.driver.deliver({ type: "flow", link, open: !isClogged });
    this.driver.pump();
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
    const targetMs = Math.min(this.#deadlineMs ?? Number.POSITIVE_INFINITY, this.#wallClockDueMs);
    if (this.#timer !== undefined && this.#timerMs <= targetMs) return;
    this.#timerMs = targetMs;
    const atUs = this.#host.toTimelineUs(targetMs);
    if (this.#timer === undefined) this.#timer = this.#timeline.add(atUs, this);
    else this.#timeline.move(this.#timer, atUs);
  }

  #tellWallClock(nowMs: InstantMs): void {
    const { unixMs } = this.#host;
    this.#clockGapMs = unixMs - nowMs;
    this.#wallClockDueMs = nowMs + wallClockIntervalMs;
    this.driver.deliver({ type: "wallClock", unixMs });
  }
}
