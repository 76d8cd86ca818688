import { createRequire } from "node:module";
import { loopAdapterSuite, type MakeLoop } from "@kad/testkit";
import { posixUdp } from "@kad/transport-udp/posix";
import { describe, it } from "vitest";
import { type EpollNode, epollNode } from "../src/index.ts";
import { note, openDescriptors, whyNot } from "./epoll-nodes.ts";

const read = createRequire(import.meta.url);
const traces = ["client", "server"].map((name) => read(`@kad/testkit/vectors/trace-${name}.json`) as unknown);

/** Nodes in loops of their own, which wait in turn, for a millisecond each. */
function blocking(wait: "epoll" | "poll"): MakeLoop {
  return () => {
    const nodes: EpollNode[] = [];
    return {
      start(options) {
        const node = epollNode({ ...options, wait });
        nodes.push(node);
        return node;
      },
      transport: () => posixUdp({ listen: "udp://127.0.0.1:0" }),
      run(isDone, forMs) {
        const endMs = performance.now() + forMs;
        while (!isDone() && performance.now() < endMs) {
          const open = nodes.filter(({ closed }) => !closed);
          for (const node of open) node.wait(open.length === 1 ? 5 : 1);
          if (open.length === 0) break;
        }
      },
      openHandles: openDescriptors,
    };
  };
}

describe.skipIf(whyNot !== undefined)(`blocking loops in the suite for adapters${note}`, () => {
  if (whyNot !== undefined) return;
  for (const wait of ["epoll", "poll"] as const) {
    loopAdapterSuite(blocking(wait), { name: wait, isSynchronous: true, traces, runner: { describe, it } });
  }
});
