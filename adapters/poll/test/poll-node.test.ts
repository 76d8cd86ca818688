import {
  AddressTable,
  CallbackError,
  immutableRecord,
  KadNode,
  ListenError,
  type NodeEvent,
} from "@kad/core";
import { udp } from "@kad/transport-udp";
import { afterEach, describe, expect, it } from "vitest";
import { hostSocket, openPollNode, type PollNode, pollNode } from "../src/index.ts";
import { HostNetwork, nodeOptions, seedOf, sha256 } from "./host-network.ts";

let network = new HostNetwork();
afterEach(() => {
  network.close();
  network = new HostNetwork();
});

type QueryEnd = Extract<NodeEvent, { type: "queryFinished" }>;

const styles: [string, (node: PollNode) => void][] = [
  [
    "separate concerns",
    (node) => void (node.getNextTimeoutMs() === 0 ? node.handleNetworkEvent() : node.handleTimeout()),
  ],
  ["a descriptor", (node) => void node.processEvents(16)],
  ["periodic calls", (node) => void node.periodic()],
];

describe.each(styles)("a host with %s", (_title, turn) => {
  it("puts and gets a record, with callbacks alone", () => {
    const ends: QueryEnd[] = [];
    const onEvent = (event: NodeEvent): void => {
      if (event.type === "queryFinished") ends.push(event);
    };
    const [first, ...others] = [0, 1, 2, 3, 4].map(() => network.add({ onEvent }));
    if (first === undefined) throw new Error("no node");
    for (const other of others) {
      other.node.driver.run((nowMs) => other.machine.bootstrap(nowMs, [seedOf(first, other)]));
      network.until(() => ends.pop() !== undefined, turn);
    }
    const record = immutableRecord(sha256, new TextEncoder().encode("a value"));
    const [writer, reader] = [others[0], others[3]];
    writer?.node.driver.run((nowMs) => writer.machine.put(nowMs, record, { keep: false }));
    network.until(() => ends.length > 0, turn);
    expect(ends.pop()).toMatchObject({ end: "converged", result: { type: "stored" } });
    reader?.node.driver.run((nowMs) => reader.machine.get(nowMs, record.key));
    network.until(() => ends.length > 0, turn);
    expect(ends.pop()).toMatchObject({ end: "converged", result: { record: { body: record.body } } });
  });

  it("that is never called again ends no query, and loses nothing when it goes on", () => {
    const ends: string[] = [];
    const a = network.add({ onEvent: (event) => event.type === "queryFinished" && ends.push(event.end) });
    const b = network.add();
    a.node.driver.run((nowMs) => a.machine.ping(nowMs, seedOf(b, a)));
    network.nowMs += 60_000;
    expect(ends).toEqual([]);
    network.until(() => ends.length > 0, turn);
    expect(ends).toEqual(["converged"]);
  });
});

describe("time", () => {
  it("that passes a minute late still counts the answer that has arrived", () => {
    const ends: string[] = [];
    const a = network.add({ onEvent: (event) => event.type === "queryFinished" && ends.push(event.end) });
    const b = network.add();
    a.node.driver.run((nowMs) => a.machine.ping(nowMs, seedOf(b, a), { timeoutMs: 500 }));
    network.step(); // b has answered
    network.nowMs += 60_000;
    a.node.handleTimeout(); // finds itself late, and asks for a turn to read first
    expect([ends, a.node.getNextTimeoutMs()]).toEqual([[], 0]);
    network.step();
    expect(ends).toEqual(["converged"]);
  });

  it("that is told early or twice does nothing", () => {
    const a = network.add();
    const silent = { addresses: [a.addresses.parse("udp://192.0.2.99:9")] };
    a.node.driver.run((nowMs) => a.machine.ping(nowMs, silent, { timeoutMs: 1_000 }));
    const before = a.machine.stats();
    network.nowMs += 1;
    for (let i = 0; i < 5; i++) a.node.handleTimeout();
    expect(a.machine.stats()).toEqual(before);
  });

  it("is asked for in whole milliseconds, an hour at most", () => {
    const a = network.add();
    a.node.periodic();
    expect(a.node.getNextTimeoutMs()).toBeLessThanOrEqual(3_600_000);
    expect(Number.isInteger(a.node.getNextTimeoutMs())).toBe(true);
    expect(a.node.periodic()).toBe(a.node.getNextTimeoutMs());
  });
});

