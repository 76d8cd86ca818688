/** Reports of experiments, for people. */
import type {
  EffortReport,
  ExperimentReport,
  GetReport,
  LookupReport,
  NatKind,
  PhaseReport,
  RecordReport,
  RogueKind,
  Summary,
  TableReport,
  TrafficReport,
} from "@kad/sim";
import { columns, grouped, plural, shownBytes, shownMs } from "../text.ts";
import type { ExperimentJob } from "./experiment-worker.ts";
import type { PhaseSummary, Range, SeedsSummary } from "./seeds-summary.ts";

type Row = readonly [string, string];

const width = 100;

/** With its last line feed. */
export function describeReport(options: ExperimentJob, report: ExperimentReport): string {
  const { join, phases, records, churn } = report;
  const perNode = join.messages / Math.max(1, options.nodes);
  const rows: Row[] = [
    [
      "joined",
      `${grouped(join.joined + 1)} nodes, each in ${timeOf(join.durationMs)}, with ${perNode.toFixed(0)} messages`,
    ],
  ];
  const parts = [titleOf(options), columns(rows, width)];
  for (const phase of phases) parts.push(...describePhase(phase));
  const after: Row[] = [];
  if (churn !== undefined) {
    const { left, crashed, returned, joinMs } = churn;
    after.push([
      "churn",
      `${grouped(left)} left, ${grouped(crashed)} crashed, ${grouped(returned)} came, each in ${timeOf(joinMs)}`,
    ]);
  }
  if (records !== undefined) after.push(["records", describeRecords(records)]);
  if (after.length > 0) parts.push(columns(after, width));
  return `${parts.join("\n")}\n`;
}

/** With its last line feed. */
export function describeSeeds({ seeds, phases, records, recordsLost }: SeedsSummary): string {
  const rows: Row[] = phases.flatMap(rowsOfSeeds);
  if (records > 0)
    rows.push([
      "records",
      `${grouped(records)}, of which ${recordsLost === 0 ? "none" : grouped(recordsLost)} lost`,
    ]);
  return `\nall ${plural(seeds, "seed")}:\n${columns(rows, width)}\n`;
}

function rowsOfSeeds({ phase, lookups, gets, wireBytesPerNodeSecond }: PhaseSummary): Row[] {
  const rows: Row[] = [];
  if (lookups !== undefined) {
    const { ended, foundClosest, recall, hops, rounds, requests } = lookups;
    const found = `${percent(foundClosest)} found the closest node, on average ${percent(recall)} of all`;
    rows.push(
      ["lookups", `${grouped(ended)}: ${found}`],
      ["", `${rangeOf(hops)} hops, ${rangeOf(rounds)} rounds, ${rangeOf(requests)} requests`],
    );
  }
  if (gets !== undefined)
    rows.push(["gets", `${grouped(gets.ended)}: ${percent(gets.success)} gave the newest value`]);
  rows.push(["traffic", `a node sends ${rangeOf(wireBytesPerNodeSecond)} B/s`]);
  return [["", `${titles[phase]}:`], ...rows];
}

