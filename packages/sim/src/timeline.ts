/**
 * What is to happen, in order of time, and among equal instants in the order in which it was planned.
 *
 * A heap with four branches whose keys lie in typed arrays: a network of ten thousand nodes has some hundred thousand things
 * planned, and moves a timer for nearly every message. Each task has a handle, by which it is moved or taken back; handles
 * are used again, and nothing is allocated while their number does not grow.
 */
import type { InstantUs } from "./virtual-time.ts";

/** Something that happens at an instant. */
export interface Task {
  /** It is no longer planned then, and its handle may be another's. */
  run(nowUs: InstantUs): void;
}

/** Names a planned task until it runs or is cancelled. */
export type TaskHandle = number;

const branches = 4;
const firstCapacity = 1_024;

export class Timeline {
  /** The heap: instants, the order in which they were planned, and whose they are. */
  #times = new Float64Array(firstCapacity);
  #orders = new Float64Array(firstCapacity);
  #handles = new Int32Array(firstCapacity);
  #size = 0;
  /** By handle. */
  #tasks: (Task | undefined)[] = [];
  #places = new Int32Array(firstCapacity);
  readonly #free: TaskHandle[] = [];
  #order = 0;
  #nowUs: InstantUs = 0;
  #ran = 0;

  /** The instant of the task that runs, or ran last. */
  get nowUs(): InstantUs {
    return this.#nowUs;
  }

  /** Tasks that are planned. */
  get size(): number {
    return this.#size;
  }

  /** Tasks that have run. */
  get ran(): number {
    return this.#ran;
  }

  /** When the next task runs; `undefined`: none is planned. */
  get nextAtUs(): InstantUs | undefined {
    return this.#size === 0 ? undefined : this.#times[0];
  }

  /** Plans a task; an instant that is past counts as now. */
  add(atUs: InstantUs, task: Task): TaskHandle {
    const handle = this.#free.pop() ?? this.#newHandle();
    this.#tasks[handle] = task;
    if (this.#size === this.#times.length) this.#growHeap();
    const place = this.#size++;
    this.#rise(place, Math.max(atUs, this.#nowUs), this.#order++, handle);
    return handle;
  }

  /** Gives a planned task another instant; it comes after all others that are planned for it. */
  move(handle: TaskHandle, atUs: InstantUs): void {
    const place = this.#places[handle] as number;
    const timeUs = Math.max(atUs, this.#nowUs);
    if (timeUs < (this.#times[place] as number)) this.#rise(place, timeUs, this.#order++, handle);
    else this.#sink(place, timeUs, this.#order++, handle);
  }

  /** Takes a planned task back. */
  cancel(handle: TaskHandle): void {
    this.#remove(this.#places[handle] as number);
    this.#release(handle);
  }

  /** Runs the next task, if it is planned for `untilUs` or before. */
  runNext(untilUs: InstantUs): boolean {
    if (this.#size === 0 || (this.#times[0] as number) > untilUs) return false;
    this.#nowUs = this.#times[0] as number;
    const handle = this.#handles[0] as number;
    const task = this.#tasks[handle] as Task;
    this.#remove(0);
    this.#release(handle);
    this.#ran++;
    task.run(this.#nowUs);
    return true;
  }

  /** Lets time pass in which nothing is planned; it never goes back, nor past the next task. */
  passTo(atUs: InstantUs): void {
    this.#nowUs = Math.max(this.#nowUs, Math.min(atUs, this.nextAtUs ?? atUs));
  }

  #newHandle(): TaskHandle {
    const handle = this.#tasks.length;
    if (handle === this.#places.length) this.#places = grown(this.#places, new Int32Array(2 * handle));
    return handle;
  }

  #release(handle: TaskHandle): void {
    this.#tasks[handle] = undefined;
    this.#free.push(handle);
  }

  #growHeap(): void {
    const capacity = 2 * this.#times.length;
    this.#times = grown(this.#times, new Float64Array(capacity));
    this.#orders = grown(this.#orders, new Float64Array(capacity));
    this.#handles = grown(this.#handles, new Int32Array(capacity));
  }

  #remove(place: number): void {
    const last = --this.#size;
    if (place === last) return;
    const timeUs = this.#times[last] as number;
    const order = this.#orders[last] as number;
    const handle = this.#handles[last] as number;
    const parent = (place - 1) >> 2;
    if (place > 0 && this.#isBefore(timeUs, order, parent)) this.#rise(place, timeUs, order, handle);
    else this.#sink(place, timeUs, order, handle);
  }

  #isBefore(timeUs: number, order: number, other: number): boolean {
    const otherUs = this.#times[other] as number;
    return timeUs < otherUs || (timeUs === otherUs && order < (this.#orders[other] as number));
  }

  #set(place: number, timeUs: number, order: number, handle: TaskHandle): void {
    this.#times[place] = timeUs;
    this.#orders[place] = order;
    this.#handles[place] = handle;
    this.#places[handle] = place;
  }

  #rise(from: number, timeUs: number, order: number, handle: TaskHandle): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      if (!this.#isBefore(timeUs, order, parent)) break;
      this.#copy(parent, place);
      place = parent;
    }
    this.#set(place, timeUs, order, handle);
  }

  #sink(from: number, timeUs: number, order: number, handle: TaskHandle): void {
    let place = from;
    for (;;) {
      const first = branches * place + 1;
      if (first >= this.#size) break;
      const end = Math.min(first + branches, this.#size);
      let least = first;
      for (let child = first + 1; child < end; child++) {
        if (this.#isBefore(this.#times[child] as number, this.#orders[child] as number, least)) least = child;
      }
      if (this.#isBefore(timeUs, order, least)) break;
      this.#copy(least, place);
      place = least;
    }
    this.#set(place, timeUs, order, handle);
  }

  #copy(from: number, to: number): void {
    this.#set(to, this.#times[from] as number, this.#orders[from] as number, this.#handles[from] as number);
  }
}

function grown<T extends Float64Array | Int32Array>(from: T, into: T): T {
  into.set(from as never);
  return into;
}