describe("events", () => {
  it("can be polled, in their order, beside the callbacks", () => {
    const heard: string[] = [];
    const a = network.add({ queueEvents: true, onEvent: ({ type }) => heard.push(type) });
    const b = network.add();
    a.node.driver.run((nowMs) => a.machine.ping(nowMs, seedOf(b, a)));
    network.until(() => heard.includes("queryFinished"));
    const polled: string[] = [];
    for (let event = a.node.pollEvent(); event !== undefined; event = a.node.pollEvent())
      polled.push(event.type);
    expect(polled).toEqual(heard);
    expect(polled.length).toBeGreaterThan(1);
  });

  it("that nobody polls are dropped beyond a bound, but never an end", () => {
    const a = network.add({ queueEvents: true });
    const stranger = { remote: a.addresses.parse("udp://192.0.2.77:1"), dialable: true };
    for (let i = 0; i < 2_000; i++) {
      a.node.deliver(new Uint8Array(0), stranger);
      a.node.deliver(Uint8Array.of(4, 0, 1), stranger);
      a.node.periodic();
    }
    const query = a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id));
    a.node.periodic();
    const { queuedEvents, eventsDropped } = a.node.stats();
    expect(queuedEvents).toEqual({ used: 1_024, limit: 1_024 });
    expect(eventsDropped).toBeGreaterThan(0);
    const all: NodeEvent[] = [];
    for (let event = a.node.pollEvent(); event !== undefined; event = a.node.pollEvent()) all.push(event);
    expect(all.at(-1)).toMatchObject({ type: "queryFinished", query });
    expect([all.length, a.node.stats().queuedEvents.used]).toEqual([1_025, 0]);
  });

  it("have to be asked for before they can be polled", () => {
    const a = network.add();
    expect(() => a.node.pollEvent()).toThrow(expect.objectContaining({ code: "invalidArgument" }));
    expect(a.node.stats().queuedEvents).toEqual({ used: 0, limit: 0 });
  });

  it("reach the queue even where the callback throws, which is thrown out of the call", () => {
    const a = network.add({
      queueEvents: true,
      onEvent: () => {
        throw new Error("boom");
      },
    });
    a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id));
    expect(() => a.node.periodic()).toThrow(CallbackError);
    expect(a.node.pollEvent()?.type).toBe("queryFinished");
    expect(() => a.node.periodic()).not.toThrow();
  });
});

describe("a call from inside a callback", () => {
  it("does nothing, and the turn goes on", () => {
    const inner: unknown[] = [];
    const a = network.add({
      onEvent: () => inner.push(a.node.processEvents(), a.node.handleNetworkEvent(), a.node.handleTimeout()),
    });
    a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id));
    a.node.periodic();
    expect(inner).toEqual([0, 0, undefined]);
  });
});

describe("bytes that the host hands in", () => {
  it("are followed up in the next turn, for which the host is woken", () => {
    let wakes = 0;
    const a = network.add({ onWake: () => wakes++ });
    a.node.periodic();
    const before = wakes;
    a.node.deliver(new Uint8Array(3), "udp://192.0.2.9:1");
    expect([wakes - before, a.node.getNextTimeoutMs()]).toEqual([1, 0]);
    a.node.periodic();
    expect(a.machine.stats().messagesReceived).toBe(1);
    expect(a.node.getNextTimeoutMs()).not.toBe(0);
  });

  it("may be a Buffer, an address or a path", () => {
    const a = network.add();
    const kinds: string[] = [];
    const handle = a.machine.handleNetworkEvent.bind(a.machine);
    a.machine.handleNetworkEvent = (nowMs, event) => {
      if (event.type === "message") kinds.push(`${event.bytes.constructor.name} ${event.from.dialable}`);
      handle(nowMs, event);
    };
    const remote = a.addresses.parse("udp://192.0.2.9:1");
    a.node.deliver(Buffer.from([1, 2]), remote);
    a.node.deliver(new Uint8Array(2), { remote, dialable: false });
    expect(kinds).toEqual(["Uint8Array true", "Uint8Array false"]);
  });

  it("from what is no address are refused", () => {
    const a = network.add();
    expect(() => a.node.deliver(new Uint8Array(1), "nowhere")).toThrow(
      expect.objectContaining({ code: "invalidAddress" }),
    );
  });
});