/** `0.21 (0.20 to 0.22)`: the mean over all runs, the least and the most. */
function rangeOf({ least, mean, most }: Range): string {
  return `${mean.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
}

function titleOf(options: ExperimentJob): string {
  const { nodes, seed, loss, churn, sybils, rogues, clients, nat } = options;
  const { kill, partitionMs, hours = 1, paths = 1, encrypted } = options;
  const conditions = [
    encrypted ? "encrypted" : undefined,
    loss === undefined ? undefined : `loss ${percent(loss)}`,
    churn === undefined ? undefined : `churn ${churnOf(churn)}`,
    sybils === undefined ? undefined : `${percent(sybils)} Sybils`,
    ...Object.entries(rogues ?? {}).map(
      ([kind, share]) => `${percent(share)} ${rogueTitles[kind as RogueKind]}`,
    ),
    clients === undefined ? undefined : `${percent(clients)} clients`,
    ...Object.entries(nat ?? {}).map(
      ([kind, share]) => `${percent(share)} behind ${natTitles[kind as NatKind]} NATs`,
    ),
    kill === undefined ? undefined : `${percent(kill)} of all killed`,
    partitionMs === undefined ? undefined : `in two halves for ${hoursOf(partitionMs / 3_600_000)}`,
    paths === 1 ? undefined : plural(paths, "path"),
  ].filter((text) => text !== undefined);
  return [plural(nodes, "node"), `seed ${seed}`, hoursOf(hours), ...conditions].join(", ");
}

const rogueTitles: Readonly<Record<RogueKind, string>> = {
  silent: "silent",
  liar: "liars",
  garbage: "answering with garbage",
  stale: "with stale values",
  flooder: "flooding",
};

const natTitles: Readonly<Record<NatKind, string>> = {
  fullCone: "full cone",
  restricted: "restricted",
  portRestricted: "port-restricted",
  symmetric: "symmetric",
};

function churnOf(churn: NonNullable<ExperimentJob["churn"]>): string {
  return "medianMs" in churn
    ? `with a median session of ${hoursOf(churn.medianMs / 3_600_000)}`
    : `${churn.endsPerHour}/h`;
}

const titles: Readonly<Record<PhaseReport["phase"], string>> = {
  steady: "all the time",
  split: "while the network is in two",
  "at once": "in the minute after",
  later: "in the last minute",
};

function describePhase({
  phase,
  fromHour,
  toHour,
  nodes,
  lookups,
  gets,
  traffic,
  tables,
}: PhaseReport): string[] {
  const heading = `${titles[phase]} (${hoursOf(fromHour)} to ${hoursOf(toHour)}), ${plural(nodes, "node")} at the end:`;
  const rows: Row[] = [];
  if (lookups !== undefined) rows.push(["lookups", describeLookups(lookups)], ["", describeEffort(lookups)]);
  if (gets !== undefined) rows.push(["gets", describeGets(gets)], ["", describeEffort(gets)]);
  rows.push(["traffic", describeTraffic(traffic)], ["tables", describeTables(tables)]);
  return [heading, columns(rows, width)];
}

function describeLookups({ begun, unfinished, failed, foundClosest, recall }: LookupReport): string {
  const failures = failed === 0 ? "" : `; ${grouped(failed)} got no answer`;
  return (
    `${grouped(begun - unfinished)}: ${percent(foundClosest)} found the closest node, ` +
    `on average ${percent(recall)} of all that they should${failures}`
  );
}

function describeGets({ begun, unfinished, success, stale, missing }: GetReport): string {
  const failures = stale + missing === 0 ? "" : `; ${grouped(stale)} an older one, ${grouped(missing)} none`;
  return `${grouped(begun - unfinished)}: ${percent(success)} gave the newest value${failures}`;
}

function describeEffort({ hops, rounds, requests, durationMs }: EffortReport): string {
  return (
    `${hops.mean.toFixed(2)} hops, ${rounds.mean.toFixed(2)} rounds (p99 ${rounds.p99}), ` +
    `${requests.mean.toFixed(1)} requests (p99 ${requests.p99}), ${timeOf(durationMs)}`
  );
}

function describeTraffic(traffic: TrafficReport): string {
  const { messagesPerNodeHour, wireBytesPerNodeHour, wireBytesPerNodeSecond, newEndpointsPerNodeMinute } =
    traffic;
  return (
    `a node sends ${grouped(Math.round(messagesPerNodeHour))} messages an hour, ` +
    `${shownBytes(Math.round(wireBytesPerNodeHour))} with headers: ${wireBytesPerNodeSecond.toFixed(1)} B/s; ` +
    `to ${newEndpointsPerNodeMinute.toFixed(2)} new endpoints a minute`
  );
}

function describeTables({ contacts, dead, neighbours, rogue }: TableReport): string {
  const rogues = rogue === 0 ? "" : `, ${percent(rogue)} rogues`;
  return (
    `${contacts.mean.toFixed(0)} contacts (${contacts.least} to ${contacts.most}), ${percent(dead)} gone${rogues}; ` +
    `of the nodes closest to itself a node knows ${percent(neighbours)}`
  );
}

function describeRecords({
  records,
  lost,
  unwritten,
  holders,
  readBack,
  readBackNewest,
}: RecordReport): string {
  const failures = unwritten === 0 ? "" : `; ${grouped(unwritten)} writes that nobody took`;
  return (
    `${grouped(records)}, of which ${lost === 0 ? "none" : grouped(lost)} lost; ${holders.mean.toFixed(1)} holders each ` +
    `(least ${holders.least}); ${grouped(readBackNewest)} of ${grouped(readBack)} read back at the end${failures}`
  );
}

function timeOf({ mean, p99 }: Summary): string {
  return `${shownMs(mean)} (p99 ${shownMs(p99)})`;
}

/** So that what is not all never reads as 100 %: digits come until it differs. */
function percent(share: number): string {
  for (let digits = share > 0.99 || share < 0.01 ? 2 : 1; digits < 6; digits++) {
    const text = (share * 100).toFixed(digits);
    if (share === 0 || share === 1) return `${share * 100} %`;
    if (Number(text) !== 100 && Number(text) !== 0) return `${Number(text)} %`;
  }
  return `${share * 100} %`;
}

function hoursOf(hours: number): string {
  if (hours === 0) return "0 h";
  if (hours < 1) return `${Number((hours * 60).toFixed(1))} min`;
  return `${Number(hours.toFixed(2))} h`;
}
