import { createRequire } from "node:module";
import { loopAdapterSuite, type MakeLoop } from "@kad/testkit";
import { udp } from "@kad/transport-udp";
import { describe, it } from "vitest";
import { runNode } from "../src/index.ts";

/** Node has what a page has of this: timers, message channels, a monotonic clock. Its sockets are those of UDP. */
const browserLoop: MakeLoop = () => ({
  start: runNode,
  transport: () => udp({ listen: "udp://127.0.0.1:0" }),
  openHandles: () =>
    process.getActiveResourcesInfo().filter((name) => ["UDPWrap", "Timeout", "MessagePort"].includes(name))
      .length,
});

const read = createRequire(import.meta.url);
const traces = ["client", "server"].map((name) => read(`@kad/testkit/vectors/trace-${name}.json`) as unknown);

loopAdapterSuite(browserLoop, { name: "a page's event loop", traces, runner: { describe, it } });
