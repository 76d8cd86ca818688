/** How queries, and machines, end. */
import { immutableRecord, NodeId, type QueryId, UsageError } from "@kad/core";
import type { CommandedMachine } from "../../commanded-machine.ts";
import { expectEqual, expectRefusal, expectThat, nth } from "../../expectations.ts";
import type { Pair } from "../../pair.ts";
import { sha256 } from "../../sha256.ts";
import { endsOf, type MachineCase, type MachineSide, of, silentAddress, text } from "./stage.ts";

const value = immutableRecord(sha256, text("a value"));
const elsewhere = NodeId.fromBytes(new Uint8Array(32).fill(0x99));

type Command = (pair: Pair<CommandedMachine>, side: MachineSide) => QueryId;

/** Every command that begins a query. */
const commands: Readonly<Record<string, Command>> = {
  bootstrap: (pair, { machine }) => machine.bootstrap(pair.nowMs, [{ addresses: [silentAddress(pair)] }]),
  ping: (pair, { machine }) => machine.ping(pair.nowMs, { addresses: [silentAddress(pair)] }),
  findNode: (pair, { machine }) => machine.findNode(pair.nowMs, elsewhere),
  get: (pair, { machine }) => machine.get(pair.nowMs, elsewhere),
  put: (pair, { machine }) => machine.put(pair.nowMs, value),
  announce: (pair, { machine }) => machine.announce(pair.nowMs, elsewhere),
  findProviders: (pair, { machine }) => machine.findProviders(pair.nowMs, elsewhere),
  withdraw: (pair, { machine }) => machine.withdraw(pair.nowMs, value.key),
  send: (pair, { machine }) =>
    machine.send(pair.nowMs, { addresses: [silentAddress(pair)] }, "talk", text("hello")),
};

function beginAll(pair: Pair<CommandedMachine>, side: MachineSide): QueryId[] {
  return Object.values(commands).map((begin) => begin(pair, side));
}

function countEnds(side: MachineSide, queries: readonly QueryId[]): number[] {
  return queries.map((query) => endsOf(side, query).length);
}

/** In the middle of everything: queries, replies and messages that wait, a timer. */
function busyPair(pair: Pair<CommandedMachine>): QueryId[] {
  const { a, b } = pair;
  a.machine.setProtocols(["talk"]);
  const queries = beginAll(pair, a);
  a.machine.setTimer(pair.nowMs, 50, 1);
  pair.poll(a);
  for (const word of ["one", "two"])
    b.machine.send(pair.nowMs, { addresses: [a.address] }, "talk", text(word));
  b.machine.ping(pair.nowMs, { addresses: [a.address] });
  for (const { bytes } of pair.poll(b)) pair.deliver(a, bytes);
  return queries;
}

const queryCases: readonly MachineCase[] = [
  {
    name: "every query ends exactly once, whoever answers",
    rule: "queryFinished",
    run(stage) {
      const pair = stage.pair({ link: ({ number }) => (number > 60 && number % 3 > 0 ? [] : [10]) });
      const queries = beginAll(pair, pair.a);
      expectEqual("how many ids differ", new Set(queries).size, queries.length);
      pair.run(180_000);
      expectEqual(
        "how often each has ended",
        countEnds(pair.a, queries),
        queries.map(() => 1),
      );
    },
  },
  {
    name: "cancel ends a query in the same step, and says no the second time",
    rule: "cancel",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      const queries = beginAll(pair, a).filter((query) => endsOf(a, query).length === 0);
      const cancelled = queries.filter((query) => a.machine.cancel(pair.nowMs, query));
      pair.poll(a);
      expectThat("most can be cancelled", cancelled.length >= queries.length - 2);
      expectEqual(
        "how often each has ended",
        countEnds(a, cancelled),
        cancelled.map(() => 1),
      );
      expectThat(
        "they end cancelled",
        cancelled.every((query) => nth(endsOf(a, query), 0).end === "cancelled"),
      );
      expectEqual(
        "what a second cancel says",
        cancelled.map((query) => a.machine.cancel(pair.nowMs, query)),
        cancelled.map(() => false),
      );
      pair.run(120_000);
      expectEqual(
        "how often each has ended, later",
        countEnds(a, cancelled),
        cancelled.map(() => 1),
      );
    },
  },
  {
    name: "a query's deadline ends it with what there is",
    rule: "timedOut",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      const query = a.machine.ping(pair.nowMs, { addresses: [silentAddress(pair)] }, { timeoutMs: 300 });
      pair.run(299);
      expectEqual("ends after 299 ms", endsOf(a, query).length, 0);
      pair.run(1);
      expectEqual(
        "the end after 300 ms",
        endsOf(a, query).map(({ end }) => end),
        ["timedOut"],
      );
    },
  },
];

