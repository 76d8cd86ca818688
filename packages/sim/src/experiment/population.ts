/** Who runs, and since when: what lookups should have found, and whom to ask. */
import type { Contact, NodeId } from "@kad/core";
import { IdIndex } from "../id-index.ts";
import type { HostChange, Observer } from "../observer.ts";
import type { RandomStream } from "../random-stream.ts";
import type { SimHost } from "../sim-host.ts";
import { type InstantUs, minuteMs, toMs } from "../virtual-time.ts";

/** Whoever has run for less may not have joined yet, and need not be found. */
const newcomerMs = minuteMs;

export class Population implements Observer {
  readonly #everybody = new IdIndex<SimHost>();
  /** Those that anybody can ask: servers behind no NAT. */
  readonly #findable = new IdIndex<SimHost>();
  readonly #sinceMs = new Map<SimHost, number>();
  #nodeMs = 0;
  #countedMs = 0;

  /** Nodes that run now. */
  get size(): number {
    return this.#sinceMs.size;
  }

  onHost(nowUs: InstantUs, host: SimHost, change: HostChange): void {
    const nowMs = toMs(nowUs);
    this.#count(nowMs);
    if (change === "started") {
      this.#sinceMs.set(host, nowMs);
      this.#everybody.add(host);
      if (!host.isClient && host.isDialable) this.#findable.add(host);
    } else if (change === "closed" || change === "crashed") {
      this.#sinceMs.delete(host);
      this.#everybody.delete(host.id);
      this.#findable.delete(host.id);
    }
  }

  /** Time that nodes have run, added up. */
  nodeMs(nowMs: number): number {
    this.#count(nowMs);
    return this.#nodeMs;
  }

  /** An honest host that has run for a minute; `undefined`: none was met in a hundred draws. */
  pick(random: RandomStream, hosts: readonly SimHost[], nowMs: number): SimHost | undefined {
    for (let tries = 0; tries < 100; tries++) {
      const host = random.pick(hosts);
      if (host.isHonest && this.#isSettled(host, nowMs)) return host;
    }
    return undefined;
  }

  get(id: NodeId): SimHost | undefined {
    return this.#everybody.get(id);
  }

  /** Of those that anybody can ask: servers behind no NAT. */
  closest(target: NodeId, count: number): SimHost[] {
    return this.#findable.closest(target, count);
  }

  /**
   * Of the `count` servers behind no NAT closest to `target`, the honest ones, closest first: what a lookup that `asker` began at `beganMs` and
   * that ends now should have found. Newcomers count where they were found; those who went meanwhile do not count.
   */
  expected(
    target: NodeId,
    count: number,
    asker: SimHost,
    beganMs: number,
    found: readonly Contact[],
  ): SimHost[] {
    const ids = new Set(found.map(({ id }) => id.key));
    const all = this.#findable.closest(target, 2 * count + 1);
    return all
      .filter((host) => host !== asker && (ids.has(host.id.key) || this.#isSettled(host, beganMs)))
      .slice(0, count) // slice: an array
      .filter(({ isHonest }) => isHonest);
  }

  #isSettled(host: SimHost, nowMs: number): boolean {
    const sinceMs = this.#sinceMs.get(host);
    return sinceMs !== undefined && sinceMs <= nowMs - newcomerMs;
  }

  #count(nowMs: number): void {
    this.#nodeMs += (nowMs - this.#countedMs) * this.#sinceMs.size;
    this.#countedMs = nowMs;
  }
}
