/**
 * A server and its load, which work for a while whenever they are told to (see in-turn.ts): `echo-on-demand.js SERVER KIND CONNECTIONS
 * BYTES IN-FLIGHT`.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Stopwatch } from "../stopwatch.ts";
import type { LoadJob } from "./load-client.ts";
import { LoadProcess } from "./load-process.ts";
import { type ServerName, servers } from "./servers.ts";

const warmMs = 1_000;
/** Until the load is back at its pace, and until what is on its way then has come. */
const [startMs, endMs] = [20, 10];

process.once("disconnect", () => process.exit(1)); // whoever asked is gone
const [name, kind, connections, bytes, inFlight] = process.argv.slice(2);
const port = await servers[name as ServerName]();
const load = new LoadProcess({
  kind: kind as LoadJob["kind"],
  port,
  connections: Number(connections),
  bytes: Number(bytes),
  inFlight: Number(inFlight),
  warmMs,
  forMs: undefined,
});
await load.next("ready");
await load.next("warm");
load.hold();
process.on("message", (forMs: number) => void work(forMs));
process.send?.("warm");

async function work(forMs: number): Promise<void> {
  load.goOn();
  await pause(startMs);
  const before = await load.count();
  const watch = new Stopwatch();
  await pause(forMs);
  const messages = (await load.count()) - before;
  const { cpuMs } = watch.read();
  load.hold();
  await pause(endMs);
  process.send?.((cpuMs * 1_000) / messages);
}
