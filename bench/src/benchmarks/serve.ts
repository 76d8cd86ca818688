/** How many requests of others one node answers for each second of CPU time, in each loop, and what that costs beside a bare echo. */
import { UnavailableError } from "@kad/native";
import { posixUdp } from "@kad/transport-udp/posix";
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { type Program, ratiosInTurn } from "../in-turn.ts";
import { LoadProcess, warmAnswers, warmStepMs } from "../serve/load-process.ts";
import { type Kind, requests } from "../serve/requests.ts";
import { coreAlone, echo, node, type Server, type Way } from "../serve/servers.ts";
import { percentile } from "../statistics.ts";
import { Stopwatch } from "../stopwatch.ts";

const ways: readonly Way[] = [
  "dgram",
  "posix, Node's loop",
  "uv_udp_t",
  "posix, libuv",
  "posix, epoll",
  "posix by hand",
];

const idleColumns: readonly Column[] = [
  { value: "deadlines", heading: "deadlines in a minute", digits: 0 },
  { value: "turns", heading: "turns in a minute", digits: 0 },
  { value: "percent", heading: "CPU, %", digits: 2 },
];

const columns: readonly Column[] = [
  { value: "perCpuSecond", heading: "answers per CPU second", digits: 0 },
  { value: "us", heading: "CPU us each", digits: 2 },
  { value: "perSecond", heading: "answers/s", digits: 0 },
  { value: "perWait", heading: "in one turn", digits: 0, show: "median" },
];

const overColumns: readonly Column[] = [
  { value: "ping", heading: "pings, % more CPU time", digits: 1 },
  { value: "find", heading: "finds, % more CPU time", digits: 1 },
];

const overByHand = "over the same by hand";
const turnMs = 100;

export const serveBenchmark: Benchmark = {
  name: "serve",
  title: "Requests of others",
  about: `One node with a full table is asked from outside, by another process that keeps 192 requests under way and is not
measured: pings (43 bytes there and back) and finds (400 bytes there, 845 back with 20 contacts). CPU time of the process with the node, so
answers per CPU second are what one core can do. *Echo*: the same calls and lengths without a node. *By hand*: the machine and the
transport alone, called by forty lines. *Core alone*: the node without any socket. *Idle*: a node that is alone in its network; a turn is one
look at what there is to do, and where the program waits by itself one or two of a round are the measuring's own. *Over the same by hand*: two nodes, in
processes of their own, serve in turn for a tenth of a second each; the median of 24 such pairs.`,
  rounds: ({ quick }) => (quick ? 1 : 5),
  contestants: ({ quick }) => {
    const forMs = quick ? 300 : 1_500;
    const native = isNative();
    const kinds = ["ping", "find"] as const;
    return kinds
      .flatMap((kind): Parameters[] => [
        ...(native ? (["dgram", "posix", "libuv"] as const) : []).map((on) => ({
          what: "echo",
          on,
          kind,
          forMs,
        })),
        ...ways.filter(() => native).map((on) => ({ what: "node", on, kind, forMs })),
        { what: "core", on: "memory", kind, forMs },
      ])
      .concat(
        (["posix, epoll", "posix, libuv"] as const)
          .filter(() => native)
          .map((on) => ({ what: overByHand, on, kind: "both", forMs: quick ? 2 * turnMs : 24 * turnMs })),
        (["dgram", "posix, epoll", "posix, libuv"] as const)
          .filter(() => native)
          .map((on) => ({ what: "idle", on, kind: "ping", forMs: quick ? 1_000 : 10_000 })),
      );
  },
  measure,
  columns: (table) => (table === "idle" ? idleColumns : table === overByHand ? overColumns : columns),
};

/** The load needs batches of system calls. */
function isNative(): boolean {
  try {
    posixUdp();
    return process.platform === "linux";
  } catch (error) {
    if (error instanceof UnavailableError) return false;
    throw error;
  }
}

async function measure(parameters: Parameters): Promise<readonly Row[]> {
  const { what, on, kind, forMs } = parameters as unknown as {
    what: string;
    on: string;
    kind: Kind;
    forMs: number;
  };
  const table = kind === "ping" ? "pings" : "finds";
  if (what === "core") return [{ table, row: "@kad/core alone", values: measureCore(kind, forMs) }];
  if (what === "idle")
    return [{ table: "idle", row: `node, ${on}`, values: await measureIdle(on as Way, forMs) }];
  if (what === overByHand)
    return [{ table: what, row: `node, ${on}`, values: await measureOver(on as Way, forMs) }];
  const server = what === "echo" ? await echo(on as "dgram", kind) : await node(on as Way);
  const values = await measureServer(server, kind, forMs);
  await server.close();
  return [{ table, row: what === "echo" ? `echo, ${on}` : `node, ${on}`, values }];
}

function measureCore(kind: Kind, forMs: number): Row["values"] {
  const messages = requests(kind);
  let warm = 0;
  while (warm < warmAnswers) warm += coreAlone(messages, warmStepMs);
  const watch = new Stopwatch();
  const answered = coreAlone(messages, forMs);
  return figures(answered, watch.read().cpuMs, undefined, undefined);
}

async function measureServer(server: Server, kind: Kind, forMs: number): Promise<Row["values"]> {
  const load = await LoadProcess.start(server, kind);
  const [first, firstWaits] = [server.answered(), server.waits?.() ?? 0];
  const watch = new Stopwatch();
  await server.run(forMs);
  const { cpuMs, wallMs } = watch.read();
  const answered = server.answered() - first;
  const waits = (server.waits?.() ?? 0) - firstWaits;
  await load.end();
  return figures(answered, cpuMs, wallMs, waits > 0 ? answered / waits : undefined);
}

/** What an adapter adds to an answer: the median of its turns. */
async function measureOver(way: Way, forMs: number): Promise<Row["values"]> {
  const url = new URL("../serve/serve-on-demand.js", import.meta.url);
  const percent = async (kind: Kind): Promise<number> => {
    const [one, other] = [way, "posix by hand"].map((name): Program => ({ url, args: [name, kind] }));
    const turns = { turns: forMs / turnMs, forMs: turnMs };
    const ratios = await ratiosInTurn(one as Program, other as Program, turns);
    return 100 * ((percentile(ratios, 50) as number) - 1);
  };
  return { ping: await percent("ping"), find: await percent("find") };
}

/** A node that is alone in its network: what it does by itself, and what its loop does beside. */
async function measureIdle(way: Way, forMs: number): Promise<Row["values"]> {
  const counts = { turns: 0, deadlines: 0 };
  const server = await node(way, counts);
  await server.run(forMs / 2); // its beginnings
  const [turns, deadlines] = [counts.turns, counts.deadlines];
  const watch = new Stopwatch();
  await server.run(forMs);
  const { cpuMs, wallMs } = watch.read();
  const perMinute = (count: number): number => (count * 60_000) / wallMs;
  await server.close();
  return {
    deadlines: perMinute(counts.deadlines - deadlines),
    turns: perMinute(counts.turns - turns),
    percent: (cpuMs / wallMs) * 100,
  };
}

function figures(
  answered: number,
  cpuMs: number,
  wallMs: number | undefined,
  perWait: number | undefined,
): Row["values"] {
  return {
    perCpuSecond: answered / (cpuMs / 1_000),
    us: (cpuMs * 1_000) / answered,
    perSecond: wallMs === undefined ? undefined : answered / (wallMs / 1_000),
    perWait,
  };
}
