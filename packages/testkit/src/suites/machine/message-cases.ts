/** What a machine does with messages, and with what became of its own. */
import { copyBytes, immutableRecord, MemoryRecordStore, toHex, UsageError } from "@kad/core";
import type { CommandedMachine } from "../../commanded-machine.ts";
import { expectEqual, expectThat, nth } from "../../expectations.ts";
import { intercept } from "../../intercept.ts";
import type { Pair } from "../../pair.ts";
import { seededRandom } from "../../seeded-random.ts";
import { sha256 } from "../../sha256.ts";
import {
  endsOf,
  finish,
  type MachineCase,
  type MachineSide,
  of,
  passAlone,
  silentAddress,
  tell,
  text,
} from "./stage.ts";

function ping(pair: Pair<CommandedMachine>, side: MachineSide, address = pair.peerOf(side).address): number {
  return side.machine.ping(pair.nowMs, { addresses: [address] });
}

function endOf(side: MachineSide, query: number): string | undefined {
  return endsOf(side, query)[0]?.end;
}

const bytesCases: readonly MachineCase[] = [
  {
    name: "borrowed buffers may be overwritten after every call, and events own their bytes",
    rule: "bytes",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      b.machine.setProtocols(["talk"]);
      const words = ["one", "two and", "three, at last"];
      const queries = words.map((word) => {
        const body = text(word);
        const query = a.machine.send(pair.nowMs, { addresses: [b.address] }, "talk", body);
        body.fill(0xaa);
        return query;
      });
      pair.run(200);
      const messages = of(b.events, "messageReceived");
      expectEqual(
        "the bodies",
        messages.map(({ body }) => [...body]).sort(bySize),
        words.map((word) => [...text(word)]),
      );
      for (const { body, reply } of messages) {
        const answer = copyBytes(body);
        b.machine.reply(pair.nowMs, reply, answer);
        answer.fill(0xaa);
      }
      const answers = queries.map((query) => finish(pair, a, query).result);
      const bodies = answers.map((result) => (result.type === "reply" ? [...(result.body ?? [])] : []));
      expectEqual(
        "the answers",
        bodies,
        words.map((word) => [...text(word)]),
      );
      expectThat(
        "bodies are plain",
        messages.every(({ body }) => body.constructor === Uint8Array),
      );
    },
  },
  {
    name: "never writes more than the address carries",
    rule: "sizes",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      pair.addresses.setLink("udp4", { link: 1, maxBytes: 700 });
      b.machine.setProtocols(["talk"]);
      const before = a.sent.length;
      for (const bytes of [1, 300, 600, 690, 1_000]) {
        a.machine.send(pair.nowMs, { addresses: [b.address] }, "talk", new Uint8Array(bytes));
      }
      a.machine.findNode(pair.nowMs, b.machine.id);
      pair.run(10_000);
      const lengths = a.sent.flatMap(({ bytes }, i) => (i < before ? [] : [bytes.length]));
      expectThat(`it sends long messages, and not only ${lengths.join()}`, Math.max(...lengths) > 400);
      expectThat(`no message is longer than 700 bytes: ${lengths.join()}`, Math.max(...lengths) <= 700);
    },
  },
  {
    name: "never writes more than the room that it is given",
    rule: "sizes",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      a.machine.findNode(pair.nowMs, b.machine.id);
      ping(pair, a);
      const room = new Uint8Array(600);
      let messages = 0;
      for (;;) {
        const transmit = a.machine.pollTransmit(pair.nowMs, room);
        if (transmit === undefined) break;
        messages++;
        expectThat(`a message fits a room of 600 bytes, not ${transmit.length}`, transmit.length <= 600);
      }
      expectThat("it writes something", messages > 0);
    },
  },
  {
    name: "any bytes from anybody: nothing throws, and everything goes on",
    rule: "remote bytes",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      const random = seededRandom(11);
      const real = b.sent.map(({ bytes }) => bytes);
      for (let i = 0; i < 1_500; i++) {
        const garbage =
          i % 3 === 0 ? new Uint8Array(random.below(200)) : copyBytes(nth(real, i % real.length));
        if (i % 3 === 0) random.fill(garbage);
        else
          for (let flips = 1 + random.below(4); flips > 0; flips--)
            garbage[random.below(garbage.length)] = random.below(256);
        pair.deliver(a, i % 3 === 2 ? garbage.subarray(0, random.below(garbage.length)) : garbage);
        if (i % 50 === 0) pair.run(5_000);
      }
      pair.run(400_000); // longer than any ban
      expectEqual("how a ping ends", finish(pair, a, ping(pair, a)).end, "converged");
      expectEqual("how a ping of the other ends", finish(pair, b, ping(pair, b)).end, "converged");
    },
  },
  {
    name: "its own messages, reflected, are not taken for those of a peer",
    rule: "never assume",
    run(stage) {
      const pair = stage.strangers();
      const { a, b } = pair;
      b.isUp = false;
      const query = ping(pair, a);
      for (let round = 0; round < 40; round++) {
        for (const { bytes } of pair.poll(a)) pair.deliver(a, bytes);
        pair.poll(a);
        pair.nowMs += 500;
        a.machine.handleTimeout(pair.nowMs);
      }
      expectThat(`the ping is not answered, but ends ${endOf(a, query)}`, endOf(a, query) !== "converged");
      expectEqual("nodes that were discovered", of(a.events, "nodeDiscovered").length, 0);
      expectEqual("contacts", a.machine.table.size, 0);
    },
  },
];

