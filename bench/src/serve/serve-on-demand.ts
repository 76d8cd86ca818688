/** A node and its load, which serve for a while whenever they are told to (see in-turn.ts): `serve-on-demand.js WAY KIND`. */
import { Stopwatch } from "../stopwatch.ts";
import { LoadProcess } from "./load-process.ts";
import type { Kind } from "./requests.ts";
import { node, type Way } from "./servers.ts";

/** Until the load is back at its pace, and until what is on its way then has come. */
const [startMs, endMs] = [15, 5];

process.once("disconnect", () => process.exit(1)); // whoever asked is gone
const [way, kind] = process.argv.slice(2) as [Way, Kind];
const server = await node(way);
const load = await LoadProcess.start(server, kind);
load.hold();
process.on("message", (forMs: number) => void serve(forMs));
process.send?.("warm");

async function serve(forMs: number): Promise<void> {
  load.goOn();
  await server.run(startMs);
  const before = server.answered();
  const watch = new Stopwatch();
  await server.run(forMs);
  const { cpuMs } = watch.read();
  const answered = server.answered() - before;
  load.hold();
  await server.run(endMs);
  process.send?.((cpuMs * 1_000) / answered);
}
