/** Golden traces through an event loop, in lockstep. */
import { type Address, AddressTable, KadNode, type NodeEvent, toHex } from "@kad/core";
import { expectEqual, nth } from "../../expectations.ts";
import { fromHex } from "../../hex.ts";
import type { LoopNode } from "../../loop-harness.ts";
import { poisonedTransport } from "../../poison.ts";
import { expectStep } from "../../traces/compare.ts";
import { Lockstep } from "../../traces/lockstep.ts";
import { MachinePlayer, traceNodeOptions } from "../../traces/machine-player.ts";
import { plainOf } from "../../traces/plain.ts";
import { readTrace, type Trace, type TraceStep } from "../../traces/trace.ts";
import type { LoopCase, LoopStage, Resident } from "./stage.ts";

export const traceCases: readonly LoopCase[] = [
  {
    name: "golden traces: in lockstep, the same inputs give the same bytes and events as in every other loop",
    rule: "determinism",
    appliesTo: "where `traces` are given",
    inapplicable: ({ hasTraces }) =>
      hasTraces ? undefined : "no traces were given (see @kad/testkit/vectors)",
    async run(stage) {
      for (const json of stage.options.traces ?? []) await playThrough(stage, readTrace(json));
    },
  },
];

/** How long the loop waits where the trace has a timeout. */
const timeoutMs = 2;

/** The node of a trace in the loop, and the one peer that speaks for all of the trace's strangers. */
interface Performance {
  readonly node: LoopNode;
  readonly player: MachinePlayer;
  readonly lockstep: Lockstep;
  readonly peer: Resident;
  readonly nodeAddress: Address;
  /** What the driver has handed out, as the trace holds it. */
  readonly told: unknown[];
}

async function playThrough(stage: LoopStage, trace: Trace): Promise<void> {
  const performance = await begin(stage, trace);
  for (const [number, step] of trace.steps.entries()) await playStep(stage, performance, number, step);
  await performance.node.close();
}

async function begin(stage: LoopStage, trace: Trace): Promise<Performance> {
  const peer = await stage.resident();
  const options = traceNodeOptions(trace.node);
  const player = new MachinePlayer(new KadNode(options), options.addresses, trace.node.maxBytes);
  const lockstep = new Lockstep(player);
  const transport = poisonedTransport(stage.harness.transport());
  const addresses = new AddressTable();
  const told: unknown[] = [];
  const node = await stage.start({
    machine: lockstep.machine,
    transports: [transport],
    addresses,
    report: (error: unknown) => {
      throw error;
    },
    onEvent: (event: NodeEvent) => void told.push(plainOf(event)),
  });
  lockstep.peer = addresses.parse(peer.url);
  const { key } = nth(transport.localAddresses, 0);
  return { node, player, lockstep, peer, nodeAddress: peer.addresses.parse(key), told };
}

async function playStep(
  stage: LoopStage,
  { node, player, lockstep, peer, nodeAddress, told }: Performance,
  number: number,
  step: TraceStep,
): Promise<void> {
  const { input } = step;
  const [heardBefore, toldBefore] = [peer.probe.heard.length, told.length];
  lockstep.begin(step, stage.nowMs() + timeoutMs);
  let returns: unknown;
  if (input.type === "message") peer.node.driver.run(() => peer.probe.say(nodeAddress, fromHex(input.hex)));
  else if (input.type === "command") returns = node.driver.run(() => lockstep.command());
  else if (input.type === "close") node.driver.close();
  else {
    if (input.type !== "timeout") node.driver.deliver(player.eventOf(input));
    node.driver.pump(); // of a timeout the loop hears here, and has to call when it has come
  }
  await stage.until(`step ${number}, ${input.type}, is played`, () => lockstep.isDone);
  const expected = step.sent.map(({ hex }) => hex);
  await stage.until(`step ${number}: ${expected.length} messages arrive`, () => {
    return peer.probe.heard.length - heardBefore >= expected.length;
  });
  expectStep(number, lockstep.outcome(returns), step);
  const arrived = peer.probe.heard.flatMap(({ bytes }, i) => (i < heardBefore ? [] : [toHex(bytes)]));
  expectEqual(`step ${number}: what arrives`, arrived, expected);
  expectEqual(
    `step ${number}: what is handed out`,
    told.filter((_, i) => i >= toldBefore),
    step.events,
  );
}
