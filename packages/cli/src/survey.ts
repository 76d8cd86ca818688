/**
 * A network as one node sees it: lookups of random points, then a ping to everybody met on the way.
 */
import { randomBytes } from "node:crypto";
import { type Contact, type Health, NodeId } from "@kad/core";
import type { DhtNode, OperationOptions } from "@kad/dht";
import { atOnce } from "./at-once.ts";
import { percentile, type Summary, Tally } from "./tally.ts";

export interface Survey {
  /** An estimate; `undefined` when the lookups were too few. */
  readonly networkSize: number | undefined;
  readonly health: Health;
  /** Nodes that answered a lookup. */
  readonly met: number;
  /** `undefined`: none was made. */
  readonly lookup: Summary | undefined;
  readonly ping: {
    readonly answered: number;
    /** `undefined`: nobody answered. */
    readonly p50Ms: number | undefined;
    readonly p95Ms: number | undefined;
  };
}

/** Holders of a record: core estimates the size from lookups of so many. */
const results = 20;
const idBytes = 32;
const pingsAtOnce = 8;

/** `operation` is for each lookup and ping. */
export async function survey(
  node: DhtNode,
  lookups: number,
  operation: OperationOptions,
  onTask: (task: string) => void,
): Promise<Survey> {
  const met = new Map<string, Contact>();
  const tally = new Tally();
  for (let i = 1; i <= lookups; i++) {
    onTask(`lookup ${i} of ${lookups}`);
    const target = NodeId.fromBytes(randomBytes(idBytes));
    const { contacts, stats } = await node.findNode(target, { ...operation, results });
    for (const contact of contacts) met.set(contact.id.key, contact);
    tally.add(stats);
  }
  onTask(`pinging ${met.size} nodes`);
  const ping = await pingAll(node, [...met.values()], operation);
  const { networkSize, health } = node.stats();
  return { networkSize, health, met: met.size, lookup: tally.summary(), ping };
}

async function pingAll(
  node: DhtNode,
  contacts: readonly Contact[],
  operation: OperationOptions,
): Promise<Survey["ping"]> {
  const rttsMs: number[] = [];
  await atOnce(pingsAtOnce, contacts, async (contact) => {
    const { rttMs } = await node.ping(contact, operation);
    if (rttMs !== undefined) rttsMs.push(rttMs);
  });
  return { answered: rttsMs.length, p50Ms: percentile(rttsMs, 0.5), p95Ms: percentile(rttsMs, 0.95) };
}
