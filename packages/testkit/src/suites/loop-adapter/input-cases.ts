/** What a loop hands in and lets out: messages, commands, batches, budgets. */
import { expectEqual, expectThat, nth } from "../../expectations.ts";
import { type LoopCase, type LoopStage, numberedEvent, numbersOf, type Resident } from "./stage.ts";

/** What a machine that always has something to say sends before it gives up on a loop that does nothing else. */
const maxEndless = 20_000;

export const inputCases: readonly LoopCase[] = [
  {
    name: "a message that arrives while the loop sleeps wakes it, and is answered at once",
    rule: "deliver, wake",
    async run(stage) {
      const [one, other] = [await stage.resident(), await stage.resident()];
      one.probe.onMessage = ({ from, bytes }) => one.probe.say(from, Uint8Array.of(...bytes, 9));
      await stage.pass(3);
      other.say(one, 1, 2);
      await stage.until("the answer", () => other.probe.heard.length > 0);
      expectEqual("the question", nth(one.probe.heard, 0).bytes, Uint8Array.of(1, 2));
      expectEqual("the answer", nth(other.probe.heard, 0).bytes, Uint8Array.of(1, 2, 9));
      expectEqual("whom it came from", nth(other.probe.heard, 0).from.remote.key, one.url);
    },
  },
  {
    name: "what a command has to say leaves at once, not at the next deadline",
    rule: "commands: run",
    async run(stage) {
      const [one, other] = [await stage.resident(), await stage.resident()];
      one.node.driver.run(() => {
        one.probe.deadlineMs = stage.nowMs() + 3_600_000;
      });
      await stage.pass(3);
      one.say(other, 7);
      await stage.until("the message arrives", () => other.probe.heard.length > 0);
    },
  },
  {
    name: "nothing is unsent when the loop sleeps: all is polled, handed out and flushed",
    rule: "flush ends every pump",
    async run(stage) {
      const [one, other] = [await stage.resident(), await stage.resident()];
      one.probe.onMessage = ({ from }) => {
        one.probe.say(from, Uint8Array.of(1));
        one.probe.say(from, Uint8Array.of(2));
        one.probe.events.push(numberedEvent(1), numberedEvent(2));
      };
      one.probe.onTimeout = () => one.probe.say(one.to(other), Uint8Array.of(3));
      other.say(one, 1);
      await stage.until("the message arrives", () => one.probe.heard.length > 0);
      await expectNothingLeft(stage, one, "a message");
      one.node.driver.run(() => {
        one.probe.deadlineMs = stage.nowMs() + 5;
      });
      await stage.until("the deadline is handled", () => one.probe.count("timeout") > 0);
      await expectNothingLeft(stage, one, "a deadline");
      one.say(other, 4);
      await expectNothingLeft(stage, one, "a command");
    },
  },
  {
    name: "borrowed buffers may be overwritten after every call, and every message is whole",
    rule: "bytes",
    async run(stage) {
      const [one, other] = [await stage.resident(), await stage.resident()];
      for (let batch = 0; batch < 5; batch++) {
        one.node.driver.run(() => {
          for (let i = 1; i <= 10; i++) {
            one.probe.say(one.to(other), new Uint8Array(20 + i).fill(10 * batch + i));
          }
        });
        await stage.until("the batch arrives", () => other.probe.heard.length >= 10 * (batch + 1));
      }
      const arrived = other.probe.heard.map(({ bytes }) => [...bytes]);
      const sent = Array.from({ length: 50 }, (_, i) => new Array(21 + (i % 10)).fill(i + 1));
      expectEqual("what arrived", sortedBySize(arrived), sortedBySize(sent));
    },
  },
  {
    name: "rule 5: a spent budget always schedules another pump",
    rule: "rule 5",
    async run(stage) {
      const one = await stage.resident({ maxTransmits: 3, maxEvents: 3 });
      const other = await stage.resident();
      one.node.driver.run(() => {
        for (let i = 1; i <= 20; i++) {
          one.probe.say(one.to(other), Uint8Array.of(i));
          one.probe.events.push(numberedEvent(i));
        }
      });
      await stage.until("all messages leave", () => one.probe.outgoing.length === 0);
      await stage.until("all events are handed out", () => one.probe.events.length === 0);
      expectEqual("the events", numbersOf(one.events), upTo(20));
      await stage.until("all messages arrive", () => other.probe.heard.length === 20);
    },
  },
  {
    name: "rule 5: a machine that always has something to say starves neither input nor time",
    rule: "rule 5",
    async run(stage) {
      const one = await stage.resident({ maxTransmits: 8 });
      const other = await stage.resident();
      const to = { remote: one.to(other), dialable: true };
      let said = 0;
      let isOver = false;
      one.probe.onPoll = () => {
        if (isOver || ++said > maxEndless) return undefined;
        return { to, bytes: Uint8Array.of(said & 255) };
      };
      one.node.driver.run(() => {
        one.probe.deadlineMs = stage.nowMs() + 3;
      });
      other.say(one, 1);
      await stage.until("the deadline is handled", () => one.probe.count("timeout") > 0);
      await stage.until("a message is heard", () => one.probe.heard.length > 0);
      isOver = true;
      expectThat(`all that while it went on, and not to the end of ${maxEndless}`, said <= maxEndless);
    },
  },
];

/** Nothing else happens to the node: what is left undone stays so, unless the loop has taken care to come back for it. */
async function expectNothingLeft(stage: LoopStage, { watch }: Resident, after: string): Promise<void> {
  await stage.until(
    () => `nothing is left undone after ${after}, of which ${watch.unsent}`,
    () => watch.unsent === undefined,
  );
}

function sortedBySize(messages: readonly (readonly number[])[]): readonly (readonly number[])[] {
  return messages.toSorted((a, b) => nth(a, 0) - nth(b, 0));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}
