/**
 * The commands of a simulated host: those of its node, without the instant, each giving the query that it begins.
 */
import type {
  Announcement,
  DhtRecord,
  FindProvidersOptions,
  InstantMs,
  NodeId,
  QueryId,
  QueryOptions,
  RecordKey,
  Seed,
} from "@kad/core";
import type { NodeMachine } from "./machine-layer.ts";
import type { SimHost } from "./sim-host.ts";
import type { SimQuery } from "./sim-query.ts";

export abstract class HostCommands<M extends NodeMachine> {
  /** A command that begins a query. @throws UsageError `closed` while the host is down, and whatever the command throws */
  abstract query(command: (node: M, nowMs: InstantMs) => QueryId): SimQuery;

  bootstrap(seeds: readonly Seed[], options?: QueryOptions): SimQuery {
    return this.query((node, nowMs) => node.bootstrap(nowMs, seeds, options));
  }

  /** Joins through other hosts, of which it knows the addresses alone. */
  join(hosts: readonly SimHost[], options?: QueryOptions): SimQuery {
    return this.bootstrap(
      hosts.map(({ seed }) => seed),
      options,
    );
  }

  ping(to: Seed, options?: QueryOptions): SimQuery {
    return this.query((node, nowMs) => node.ping(nowMs, to, options));
  }

  findNode(target: NodeId, options?: QueryOptions): SimQuery {
    return this.query((node, nowMs) => node.findNode(nowMs, target, options));
  }

  get(key: RecordKey, options?: QueryOptions): SimQuery {
    return this.query((node, nowMs) => node.get(nowMs, key, options));
  }

  put(record: DhtRecord, options?: QueryOptions): SimQuery {
    return this.query((node, nowMs) => node.put(nowMs, record, options));
  }

  announce(key: RecordKey, announcement?: Announcement, options?: QueryOptions): SimQuery {
    return this.query((node, nowMs) => node.announce(nowMs, key, announcement, options));
  }

  withdraw(key: RecordKey, options?: QueryOptions): SimQuery {
    return this.query((node, nowMs) => node.withdraw(nowMs, key, options));
  }

  findProviders(key: RecordKey, options?: FindProvidersOptions): SimQuery {
    return this.query((node, nowMs) => node.findProviders(nowMs, key, options));
  }

  send(to: Seed, protocol: string, body: Uint8Array, options?: QueryOptions): SimQuery {
    return this.query((node, nowMs) => node.send(nowMs, to, protocol, body, options));
  }
}
