/**
 * Every deadline of a node, in one binary heap ordered by instant, then by the order in which they were set.
 *
 * Clearing removes the entry at once (each timer knows its place): with lazy deletion, 3,000 lookups a second keep some
 * 60,000 answered requests in the heap.
 */
import type { InstantMs } from "./machine.ts";

/** Something that happens at an instant. A timer is in at most one queue, once; setting it again moves it. */
export abstract class Timer {
  /** @internal place in the heap, `undefined` when not set */
  place: number | undefined = undefined;
  /** @internal order among equal instants */
  order = 0;
  atMs: InstantMs = 0;
  /** For logs and tests. */
  abstract readonly reason: string;
  /** Called once, no earlier than `atMs`; the timer is no longer set then. */
  abstract onDue(nowMs: InstantMs): void;

  get isSet(): boolean {
    return this.place !== undefined;
  }
}

/**
 * One of several timers of a part, which is told of all of them by name: a function for each would take as much room as
 * the timer itself.
 */
export class PartTimer<Reason extends string> extends Timer {
  override readonly reason: Reason;
  readonly #part: { onDue(nowMs: InstantMs, reason: Reason): void };

  constructor(reason: Reason, part: { onDue(nowMs: InstantMs, reason: Reason): void }) {
    super();
    this.reason = reason;
    this.#part = part;
  }

  override onDue(nowMs: InstantMs): void {
    this.#part.onDue(nowMs, this.reason);
  }
}

/** A timer that calls a function. */
export class CallbackTimer extends Timer {
  readonly reason: string;
  readonly #callback: (nowMs: InstantMs) => void;

  constructor(reason: string, callback: (nowMs: InstantMs) => void) {
    super();
    this.reason = reason;
    this.#callback = callback;
  }

  override onDue(nowMs: InstantMs): void {
    this.#callback(nowMs);
  }
}

const noTimers: Timer[] = [];

export class TimerQueue {
  /** {@link noTimers} before the first. */
  #heap: Timer[] = noTimers;
  #order = 0;
  /** The instant of the run that is under way. */
  #runAtMs: InstantMs | undefined = undefined;

  get size(): number {
    return this.#heap.length;
  }

  /** The next timer to come due; not removed. */
  get earliest(): Timer | undefined {
    return this.#heap[0];
  }

  set(timer: Timer, atMs: InstantMs): void {
    timer.atMs = this.#runAtMs === undefined ? atMs : Math.max(this.#runAtMs, atMs);
    timer.order = this.#order++;
    if (timer.place === undefined) {
      if (this.#heap === noTimers) this.#heap = [];
      this.#heap.push(timer);
      this.#rise(this.#heap.length - 1, timer);
    } else {
      this.#settle(timer.place, timer);
    }
  }

  /** Sets it only if that brings it forward, or if it is not set. */
  setEarlier(timer: Timer, atMs: InstantMs): void {
    if (timer.place === undefined || atMs < timer.atMs) this.set(timer, atMs);
  }

  /** `false`: it was not set. */
  clear(timer: Timer): boolean {
    const place = timer.place;
    if (place === undefined) return false;
    timer.place = undefined;
    const last = this.#heap.pop() as Timer;
    if (last !== timer) this.#settle(place, last);
    return true;
  }

  clearAll(): void {
    for (const timer of this.#heap) timer.place = undefined;
    this.#heap = noTimers;
  }

  /**
   * Runs what is due, in order. A timer set meanwhile for an instant already past is set for now, behind all that was
   * due, and waits for the next call.
   */
  run(nowMs: InstantMs): void {
    const newest = this.#order;
    this.#runAtMs = nowMs;
    try {
      for (;;) {
        const timer = this.#heap[0];
        if (timer === undefined || timer.atMs > nowMs || timer.order >= newest) return;
        this.clear(timer);
        timer.onDue(nowMs);
      }
    } finally {
      this.#runAtMs = undefined;
    }
  }

  #settle(place: number, timer: Timer): void {
    const parent = this.#heap[(place - 1) >> 1];
    if (place > 0 && parent !== undefined && isBefore(timer, parent)) this.#rise(place, timer);
    else this.#sink(place, timer);
  }

  #rise(from: number, timer: Timer): void {
    const heap = this.#heap;
    let place = from;
    while (place > 0) {
      const up = (place - 1) >> 1;
      const parent = heap[up] as Timer;
      if (!isBefore(timer, parent)) break;
      heap[place] = parent;
      parent.place = place;
      place = up;
    }
    heap[place] = timer;
    timer.place = place;
  }

  #sink(from: number, timer: Timer): void {
    const heap = this.#heap;
    let place = from;
    for (;;) {
      let down = 2 * place + 1;
      if (down >= heap.length) break;
      const right = heap[down + 1];
      if (right !== undefined && isBefore(right, heap[down] as Timer)) down++;
      const child = heap[down] as Timer;
      if (!isBefore(child, timer)) break;
      heap[place] = child;
      child.place = place;
      place = down;
    }
    heap[place] = timer;
    timer.place = place;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
