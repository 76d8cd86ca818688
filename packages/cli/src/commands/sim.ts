/**
 * `kad sim`: a network of thousands of nodes in this process, on a clock of its own, measured.
 */
import type { NatKind, RogueKind } from "@kad/sim";
import { type Command, defineCommand, type ValueSpec } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { WrongUsage } from "../failure.ts";
import { count, json } from "../options.ts";
import type { ExperimentJob } from "../sim/experiment-worker.ts";
import { churn, number, type ShareOf, share, shareOf, spanMs } from "../sim/parse.ts";

const defaultNodes = 1_000;
const defaultSeed = 1;
const mostWorkers = 64;
const dayMs = 86_400_000;
const yearMs = 366 * dayMs;

/** As they are typed, and as `@kad/sim` names them. */
const rogueNames: Readonly<Record<string, RogueKind>> = {
  silent: "silent",
  liar: "liar",
  garbage: "garbage",
  stale: "stale",
  flooder: "flooder",
};
const natNames: Readonly<Record<string, NatKind>> = {
  "full-cone": "fullCone",
  restricted: "restricted",
  "port-restricted": "portRestricted",
  symmetric: "symmetric",
};

const rogues: ValueSpec<ShareOf<RogueKind>> & { readonly multiple: true } = {
  value: "KIND=SHARE",
  summary:
    "Nodes that misbehave: silent (answers pings alone), liar (names contacts that do not exist), garbage (answers with " +
    "noise), stale (keeps the first value of each key), flooder (200 requests a second); more than once for several kinds",
  parse: shareOf(rogueNames),
  multiple: true,
};

const nat: ValueSpec<ShareOf<NatKind>> & { readonly multiple: true } = {
  value: "KIND=SHARE",
  summary:
    "Nodes behind NATs that they know nothing of: full-cone, restricted, port-restricted, symmetric; more than once",
  parse: shareOf(natNames),
  multiple: true,
};

