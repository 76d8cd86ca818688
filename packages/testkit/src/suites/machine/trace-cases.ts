/** Golden traces on a machine that is called by hand. */
import { expectStep } from "../../traces/compare.ts";
import { MachinePlayer, traceNodeOptions } from "../../traces/machine-player.ts";
import { readTrace } from "../../traces/trace.ts";
import type { MachineCase } from "./stage.ts";

export const traceCases: readonly MachineCase[] = [
  {
    name: "golden traces: the same inputs give the same bytes and events",
    rule: "determinism",
    appliesTo: "nodes, where `traces` are given",
    inapplicable: ({ traces = [] }) =>
      traces.length > 0
        ? undefined
        : "no traces were given (those of @kad/testkit/vectors are of a plain node)",
    run(stage) {
      for (const json of stage.options.traces ?? []) {
        const trace = readTrace(json);
        const options = traceNodeOptions(trace.node);
        const player = new MachinePlayer(stage.make(options), options.addresses, trace.node.maxBytes);
        for (const [i, step] of trace.steps.entries()) {
          expectStep(i, player.play(step.atMs, step.input), step);
        }
      }
    },
  },
];
