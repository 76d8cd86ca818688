/** Time: rule 4, deadlines, and when a request begins. */
import { NodeId } from "@kad/core";
import type { CommandedMachine } from "../../commanded-machine.ts";
import { expectEqual, expectThat, nth } from "../../expectations.ts";
import type { Pair } from "../../pair.ts";
import { type MachineCase, type MachineSide, of, passAlone, silentAddress, tell } from "./stage.ts";

const target = NodeId.fromBytes(new Uint8Array(32).fill(0x5a));

function timersOf({ events }: MachineSide): number[] {
  return of(events, "timer").map(({ timer }) => timer);
}

/** The next hour of deadlines, with a wall clock that shows so much after every 7 s. */
function deadlinesWith(
  pair: Pair<CommandedMachine>,
  unixMs: ((step: number) => number) | undefined,
): (number | undefined)[] {
  const deadlines: (number | undefined)[] = [];
  for (let step = 0; step < 50; step++) {
    if (unixMs !== undefined) tell(pair, pair.a, { type: "wallClock", unixMs: unixMs(step) });
    pair.settle();
    deadlines.push(pair.a.machine.nextDeadline()?.atMs);
    pair.run(7_000);
  }
  return deadlines;
}

export const timeCases: readonly MachineCase[] = [
  {
    name: "rule 4: time never runs backwards: a smaller instant counts as the last one",
    rule: "rule 4",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      const lastMs = pair.nowMs;
      a.machine.handleTimeout(lastMs);
      const timer = a.machine.setTimer(lastMs - 5_000, 100, 1);
      a.machine.findNode(lastMs - 9_000, target);
      for (const backMs of [9_000, 1]) {
        pair.nowMs = lastMs - backMs;
        a.machine.handleTimeout(pair.nowMs);
        pair.poll(a);
      }
      expectEqual("timers that have fired", timersOf(a), []);
      pair.nowMs = lastMs + 99;
      a.machine.handleTimeout(pair.nowMs);
      pair.poll(a);
      expectEqual("timers that have fired after 99 ms", timersOf(a), []);
      pair.nowMs = lastMs + 100;
      a.machine.handleTimeout(pair.nowMs);
      pair.poll(a);
      expectEqual("timers that have fired after 100 ms", timersOf(a), [timer]);
    },
  },
  {
    name: "early and repeated timeouts do nothing",
    rule: "handleTimeout",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      a.machine.setTimer(pair.nowMs, 60, 1);
      a.machine.ping(pair.nowMs, { addresses: [silentAddress(pair)] });
      pair.poll(a);
      const deadline = a.machine.nextDeadline()?.atMs ?? 0;
      expectThat("it waits for something to come", deadline > pair.nowMs);
      for (let i = 0; i < 5; i++) {
        a.machine.handleTimeout(pair.nowMs);
        expectEqual("messages after an early timeout", pair.poll(a).length, 0);
        expectEqual("the deadline after an early timeout", a.machine.nextDeadline()?.atMs, deadline);
      }
      expectEqual("timers that have fired early", timersOf(a), []);
      pair.nowMs = deadline;
      a.machine.handleTimeout(deadline);
      pair.poll(a);
      const after = a.machine.nextDeadline()?.atMs;
      a.machine.handleTimeout(deadline);
      expectEqual("messages after a repeated timeout", pair.poll(a).length, 0);
      expectEqual("the deadline after a repeated timeout", a.machine.nextDeadline()?.atMs, after);
      expectEqual("timers that have fired", timersOf(a).length, 1);
    },
  },
  {
    name: "a deadline that was handled is over: the next one moves on",
    rule: "nextDeadline",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      pair.b.isUp = false;
      const beganMs = pair.nowMs;
      for (let i = 1; i <= 200; i++) {
        const deadline = a.machine.nextDeadline();
        if (deadline === undefined) break;
        expectThat("a deadline has a reason", typeof deadline.reason === "string" && deadline.reason !== "");
        pair.nowMs = Math.max(pair.nowMs, deadline.atMs);
        a.machine.handleTimeout(pair.nowMs);
        pair.poll(a);
        if (i % 20 === 0) expectThat(`time has moved after ${i} deadlines`, pair.nowMs >= beganMs + i / 20);
      }
    },
  },
  {
    name: "the wall clock moves no deadline, wherever it stands and however it is corrected",
    rule: "wallClock",
    run(stage) {
      const without = deadlinesWith(stage.pair(), undefined);
      const start = 1_700_000_000_000;
      const clocks: readonly ((step: number) => number)[] = [
        (step) => start + 7_000 * step,
        (step) => start + 7_000 * step - 60_000 * step,
        (step) => start + 7_000 * step + 14_000 * step, // by less than a nap
      ];
      for (const clock of clocks) expectEqual("the deadlines", deadlinesWith(stage.pair(), clock), without);
    },
  },
  {
    name: "rule 6: a request is not queued: it is written when it is asked for, and its time begins then",
    rule: "rule 6",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      a.machine.ping(pair.nowMs, { addresses: [silentAddress(pair)] });
      pair.nowMs += 5_000;
      const sent = pair.poll(a);
      expectEqual("messages when it is asked", sent.length, 1);
      pair.nowMs += 1;
      a.machine.handleTimeout(pair.nowMs);
      expectEqual("messages a moment later", pair.poll(a).length, 0);
    },
  },
  {
    name: "what a layer below holds back is not sent again while it waits",
    rule: "deferred",
    run(stage) {
      const pair = stage.strangers();
      const { a } = pair;
      a.machine.ping(pair.nowMs, { addresses: [silentAddress(pair)] });
      const { tag } = nth(pair.poll(a), 0).transmit;
      expectThat("the request has a tag", tag > 0);
      tell(pair, a, { type: "deferred", tag });
      expectEqual("messages while it waits", passAlone(pair, a, 1_500).length, 0);
      tell(pair, a, { type: "sent", tag });
      expectEqual("messages as soon as it is sent", pair.poll(a).length, 0);
      expectThat("it is sent again when no answer comes", passAlone(pair, a, 5_000).length > 0);
    },
  },
];
