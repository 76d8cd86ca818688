import { createRequire } from "node:module";
import { loopAdapterCases, loopAdapterSuite, type MakeLoop } from "@kad/testkit";
import { udp } from "@kad/transport-udp";
import { afterEach, describe, expect, it, vi } from "vitest";
import { NodeLoop, runNode } from "../src/index.ts";

const nodeLoop: MakeLoop = () => ({
  start: runNode,
  transport: () => udp({ listen: "udp://127.0.0.1:0" }),
  openHandles: () =>
    process.getActiveResourcesInfo().filter((name) => name === "UDPWrap" || name === "Timeout").length,
});

const read = createRequire(import.meta.url);
const traces = ["client", "server"].map((name) => read(`@kad/testkit/vectors/trace-${name}.json`) as unknown);

loopAdapterSuite(nodeLoop, { name: "Node's event loop", traces, runner: { describe, it } });

describe("a loop that does not read before it lets time pass", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("is caught, also in Node, where timers run before it polls", async () => {
    vi.spyOn(NodeLoop.prototype, "schedule").mockImplementation((pump) => pump());
    const name = "rule 8: what has arrived is delivered before time passes";
    const [result] = await loopAdapterCases.run(nodeLoop, {}, [name]);
    expect(result).toMatchObject({ outcome: "failed", reason: expect.stringContaining("what came first") });
  });
});
