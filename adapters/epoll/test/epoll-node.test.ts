import { Worker } from "node:worker_threads";
import { AddressTable, CallbackError, immutableRecord, KadNode, ListenError, UsageError } from "@kad/core";
import { nativeStats, quarantine, SystemError } from "@kad/native";
import { udp } from "@kad/transport-udp";
import { posixUdp } from "@kad/transport-udp/posix";
import { afterEach, describe, expect, it } from "vitest";
import { type EpollNodeOptions, epollNode } from "../src/index.ts";
import { epollCalls } from "../src/system-calls.ts";
import {
  closeStarted,
  nodeOptions,
  note,
  openDescriptors,
  ping,
  seedOf,
  silentSeed,
  start,
  turnUntil,
  whyNot,
} from "./epoll-nodes.ts";

afterEach(closeStarted);

const ways: EpollNodeOptions["wait"][] = ["epoll", "poll"];

describe.skipIf(whyNot !== undefined)(`a loop that blocks${note}`, () => {
  describe.each(ways)("in %s", (wait) => {
    it("puts and gets a record, with callbacks alone", () => {
      const nodes = [0, 1, 2, 3, 4].map(() => start({ wait: wait as "poll" }));
      const [first, ...others] = nodes as [(typeof nodes)[0], ...typeof nodes];
      for (const other of others) {
        const query = other.node.driver.run((nowMs) =>
          other.machine.bootstrap(nowMs, [seedOf(first, other)]),
        );
        turnUntil(nodes, () => other.ends.get(query)?.end === "converged");
      }
      const [writer, reader] = [nodes[1], nodes[4]] as [(typeof nodes)[0], (typeof nodes)[0]];
      const record = immutableRecord(
        nodeOptions(writer.addresses).sha256,
        new TextEncoder().encode("a value"),
      );
      const put = writer.node.driver.run((nowMs) => writer.machine.put(nowMs, record, { keep: false }));
      turnUntil(nodes, () => writer.ends.has(put));
      const get = reader.node.driver.run((nowMs) => reader.machine.get(nowMs, record.key));
      turnUntil(nodes, () => reader.ends.has(get));
      expect(reader.ends.get(get)).toMatchObject({
        end: "converged",
        result: { record: { body: record.body } },
      });
    });

    it("waits until the deadline and no longer, without turning in between", () => {
      const a = start({ wait: wait as "poll" });
      const query = ping(a, silentSeed(a), 150);
      a.node.wait(0); // what the command rang for
      const [startMs, before] = [performance.now(), a.node.stats().waits];
      turnUntil([a], () => a.ends.has(query));
      expect(a.ends.get(query)?.end).toBe("timedOut");
      expect(performance.now() - startMs).toBeGreaterThan(100);
      expect(a.node.stats().waits - before).toBeLessThan(8); // one for each retransmission, and the end
      expect(a.node.stats().timers).toBeGreaterThan(0);
    });

    it("counts an answer that waits in the kernel while it comes late", () => {
      const [a, b] = [start({ wait: wait as "poll" }), start({ wait: wait as "poll" })];
      const query = ping(a, seedOf(b, a), 100);
      b.node.wait(100);
      const untilMs = performance.now() + 250;
      while (performance.now() < untilMs);
      turnUntil([a], () => a.ends.has(query));
      expect(a.ends.get(query)?.end).toBe("converged");
    });

    it("waits a whole millisecond for a fraction of one, and not at all for 0", () => {
      const a = start({ wait: wait as "poll" });
      a.node.wait(0);
      a.node.wait(0);
      const startMs = performance.now();
      for (let i = 0; i < 10; i++) a.node.wait(0.4);
      expect(performance.now() - startMs).toBeGreaterThan(9);
    });

    it("reads no more than it is told to, and leaves the rest readable", () => {
      const [a, b] = [start({ wait: wait as "poll" }), start({ wait: wait as "poll" })];
      for (let i = 0; i < 10; i++) ping(a, seedOf(b, a));
      a.node.wait(0);
      expect([b.node.processEvents(4), b.node.processEvents(4), b.node.processEvents(4)]).toEqual([4, 4, 2]);
      expect([b.node.processEvents(), b.node.stats().messages]).toEqual([0, 10]);
    });

    it("reads as many turns as it is asked for", () => {
      const transports = [posixUdp({ listen: "udp://127.0.0.1:0", recvBufferBytes: 2 ** 20 })];
      const b = start({ wait: wait as "poll", transports });
      const raw = posixUdp({ listen: "udp://127.0.0.1:0" });
      const table = new AddressTable();
      const nothing = (): void => undefined;
      raw.open(
        {
          message: nothing,
          deferred: nothing,
          sent: nothing,
          sendFailed: nothing,
          flow: nothing,
          addressesChanged: nothing,
          report: nothing,
        },
        table,
      );
      const path = { remote: table.parse(b.url), dialable: true };
      for (let i = 0; i < 400; i++) raw.send({ path, peer: undefined, length: 4, tag: 0 }, new Uint8Array(4));
      raw.flush();
      raw.close();
      expect(b.node.processEvents(300)).toBe(300);
      expect(b.node.processEvents(1_000)).toBeLessThanOrEqual(100);
    });

    it("goes on after an error that nobody took, which is thrown out of run()", () => {
      const seen: string[] = [];
      const a = start({
        wait: wait as "poll",
        onEvent(event) {
          if (event.type !== "queryFinished") return;
          seen.push(event.end);
          if (seen.length === 1) throw new Error("boom");
          a.node.stop();
        },
      });
      ping(a, silentSeed(a), 20);
      expect(() => a.node.run()).toThrow(CallbackError);
      ping(a, silentSeed(a), 20);
      a.node.run();
      expect(seen).toEqual(["timedOut", "timedOut"]);
    });

    it("hands errors to `report` instead, where there is one", () => {
      const reports: unknown[] = [];
      const a = start({
        wait: wait as "poll",
        report: (error) => reports.push(error),
        onEvent() {
          a.node.stop();
          throw new Error("boom");
        },
      });
      ping(a, silentSeed(a), 20);
      a.node.run();
      expect(reports).toEqual([expect.any(CallbackError)]);
    });

    it("does nothing when a callback waits or runs, and says that run would never return", () => {
      const seen: unknown[] = [];
      const a = start({
        wait: wait as "poll",
        onEvent(event) {
          if (event.type !== "queryFinished") return;
          seen.push(a.node.wait(), a.node.processEvents(), event.query);
          try {
            a.node.run();
          } catch (error) {
            seen.push((error as UsageError).code);
          }
          a.node.stop();
        },
      });
      const first = ping(a, silentSeed(a), 20);
      a.node.run();
      const second = a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id)); // ends in the command's own pump
      expect(seen).toEqual([0, 0, first, "reentrant", 0, 0, second, "reentrant"]);
    });

    it("is woken by another thread that writes to its descriptor", () => {
      const a = start({ wait: wait as "poll" });
      a.node.wait(0);
      const shared = new Int32Array(new SharedArrayBuffer(4));
      const worker = new Worker(
        `const { workerData: { fd, shared } } = require("node:worker_threads");
         Atomics.wait(shared, 0, 0, 50);
         require("node:fs").writeSync(fd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));`,
        { eval: true, workerData: { fd: a.node.wakeFd, shared } },
      );
      const before = a.node.stats();
      while (a.node.stats().rings === before.rings) a.node.wait(10_000);
      expect(a.node.stats().rings - before.rings).toBe(1);
      return worker.terminate();
    });

    it("tells of a signal that has ended a wait", async () => {
      let interrupts = 0;
      const a = start({ wait: wait as "poll", onInterrupt: () => interrupts++ });
      a.node.wait(0);
      const handler = (): void => undefined;
      process.on("SIGUSR2", handler);
      // Again and again: one that comes between two waits ends neither.
      const shared = new Int32Array(new SharedArrayBuffer(4));
      const worker = new Worker(
        `const shared = require("node:worker_threads").workerData;
         while (Atomics.wait(shared, 0, 0, 50) === "timed-out") process.kill(process.pid, "SIGUSR2");`,
        { eval: true, workerData: shared },
      );
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      const untilMs = performance.now() + 30_000;
      while (interrupts === 0 && performance.now() < untilMs) a.node.wait(1_000);
      Atomics.store(shared, 0, 1);
      Atomics.notify(shared, 0);
      await ended;
      process.off("SIGUSR2", handler);
      expect(interrupts).toBeGreaterThan(0);
      expect(a.node.stats().interrupts).toBe(interrupts);
    });

    it("is woken by a command, and once by many", () => {
      const a = start({ wait: wait as "poll" });
      a.node.wait(0);
      const before = a.node.stats().rings;
      for (let i = 0; i < 5; i++) a.node.driver.run(() => undefined);
      a.node.wait();
      a.node.wait(0);
      a.node.wake();
      a.node.wait();
      expect(a.node.stats().rings - before).toBe(2);
    });

    it("does not wake up while it is idle", () => {
      const a = start({ wait: wait as "poll" });
      for (let i = 0; i < 5; i++) a.node.wait(20); // the node's own beginnings
      const [before, cpu] = [a.node.stats(), process.cpuUsage()];
      a.node.wait(300);
      const { waits, timers, rings } = a.node.stats();
      expect([waits - before.waits, timers - before.timers, rings - before.rings]).toEqual([1, 0, 0]);
      expect(process.cpuUsage(cpu).user).toBeLessThan(100_000);
    });

    describe("a socket that somebody else has closed", () => {
      it("is noticed, reported and given up, and the node goes on with the others", () => {
        const transport = posixUdp({ listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0"] });
        const [a, b] = [
          start({ wait: wait as "poll", transports: [transport] }),
          start({ wait: wait as "poll" }),
        ];
        const [lost, kept] = transport.sockets;
        a.node.wait(0);
        epollCalls().close(lost?.fd as number);
        if (wait === "epoll") {
          lost?.receive(1); // epoll says nothing of it
          expect(() => a.node.wait(0)).toThrow(SystemError);
        } else expect(() => a.node.wait(1_000)).toThrow(expect.objectContaining({ code: "EBADF" }));
        expect(transport.sockets).toEqual([kept]);
        const query = ping(a, seedOf(b, a));
        turnUntil([a, b], () => a.ends.has(query));
        expect(a.ends.get(query)?.end).toBe("converged");
      });

      it("whose number has been taken by a new one is not mixed up with that", () => {
        const transport = posixUdp({ listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0"] });
        const a = start({ wait: wait as "poll", transports: [transport], report: () => undefined });
        const fd = transport.sockets[0]?.fd as number;
        epollCalls().close(fd);
        transport.sockets[0]?.receive(1);
        const b = start({ wait: wait as "poll" }); // one of its descriptors has the number now
        a.node.wait(0);
        const query = ping(b, seedOf({ ...a, url: transport.localAddresses[0]?.key ?? "" }, b));
        turnUntil([a, b], () => b.ends.has(query));
        expect(b.ends.get(query)?.end).toBe("converged");
      });
    });

    describe("closing", () => {
      it("ends queries, sends what is left, and frees every descriptor and all memory", () => {
        const watch = quarantine();
        const [descriptors, native] = [openDescriptors(), nativeStats()];
        const a = start({ wait: wait as "poll" });
        const query = ping(a, silentSeed(a));
        a.node.wait(0);
        a.node.close();
        a.node.close();
        expect([a.ends.get(query)?.end, a.node.closed, a.machine.drained]).toEqual(["closed", true, true]);
        expect([openDescriptors(), nativeStats(), watch.damaged()]).toEqual([descriptors, native, []]);
        expect([a.node.wait(), a.node.processEvents(), a.node.getNextTimeoutMs()]).toEqual([0, 0, undefined]);
        a.node.run();
        a.node.stop();
        a.node.wake();
        expect(() => a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id))).toThrow(
          UsageError,
        );
        watch.end();
      });

      it.each(["a turn", "a command"])(
        "from a callback of %s, with work in flight, lets that finish",
        (from) => {
          const watch = quarantine();
          const [descriptors, native] = [openDescriptors(), nativeStats()];
          const ends: string[] = [];
          const a = start({
            wait: wait as "poll",
            onEvent(event) {
              if (event.type !== "queryFinished") return;
              ends.push(event.end);
              a.node.close();
            },
          });
          for (let i = 0; i < 3; i++) ping(a, silentSeed(a));
          if (from === "a command") a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id));
          else {
            ping(a, silentSeed(a), 10);
            a.node.run();
          }
          expect([ends.length, a.node.closed]).toEqual([4, true]);
          expect([openDescriptors(), nativeStats(), watch.damaged()]).toEqual([descriptors, native, []]);
          watch.end();
        },
      );

      it("throws what was met, after all is closed", () => {
        const a = start({
          wait: wait as "poll",
          onEvent() {
            throw new Error("boom");
          },
        });
        ping(a, silentSeed(a));
        expect(() => a.node.close()).toThrow(CallbackError);
        expect(a.node.closed).toBe(true);
      });
    });

    it("that cannot listen throws the address, and leaves nothing open", () => {
      const a = start({ wait: wait as "poll" });
      const [descriptors, native] = [openDescriptors(), nativeStats()];
      const open = () => start({ wait: wait as "poll", transports: [posixUdp({ listen: a.url })] });
      expect(open).toThrow(ListenError);
      expect(open).toThrow(a.url);
      expect([openDescriptors(), nativeStats()]).toEqual([descriptors, native]);
    });
  });

  describe("the set's own descriptor", () => {
    function userSet() {
      const { native, epollCreate1, epollWait, close } = epollCalls();
      const events = native.allocate(64, "test");
      const set = native.checked("epoll_create1", epollCreate1(0));
      const at = process.arch === "x64" ? 1 : 2;
      return {
        set,
        /** The data of what is ready. */
        wait: (timeoutMs: number): number | undefined =>
          epollWait(set, events.address, 1, timeoutMs) === 1 ? events.u32[at] : undefined,
        close() {
          close(set);
          events.release();
        },
      };
    }

    it("is readable for a message, a deadline, a command and what a budget has left, and for nothing else", () => {
      const mine = userSet();
      const [a, b] = [start(), start()];
      a.node.processEvents();
      a.node.attach(mine.set, 77);
      expect(mine.wait(50)).toBe(undefined);

      a.node.driver.run(() => undefined); // a command
      expect(mine.wait(1_000)).toBe(77);
      a.node.processEvents();
      expect(mine.wait(0)).toBe(undefined);

      for (let i = 0; i < 4; i++) ping(b, seedOf(a, b)); // messages
      expect(mine.wait(1_000)).toBe(77);
      a.node.processEvents(1);
      expect(mine.wait(0)).toBe(77); // a budget left some
      a.node.processEvents();
      expect(mine.wait(0)).toBe(undefined);

      const query = ping(a, silentSeed(a), 30); // a deadline
      a.node.processEvents();
      while (!a.ends.has(query)) {
        expect(mine.wait(1_000)).toBe(77);
        a.node.processEvents();
      }
      mine.close();
    });

    it("can be taken out again, once, and leaves by itself when the node is closed", () => {
      const mine = userSet();
      const a = start();
      const detach = a.node.attach(mine.set);
      expect(mine.wait(0)).toBe(a.node.getPollFd());
      expect(() => a.node.attach(mine.set)).toThrow(expect.objectContaining({ code: "EEXIST" }));
      detach();
      detach();
      expect(mine.wait(0)).toBe(undefined);
      a.node.attach(mine.set);
      a.node.close();
      expect(mine.wait(0)).toBe(undefined);
      expect(() => a.node.getPollFd()).toThrow(expect.objectContaining({ code: "closed" }));
      mine.close();
    });

    it("holds several nodes in one set of yours", () => {
      const mine = userSet();
      const nodes = [start(), start(), start()];
      for (const [index, { node }] of nodes.entries()) node.attach(mine.set, index);
      const [a, b, c] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]];
      const queries = [ping(a, seedOf(b, a)), ping(a, seedOf(c, a))];
      while (!queries.every((query) => a.ends.has(query))) {
        const index = mine.wait(5_000);
        if (index === undefined) throw new Error("nothing was ready");
        nodes[index]?.node.processEvents();
      }
      expect(queries.map((query) => a.ends.get(query)?.end)).toEqual(["converged", "converged"]);
      mine.close();
    });

    it("is not there with poll(2), which says what to do", () => {
      const a = start({ wait: "poll" });
      expect(() => a.node.getPollFd()).toThrow("poll(2) has no descriptor of its own");
      expect(a.node.getNextTimeoutMs()).toBeGreaterThan(0);
    });

    it("that is closed under the node makes its waits fail, and it can still be closed", () => {
      const a = start();
      epollCalls().close(a.node.getPollFd());
      expect(() => a.node.wait()).toThrow(expect.objectContaining({ code: "EBADF" }));
      a.node.close();
      expect(a.node.closed).toBe(true);
    });

    it.each([
      ["set", -1, 0],
      ["set", 1.5, 0],
      ["data", 3, -1],
      ["data", 3, 2 ** 32],
    ])("refuses a bad %s: %s, %s", (name, set, data) => {
      expect(() => start().node.attach(set, data)).toThrow(
        new RegExp(`^${name}: .*; allowed is a whole number`),
      );
    });

    it("refuses a set that is none", () => {
      expect(() => start().node.attach(2_000_000)).toThrow(expect.objectContaining({ code: "EBADF" }));
    });
  });

  describe("options", () => {
    const options = () => {
      const addresses = new AddressTable();
      return { addresses, machine: new KadNode(nodeOptions(addresses)) };
    };

    it("refuse a transport that opens with a promise, say what to take, and leave nothing open", async () => {
      const [descriptors, native] = [openDescriptors(), nativeStats()];
      const transports = [udp({ listen: "udp://127.0.0.1:0" })];
      expect(() => epollNode({ ...options(), transports })).toThrow(
        "transports: one of them opens with a promise; allowed are those that open at once, such as posixUdp() of @kad/transport-udp/posix",
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect([openDescriptors(), nativeStats(), transports[0]?.localAddresses]).toEqual([
        descriptors,
        native,
        [],
      ]);
    });

    it("refuse another way to wait", () => {
      const wait = "select" as unknown as "poll";
      expect(() => epollNode({ ...options(), transports: [posixUdp()], wait })).toThrow(
        'wait: select; allowed are "epoll" and "poll"',
      );
    });

    it("refuse what the router refuses, and leave nothing open", () => {
      const native = nativeStats();
      const descriptors = openDescriptors();
      expect(() => epollNode({ ...options(), transports: [] })).toThrow(UsageError);
      expect([openDescriptors(), nativeStats()]).toEqual([descriptors, native]);
    });

    it.each([-1, Number.NaN])("refuse to wait for %s ms", (maxMs) => {
      expect(() => start().node.wait(maxMs)).toThrow(/maxMs: .*; allowed is a number from 0/);
    });

    it.each([0, 1.5])("refuse to read %s messages", (max) => {
      expect(() => start().node.processEvents(max)).toThrow(/max: .*; allowed is a whole number from 1/);
    });
  });
});
