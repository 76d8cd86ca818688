/** Messages over connections: what our transports cost beside bare sockets, busy and idle. */
import type { Benchmark, Column, Row } from "../benchmark.ts";
import { type Program, ratiosInTurn } from "../in-turn.ts";
import { percentile } from "../statistics.ts";
import { Stopwatch } from "../stopwatch.ts";
import type { LoadAnswer } from "../streams/load-client.ts";
import { LoadProcess } from "../streams/load-process.ts";
import type { ServerName } from "../streams/servers.ts";

interface Step {
  readonly server: ServerName;
  readonly what: "echo" | "in turn" | "clients" | "idle";
  readonly connections: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly warmMs: number;
  readonly forMs: number;
}

const tcpServers: readonly ServerName[] = ["raw TCP", "@kad TCP", "@kad event loop"];
const encryptedServer: ServerName = "@kad TCP, encrypted";
const webServers: readonly ServerName[] = [
  "raw uWS",
  "raw uWS, after the turn",
  "@kad on uWS",
  "@kad on uWS, after the turn",
  "raw ws",
  "@kad on ws",
];

const echoColumns: readonly Column[] = [
  { value: "perCpuSecond", heading: "k messages per CPU second", digits: 0 },
  { value: "perSecond", heading: "k messages/s", digits: 0 },
];
/** Of what the bare server of its kind does for each CPU second. */
const inTurn = "in turn, % of raw";
const rivals: Readonly<Partial<Record<ServerName, ServerName>>> = {
  "@kad TCP": "raw TCP",
  "@kad event loop": "raw TCP",
  "@kad on uWS": "raw uWS",
  "raw uWS, after the turn": "raw uWS",
  "@kad on uWS, after the turn": "raw uWS",
  "@kad on ws": "raw ws",
};
const turnMs = 150;
const cellOf = (bytes: number, connections: number): string => `${bytes} B × ${connections}`;
const inTurnColumns: readonly Column[] = [64, 1_024].flatMap((bytes) =>
  [1, 100, 1_000].map((connections): Column => {
    const cell = cellOf(bytes, connections);
    return { value: cell, heading: cell, digits: 0 };
  }),
);
const clientColumns: readonly Column[] = [
  { value: "p50Ms", heading: "p50, ms", digits: 2 },
  { value: "p95Ms", heading: "p95, ms", digits: 2 },
  { value: "p99Ms", heading: "p99, ms", digits: 2 },
];
const idleColumns: readonly Column[] = [
  { value: "cpuPercent", heading: "CPU, %", digits: 2 },
  { value: "heldKb", heading: "heap per connection, kB", digits: 1 },
];

export const streamsBenchmark: Benchmark = {
  name: "streams",
  title: "Messages over TCP and WebSocket",
  about: `A server sends every message back. It is alone in the process that is measured; the other side is a process of its own, which
frames by hand. *raw*: a socket with the same framing, whose answers of one read are joined, or the bare library. *@kad*: the transport, flushed
once for each turn of the loop; *after the turn*: answers that are only given once everybody has been read, as a node gives them; *@kad event loop* is \`@kad/transport-tcp/event-loop\`; *encrypted*
has the channel of \`@kad/crypto\` on it, with the native provider: each message is opened, and sealed again. One connection has 64 messages on
their way, several have 4 each. **Messages per CPU second** of the server are what to compare: the other side shares the machine, and where one connection moves
64 kB at a time, how reads happen to be cut decides more than the code. *In turn*: a server and the bare one of its kind, in processes of their own, work in turn for some tenth of a second each; the median of fifteen
such pairs. It is what to trust where others use the machine. *100 clients*: each with one message of 100 B at a time, all at once. *idle*: connections that say nothing; heap is the growth of the
process, memory outside of JavaScript's heap included, that of the kernel and of native code not.`,
  rounds: ({ quick }) => (quick ? 1 : 3),
  contestants: ({ quick }) => {
    const [warmMs, forMs] = quick ? [100, 200] : [500, 1_500];
    const steps: Omit<Step, "warmMs" | "forMs">[] = [];
    for (const servers of [tcpServers, webServers]) {
      for (const bytes of quick ? [64] : [64, 1_024]) {
        for (const connections of quick ? [1, 100] : [1, 100, 1_000]) {
          const inFlight = connections === 1 ? 64 : 4;
          for (const server of servers) {
            steps.push({ server, what: "echo", connections, bytes, inFlight });
            if (server in rivals) steps.push({ server, what: "in turn", connections, bytes, inFlight });
          }
          if (servers === tcpServers && connections <= 100)
            steps.push({ server: encryptedServer, what: "echo", connections, bytes, inFlight });
        }
      }
      for (const server of servers)
        steps.push({ server, what: "clients", connections: 100, bytes: 100, inFlight: 1 });
      for (const connections of quick ? [100] : [100, 1_000, 10_000]) {
        for (const server of servers)
          steps.push({ server, what: "idle", connections, bytes: 64, inFlight: 0 });
      }
    }
    return steps.map((step) => ({ ...step, warmMs, forMs }));
  },
  measure: async (parameters) => [await measure(parameters as unknown as Step)],
  columns: (table) =>
    table === inTurn
      ? inTurnColumns
      : table.startsWith("idle")
        ? idleColumns
        : table.startsWith("100 clients")
          ? clientColumns
          : echoColumns,
};

