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

loopAdapterSuite(browserLoop, { name: "a page's event loop", runner: { describe, it } });
