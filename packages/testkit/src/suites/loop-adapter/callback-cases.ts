/** Callbacks: rules 1 and 3. */
import { expectEqual, expectThat } from "../../expectations.ts";
import { intercept } from "../../intercept.ts";
import { isCausedBy, type LoopCase, type LoopTraits, numberedEvent, numbersOf } from "./stage.ts";

const withoutPromises = ({ isSynchronous }: LoopTraits): string | undefined =>
  isSynchronous ? "no promise goes on inside a synchronous loop" : undefined;

export const callbackCases: readonly LoopCase[] = [
  {
    name: "rule 1: a command given in a callback is sent by the pump under way, and a nested pump returns at once",
    rule: "rule 1",
    async run(stage) {
      const other = await stage.resident();
      let nested: number | undefined;
      const one = await stage.resident({
        onEvent: () => {
          one.say(other, 5);
          one.node.driver.pump();
          one.node.driver.wake();
          nested = one.probe.outgoing.length;
        },
      });
      one.node.driver.run(() => one.probe.events.push(numberedEvent(1)));
      expectEqual("messages that wait when nested pumps have returned", nested, 1);
      expectEqual("messages that wait when the command has returned", one.probe.outgoing.length, 0);
      await stage.until("the message arrives", () => other.probe.heard.length > 0);
    },
  },
  {
    name: "rule 1: a node may be closed in a callback, and what it still has to say leaves",
    rule: "rule 1",
    async run(stage) {
      const other = await stage.resident();
      let closing: void | Promise<void> | undefined;
      const one = await stage.resident({
        onEvent: (event) => {
          if (event.type === "timer" && event.timer === 1) closing = one.node.close();
        },
      });
      one.probe.onMessage = () => one.probe.events.push(numberedEvent(1), numberedEvent(2));
      one.probe.onClose = () => {
        one.probe.say(one.to(other), Uint8Array.of(8));
        one.probe.events.push(numberedEvent(3));
      };
      other.say(one, 1);
      await stage.until("the node is closed", () => one.probe.isClosed);
      await stage.until("its last message arrives", () => other.probe.heard.length > 0);
      await closing;
      expectEqual("the events", numbersOf(one.events), [1, 2, 3]);
      const url = other.url;
      other.say(other, 2);
      await stage.until("others go on", () => other.probe.heard.some(({ from }) => from.remote.key === url));
    },
  },
  {
    name: "rule 3: a callback that throws reaches report, and no event is lost",
    rule: "rule 3",
    async run(stage) {
      const thrown = new Error("thrown by a callback");
      const one = await stage.resident({
        onEvent: () => {
          throw thrown;
        },
      });
      const other = await stage.resident();
      one.probe.onMessage = ({ from }) => {
        one.probe.events.push(numberedEvent(1), numberedEvent(2));
        one.probe.say(from, Uint8Array.of(1));
      };
      for (const round of [1, 2]) {
        other.say(one, round);
        await stage.until("the answer", () => other.probe.heard.length === round);
        await stage.until("the events", () => one.probe.events.length === 0);
      }
      expectEqual("the events", numbersOf(one.events), [1, 2, 1, 2]);
      expectEqual("how many errors are reported", one.reports.length, 4);
      expectThat(
        "each is what was thrown",
        one.reports.every((error) => isCausedBy(error, thrown)),
      );
    },
  },
  {
    name: "rule 3: a callback that rejects reaches report",
    rule: "rule 3",
    appliesTo: "loops in which promises go on",
    inapplicable: withoutPromises,
    async run(stage) {
      const thrown = new Error("a callback rejects with this");
      const one = await stage.resident();
      one.node.driver.use({ onNodeDiscovered: () => Promise.reject(thrown) });
      one.node.driver.run(() => {
        const contact = { id: one.probe.machine.id, addresses: [one.addresses.parse(one.url)] };
        one.probe.events.push({ type: "nodeDiscovered", contact });
      });
      await stage.until("the report", () => one.reports.length > 0);
      expectThat("it is what was rejected", isCausedBy(one.reports[0], thrown));
    },
  },
  {
    name: "an error of a transport that concerns no one message reaches report",
    rule: "report",
    async run(stage) {
      const error = new Error("told by a transport");
      const one = await stage.resident({
        change: (transport) =>
          intercept(transport, {
            open: (sink, addresses) =>
              transport.open(
                intercept(sink, {
                  message: (from, bytes) => {
                    sink.report(error);
                    sink.message(from, bytes);
                  },
                }),
                addresses,
              ),
          }),
      });
      const other = await stage.resident();
      other.say(one, 1);
      await stage.until("the message arrives", () => one.probe.heard.length > 0);
      expectEqual("how many errors are reported", one.reports.length, 1);
      expectThat("it is what the transport told", isCausedBy(one.reports[0], error));
    },
  },
  {
    name: "callbacks alone suffice: question and answer need no promise",
    rule: "native hosts",
    appliesTo: "synchronous loops",
    inapplicable: ({ isSynchronous }) =>
      isSynchronous ? undefined : "the loop is that of the runtime, where promises go on",
    async run(stage) {
      const { harness } = stage;
      const [one, other] = [await stage.resident(), await stage.resident()];
      one.probe.onMessage = ({ from }) => one.probe.say(from, Uint8Array.of(2));
      other.say(one, 1);
      const returned: unknown = harness.run?.(() => other.probe.heard.length > 0, 1_000);
      expectThat(
        "run returns when it has run, and no promise",
        harness.run !== undefined && returned === undefined,
      );
      expectEqual("answers when it returns", other.probe.heard.length, 1);
      expectEqual("what close returns", one.node.close(), undefined);
    },
  },
];