export const sim: Command = defineCommand({
  name: "sim",
  summary: "Simulate a network of thousands of nodes, under loss, churn, Sybils and crashes, and measure it",
  description: [
    "Everything happens in this process, on a clock that is not the wall's: no socket is opened. Nodes join one after the " +
      "other; records are written; then the network is looked at for --hours, while lookups of random points and gets of " +
      "the records are made. The same seed, options and version give the same report, byte for byte.",
    "With --kill, nodes crash at once when the network has formed, and with --partition it falls in two halves for so " +
      "long: measured are the first minute after it and the last of --hours. A lookup is to find the 20 nodes closest to its " +
      "target; it counts as good when it finds the closest, and beside stands how many of all it found.",
  ],
  options: {
    nodes: { value: "N", summary: `Nodes in all; ${defaultNodes} by default`, parse: count(2, 10_000_000) },
    seed: {
      value: "N",
      summary: `Everything is drawn from it; ${defaultSeed} by default`,
      parse: count(0, Number.MAX_SAFE_INTEGER),
    },
    hours: {
      value: "N",
      summary: "How long the network is looked at; 1 by default",
      parse: number(0, 8_784),
    },
    loss: { value: "SHARE", summary: "Packets that get lost: 0.1 or 10%", parse: share },
    delay: {
      value: "TIME",
      summary:
        "How long every packet travels, before jitter; by default as on the internet, by places on a map",
      parse: spanMs(60_000),
    },
    duplicate: { value: "SHARE", summary: "Packets that arrive twice", parse: share },
    reorder: { value: "SHARE", summary: "Packets that later ones overtake", parse: share },
    churn: {
      value: "RATE",
      summary:
        "Nodes come and go: 0.3/h is how many sessions of a node end in an hour, 1h the median of how long one lasts. Sessions " +
        "are of a measured shape: most are short, some very long",
      parse: churn,
    },
    kill: { value: "SHARE", summary: "Nodes that crash in the same instant", parse: share },
    partition: {
      value: "TIME",
      summary: "The network falls in two halves for so long",
      parse: spanMs(yearMs),
    },
    sybils: {
      value: "SHARE",
      summary: "Nodes of one attacker: each names only others of them, takes every record and drops it",
      parse: share,
    },
    rogues,
    clients: { value: "SHARE", summary: "Nodes that ask, and that nobody asks", parse: share },
    nat,
    paths: {
      value: "N",
      summary: "Disjoint paths of each lookup, get and put; 1 by default",
      parse: count(1, 8),
    },
    encrypted: {
      summary:
        "Every node behind the secure channel of @kad/crypto, as real ones are by default; without it they speak in plain text",
    },
    records: {
      value: "N",
      summary: "Records to write, of which nobody keeps a copy to renew; 0 by default",
      parse: count(0, 1_000_000),
    },
    lookups: {
      value: "N",
      summary: "Lookups in each phase; 1000 by default",
      parse: count(0, 100_000_000),
    },
    gets: {
      value: "N",
      summary: "Gets of records in each phase; as many as lookups by default",
      parse: count(0, 100_000_000),
    },
    results: {
      value: "N",
      summary: "Nodes that a lookup is to find; 20 by default",
      parse: count(1, 255),
    },
    join: {
      value: "TIME",
      summary: "Over how long the nodes come; 10 ms for each by default",
      parse: spanMs(dayMs),
    },
    seeds: {
      value: "N",
      summary: "Run so many seeds, from --seed on",
      parse: count(1, 100_000),
    },
    workers: {
      value: "N",
      summary: "Runs at once, each in a thread of its own; 1 by default",
      parse: count(1, mostWorkers),
    },
    plot: {
      value: "DIR",
      summary:
        "Run networks of 100 nodes up to --nodes, of several losses and of several rates of churn, and write charts to this folder",
      parse: (text: string) => text,
    },
    replay: {
      value: "FILE",
      summary: "Play the recording of a node again, and say whether it does the same; with --json alone",
      parse: (text: string) => text,
    },
    trial: {
      value: "SEED",
      summary:
        "Run one of the trials that our tests are made of: a network whose faults are drawn from this seed, under all checkers",
      parse: count(0, Number.MAX_SAFE_INTEGER),
    },
    trace: {
      value: "FILE",
      summary: "Of --trial: write a line for each event to this file, which must not exist",
      parse: (text: string) => text,
    },
    json,
  },
  examples: [
    {
      line: "kad sim --nodes 500 --kill 0.5 --records 200",
      does: "half of all nodes vanish: what is still found?",
    },
    {
      line: "kad sim --nodes 10000 --seed 7 --loss 0.1 --churn 0.3/h --hours 24 --json",
      does: "a large network in bad conditions, for a day, as one JSON object",
    },
    {
      line: "kad sim --sybils 20% --paths 3 --records 100",
      does: "what an attacker with a fifth of all nodes can do",
    },
    {
      line: "kad sim --nodes 200 --loss 0.1 --records 50 --encrypted",
      does: "what handshakes add where packets get lost",
    },
    {
      line: "kad sim --loss 0.3 --records 100 --seeds 8 --workers 4",
      does: "eight networks, four at a time",
    },
    {
      line: "kad sim --trial 42 --trace trial-42.txt",
      does: "a network that suffers all that is drawn from 42, and every event of it",
    },
    {
      line: "kad sim --plot charts --nodes 3000",
      does: "hops by size, success by loss and by churn, as SVG",
    },
  ],
  async run({ options, io }) {
    const { seed = defaultSeed, seeds, workers = 1, plot, replay, json: isJson } = options;
    const { trial, trace } = options;
    if (trial !== undefined) {
      refuseOthers("trial", "is a run of its own", options, ["trace", "json"]);
      const { playTrial } = await import("../sim/trial.ts");
      return await playTrial({ seed: trial, trace, isJson }, io);
    }
    if (trace !== undefined) throw new WrongUsage("--trace: only a --trial is traced");
    if (replay !== undefined) {
      refuseOthers("replay", "plays one node again", options, ["json"]);
      const { replayFile } = await import("../sim/replay.ts");
      return await replayFile(replay, isJson, io);
    }
    if (plot !== undefined && seeds !== undefined) {
      throw new WrongUsage("--plot and --seeds: allowed is one of them");
    }
    if (seeds !== undefined && seed > Number.MAX_SAFE_INTEGER - (seeds - 1)) {
      throw new WrongUsage(`--seeds: ${seeds} from ${seed} on are more than there are numbers`);
    }
    const experiment = experimentOf(seed, options);
    const { playSeeds, playSweeps } = await import("../sim/play.ts");
    if (plot === undefined) await playSeeds(experiment, { seeds: seeds ?? 1, workers, isJson }, io);
    else await playSweeps(experiment, { folder: plot, workers, isJson }, io);
    return exitCode.ok;
  },
});

