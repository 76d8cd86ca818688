import { AddressTable, type KadNode, type PluginContext, type Transport } from "@kad/core";
import { describe, expect, it } from "vitest";
import { HandLoop, intercept, Link, MemoryNetwork, UnsentWatch } from "../src/index.ts";
import { seededNode } from "../src/seeded-node.ts";

const hourMs = 3_600_000;

function start(loop: HandLoop, change: (machine: KadNode) => KadNode = (machine) => machine) {
  const addresses = new AddressTable();
  const transports = [loop.transport()];
  const report = (error: unknown): void => {
    throw error;
  };
  return {
    addresses,
    ...loop.start({ machine: change(seededNode(addresses, 1)), transports, addresses, report }),
  };
}

describe("a loop by hand", () => {
  it("runs a plugin's timers when its clock is turned, and no sooner", () => {
    const loop = new HandLoop();
    const node = start(loop);
    const fired: number[] = [];
    let context: PluginContext | undefined;
    node.driver.use({
      onAttach: (attached) => {
        context = attached;
        attached.setTimer(250);
      },
      onTimeout: (timeout) => {
        if (timeout.type === "timer") fired.push(loop.nowMs());
        if (fired.length < 3) context?.setTimer(250);
      },
    });
    loop.run(() => false, 249);
    expect(fired).toEqual([]);
    loop.run(() => false, 1_000);
    expect(fired).toEqual([250, 500, 750]);
  });

  it("tells the wall clock at the start and hourly", () => {
    const loop = new HandLoop({ unixMs: 1e12 });
    const told: number[] = [];
    const node = start(loop, (machine) =>
      intercept(machine, {
        handleNetworkEvent(nowMs, event) {
          if (event.type === "wallClock") told.push(event.unixMs);
          machine.handleNetworkEvent(nowMs, event);
        },
      }),
    );
    loop.run(() => false, 2.5 * hourMs);
    expect(told).toEqual([0, 1, 2].map((hours) => 1e12 + hours * hourMs));
    expect(loop.openHandles()).toBe(1);
    node.close();
    expect(loop.openHandles()).toBe(0);
  });

  it("refuses to sleep over a command that went past the driver", () => {
    const loop = new HandLoop();
    const { machine, driver, addresses } = start(loop);
    const to = { addresses: [addresses.parse("udp://10.0.0.9:1")] };
    driver.run((nowMs) => machine.ping(nowMs, to));
    loop.run(() => false, 10);
    machine.ping(loop.nowMs(), to);
    expect(() => loop.run(() => false, 10)).toThrow(
      "the loop would sleep: messages after ping were not polled",
    );
  });

  it("says so when it turns without end at one instant", () => {
    const loop = new HandLoop();
    start(loop, (machine) => intercept(machine, { nextDeadline: () => ({ atMs: 0, reason: "stuck" }) }));
    expect(() => loop.run(() => false, 10)).toThrow("the loop never sleeps at 0 ms");
  });
});

describe("a watch for what is unsent", () => {
  const watched = () => {
    const addresses = new AddressTable();
    addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
    const watch = new UnsentWatch();
    const machine = watch.machine(seededNode(addresses, 1));
    const to = { addresses: [addresses.parse("udp://10.0.0.9:1")] };
    return { watch, machine, to };
  };

  it("knows of messages that were not polled to the end", () => {
    const { watch, machine, to } = watched();
    expect(watch.unsent).toBeUndefined();
    machine.ping(1, to);
    expect(watch.unsent).toBe("messages after ping were not polled to the end");
    const into = new Uint8Array(1_200);
    expect(machine.pollTransmit(1, into)).toBeDefined();
    expect(watch.unsent).toBe("messages after ping were not polled to the end");
    machine.pollTransmit(1, into);
    expect(watch.unsent).toBe("events after ping were not handed out to the end");
    machine.pollEvent();
    expect(watch.unsent).toBeUndefined();
  });

  it("knows of messages that were not flushed", () => {
    const { watch, to } = watched();
    const network = new MemoryNetwork();
    const transport: Transport = watch.transport(network.transport("udp://10.0.0.1:0"));
    const [remote] = to.addresses;
    if (remote === undefined) throw new Error("no address");
    transport.send(
      { path: { remote, dialable: true }, peer: undefined, length: 1, tag: 0 },
      new Uint8Array(1),
    );
    expect(watch.unsent).toBe("1 messages were not flushed");
    transport.flush();
    expect(watch.unsent).toBeUndefined();
  });
});

describe("a network in memory", () => {
  it("loses, doubles and delays as its script says", () => {
    const network = new MemoryNetwork({ link: ({ number }) => [[], [5], [1, 9]][number] ?? [] });
    const heard: string[] = [];
    const [a, b] = [1, 2].map((i) => network.transport(`udp://10.0.0.${i}:1`));
    const table = new AddressTable();
    const sink = {
      message: (_from: unknown, bytes: Uint8Array) => void heard.push(`${network.nowMs}: ${bytes[0]}`),
      deferred: () => undefined,
      sent: () => undefined,
      sendFailed: () => undefined,
      flow: () => undefined,
      addressesChanged: () => undefined,
      report: () => undefined,
    };
    for (const transport of [a, b]) transport?.open(sink, table);
    const path = { remote: table.parse("udp://10.0.0.2:1"), dialable: true };
    for (const number of [1, 2, 3]) {
      a?.send({ path, peer: undefined, length: 1, tag: 0 }, Uint8Array.of(number));
    }
    network.run(() => false, 100);
    expect(heard).toEqual(["1: 3", "5: 2", "9: 3"]);
    expect([network.nowMs, network.nextArrivalMs]).toEqual([100, undefined]);
  });

  it("takes udp addresses only", () => {
    expect(() => new MemoryNetwork().transport("tcp://10.0.0.1:1")).toThrow(
      expect.objectContaining({ code: "invalidAddress" }),
    );
  });
});

describe("a link", () => {
  it("keeps a copy, and gives each arrival bytes of its own", () => {
    const table = new AddressTable();
    const [from, to] = ["udp://10.0.0.1:1", "udp://10.0.0.2:1"].map((url) => table.parse(url));
    if (from === undefined || to === undefined) throw new Error("no address");
    const link = new Link(() => [0, 0]);
    const bytes = Uint8Array.of(1, 2);
    link.send(0, from, to, bytes);
    bytes.fill(9);
    const [one, other] = [link.take(0), link.take(0)];
    one?.bytes.fill(7);
    expect([one?.bytes, other?.bytes, link.take(0), link.size]).toEqual([
      Uint8Array.of(7, 7),
      Uint8Array.of(1, 2),
      undefined,
      0,
    ]);
  });
});
