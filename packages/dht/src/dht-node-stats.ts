/** Figures of a node: core's, and those of all that stands around it. */
import type { DriverStats, Gauge, LinkStats, NodeStats } from "@kad/core";
import { maxKeptRecords } from "./kept-records.ts";
import type { SecurityStats } from "./security.ts";
import type { Stack } from "./stack.ts";
import type { NodeConnections } from "./transports.ts";

export interface DhtNodeStats extends NodeStats {
  /** Promises over queries that have not settled. */
  readonly operations: Gauge;
  readonly driver: DriverStats;
  readonly links: readonly LinkStats[];
  /** Of the transports that keep connections. */
  readonly connections: NodeConnections;
  /** Of the secure channels: sessions, handshakes, what was dropped or refused and why. Absent where security is `none`. */
  readonly security?: SecurityStats;
  /** Records that are kept alive. */
  readonly keptRecords: Gauge;
}

/** A snapshot; plain data that the caller owns. */
export function dhtNodeStats(
  { machine, limits, running, connections, security }: Stack,
  used: { readonly operations: number; readonly keptRecords: number },
): DhtNodeStats {
  return {
    ...machine.stats(),
    operations: { used: used.operations, limit: limits.maxQueries },
    driver: running.driver.stats(),
    links: running.router.stats(),
    connections: connections(),
    keptRecords: { used: used.keptRecords, limit: maxKeptRecords },
    ...(security && { security: security.stats() }),
  };
}