const deliveryCases: readonly MachineCase[] = [
  {
    name: "rule 5: a message that arrives twice is handed out once, and every query ends once",
    rule: "rule 5",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      pair.link.script = () => [10, 10, 40];
      b.machine.setProtocols(["talk"]);
      const send = a.machine.send(pair.nowMs, { addresses: [b.address] }, "talk", text("once"));
      const queries = [send, ping(pair, a), a.machine.findNode(pair.nowMs, b.machine.id)];
      pair.run(60_000);
      expectEqual("messages", of(b.events, "messageReceived").length, 1);
      expectEqual(
        "ends",
        queries.map((query) => endsOf(a, query).length),
        [1, 1, 1],
      );
    },
  },
  {
    name: "rule 5: what is lost is sent again",
    rule: "rule 5",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      const began = a.sent.length + b.sent.length;
      pair.link.script = ({ number }) => (number === began ? [] : [10]); // the next message is the first to be lost
      expectEqual(
        "how a ping ends whose request is lost once",
        finish(pair, a, ping(pair, a)).end,
        "converged",
      );
    },
  },
  {
    name: "rule 6: replies wait within a bound: beyond it requests are dropped, and answers are still read",
    rule: "rule 6",
    run(stage) {
      const pair = stage.pair({ a: { limits: { maxQueuedReplies: 8 } } });
      const { a, b } = pair;
      const query = ping(pair, a);
      for (const { bytes } of pair.poll(a)) pair.deliver(b, bytes);
      const answers = pair.poll(b);
      for (let i = 0; i < 20; i++) ping(pair, b);
      for (const { bytes } of pair.poll(b)) pair.deliver(a, bytes);
      for (const { bytes } of answers) pair.deliver(a, bytes);
      const replies = pair.poll(a).filter(({ transmit }) => transmit.tag === 0);
      expectEqual("replies that have waited", replies.length, 8);
      expectEqual("how our ping ends, whose answer came after them", endOf(a, query), "converged");
    },
  },
  {
    name: "the same calls give the same outputs",
    rule: "determinism",
    run(stage) {
      const play = (): unknown => {
        const pair = stage.pair({ link: ({ number }) => (number % 7 === 3 ? [] : [5 + (number % 3)]) });
        const { a, b } = pair;
        a.machine.findNode(pair.nowMs, b.machine.id);
        b.machine.setTimer(pair.nowMs, 777, 4);
        pair.run(120_000);
        const said = [a, b].map(({ sent }) =>
          sent.map(({ atMs, transmit, bytes }) => [atMs, transmit.tag, toHex(bytes)]),
        );
        const told = [a, b].map(({ events }) => events.map(({ type }) => type));
        return { said, told, deadlines: [a, b].map(({ machine }) => machine.nextDeadline()?.atMs) };
      };
      expectEqual("a second run", play(), play());
    },
  },
  {
    name: "rule 2: a hook that calls the machine is refused, and the machine lives",
    rule: "rule 2",
    run(stage) {
      const caught: unknown[] = [];
      let machine: CommandedMachine | undefined;
      const store = intercept(new MemoryRecordStore(), {
        put: () => {
          try {
            machine?.findNode(0, machine.id);
            caught.push("nothing was thrown");
          } catch (error) {
            caught.push(error);
          }
          return "full";
        },
      });
      const pair = stage.pair({ a: { store } });
      machine = pair.a.machine;
      finish(pair, pair.b, pair.b.machine.put(pair.nowMs, immutableRecord(sha256, text("a value"))));
      expectThat("the hook is called", caught.length > 0);
      expectThat(
        "what it catches is a UsageError reentrant",
        caught.every((error) => error instanceof UsageError && error.code === "reentrant"),
      );
      expectEqual("how a ping ends", finish(pair, pair.a, ping(pair, pair.a)).end, "converged");
    },
  },
];

