/** Time in an event loop: deadlines, and both directions of rule 8. */
import type { Transport } from "@kad/core";
import { expectEqual, expectThat, nth } from "../../expectations.ts";
import { intercept } from "../../intercept.ts";
import { type LoopCase, type LoopStage, numberedEvent, type Resident } from "./stage.ts";

/** Beyond what a 32-bit timer counts, which runs such a delay at once. */
const tooFarMs = 2 ** 31 + 10_000;
/** Pumps in 40 ms of a loop that turns once a millisecond, with room; a loop that spins does thousands. */
const maxIdlePumps = 500;

interface Activity {
  readonly pumps: number;
  readonly turns: number;
}

/** How often the loop turns, and pumps, where nothing is to be sent: each pump polls once. */
async function activityOf(
  stage: LoopStage,
  { probe }: Resident,
  wait: () => Promise<void>,
): Promise<Activity> {
  const [pumps, turns] = [probe.count("pollTransmit"), stage.turns];
  await wait();
  return { pumps: probe.count("pollTransmit") - pumps, turns: stage.turns - turns };
}

/** A loop may pump in every turn or in none; what counts is that a deadline does not make it pump more. */
function expectCalm(activity: Activity, usual: Activity): void {
  const usualPerTurn = usual.pumps / Math.max(1, usual.turns);
  const most = (usualPerTurn + 0.5) * activity.turns + 5;
  const { pumps, turns } = activity;
  expectThat(
    `it pumps as often as without a deadline: ${pumps} times in ${turns} turns, at most ${most}`,
    pumps <= most,
  );
}

/** A deadline of the probe's, so many ms from now, told to the driver. */
function setDeadline(stage: LoopStage, { node, probe }: Resident, inMs: number): number {
  const atMs = stage.nowMs() + inMs;
  node.driver.run(() => {
    probe.deadlineMs = atMs;
  });
  return atMs;
}

const deadlines: readonly LoopCase[] = [
  {
    name: "rule 4: time goes forward only, in milliseconds of the loop's clock",
    rule: "rule 4",
    async run(stage) {
      const beganMs = stage.nowMs();
      const one = await stage.resident();
      const other = await stage.resident();
      for (let round = 0; round < 3; round++) {
        setDeadline(stage, one, 5);
        other.say(one, round);
        await stage.until("a deadline and a message", () => {
          return one.probe.count("timeout") > round && one.probe.heard.length > round;
        });
      }
      const endedMs = stage.nowMs();
      const instants = one.probe.calls.map(({ nowMs }) => nowMs);
      expectThat("no instant is before the one before it", isSorted(instants));
      expectThat("every instant is finite", instants.every(Number.isFinite));
      const passedMs = nth(instants, instants.length - 1) - nth(instants, 0);
      expectThat(`at least 15 ms have passed, not ${passedMs}`, passedMs >= 15);
      expectThat(
        `no more than the ${endedMs - beganMs} ms that the case took`,
        passedMs <= endedMs - beganMs + 1,
      );
    },
  },
  {
    name: "a deadline wakes a loop to which nothing else happens",
    rule: "arm",
    async run(stage) {
      const one = await stage.resident();
      const atMs = setDeadline(stage, one, 20.4);
      await stage.until("the deadline is handled", () => one.probe.count("timeout") > 0);
      expectThat("and not before its time", nth(one.probe.at("timeout"), 0) >= atMs);
      setDeadline(stage, one, 5);
      await stage.until("the next one is handled too", () => one.probe.count("timeout") > 1);
    },
  },
  {
    name: "a deadline that moves nearer is handled at its new time",
    rule: "arm",
    async run(stage) {
      const one = await stage.resident();
      setDeadline(stage, one, 3_600_000);
      await stage.pass(2);
      setDeadline(stage, one, 10);
      await stage.until("the nearer deadline is handled", () => one.probe.count("timeout") > 0);
    },
  },
  {
    name: "a deadline that has passed already is handled soon",
    rule: "arm",
    async run(stage) {
      const one = await stage.resident({
        onEvent: () => {
          one.probe.deadlineMs = stage.nowMs() - 5; // between the moment when time passes and that when the timer is set
        },
      });
      await stage.pass(3);
      one.node.driver.run(() => one.probe.events.push(numberedEvent(1)));
      await stage.until("the deadline is handled", () => one.probe.count("timeout") > 0);
    },
  },
  {
    name: "a deadline beyond 2^31 ms neither fires at once nor keeps the loop busy",
    rule: "arm",
    async run(stage) {
      const one = await stage.resident();
      await stage.pass(5); // the start is over
      const usual = await activityOf(stage, one, () => stage.pass(40));
      setDeadline(stage, one, tooFarMs);
      const activity = await activityOf(stage, one, () => stage.pass(40));
      expectEqual("deadlines handled", one.probe.count("timeout"), 0);
      expectCalm(activity, usual);
    },
  },
  {
    name: "an idle loop sleeps, up to a fraction of a millisecond too",
    rule: "arm",
    async run(stage) {
      const one = await stage.resident();
      await stage.pass(5); // the start is over
      const usual = await activityOf(stage, one, () => stage.pass(40));
      setDeadline(stage, one, 40.7);
      const activity = await activityOf(stage, one, () =>
        stage.until("the deadline is handled", () => one.probe.count("timeout") > 0),
      );
      expectCalm(activity, usual);
      expectThat(`it does not spin: ${activity.pumps} pumps`, activity.pumps <= maxIdlePumps);
    },
  },
];

