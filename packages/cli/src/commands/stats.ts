/**
 * `kad stats`: a network as it looks from here.
 */
import { defaultClientTimeoutMs, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { roundedNumbers, writeEvent } from "../json.ts";
import { bootstrap, count, json, timeout } from "../options.ts";
import { security } from "../security-options.ts";
import type { Survey } from "../survey.ts";
import { columns, grouped, shownMs } from "../text.ts";

const defaultLookups = 10;
const mostLookups = 1_000;

export const stats: Command = defineCommand({
  name: "stats",
  summary: "Measure a network from here: its size, its lookups and how fast its nodes answer",
  description: [
    "Joins as a client, looks for the nodes closest to random points, and pings every node that it met. The size is an " +
      "estimate from how close to the points the nodes lie; it takes five lookups at least.",
  ],
  options: {
    bootstrap,
    lookups: {
      value: "N",
      summary: `Random points to look for; ${defaultLookups} by default`,
      parse: count(1, mostLookups),
    },
    ...security,
    timeout,
    json,
  },
  examples: [{ line: "kad stats --bootstrap udp://127.0.0.1:4100", does: "how large is this network?" }],
  async run({ options, io }) {
    const {
      bootstrap: seeds,
      timeout: timeoutMs = defaultClientTimeoutMs,
      lookups = defaultLookups,
    } = options;
    const { survey } = await import("../survey.ts");
    const found = await withClient(io, { bootstrap: seeds, timeoutMs, security: options }, (node, progress) =>
      survey(node, lookups, { timeoutMs, signal: io.signal }, (task) => {
        progress.task = task;
      }),
    );
    if (found.met === 0) {
      throw new Failure(exitCode.unreachable, "nobody answered any more; is the network still there?");
    }
    if (options.json) tellJson(io, found);
    else tellText(io, found);
    return exitCode.ok;
  },
});

function tellJson(io: Io, { networkSize, met, health, lookup, ping }: Survey): void {
  const size = networkSize === undefined ? undefined : Math.round(networkSize);
  const fields = {
    networkSize: size,
    met,
    health,
    lookup: roundedNumbers({ ...lookup }),
    ping: roundedNumbers(ping),
  };
  writeEvent(io.stdout, "stats", fields);
}

/** Rows are never wrapped: a program might read them after all. */
const width = 200;

function tellText(io: Io, { networkSize, met, health, lookup, ping }: Survey): void {
  const size =
    networkSize === undefined
      ? "not known: too few lookups, or too few nodes"
      : `about ${grouped(Math.round(networkSize))} nodes`;
  const rows: [string, string][] = [
    ["network size", size],
    ["nodes met", `${grouped(met)}, of which ${grouped(ping.answered)} answered a ping`],
  ];
  if (ping.p50Ms !== undefined && ping.p95Ms !== undefined) {
    rows.push(["round trip", `p50 ${shownMs(ping.p50Ms)}, p95 ${shownMs(ping.p95Ms)}`]);
  }
  if (lookup !== undefined) {
    const { requests, rounds, hops, p50Ms, p95Ms } = lookup;
    rows.push(
      ["a lookup", `${requests.toFixed(1)} requests, ${rounds.toFixed(1)} rounds, ${hops.toFixed(1)} hops`],
      ["its time", `p50 ${shownMs(p50Ms)}, p95 ${shownMs(p95Ms)}`],
    );
  }
  rows.push(["health", health]);
  io.stdout.write(`${columns(rows, width)}\n`);
}
