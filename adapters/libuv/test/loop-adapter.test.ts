import { createRequire } from "node:module";
import type { Transport } from "@kad/core";
import { type LoopHarness, loopAdapterSuite, type MakeLoop } from "@kad/testkit";
import { posixUdp } from "@kad/transport-udp/posix";
import { describe, it } from "vitest";
import { type UvNode, uvNode, uvUdp } from "../src/index.ts";
import { MemoryUv } from "../src/memory/index.ts";
import { isThere, libuvInMemory, nodesLibuv, openDescriptors, titleOf, type World } from "./worlds.ts";

const read = createRequire(import.meta.url);
const traces = ["client", "server"].map((name) => read(`@kad/testkit/vectors/trace-${name}.json`) as unknown);

const runner = { describe, it };

/** All nodes of a case in one loop, which is run until it is done, in one of libuv's three modes. */
function joined(world: World, transport: () => Transport, mode: "default" | "once" | "nowait"): MakeLoop {
  return (): LoopHarness => {
    const uv = world.make();
    const loop = uv.uv_loop_init();
    const nodes: UvNode[] = [];
    const memory = uv instanceof MemoryUv ? uv : undefined;
    const nowMs = (): number => memory?.nowMs ?? performance.now();
    const clock = {
      nowMs,
      unixMs: () => (memory === undefined ? Date.now() : 1_700_000_000_000 + memory.nowMs),
    };
    return {
      start(options) {
        const node = uvNode({ ...options, binding: uv, loop, clock });
        nodes.push(node);
        return node;
      },
      transport,
      run(isDone, forMs) {
        const untilMs = nowMs() + forMs;
        const ticker = uv.uv_timer_init(loop); // a loop that sleeps has to look up now and then
        uv.uv_timer_start(
          ticker,
          () => {
            if (isDone() || nowMs() >= untilMs) uv.uv_stop(loop);
          },
          1,
          1,
        );
        while (!isDone() && nowMs() < untilMs) {
          uv.uv_run(loop, mode);
          if (mode === "nowait") world.pass(uv, 1);
        }
        uv.uv_close(ticker);
        uv.uv_run(loop, "nowait");
      },
      nowMs,
      ...(memory !== undefined && { block: (forMs: number) => memory.advance(forMs) }),
      ...(memory === undefined && { openHandles: () => openDescriptors() + openHandles(nodes) }),
      close() {
        for (let i = 0; i < 4; i++) uv.uv_run(loop, "nowait");
        uv.uv_loop_close(loop);
      },
    };
  };
}

function openHandles(nodes: readonly UvNode[]): number {
  return nodes.reduce((sum, node) => sum + node.openHandles, 0);
}

const onUvUdp = (): Transport => uvUdp({ listen: "udp://127.0.0.1:0" });

loopAdapterSuite(joined(libuvInMemory, onUvUdp, "once"), {
  name: "libuv in memory",
  isSynchronous: true,
  traces,
  runner,
});

describe.skipIf(!isThere(nodesLibuv))(titleOf(nodesLibuv), () => {
  if (!isThere(nodesLibuv)) return;
  const world = nodesLibuv;
  for (const mode of ["default", "once", "nowait"] as const) {
    loopAdapterSuite(joined(world, onUvUdp, mode), {
      name: `uv_udp_t, uv_run ${mode}`,
      isSynchronous: true,
      traces,
      runner,
    });
  }
  if (process.platform !== "linux") return;
  loopAdapterSuite(
    joined(world, () => posixUdp({ listen: "udp://127.0.0.1:0" }), "once"),
    { name: "uv_poll_t on posix sockets", isSynchronous: true, traces, runner },
  );
});