const ruleEight: readonly LoopCase[] = [
  {
    name: "rule 8: what has arrived is delivered before time passes",
    rule: "rule 8",
    async run(stage) {
      const asking = await stage.resident();
      // When its answer has arrived, the loop is taken away until the deadline of who has asked is long over.
      const answering = await stage.resident({
        change: (transport) =>
          afterFirstSend(transport, () => {
            setDeadline(stage, asking, 20);
            stage.block(120);
          }),
      });
      answering.probe.onMessage = ({ from }) => answering.probe.say(from, Uint8Array.of(2));
      asking.say(answering, 1);
      await stage.until("the deadline is handled", () => asking.probe.count("timeout") > 0);
      const order = asking.probe.calls.flatMap(({ name }) =>
        name === "message" || name === "timeout" ? [name] : [],
      );
      expectEqual("what came first", order, ["message", "timeout"]);
    },
  },
  {
    name: "rule 8: a deadline that passed while the loop was blocked is handled all the same",
    rule: "rule 8",
    async run(stage) {
      const one = await stage.resident();
      await stage.pass(3);
      setDeadline(stage, one, 10);
      stage.block(80);
      await stage.until("the deadline is handled", () => one.probe.count("timeout") > 0);
      await stage.pass(5);
      expectEqual("how often", one.probe.count("timeout"), 1);
    },
  },
  {
    name: "rule 8: steady traffic starves no deadline",
    rule: "rule 8",
    async run(stage) {
      const [one, other] = [await stage.resident(), await stage.resident()];
      let isOver = false;
      for (const { probe } of [one, other]) {
        probe.onMessage = ({ from, bytes }) => {
          if (!isOver) probe.say(from, bytes);
        };
      }
      for (let ball = 0; ball < 8; ball++) other.say(one, ball);
      await stage.until("traffic", () => one.probe.heard.length > 0);
      // On a busy machine the loop may come back when a deadline has passed, and no message has come before it.
      let between = 0;
      for (let deadlines = 1; between === 0 && deadlines <= 50; deadlines++) {
        const before = one.probe.heard.length;
        setDeadline(stage, one, 30);
        await stage.until("the deadline is handled", () => one.probe.count("timeout") === deadlines);
        between = one.probe.heard.length - before;
      }
      isOver = true;
      expectThat("messages came meanwhile", between > 0);
    },
  },
];

function afterFirstSend(transport: Transport, then: () => void): Transport {
  let isFirst = true;
  return intercept(transport, {
    send: (transmit, bytes) => {
      const outcome = transport.send(transmit, bytes);
      transport.flush();
      if (isFirst) then();
      isFirst = false;
      return outcome;
    },
  });
}

function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || number >= (numbers[i - 1] as number));
}

export const timeCases: readonly LoopCase[] = [...deadlines, ...ruleEight];
