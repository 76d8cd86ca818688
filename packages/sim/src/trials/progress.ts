/** What a network must be able to do once all faults are gone. */
import { type Contact, compareDistance, immutableRecord, NodeId, type RecordKey } from "@kad/core";
import { IdIndex } from "../id-index.ts";
import type { RandomStream } from "../random-stream.ts";
import type { SimHost } from "../sim-host.ts";
import type { SimQuery } from "../sim-query.ts";
import type { Swarm } from "../swarm.ts";

/** Contacts that an answer names at most; of more than these, a lookup may miss some. */
const mostNamed = 8;

/** Everybody who can be found: honest servers that run, and that anybody can dial. */
function findable(hosts: readonly SimHost[]): IdIndex<SimHost> {
  const index = new IdIndex<SimHost>();
  for (const host of hosts)
    if (host.isHonest && !host.isClient && host.state === "up" && host.isDialable) index.add(host);
  return index;
}

/** Of those who should have been found, the share that was: nobody may be missing who is closer than the farthest found. */
function recallOf(
  truth: readonly SimHost[],
  found: readonly Contact[],
  target: NodeId,
  asker: SimHost,
): number {
  const farthest = found.at(-1);
  const expected = truth.filter(
    ({ id }) =>
      !id.equals(asker.id) && (farthest === undefined || compareDistance(target, id, farthest.id) <= 0),
  );
  if (expected.length === 0) return 1;
  const ids = new Set(found.map(({ id }) => id.key));
  return expected.filter(({ id }) => ids.has(id.key)).length / expected.length;
}

export interface ProgressReport {
  /** Honest hosts that run, and those of them that have nobody in their tables. */
  readonly hosts: number;
  readonly alone: number;
  /** Mean share of those that lookups should have found. */
  readonly recall: number;
  readonly lookups: number;
  /** Mean share of the holders asked that took a record. */
  readonly accepted: number;
  /** Gets of new records, and those that found them. */
  readonly gets: number;
  readonly found: number;
  /** Gets of records from before that some of the nodes nearest to them hold, and those that found them. */
  readonly oldGets: number;
  readonly oldFound: number;
}

export interface ProgressOptions {
  readonly lookups: number;
  readonly puts: number;
  /** Keys of records from before, of which some may be gone. */
  readonly oldKeys?: readonly RecordKey[];
}

/** Looks up, stores and fetches from hosts drawn by chance, and says how that went. */
export function measureProgress(
  swarm: Swarm,
  random: RandomStream,
  { lookups, puts, oldKeys = [] }: ProgressOptions,
): ProgressReport {
  const hosts = swarm.up.filter(({ isHonest }) => isHonest);
  const measure = new Measure(swarm, random, hosts);
  const recall = measure.recall(lookups);
  const { accepted, keys } = measure.store(puts);
  const found = measure.fetch(keys);
  const held = oldKeys.filter((key) => measure.isHeld(key));
  return {
    hosts: hosts.length,
    alone: hosts.filter(({ node }) => node.table.size === 0).length,
    recall,
    lookups,
    accepted,
    gets: puts,
    found,
    oldGets: held.length,
    oldFound: measure.fetch(held),
  };
}

class Measure {
  readonly #swarm: Swarm;
  readonly #random: RandomStream;
  readonly #hosts: readonly SimHost[];
  readonly #truth: IdIndex<SimHost>;

  constructor(swarm: Swarm, random: RandomStream, hosts: readonly SimHost[]) {
    this.#swarm = swarm;
    this.#random = random;
    this.#hosts = hosts;
    this.#truth = findable(hosts);
  }

  recall(lookups: number): number {
    const finds = Array.from({ length: lookups }, () => {
      const target = this.#randomId();
      const asker = this.#random.pick(this.#hosts);
      const results = Math.min(mostNamed, asker.limits.bucketSize);
      return { target, results, query: asker.findNode(target, { results }) };
    });
    this.#wait(finds.map(({ query }) => query));
    let recall = 0;
    for (const { target, results, query } of finds) {
      const result = query.finished?.result;
      if (result?.type !== "nodes") continue;
      recall += recallOf(this.#truth.closest(target, results), result.contacts, target, query.host);
    }
    return recall / lookups;
  }

  store(puts: number): { readonly accepted: number; readonly keys: readonly RecordKey[] } {
    const { sha256 } = this.#swarm.simulation;
    const stores = Array.from({ length: puts }, () => {
      const bytes = new Uint8Array(20);
      this.#random.fill(bytes);
      const record = immutableRecord(sha256, bytes);
      return { key: record.key, query: this.#random.pick(this.#hosts).put(record, { keep: false }) };
    });
    this.#wait(stores.map(({ query }) => query));
    let accepted = 0;
    for (const { query } of stores) {
      const result = query.finished?.result;
      if (result?.type === "stored" && result.asked > 0) accepted += result.accepted / result.asked;
    }
    return { accepted: accepted / puts, keys: stores.map(({ key }) => key) };
  }

  /** How many of them were found. */
  fetch(keys: readonly RecordKey[]): number {
    const gets = keys.map((key) => this.#random.pick(this.#hosts).get(key));
    this.#wait(gets);
    const isFound = ({ finished }: SimQuery): boolean =>
      finished?.result.type === "value" && finished.result.record !== undefined;
    return gets.filter(isFound).length;
  }

  /**
   * Whether somebody has it whom every reader asks: of more than an answer names, some may be missed. Those behind NATs
   * may be found too.
   */
  isHeld(key: RecordKey): boolean {
    const count = Math.min(mostNamed, this.#hosts[0]?.limits.bucketSize ?? mostNamed);
    const servers = new IdIndex<SimHost>();
    for (const host of this.#hosts) if (!host.isClient) servers.add(host);
    return servers.closest(key, count).some((host) => {
      const record = host.store.get(key);
      const isLive = record !== undefined && record.expiresAtMs > host.nowMs + 1_000;
      return isLive && host.isDialable;
    });
  }

  #wait(queries: readonly SimQuery[]): void {
    this.#swarm.simulation.runUntil(() => queries.every(({ isOver }) => isOver), 120_000);
  }

  #randomId(): NodeId {
    const bytes = new Uint8Array(this.#swarm.simulation.idBytes);
    this.#random.fill(bytes);
    return NodeId.fromBytes(bytes);
  }
}