describe("a transport that opens with a promise", () => {
  const options = () => {
    const addresses = new AddressTable();
    return { addresses, machine: new KadNode(nodeOptions(addresses, 5)) };
  };

  it("is for openPollNode, and brings bytes while Node's loop turns", async () => {
    const ends: string[] = [];
    const onEvent = (event: NodeEvent): void => void (event.type === "queryFinished" && ends.push(event.end));
    const [a, b] = [options(), { ...options(), machine: new KadNode(nodeOptions(new AddressTable(), 6)) }];
    const listen = () => [udp({ listen: "udp://127.0.0.1:0" })];
    const bTable = new AddressTable();
    const bMachine = new KadNode(nodeOptions(bTable, 6));
    const asking = await openPollNode({ ...a, transports: listen(), onEvent });
    const answering = await openPollNode({ machine: bMachine, addresses: bTable, transports: listen() });
    expect([asking.getSocketFd(), asking.getPollFd(), b.machine.id]).toEqual([
      undefined,
      undefined,
      bMachine.id,
    ]);
    const url = answering.router.localAddresses[0]?.key ?? "";
    asking.driver.run((nowMs) => a.machine.ping(nowMs, { addresses: [a.addresses.parse(url)] }));
    for (let turns = 0; ends.length === 0 && turns < 5_000; turns++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      for (const node of [asking, answering]) node.periodic();
    }
    expect(ends).toEqual(["converged"]);
    await Promise.all([asking.close(), answering.close()]);
    expect([asking.closed, asking.periodic()]).toEqual([true, undefined]);
  });

  it("is refused by pollNode, which says what to take, and leaves nothing open", async () => {
    const transport = udp({ listen: "udp://127.0.0.1:0" });
    expect(() => pollNode({ ...options(), transports: [transport] })).toThrow(/openPollNode/);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(transport.localAddresses).toEqual([]);
  });

  it("that cannot listen rejects with the address", async () => {
    const taken = udp({ listen: "udp://127.0.0.1:0" });
    const first = await openPollNode({ ...options(), transports: [taken] });
    const listen = first.router.localAddresses[0]?.key ?? "";
    await expect(openPollNode({ ...options(), transports: [udp({ listen })] })).rejects.toBeInstanceOf(
      ListenError,
    );
    await first.close();
  });
});

describe("closing", () => {
  it("ends queries, whose events can still be polled, and takes nothing more", () => {
    const a = network.add({ queueEvents: true });
    const silent = { addresses: [a.addresses.parse("udp://192.0.2.99:9")] };
    a.node.driver.run((nowMs) => a.machine.ping(nowMs, silent));
    void a.node.close();
    void a.node.close();
    expect([a.node.closed, a.node.periodic(), a.node.processEvents()]).toEqual([true, undefined, 0]);
    expect(a.node.pollEvent()).toMatchObject({ type: "queryFinished", end: "closed" });
    a.node.deliver(new Uint8Array(1), "udp://192.0.2.9:1");
    expect(a.node.pollEvent()).toBe(undefined);
  });

  it("from a callback lets the turn finish", () => {
    const ends: string[] = [];
    const a = network.add({
      onEvent(event) {
        if (event.type === "queryFinished") ends.push(event.end);
        void a.node.close();
      },
    });
    const silent = { addresses: [a.addresses.parse("udp://192.0.2.99:9")] };
    for (let i = 0; i < 3; i++)
      a.node.driver.run((nowMs) => a.machine.ping(nowMs, silent, { timeoutMs: 10 + i }));
    network.nowMs += 11;
    a.node.periodic();
    expect([ends, a.node.closed]).toEqual([["timedOut", "timedOut", "closed"], true]);
  });
});

describe("arguments", () => {
  it.each([0, -1, 1.5, Number.NaN])("refuse to read %s messages", (max) => {
    const a = network.add();
    expect(() => a.node.processEvents(max)).toThrow(/max: .*; allowed is a whole number from 1/);
  });

  it("of a transport are checked by it", () => {
    expect(() => hostSocket({ local: "nowhere", send: () => undefined })).toThrow("nowhere");
  });
});
