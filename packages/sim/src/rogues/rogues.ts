/** Nodes that misbehave, by name; what exactly each does stands at its class. */
import type { NodeOptions } from "@kad/core";
import type { HostOptions } from "../host-options.ts";
import type { SimHost } from "../sim-host.ts";
import type { Simulation } from "../simulation.ts";
import { FloodingNode } from "./flooder.ts";
import { GarbageNode } from "./garbage.ts";
import { LyingNode } from "./liar.ts";
import type { Rogue } from "./rogue.ts";
import { SilentNode } from "./silent.ts";
import { StaleNode } from "./stale.ts";
import { type SybilGroup, SybilNode } from "./sybil.ts";

/** See {@link SilentNode}, {@link LyingNode}, {@link GarbageNode}, {@link StaleNode}, {@link FloodingNode}. */
export type RogueKind = "silent" | "liar" | "garbage" | "stale" | "flooder";

const classes: Readonly<Record<RogueKind, new (options: NodeOptions, host: SimHost) => Rogue>> = {
  silent: SilentNode,
  liar: LyingNode,
  garbage: GarbageNode,
  stale: StaleNode,
  flooder: FloodingNode,
};

export const rogueKinds: readonly RogueKind[] = Object.keys(classes) as RogueKind[];

/** Options of a host whose node misbehaves in this way. */
export function rogueHost(kind: RogueKind): HostOptions<Rogue> {
  const Machine = classes[kind];
  return { isHonest: false, machine: (options, host) => new Machine(options, host) };
}

/** Most Sybils in one /24. */
const sybilsPerSubnet = 4;

/**
 * Options of the Sybils of one group, one after the other: see {@link SybilNode}. Four share a /24, since addresses are what
 * an attacker is short of.
 */
export function sybilHosts(simulation: Simulation, group: SybilGroup): () => HostOptions<Rogue> {
  let subnet = simulation.addSubnet();
  let used = 0;
  return () => {
    if (used === sybilsPerSubnet) {
      subnet = simulation.addSubnet();
      used = 0;
    }
    used++;
    return { isHonest: false, subnet, machine: (options, host) => new SybilNode(options, host, group) };
  };
}
