/**
 * Where the step of a demo that is under way stands: what all accounts of it count alike.
 */

import { type Summary, Tally } from "../tally.ts";
import type { DemoEvent, Step } from "./events.ts";

interface FileFigures {
  readonly bytes: number;
  readonly chunks: number;
  readonly manifests?: number;
  readonly leastAccepted?: number | undefined;
}

export class Ledger {
  step: Step = "start";
  total = 0;
  done = 0;
  failures = 0;
  /** Of nodes in processes of their own that joined, or were killed. */
  pids: number[] = [];
  /** Holders that took each record. */
  accepted: number[] = [];
  /** Answers with a record, by the address of who gave them. */
  answers: Map<string, number> = new Map();
  /** Records that the reader held itself. */
  ownReads = 0;
  readers: Set<string> = new Set();
  /** Nodes that announced, and that looked for providers; who was found alive by each of these. */
  announced = 0;
  foundAlive: number[] = [];
  /** Until each of these heard of the first. */
  firstMs: number[] = [];
  /** A file that was stored or read. */
  file: FileFigures | undefined;
  #tally = new Tally();
  #startedAtMs = performance.now();

  get elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  get summary(): Summary | undefined {
    return this.#tally.summary();
  }

  tell(event: DemoEvent): void {
    switch (event.type) {
      case "step":
        this.#begin(event.step, event.total);
        break;
      case "joined":
        this.#count(event.pid);
        if (event.effort !== undefined) this.#tally.add(event.effort);
        break;
      case "stored":
        this.#count(undefined);
        this.#tally.add(event.effort);
        this.accepted.push(event.accepted);
        break;
      case "read":
        this.#count(undefined);
        this.#tally.add(event.effort);
        this.readers.add(event.reader);
        if (event.holder === undefined) this.ownReads++;
        else this.answers.set(event.holder, (this.answers.get(event.holder) ?? 0) + 1);
        break;
      case "killed":
        this.#count(event.pid);
        break;
      case "chunk":
        this.done = event.chunks;
        break;
      case "fileStored":
      case "fileRead":
        this.file = event;
        break;
      case "announced":
        this.#count(undefined);
        this.#tally.add(event.effort);
        this.announced++;
        break;
      case "found":
        this.#count(undefined);
        this.#tally.add(event.effort);
        this.foundAlive.push(event.alive);
        if (event.firstMs !== undefined) this.firstMs.push(event.firstMs);
        break;
      case "failed":
        this.failures++;
        break;
      case "begin":
      case "file":
      case "error":
      case "stepEnd":
      case "result":
      case "ready":
      case "visitor":
        break;
    }
  }

  #begin(step: Step, total: number): void {
    this.step = step;
    this.total = total;
    this.done = 0;
    this.failures = 0;
    this.pids = [];
    this.accepted = [];
    this.answers = new Map();
    this.ownReads = 0;
    this.readers = new Set();
    this.announced = 0;
    this.foundAlive = [];
    this.firstMs = [];
    this.file = undefined;
    this.#tally = new Tally();
    this.#startedAtMs = performance.now();
  }

  #count(pid: number | undefined): void {
    this.done++;
    if (pid !== undefined) this.pids.push(pid);
  }
}