/** @throws WrongUsage */
function refuseOthers(
  name: string,
  what: string,
  options: Readonly<Record<string, unknown>>,
  allowed: readonly string[],
): void {
  const others = Object.keys(options).filter((one) => one !== name && isGiven(options[one]));
  const other = others.find((one) => !allowed.includes(one));
  if (other === undefined) return;
  const list = allowed.map((one) => `--${one}`).join(" and ");
  throw new WrongUsage(
    `--${name} ${what}, and takes no --${other}; ${list} ${allowed.length > 1 ? "are" : "is"} allowed`,
  );
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}

interface Given {
  readonly nodes: number | undefined;
  readonly hours: number | undefined;
  readonly loss: number | undefined;
  readonly delay: number | undefined;
  readonly duplicate: number | undefined;
  readonly reorder: number | undefined;
  readonly churn: ExperimentJob["churn"] | undefined;
  readonly kill: number | undefined;
  readonly partition: number | undefined;
  readonly sybils: number | undefined;
  readonly rogues: readonly ShareOf<RogueKind>[];
  readonly clients: number | undefined;
  readonly nat: readonly ShareOf<NatKind>[];
  readonly paths: number | undefined;
  readonly encrypted: boolean;
  readonly records: number | undefined;
  readonly lookups: number | undefined;
  readonly gets: number | undefined;
  readonly results: number | undefined;
  readonly join: number | undefined;
}

/** Only what was given, so that reports show it. */
function experimentOf(seed: number, given: Given): ExperimentJob {
  const { kill, partition } = given;
  if (kill !== undefined && partition !== undefined)
    throw new WrongUsage("--kill and --partition: allowed is one of them");
  const options = {
    seed,
    nodes: given.nodes ?? defaultNodes,
    hours: given.hours,
    joinMs: given.join,
    loss: given.loss,
    delayMs: given.delay,
    duplication: given.duplicate,
    reordering: given.reorder,
    churn: given.churn,
    kill,
    partitionMs: partition,
    sybils: given.sybils,
    rogues: sharesOf("rogues", given.rogues),
    clients: given.clients,
    nat: sharesOf("nat", given.nat),
    paths: given.paths,
    encrypted: given.encrypted || undefined,
    records: given.records,
    lookups: given.lookups,
    gets: given.gets,
    results: given.results,
  };
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as ExperimentJob;
}

/** `undefined`: none. Their sum is checked with all the rest. */
function sharesOf<K extends string>(
  name: string,
  given: readonly ShareOf<K>[],
): Readonly<Record<string, number>> | undefined {
  if (given.length === 0) return undefined;
  const twice = given.find(({ kind }, i) => given.findIndex((one) => one.kind === kind) !== i);
  if (twice !== undefined) throw new WrongUsage(`--${name}: ${twice.typed} is given twice`);
  return Object.fromEntries(given.map(({ kind, share: value }) => [kind, value]));
}