const failureCases: readonly MachineCase[] = [
  {
    name: "sendFailed with a tag ends that one sending",
    rule: "sendFailed",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      const silent = silentAddress(pair);
      const [failing, other] = [ping(pair, a, silent), ping(pair, a, silentAddress(pair, 2))];
      const sent = pair.poll(a).filter(({ transmit }) => transmit.path.remote.key === silent.key);
      tell(pair, a, {
        type: "sendFailed",
        to: silent,
        tag: nth(sent, 0).transmit.tag,
        reason: "unreachable",
      });
      passAlone(pair, a, 500);
      pair.poll(a);
      expectEqual("how it ends", endOf(a, failing), "exhausted");
      expectEqual("how the other has ended", endOf(a, other), undefined);
    },
  },
  {
    name: "sendFailed without a tag ends everything under way to that address, and nothing else",
    rule: "sendFailed",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      const silent = silentAddress(pair);
      const failing = [ping(pair, a, silent), ping(pair, a, silent)];
      const other = ping(pair, a, silentAddress(pair, 2));
      pair.poll(a);
      tell(pair, a, { type: "sendFailed", to: silent, reason: "unreachable" });
      passAlone(pair, a, 500);
      pair.poll(a);
      expectEqual(
        "how they end",
        failing.map((query) => endOf(a, query)),
        ["exhausted", "exhausted"],
      );
      expectEqual("how the other has ended", endOf(a, other), undefined);
    },
  },
  {
    name: "queueFull means later: the message is polled again, and the query goes on",
    rule: "sendFailed: queueFull",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      const query = ping(pair, a);
      const { tag } = nth(pair.poll(a), 0).transmit;
      tell(pair, a, {
        type: "sendFailed",
        to: b.address,
        tag,
        reason: "queueFull",
      });
      expectEqual("how the ping ends", finish(pair, a, query).end, "converged");
      expectEqual("errors", of(a.events, "error").length, 0);
    },
  },
  {
    name: "unknown, answered and repeated tags change nothing",
    rule: "sendFailed, sent, deferred",
    run(stage) {
      const pair = stage.pair();
      const { a, b } = pair;
      finish(pair, a, ping(pair, a));
      pair.run(1_000);
      const tags = [...a.sent.map(({ transmit }) => transmit.tag), 0, 123_456, 2 ** 32 - 1];
      const events = a.events.length;
      const deadline = a.machine.nextDeadline()?.atMs;
      for (const tag of tags) {
        tell(pair, a, { type: "deferred", tag });
        tell(pair, a, { type: "sent", tag });
        tell(pair, a, { type: "sendFailed", to: b.address, tag, reason: "unreachable" });
      }
      expectEqual("messages afterwards", pair.poll(a).length, 0);
      expectEqual("events afterwards", a.events.length - events, 0);
      expectEqual("the deadline afterwards", a.machine.nextDeadline()?.atMs, deadline);
    },
  },
  {
    name: "a link that is full is passed over until it is free",
    rule: "flow",
    run(stage) {
      const pair = stage.pair();
      const { a } = pair;
      tell(pair, a, { type: "flow", link: 1, open: false });
      const query = ping(pair, a);
      expectEqual("messages while it is full", pair.poll(a).length, 0);
      expectEqual("how the ping has ended", endOf(a, query), undefined);
      tell(pair, a, { type: "flow", link: 1, open: true });
      expectEqual("how the ping ends", finish(pair, a, query).end, "converged");
    },
  },
];

function bySize(a: readonly number[], b: readonly number[]): number {
  return a.length - b.length;
}

export const messageCases: readonly MachineCase[] = [...bytesCases, ...deliveryCases, ...failureCases];