const closeCases: readonly MachineCase[] = [
  {
    name: "rule 7: closing ends every query as closed, once",
    rule: "rule 7",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      const queries = busyPair(pair).filter((query) => endsOf(a, query).length === 0);
      a.machine.close(pair.nowMs);
      pair.poll(a);
      expectEqual(
        "how often each has ended",
        countEnds(a, queries),
        queries.map(() => 1),
      );
      expectThat(
        "they end closed",
        queries.every((query) => nth(endsOf(a, query), 0).end === "closed"),
      );
      a.machine.close(pair.nowMs);
      pair.poll(a);
      expectEqual(
        "how often each has ended, closed twice",
        countEnds(a, queries),
        queries.map(() => 1),
      );
    },
  },
  {
    name: "rule 7: what was queued can still be polled, and then it is drained",
    rule: "rule 7",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      busyPair(pair);
      const before = of(a.events, "messageReceived").length;
      expectThat("a machine that is open is not drained", !a.machine.drained);
      a.machine.close(pair.nowMs);
      expectThat("one that has things to say is not drained", !a.machine.drained);
      const sent = pair.poll(a);
      expectThat(
        "it still answers the ping",
        sent.some(({ transmit }) => transmit.path.remote.key === pair.b.address.key),
      );
      expectEqual("messages that had arrived", of(a.events, "messageReceived").length - before, 2);
      expectThat("it is drained then", a.machine.drained);
    },
  },
  {
    name: "rule 7: nothing new appears when it is closed, whatever comes and however long it lasts",
    rule: "rule 7",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      busyPair(pair);
      a.machine.close(pair.nowMs);
      pair.poll(a);
      const events = a.events.length;
      for (let i = 0; i < 20; i++) {
        b.machine.ping(pair.nowMs, { addresses: [a.address] });
        for (const { bytes } of pair.poll(b)) pair.deliver(a, bytes);
        a.machine.handleNetworkEvent(pair.nowMs, { type: "flow", link: 1, open: true });
        a.machine.handleNetworkEvent(pair.nowMs, { type: "wallClock", unixMs: 1.7e12 + 1e8 * i });
        expectEqual("messages", pair.poll(a).length, 0);
        expectEqual("the next deadline", a.machine.nextDeadline(), undefined);
        pair.nowMs += 600_000;
        a.machine.handleTimeout(pair.nowMs);
      }
      expectEqual("events", a.events.length - events, 0);
      expectThat("it stays drained", a.machine.drained);
    },
  },
  {
    name: "a machine that is closed refuses commands with UsageError closed",
    rule: "closed",
    async run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      a.machine.close(pair.nowMs);
      for (const [name, begin] of Object.entries(commands)) {
        await expectRefusal(
          name,
          () => begin(pair, a),
          (error) => error instanceof UsageError && error.code === "closed",
        );
      }
      expectEqual("cancel", a.machine.cancel(pair.nowMs, 1), false);
    },
  },
  {
    name: "a machine may be closed before anything has happened",
    rule: "close",
    run(stage) {
      const pair = stage.strangers();
      pair.a.machine.close(pair.nowMs);
      expectEqual("messages", pair.poll(pair.a).length, 0);
      expectEqual("the next deadline", pair.a.machine.nextDeadline(), undefined);
      expectThat("it is drained", pair.a.machine.drained);
    },
  },
];

export const endCases: readonly MachineCase[] = [...queryCases, ...closeCases];
