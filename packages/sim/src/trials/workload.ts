/** What hosts do in a trial: commands of all kinds with options of all kinds, drawn from its seed. */
import {
  type Commands,
  type DhtRecord,
  immutableRecord,
  NodeId,
  openRecord,
  type Plugin,
  type PluginContext,
  type QueryOptions,
  type RecordKey,
} from "@kad/core";
import type { RandomStream } from "../random-stream.ts";
import type { SimHost } from "../sim-host.ts";
import type { SimQuery } from "../sim-query.ts";
import type { Swarm } from "../swarm.ts";

/** Few keys and names, so that hosts meet over them. */
const hotKeys = 5;
const hotNames = 4;

/** Answers some messages at once, some later, some not at all. */
export function chattyPlugin(random: RandomStream): Plugin {
  let node: PluginContext | undefined;
  const later: (() => void)[] = [];
  return {
    protocol: "trial",
    onAttach(context) {
      node = context;
    },
    onMessage({ body, reply }) {
      const style = random.nextInt(4);
      if (style === 0) return;
      if (style === 1) {
        node?.reply(reply, body);
        return;
      }
      later.push(() => node?.reply(reply, body));
      node?.setTimer(random.nextInt(12_000));
      return "later";
    },
    onTimeout({ type }) {
      if (type === "timer") later.shift()?.();
    },
  };
}

export class Workload {
  readonly #swarm: Swarm;
  readonly #random: RandomStream;
  readonly #keys: readonly NodeId[];
  /** Keys that were put. */
  readonly #put: RecordKey[] = [];
  /** Those of puts that somebody has taken. */
  readonly #stored: RecordKey[] = [];
  readonly #running: SimQuery[] = [];
  readonly #seqs = new Map<string, number>();
  #isOver = false;
  /** Commands that were given. */
  commands = 0;

  constructor(swarm: Swarm, commandsPerSecond: number, random: RandomStream) {
    this.#swarm = swarm;
    this.#random = random;
    this.#keys = Array.from({ length: hotKeys }, () => this.#randomId());
    this.#plan(1_000 / commandsPerSecond);
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Keys of records that somebody has taken so far, in that order. */
  get stored(): readonly RecordKey[] {
    return this.#stored;
  }

  #plan(meanMs: number): void {
    this.#swarm.simulation.after(2 * meanMs * this.#random.fraction(), () => {
      if (this.#isOver) return;
      const { up } = this.#swarm;
      if (up.length > 0) this.#act(this.#random.pick(up));
      this.#plan(meanMs);
    });
  }

  #act(host: SimHost): void {
    const { gauges } = host.node.stats();
    if (gauges.queries.used >= gauges.queries.limit) return; // the caller's own fault: `tooMany`
    this.commands++;
    const query = this.#command(host);
    if (query !== undefined) this.#running.push(query);
    if (this.#running.length > 50) this.#running.shift();
  }

  #command(host: SimHost): SimQuery | undefined {
    const random = this.#random;
    const key = random.pick(this.#keys);
    const other = random.pick(this.#swarm.hosts);
    const options = this.#options();
    switch (random.nextInt(14)) {
      case 0:
        return host.findNode(this.#randomId(), options);
      case 1:
        return host.findNode(random.pick([other.id, host.id, key]), options);
      case 2:
      case 3:
        return this.#putBy(host, options);
      case 4:
      case 5:
        return host.get(this.#knownKey(), options);
      case 6:
        return this.#announce(host, key, options);
      case 7:
        return host.findProviders(key, { ...options, limit: 1 + random.nextInt(50) });
      case 8:
        return host.withdraw(key, options);
      case 9:
        return host.ping(random.chance(0.5) ? other.contact : other.seed, options);
      case 10:
        return host.send(other.contact, random.pick(["trial", "trial", "none"]), this.#bytes(900), options);
      case 11:
        return random.chance(0.3) ? host.join([other], options) : undefined;
      case 12:
        host.run((node, nowMs) => node.addContact(nowMs, other.contact));
        return undefined;
      default:
        this.#cancel();
        return undefined;
    }
  }

  #putBy(host: SimHost, options: QueryOptions): SimQuery {
    const random = this.#random;
    const lifetimeMs = random.pick([undefined, undefined, 2_000, 60_000, 600_000]);
    const record = { ...this.#record(), ...(lifetimeMs === undefined ? {} : { lifetimeMs }) };
    this.#put.push(record.key);
    return host.put(record, { ...options, keep: random.chance(0.5) }).onOver(({ finished }) => {
      const result = finished?.result;
      if (result?.type === "stored" && result.accepted > 0) this.#stored.push(record.key);
    });
  }

  #record(): DhtRecord {
    const { sha256 } = this.#swarm.simulation;
    if (this.#random.chance(0.5)) return immutableRecord(sha256, this.#bytes(1_000));
    const name = `name ${this.#random.nextInt(hotNames)}`;
    const seq = (this.#seqs.get(name) ?? 0) + 1;
    this.#seqs.set(name, seq);
    return openRecord(sha256, name, this.#bytes(800), seq);
  }

  #announce(host: SimHost, key: RecordKey, options: QueryOptions): SimQuery | undefined {
    const { gauges } = host.node.stats();
    const isFull = gauges.ownProviders.used >= gauges.ownProviders.limit;
    if (host.isClient || isFull) return undefined; // `noAddress`, `tooMany`
    return host.announce(
      key,
      { meta: this.#bytes(512), lifetimeMs: 10_000 + this.#random.nextInt(3_000_000) },
      options,
    );
  }

  #cancel(): void {
    const query = this.#random.pick([...this.#running, undefined]);
    if (query?.host.state === "up") query.host.run((node: Commands, nowMs) => node.cancel(nowMs, query.id));
  }

  #knownKey(): RecordKey {
    if (this.#put.length === 0 || this.#random.chance(0.1)) return this.#randomId();
    return this.#random.pick(this.#put);
  }

  #options(): QueryOptions {
    const random = this.#random;
    if (random.chance(0.4)) return {};
    return {
      ...(random.chance(0.3) && { timeoutMs: random.pick([1, 50, 500, 5_000]) }),
      ...(random.chance(0.3) && { parallelism: 1 + random.nextInt(10) }),
      ...(random.chance(0.3) && { results: 1 + random.nextInt(40) }),
      ...(random.chance(0.3) && { paths: 1 + random.nextInt(4) }),
      ...(random.chance(0.3) && { quorum: 1 + random.nextInt(10) }),
      ...(random.chance(0.3) && { progress: true }),
      ...(random.chance(0.3) && { explain: true }),
    };
  }

  #randomId(): NodeId {
    const bytes = new Uint8Array(this.#swarm.simulation.idBytes);
    this.#random.fill(bytes);
    return NodeId.fromBytes(bytes);
  }

  #bytes(most: number): Uint8Array {
    const bytes = new Uint8Array(this.#random.nextInt(most + 1));
    this.#random.fill(bytes);
    return bytes;
  }
}
