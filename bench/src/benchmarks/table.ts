/** The routing table alone. */
import { NodeId, RoutingTable, resolveLimits } from "@kad/core";
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { score } from "../id-distance.ts";
import { SeededRandom } from "../seeded-random.ts";
import { callsPerSecond, Stopwatch } from "../stopwatch.ts";
import { fromTree, versionIn } from "../trees.ts";

const inserts = 10_000;
const targets = 512;

/** One routing table with the calls that are compared. */
interface Subject {
  insert(index: number): void;
  closest(target: number, count: number): readonly unknown[];
  ids(contacts: readonly unknown[]): readonly Uint8Array[];
  /** Everything that it kept. */
  all(): readonly Uint8Array[];
}

type SubjectMaker = (self: Uint8Array, ids: readonly Uint8Array[], targets: readonly Uint8Array[]) => Subject;

interface Contestant {
  readonly label: string;
  readonly make: SubjectMaker;
}

const makers: Readonly<Record<string, Contestant>> = {
  kad: { label: "@kad/core RoutingTable", make: kadTable },
  kBucket: { label: `k-bucket ${versionIn(["k-bucket"])}`, make: kBucket },
  dhtRpc: {
    label: `kademlia-routing-table ${versionIn(["dht-rpc", "kademlia-routing-table"])} (dht-rpc)`,
    make: dhtRpcTable,
  },
};

const columns: readonly Column[] = [
  { value: "closest20", heading: "closest(20), k/s", digits: 0 },
  { value: "closest8", heading: "closest(8), k/s", digits: 0 },
  { value: "exact20", heading: "exact 20, %", digits: 1, show: "worst" },
  { value: "exact8", heading: "exact 8, %", digits: 1, show: "worst" },
  { value: "sorted", heading: "sorted, %", digits: 1, show: "worst" },
  { value: "inserts", heading: "inserts, k/s", digits: 0 },
  { value: "kept", heading: "kept", digits: 0, show: "median" },
];

export const tableBenchmark: Benchmark = {
  name: "table",
  title: "Routing table",
  about: `${inserts} random contacts are offered to one table, and then ${targets} random targets are asked for in turn.
Calls for each second of CPU time. *Exact*: the answers that hold the nearest of all that the table kept; *sorted*: those
with the nearest in front. A table that answers otherwise does other work: it is shown, and not compared. \`@kad/core\`
keeps up to 20 replacements for each full bucket besides, which k-bucket does not.`,
  rounds: ({ quick }) => (quick ? 1 : 3),
  contestants: ({ quick }) =>
    [32, 20].flatMap((idBytes) =>
      Object.keys(makers)
        .filter((name) => name !== "dhtRpc" || idBytes === 32)
        .map((name) => ({ name, idBytes, forMs: quick ? 60 : 400 })),
    ),
  measure,
  columns: () => columns,
};

export function measure({ name, idBytes, forMs }: Parameters): readonly Row[] {
  const { label, make } = makers[name as string] as Contestant;
  const length = idBytes as number;
  const random = new SeededRandom(1);
  const ids = Array.from({ length: inserts }, () => random.bytes(length));
  const asked = Array.from({ length: targets }, () => random.bytes(length));
  const self = random.bytes(length);
  const insertsPerSecond = measureInserts(() => make(self, ids, asked), forMs as number);
  const subject = make(self, ids, asked);
  for (let i = 0; i < inserts; i++) subject.insert(i);
  const all = subject.all();
  const verdicts = (count: number) =>
    asked.map((target, i) => score(target, subject.ids(subject.closest(i, count)), all, count));
  const [at20, at8] = [verdicts(20), verdicts(8)];
  const values = {
    closest20: callsPerSecond(forMs as number, (i) => subject.closest(i % targets, 20)) / 1_000,
    closest8: callsPerSecond(forMs as number, (i) => subject.closest(i % targets, 8)) / 1_000,
    exact20: percentOf(at20, ({ exact }) => exact),
    exact8: percentOf(at8, ({ exact }) => exact),
    sorted: percentOf([...at20, ...at8], ({ sorted }) => sorted),
    inserts: insertsPerSecond / 1_000,
    kept: all.length,
  };
  return [{ table: `${length}-byte ids`, row: label, values }];
}

function percentOf<T>(verdicts: readonly T[], holds: (verdict: T) => boolean): number {
  return (100 * verdicts.filter(holds).length) / verdicts.length;
}

/** Whole tables, filled from empty again and again. */
function measureInserts(make: () => Subject, forMs: number): number {
  let calls = 0;
  let cpuMs = 0;
  const untilMs = performance.now() + forMs;
  for (let round = 0; round < 3 || performance.now() < untilMs; round++) {
    const subject = make();
    const watch = new Stopwatch();
    for (let i = 0; i < inserts; i++) subject.insert(i);
    if (round === 0) continue;
    cpuMs += watch.read().cpuMs;
    calls += inserts;
  }
  return calls / (cpuMs / 1_000);
}

function kadTable(self: Uint8Array, ids: readonly Uint8Array[], targets: readonly Uint8Array[]): Subject {
  const table = new RoutingTable({
    self: NodeId.fromBytes(self),
    limits: resolveLimits({}),
    groupOf: () => undefined,
  });
  const address = { key: "udp://127.0.0.1:1", wire: new Uint8Array(7), kind: 1, link: 1, maxBytes: 1_200 };
  const contacts = ids.map((id) => ({ id: NodeId.fromBytes(id), addresses: [address] }));
  const asked = targets.map((target) => NodeId.fromBytes(target));
  type Contacts = ReturnType<RoutingTable["closest"]>;
  return {
    insert: (i) => void table.onAnswered(i, contacts[i] as Contacts[number], "walk"),
    closest: (i, count) => table.closest(asked[i] as NodeId, count),
    ids: (found) => (found as Contacts).map(({ id }) => id.toBytes()),
    all: () => table.contacts().map(({ id }) => id.toBytes()),
  };
}

interface IdHolder {
  readonly id: Uint8Array;
}

interface KBucketLike {
  add(contact: object): void;
  closest(target: Uint8Array, count: number): IdHolder[];
  toArray(): IdHolder[];
}

function kBucket(self: Uint8Array, ids: readonly Uint8Array[], targets: readonly Uint8Array[]): Subject {
  const KBucket = fromTree(["k-bucket"]) as new (options: object) => KBucketLike;
  const table = new KBucket({ localNodeId: self, numberOfNodesPerKBucket: 20 });
  const contacts = ids.map((id) => ({ id, host: "127.0.0.1", port: 1 }));
  return {
    insert: (i) => table.add(contacts[i] as object),
    closest: (i, count) => table.closest(targets[i] as Uint8Array, count),
    ids: idsOf,
    all: () => idsOf(table.toArray()),
  };
}

function dhtRpcTable(self: Uint8Array, ids: readonly Uint8Array[], targets: readonly Uint8Array[]): Subject {
  const Table = fromTree(["dht-rpc", "kademlia-routing-table"]) as new (id: Uint8Array) => KBucketLike;
  const table = new Table(self);
  const contacts = ids.map((id) => ({ id, host: "127.0.0.1", port: 1 }));
  return {
    insert: (i) => table.add(contacts[i] as object),
    closest: (i, count) => table.closest(targets[i] as Uint8Array, count),
    ids: idsOf,
    all: () => idsOf(table.toArray()),
  };
}

function idsOf(contacts: readonly unknown[]): readonly Uint8Array[] {
  return (contacts as readonly IdHolder[]).map(({ id }) => id);
}
