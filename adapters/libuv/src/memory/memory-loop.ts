/**
 * One iteration after another, in the order of libuv 1.45 and newer (its design overview, "The I/O loop"): pending callbacks,
 * idle, prepare, poll, check, close callbacks, timers; and with the mode `default` timers once before.
 *
 * Waiting moves the clock. Where nothing could ever end a wait, that is an error and no standstill.
 */
import type { UvLoop, UvRunMode } from "../uv-binding.ts";
import { type MemoryHandle, MemoryPhase, MemoryTimer, type MemoryUdp } from "./memory-handle.ts";

/** What a loop needs of the world around it. */
export interface MemoryWorld {
  nowMs(): number;
  /** Time passes up to here, unless it is later already. */
  waitUntil(atMs: number): void;
  /** Calls whoever is ready on this loop, in the order in which they have become so. `false`: nobody was. */
  poll(loop: MemoryLoop): boolean;
  /** Runs a callback; what it throws is kept until `uv_run` is over. */
  call(callback: () => void): void;
}

export class MemoryLoop implements UvLoop {
  readonly address = 0;
  readonly handles: Set<MemoryHandle> = new Set();
  /** Those with sends that are over: they say so in the next iteration. */
  readonly pending: Set<MemoryUdp> = new Set();
  /** The newest first, as in libuv. */
  readonly closing: MemoryHandle[] = [];
  nowMs: number;
  isStopped = false;
  isRunning = false;
  isClosed = false;
  #timersStarted = 0;
  readonly #world: MemoryWorld;

  constructor(world: MemoryWorld) {
    this.#world = world;
    this.nowMs = Math.floor(world.nowMs());
  }

  get isAlive(): boolean {
    const isHeld = [...this.handles].some(
      (handle) => handle.isReferenced && handle.isActive && !handle.isClosing,
    );
    return isHeld || this.closing.length > 0 || this.pending.size > 0;
  }

  updateTime(): void {
    this.nowMs = Math.floor(this.#world.nowMs());
  }

  startTimer(timer: MemoryTimer, timeoutMs: number, repeatMs: number): void {
    timer.dueAtMs = this.nowMs + timeoutMs;
    timer.repeatMs = repeatMs;
    timer.startNumber = ++this.#timersStarted;
  }

  run(mode: UvRunMode): number {
    const wasRunning = this.isRunning;
    this.isRunning = true;
    try {
      return this.#run(mode);
    } finally {
      this.isRunning = wasRunning;
    }
  }

  #run(mode: UvRunMode): number {
    if (!this.isAlive) this.updateTime();
    else if (mode === "default" && !this.isStopped) {
      this.updateTime();
      this.#runTimers();
    }
    while (this.isAlive && !this.isStopped) {
      this.#iterate(mode);
      if (mode !== "default") break;
    }
    this.isStopped = false;
    return this.isAlive ? 1 : 0;
  }

  #iterate(mode: UvRunMode): void {
    const canSleep = this.pending.size === 0 && this.#phases("idle").length === 0;
    this.#runPending();
    this.#runPhase("idle");
    this.#runPhase("prepare");
    const timeoutMs = mode === "default" || (mode === "once" && canSleep) ? this.#backendTimeoutMs() : 0;
    this.#poll(timeoutMs);
    this.#runPhase("check");
    this.#runClosing();
    this.updateTime();
    this.#runTimers();
  }

  /** `undefined`: for ever. */
  #backendTimeoutMs(): number | undefined {
    const isBusy = this.#phases("idle").length > 0 || this.pending.size > 0 || this.closing.length > 0;
    if (this.isStopped || isBusy || !this.isAlive) return 0;
    const [next] = this.#timers();
    return next === undefined ? undefined : Math.max(0, next.dueAtMs - this.nowMs);
  }

  #poll(timeoutMs: number | undefined): void {
    if (this.#world.poll(this) || timeoutMs === 0) return;
    if (timeoutMs === undefined)
      throw new Error("uv_run would wait for ever: nothing is ready, and no timer is started");
    this.#world.waitUntil(this.nowMs + timeoutMs);
    this.updateTime();
    this.#world.poll(this);
  }

  #runPending(): void {
    const pending = [...this.pending];
    this.pending.clear();
    for (const udp of pending) for (const callback of udp.completed.splice(0)) this.#world.call(callback);
  }

  #runPhase(type: MemoryPhase["type"]): void {
    for (const phase of this.#phases(type)) {
      const { onEvent } = phase;
      if (onEvent !== undefined) this.#world.call(onEvent);
    }
  }

  #runClosing(): void {
    for (const handle of this.closing.splice(0)) {
      this.handles.delete(handle);
      for (const callback of handle.lastCallbacks()) this.#world.call(callback);
    }
  }

  #runTimers(): void {
    for (;;) {
      const [timer] = this.#timers();
      const onEvent = timer?.onEvent;
      if (timer === undefined || onEvent === undefined || timer.dueAtMs > this.nowMs) return;
      timer.onEvent = undefined;
      if (timer.repeatMs > 0) {
        timer.onEvent = onEvent;
        this.startTimer(timer, timer.repeatMs, timer.repeatMs);
      }
      this.#world.call(onEvent);
    }
  }

  #timers(): MemoryTimer[] {
    const timers = [...this.handles].filter((handle) => handle instanceof MemoryTimer && handle.isActive);
    return (timers as MemoryTimer[]).sort((a, b) => a.dueAtMs - b.dueAtMs || a.startNumber - b.startNumber);
  }

  /** Those started last run first, as in libuv, whose lists of them grow at the front. */
  #phases(type: MemoryPhase["type"]): MemoryPhase[] {
    const active = [...this.handles].filter(
      (handle): handle is MemoryPhase =>
        handle instanceof MemoryPhase && handle.type === type && handle.isActive,
    );
    return active.sort((a, b) => b.startNumber - a.startNumber);
  }
}
