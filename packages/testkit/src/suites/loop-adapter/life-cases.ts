/** The beginning and the end of a node in a loop: rule 7. */
import { immutableRecord, ListenError, type NetworkEvent, type Transport } from "@kad/core";
import { expectEqual, expectRefusal, expectThat, nth } from "../../expectations.ts";
import { sha256 } from "../../sha256.ts";
import { type LoopCase, numberedEvent, numbersOf } from "./stage.ts";

function told<T extends NetworkEvent["type"]>(
  events: readonly NetworkEvent[],
  type: T,
): Extract<NetworkEvent, { type: T }>[] {
  return events.filter((event) => event.type === type) as Extract<NetworkEvent, { type: T }>[];
}

/** 2020: a wall clock that shows less was not asked. */
const leastUnixMs = 1_577_836_800_000;

const beginning: readonly LoopCase[] = [
  {
    name: "the node is told its addresses",
    rule: "addressesChanged",
    async run(stage) {
      const one = await stage.resident();
      await stage.until("the addresses", () => told(one.probe.told, "addressesChanged").length > 0);
      const addresses = told(one.probe.told, "addressesChanged")
        .at(-1)
        ?.addresses.map(({ key }) => key);
      expectEqual(
        "the addresses",
        addresses,
        one.transport.localAddresses.map(({ key }) => key),
      );
    },
  },
  {
    name: "the node is told the wall clock at the start",
    rule: "wallClock",
    async run(stage) {
      const one = await stage.resident();
      await stage.until("the wall clock", () => told(one.probe.told, "wallClock").length > 0);
      const unixMs = nth(told(one.probe.told, "wallClock"), 0).unixMs;
      expectThat(
        `it shows milliseconds since 1970, and not ${unixMs}`,
        unixMs > leastUnixMs && unixMs < 1e14,
      );
    },
  },
  {
    name: "a transport that cannot open fails the start with its error, and leaves nothing behind",
    rule: "open",
    async run(stage) {
      const error = new ListenError("addressInUse", "ws://203.0.113.1:80/", new Error("in use"));
      const broken: Transport = {
        kinds: ["ws"],
        maxBytes: 1_200,
        open: () => {
          throw error;
        },
        send: () => "unreachable",
        flush: () => undefined,
        localAddresses: [],
        close: () => undefined,
      };
      const one = stage.prepare({ moreTransports: [broken] });
      await expectRefusal(
        "starting",
        () => one.start(),
        (thrown) => thrown === error,
      );
      expectThat("the machine is closed", one.probe.isClosed);
      expectEqual("what is listened at", one.transport.localAddresses, []);
      const before = one.probe.calls.length;
      await stage.pass(5);
      expectEqual("calls on the machine afterwards", one.probe.calls.length - before, 0);
    },
  },
  {
    name: "nodes find each other: a record stored through one is read through another",
    rule: "all of it",
    async run(stage) {
      const first = await stage.kadNode();
      const [second, third] = [await stage.kadNode(), await stage.kadNode()];
      for (const one of [second, third]) {
        const seed = { addresses: [one.addresses.parse(first.url)] };
        const { end } = await one.finish((nowMs) => one.machine.bootstrap(nowMs, [seed]));
        expectEqual("how joining ends", end, "converged");
      }
      const record = immutableRecord(sha256, Uint8Array.of(1, 2, 3));
      await second.finish((nowMs) => second.machine.put(nowMs, record));
      const { result } = await third.finish((nowMs) => third.machine.get(nowMs, record.key));
      expectEqual("the record", result.type === "value" && result.record?.body, record.body);
    },
  },
];

const end: readonly LoopCase[] = [
  {
    name: "rule 7: what was queued leaves when the node is closed",
    rule: "rule 7",
    async run(stage) {
      const [one, other] = [await stage.resident({ maxTransmits: 2, maxEvents: 2 }), await stage.resident()];
      one.probe.onClose = () => {
        for (const number of [1, 2, 3, 4, 5]) {
          one.probe.say(one.to(other), Uint8Array.of(number));
          one.probe.events.push(numberedEvent(number));
        }
      };
      await one.node.close();
      expectEqual("the events", numbersOf(one.events), [1, 2, 3, 4, 5]);
      await stage.until("the messages arrive", () => other.probe.heard.length === 5);
    },
  },
  {
    name: "rule 7: nothing is called, sent or told once the node is closed",
    rule: "rule 7",
    async run(stage) {
      const [one, other] = [await stage.resident(), await stage.resident()];
      const to = other.to(one);
      one.node.driver.run(() => {
        one.probe.deadlineMs = stage.nowMs() + 5;
      });
      await one.node.close();
      const before = one.probe.calls.length;
      one.probe.deadlineMs = stage.nowMs() + 1;
      other.node.driver.run(() => other.probe.say(to, Uint8Array.of(1)));
      await stage.pass(20);
      const after = one.probe.calls.flatMap(({ name }, i) => (i < before ? [] : [name]));
      expectEqual("calls on the machine afterwards", after, []);
    },
  },
  {
    name: "rule 7: closing twice is closing once",
    rule: "rule 7",
    async run(stage) {
      const one = await stage.resident();
      const first = one.node.close();
      const second = one.node.close();
      await Promise.all([first, second]);
      await one.node.close();
      expectEqual("calls of the machine's close", one.probe.count("close"), 1);
    },
  },
  {
    name: "rule 7: nothing leaks: every handle is freed",
    rule: "rule 7",
    appliesTo: "harnesses with `openHandles`",
    inapplicable: ({ countsHandles }) => (countsHandles ? undefined : "the harness has no openHandles"),
    async run(stage) {
      const openHandles = async () => (await stage.harness.openHandles?.()) ?? 0;
      await stage.pass(3);
      const before = await openHandles();
      const one = await stage.resident();
      one.node.driver.run(() => {
        one.probe.deadlineMs = stage.nowMs() + 60_000;
      });
      expectThat("an open node has more handles than none", (await openHandles()) > before);
      await one.node.close();
      await stage.pass(3);
      const left = (await openHandles()) - before; // others, of a test runner say, may have ended meanwhile
      expectThat(`no handle is left, and not ${left}`, left <= 0);
    },
  },
];

export const lifeCases: readonly LoopCase[] = [...beginning, ...end];
