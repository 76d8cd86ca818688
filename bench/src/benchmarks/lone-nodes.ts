/** What a node of core takes in memory: empty, and for each contact. Beside none: the others have no node without a socket. */
import type { Column, Row } from "../benchmark.ts";
import { collectedMemory } from "../heap.ts";
import { AnsweringWorld } from "../networks/answering-world.ts";

const peers = 256;

export const loneNodeTable: string = `@kad/core alone, ${peers} peers met`;

export const loneNodeColumns: readonly Column[] = [
  { value: "empty", heading: "empty node, KiB", digits: 1 },
  { value: "full", heading: "full, KiB", digits: 1 },
  { value: "contacts", heading: "contacts", digits: 0, show: "median" },
  { value: "replacements", heading: "in waiting", digits: 0, show: "median" },
  { value: "each", heading: "bytes for each of them", digits: 0 },
];

export function measureLoneNodes(isShared: boolean, quick: boolean): readonly Row[] {
  const world = new AnsweringWorld(peers);
  const lookups = quick ? 10 : 60;
  warmUp(world, isShared, lookups);
  const before = total();
  const nodes = Array.from({ length: quick ? 50 : 200 }, () => world.newNode(isShared));
  const empty = total() - before;
  for (const node of nodes) world.fill(node, lookups);
  const full = total() - before;
  const sum = (of: (bucket: { readonly size: number; readonly replacements: number }) => number) =>
    nodes.reduce(
      (all, { table }) => all + table.buckets().reduce((count, bucket) => count + of(bucket), 0),
      0,
    );
  const contacts = sum(({ size }) => size);
  const replacements = sum((bucket) => bucket.replacements);
  const values = {
    empty: empty / nodes.length / 1_024,
    full: full / nodes.length / 1_024,
    contacts: contacts / nodes.length,
    replacements: replacements / nodes.length,
    each: (full - empty) / (contacts + replacements),
  };
  const row = isShared ? "addresses and wire shared by all nodes" : "nothing shared";
  return [{ table: loneNodeTable, row, values }];
}

/** A function of its own, so that no node is held when it returns. */
function warmUp(world: AnsweringWorld, isShared: boolean, lookups: number): void {
  for (let i = 0; i < 20; i++) world.fill(world.newNode(isShared), lookups);
}

function total(): number {
  const { heap, external } = collectedMemory();
  return heap + external;
}
