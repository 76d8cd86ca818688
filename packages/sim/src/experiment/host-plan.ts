/** Which nodes of an experiment are what: Sybils, rogues, clients, behind NATs. */
import type { HostOptions } from "../host-options.ts";
import type { NatKind } from "../nat.ts";
import { type RogueKind, rogueHost, sybilHosts } from "../rogues/rogues.ts";
import { SybilGroup } from "../rogues/sybil.ts";
import type { Simulation } from "../simulation.ts";
import type { ExperimentPlan } from "./experiment-options.ts";

/** By place. They are spread among the others; the first node, through which the second joins, is honest and can be dialled. */
export function hostsOf(simulation: Simulation, plan: ExperimentPlan): (place: number) => HostOptions {
  const { nodes, sybils, rogues, clients, nat } = plan;
  const everybody = Array.from({ length: nodes - 1 }, (_, i) => i + 1);
  const isSybil = new Set(sampleOf(simulation, "sybils", everybody, sybils * nodes));
  const others = everybody.filter((place) => !isSybil.has(place));
  const roles = deal<RogueKind | "client">(simulation, "roles", others, nodes, {
    ...rogues,
    client: clients,
  });
  const nats = deal<NatKind>(simulation, "nat", others, nodes, nat);
  const nextSybil = sybilHosts(simulation, new SybilGroup());
  return (place) => {
    if (isSybil.has(place)) return nextSybil();
    const role = roles.get(place);
    const kind = nats.get(place);
    return {
      ...(role === "client" && { mode: "client" }),
      ...(role !== undefined && role !== "client" && rogueHost(role)),
      ...(kind !== undefined && { nat: simulation.addNat({ kind }) }),
    };
  };
}

/** Draws places for each kind, none twice. */
function deal<K extends string>(
  simulation: Simulation,
  name: string,
  places: readonly number[],
  nodes: number,
  shares: Partial<Readonly<Record<K, number>>>,
): ReadonlyMap<number, K> {
  const dealt = new Map<number, K>();
  for (const [kind, share = 0] of Object.entries(shares) as [K, number | undefined][]) {
    const free = places.filter((place) => !dealt.has(place));
    for (const place of sampleOf(simulation, `${name} ${kind}`, free, share * nodes)) dealt.set(place, kind);
  }
  return dealt;
}

function sampleOf(
  simulation: Simulation,
  name: string,
  places: readonly number[],
  count: number,
): readonly number[] {
  const wanted = Math.min(places.length, Math.round(count));
  return simulation.stream("experiment", name).sample(places, wanted);
}
