/** How good the routing tables of a network are at one moment. */
import type { Address } from "@kad/core";
import type { SimHost } from "../sim-host.ts";
import type { Population } from "./population.ts";
import { Sample, type Summary } from "./sample.ts";

export interface TableReport {
  /** Of each node. */
  readonly contacts: Summary;
  /** Share of all contacts that do not run, or not at an address that the table knows. */
  readonly dead: number;
  /** Share of the nodes closest to each node (`bucketSize` of them) that stand in its table. */
  readonly neighbours: number;
  /** Share of all contacts that do not keep to the protocol. */
  readonly rogue: number;
}

/** Most hosts that are looked at: those of a large network at equal distances. */
const mostHosts = 2_000;

/** Looks at honest hosts that run. */
export function surveyTables(hosts: readonly SimHost[], population: Population): TableReport {
  const up = hosts.filter(({ state, isHonest }) => state === "up" && isHonest);
  const stride = Math.ceil(up.length / mostHosts);
  const contacts = new Sample();
  let known = 0;
  let dead = 0;
  let rogue = 0;
  let near = 0;
  let nearKnown = 0;
  for (let i = 0; i < up.length; i += stride) {
    const host = up[i] as SimHost;
    const { table } = host.node;
    contacts.add(table.size);
    for (const { id, addresses } of table.contacts()) {
      known++;
      const other = population.get(id);
      if (other === undefined || !isAt(other, addresses)) dead++;
      else if (!other.isHonest) rogue++;
    }
    for (const other of population.closest(host.id, host.limits.bucketSize + 1)) {
      if (other === host) continue;
      near++;
      if (table.get(other.id) !== undefined) nearKnown++;
    }
  }
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
  return {
    contacts: contacts.summary(),
    dead: share(dead, known),
    neighbours: share(nearKnown, near),
    rogue: share(rogue, known),
  };
}

/** Behind a NAT it is at any port of that. */
function isAt({ endpoints }: SimHost, addresses: readonly Address[]): boolean {
  return endpoints.some(({ address, nat }) =>
    nat === undefined
      ? addresses.includes(address)
      : addresses.some(({ key }) => key.startsWith(`udp://${nat.ip}:`)),
  );
}