async function measure(step: Step): Promise<Row> {
  if (step.what === "in turn") return await measureInTurn(step);
  const { servers } = await import("../streams/servers.ts");
  const port = await servers[step.server]();
  const kind = kindOf(step.server);
  const load = new LoadProcess({ ...step, kind, port });
  try {
    return step.what === "idle" ? await measureIdle(step, load) : await measureEcho(step, kind, load);
  } finally {
    load.end();
  }
}

async function measureInTurn({ server, connections, bytes, inFlight, forMs }: Step): Promise<Row> {
  const url = new URL("../streams/echo-on-demand.js", import.meta.url);
  const program = (name: ServerName): Program => ({
    url,
    args: [name, kindOf(name), String(connections), String(bytes), String(inFlight)],
  });
  const turns = { turns: Math.ceil(forMs / 100), forMs: turnMs };
  const ratios = await ratiosInTurn(program(server), program(rivals[server] as ServerName), turns);
  const percent = 100 / (percentile(ratios, 50) as number);
  return { table: inTurn, row: server, values: { [cellOf(bytes, connections)]: percent } };
}

function kindOf(server: ServerName): "secure" | "tcp" | "ws" {
  return server === encryptedServer ? "secure" : tcpServers.includes(server) ? "tcp" : "ws";
}

async function measureEcho(step: Step, kind: string, load: LoadProcess): Promise<Row> {
  const { server, what, connections, bytes } = step;
  await load.next("ready");
  await load.next("warm");
  const watch = new Stopwatch();
  const { messages, wallMs, latenciesMs } = (await load.next()) as LoadAnswer;
  const { cpuMs } = watch.read();
  if (messages === 0) throw new Error(`${server}: no message came back`);
  if (what === "clients") {
    const at = (percent: number): number | undefined => percentile(latenciesMs, percent);
    const values = { p50Ms: at(50), p95Ms: at(95), p99Ms: at(99) };
    return { table: `100 clients, ${kind}`, row: server, values };
  }
  const of = connections === 1 ? "one connection" : `${connections} connections`;
  const table = `${kind === "ws" ? "WebSocket" : "TCP"}, ${bytes} B, ${of}`;
  const values = { perCpuSecond: messages / cpuMs, perSecond: messages / wallMs };
  return { table, row: server, values };
}

/** The garbage of opening them does not count, nor what opening them has compiled. */
async function measureIdle({ server, connections, forMs }: Step, load: LoadProcess): Promise<Row> {
  const before = await settledBytes();
  await load.next("ready");
  const bytes = (await settledBytes()) - before;
  const watch = new Stopwatch();
  await new Promise((resolve) => setTimeout(resolve, 2 * forMs));
  const { cpuMs, wallMs } = watch.read();
  const values = { cpuPercent: (100 * cpuMs) / wallMs, heldKb: bytes / connections / 1_000 };
  return { table: `idle, ${connections} connections`, row: server, values };
}

async function settledBytes(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
