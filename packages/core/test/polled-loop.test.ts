import { describe, expect, it } from "vitest";
import { AddressTable } from "../src/address-table.ts";
import { CallbackError, InvariantError, ListenError } from "../src/errors.ts";
import { PolledLoop, type PolledLoopOptions, receiveFairly } from "../src/polled-loop.ts";
import type { PolledSocket, PolledTransport, Transport, TransportSink } from "../src/transport.ts";
import { peerAddress, peerId, peerPath, ScriptedMachine } from "./scripted-machine.ts";

const hour = 3_600_000;

/** A socket whose kernel is an array. */
class ArrayTransport implements PolledTransport {
  readonly kinds = ["udp4"] as const;
  readonly maxBytes = 1_200;
  readonly localAddresses = [];
  readonly inbox: Uint8Array[] = [];
  readonly sent: number[] = [];
  sockets: readonly PolledSocket[] = [];
  flushes = 0;
  closes = 0;
  onFlush: (() => void) | undefined;
  openError: unknown;
  closeError: unknown;
  sink: TransportSink | undefined;
  #addresses: AddressTable | undefined;

  open(sink: TransportSink, addresses: AddressTable): void {
    if (this.openError !== undefined) throw this.openError;
    this.sink = sink;
    this.#addresses = addresses;
    this.sockets = [{ fd: 3, wantsWrite: false, writable() {}, receive: (max) => this.#receive(max) }];
  }
  send({ tag }: { tag: number }): "sent" {
    this.sent.push(tag);
    return "sent";
  }
  flush(): void {
    this.flushes++;
    this.onFlush?.();
  }
  close(): void {
    this.closes++;
    this.sockets = [];
    if (this.closeError !== undefined) throw this.closeError;
  }
  #receive(max: number): number {
    const remote = this.#addresses?.parse("udp://192.0.2.1:4100");
    const batch = this.inbox.splice(0, max);
    for (const bytes of batch) if (remote) this.sink?.message({ remote, dialable: true }, bytes);
    return batch.length;
  }
}

function setUp(options: Partial<PolledLoopOptions> = {}) {
  const machine = new ScriptedMachine();
  const transport = new ArrayTransport();
  const log: string[] = [];
  const time = { nowMs: 100, unixMs: 1_000_000 };
  const loop = new PolledLoop(
    { machine, addresses: new AddressTable(), transports: [transport], ...options },
    {
      clock: { nowMs: () => time.nowMs, unixMs: () => time.unixMs },
      setTimer: (atMs) => log.push(`timer ${atMs}`),
      watch: () => log.push("watch"),
      wake: () => log.push("wake"),
      release: () => log.push(`release, ${transport.closes} closed`),
      closed: () => log.push(`closed, ${transport.closes} closed`),
    },
  );
  const read = (): number => transport.sockets.reduce((sum, socket) => sum + socket.receive(8), 0);
  return { machine, transport, log, time, loop, read };
}

function opened(options?: Partial<PolledLoopOptions>) {
  const all = setUp(options);
  void all.loop.open();
  all.log.length = 0;
  all.machine.trace.length = 0;
  return all;
}

describe("opening", () => {
  it("tells the node the wall clock and its addresses, and sets the timer", () => {
    const { loop, machine, log } = setUp();
    expect(loop.open()).toBe(undefined);
    expect(machine.received).toEqual([
      { type: "wallClock", unixMs: 1_000_000 },
      { type: "addressesChanged", addresses: [] },
    ]);
    expect(log).toContain(`timer ${hour + 100}`);
  });

  it("that fails closes the node, and throws what the transport did", () => {
    const { loop, machine, transport, log } = setUp();
    transport.openError = new ListenError("addressInUse", "udp://127.0.0.1:1", undefined);
    expect(() => loop.open()).toThrow(transport.openError as Error);
    expect([machine.isClosed, loop.closed, log.at(-1)]).toEqual([true, true, "closed, 0 closed"]);
  });

  it("of a transport that takes its time is a promise", async () => {
    const slow: Transport = Object.assign(new ArrayTransport(), { open: () => Promise.resolve() });
    const { loop, machine } = setUp({ transports: [slow] });
    const opening = loop.open();
    expect(machine.received.length).toBe(1);
    await opening;
    expect(machine.received.length).toBe(2);
  });

  it("of a transport that takes its time rejects as well", async () => {
    const error = new Error("no");
    const slow: Transport = Object.assign(new ArrayTransport(), { open: () => Promise.reject(error) });
    const { loop } = setUp({ transports: [slow] });
    await expect(loop.open()).rejects.toBe(error);
    expect(loop.closed).toBe(true);
  });
});

describe("a turn", () => {
  it("reads, lets time pass, sends, hands out, and says what to wait for", () => {
    const events: string[] = [];
    const { loop, machine, transport, log, read } = opened({ onEvent: ({ type }) => events.push(type) });
    transport.inbox.push(new Uint8Array(1), new Uint8Array(1));
    machine.deadline = { atMs: 100, reason: "test" };
    machine.outgoing.push({ tag: 5 });
    machine.events.push({ type: "nodeDiscovered", contact: { id: peerId, addresses: [] } });
    expect(loop.turn(read)).toBe(2);
    expect(machine.trace).toEqual([
      "message@100",
      "message@100",
      "timeout@100",
      "transmit 5@100",
      "event nodeDiscovered",
    ]);
    expect([events, transport.sent, transport.flushes]).toEqual([["nodeDiscovered"], [5], 2]);
    expect(log).toEqual(["watch"]);
  });

  it("sets the timer once for each deadline, and anew after it has fired too early", () => {
    const { loop, machine, time, log } = opened();
    machine.deadline = { atMs: 150.5, reason: "test" };
    loop.turn();
    loop.turn();
    expect(log.filter((line) => line.startsWith("timer"))).toEqual(["timer 150.5"]);
    time.nowMs = 150;
    loop.turn(undefined, true);
    expect(log.filter((line) => line.startsWith("timer"))).toEqual(["timer 150.5", "timer 150.5"]);
    expect(machine.trace).toEqual([]);
    time.nowMs = 151;
    loop.turn(undefined, true);
    expect(machine.trace).toEqual(["timeout@151"]);
  });

  it.each(["a turn", "a command"])("from inside a callback of %s does nothing", (from) => {
    const nested: unknown[] = [];
    const { loop, machine, transport, read } = opened({
      onEvent: () => nested.push(loop.isBusy, loop.turn(read)),
    });
    machine.events.push({ type: "nodeDiscovered", contact: { id: peerId, addresses: [] } });
    const arrive = (): number => transport.inbox.push(new Uint8Array(1)) * 0;
    if (from === "a turn") loop.turn(arrive);
    else loop.driver.run(arrive);
    expect([nested, transport.inbox.length, loop.isBusy]).toEqual([[true, 0], 1, false]);
  });

  it("runs a pump that was scheduled after what has arrived meanwhile was read", () => {
    const { loop, machine, transport, read, log } = opened({ maxTransmits: 1 });
    machine.outgoing.push({ tag: 1 }, { tag: 2 });
    loop.turn(read);
    expect([log.at(-1), loop.getNextTimeoutMs()]).toEqual(["wake", 0]);
    transport.inbox.push(new Uint8Array(1));
    loop.turn(read);
    expect(machine.trace).toEqual(["transmit 1@100", "message@100", "transmit 2@100"]);
    loop.turn(read);
    expect(loop.getNextTimeoutMs()).toBe(hour);
  });

  it("reads before it lets time pass, when it comes a minute late", () => {
    const { loop, machine, transport, time, read } = opened();
    machine.deadline = { atMs: 200, reason: "test" };
    loop.turn(read);
    time.nowMs += 60_000;
    time.unixMs += 60_000;
    loop.turn();
    expect(loop.getNextTimeoutMs()).toBe(0);
    transport.inbox.push(new Uint8Array(1));
    loop.turn(read);
    expect(machine.trace).toEqual(["message@60100", "timeout@60100"]);
  });

  it("asks for another after a send has failed while flushing", () => {
    const { loop, machine, transport, log } = opened();
    machine.outgoing.push({ tag: 4 });
    transport.onFlush = () => {
      transport.onFlush = undefined;
      transport.sink?.sendFailed(peerAddress, 4, "unreachable");
    };
    loop.turn();
    expect([loop.getNextTimeoutMs(), log.at(-1), machine.trace]).toEqual([
      0,
      "wake",
      ["transmit 4@100", "sendFailed@100"],
    ]);
  });

  it("tells the wall clock that has jumped", () => {
    const { loop, machine, time } = opened();
    time.unixMs += 20_000;
    loop.turn();
    expect(machine.trace).toEqual(["wallClock@100"]);
  });
});

describe("what a wait may take", () => {
  it.each([
    ["until the deadline, rounded up", 100.2, 1],
    ["not at all where it has passed", 5, 0],
    ["an hour where there is none", undefined, hour],
    ["an hour where it is further away", 10 * hour, hour],
  ])("is %s", (_title, atMs, expected) => {
    const { loop, machine } = opened();
    machine.deadline = atMs === undefined ? undefined : { atMs, reason: "test" };
    expect(loop.getNextTimeoutMs()).toBe(expected);
  });

  it("is nothing after a transport has brought something between turns", () => {
    const { loop, transport, log } = opened();
    transport.sink?.addressesChanged();
    expect([loop.getNextTimeoutMs(), log]).toEqual([0, ["wake"]]);
  });

  it("is nothing after something was handed in", () => {
    const { loop, machine, log, transport } = opened();
    loop.handIn({ type: "message", from: peerPath, bytes: new Uint8Array(1) });
    expect([loop.getNextTimeoutMs(), log, machine.trace]).toEqual([0, ["wake"], ["message@100"]]);
    void loop.close();
    loop.handIn({ type: "message", from: peerPath, bytes: new Uint8Array(1) });
    expect([machine.trace, transport.closes]).toEqual([["message@100", "close@100"], 1]);
  });

  it("is not known once closed", () => {
    const { loop } = opened();
    void loop.close();
    expect(loop.getNextTimeoutMs()).toBe(undefined);
  });
});

describe("a command outside of a turn", () => {
  it("sends at once, sets the timer and wakes whoever waits", () => {
    const { loop, machine, transport, log } = opened();
    loop.driver.run((nowMs) => {
      machine.findNode(nowMs);
      machine.deadline = { atMs: 300, reason: "test" };
    });
    expect([transport.sent, log]).toEqual([[1], ["watch", "wake", "timer 300"]]);
  });

  it("leaves what a callback throws to the next turn", () => {
    const { loop, machine } = opened({
      onEvent: () => {
        throw new Error("boom");
      },
    });
    loop.driver.run(() =>
      machine.events.push({ type: "nodeDiscovered", contact: { id: peerId, addresses: [] } }),
    );
    expect(loop.getNextTimeoutMs()).toBe(0);
    expect(() => loop.turn()).toThrow(CallbackError);
    expect(loop.turn()).toBe(0);
  });
});

describe("errors that nobody takes", () => {
  const discovered = { type: "nodeDiscovered", contact: { id: peerId, addresses: [] } } as const;

  it("are thrown out of the turn, after all of it has been done", () => {
    const seen: string[] = [];
    const { loop, machine, transport, read, log } = opened({
      onEvent({ type }) {
        seen.push(type);
        throw new Error("boom");
      },
    });
    machine.events.push(discovered, discovered);
    transport.inbox.push(new Uint8Array(1));
    expect(() => loop.turn(read)).toThrow("2 errors in one turn");
    expect([seen.length, log[0]]).toEqual([2, "watch"]);
    expect(loop.turn(read)).toBe(0);
  });

  it("of reading do not keep time from passing", () => {
    const { loop, machine } = opened();
    machine.deadline = { atMs: 100, reason: "test" };
    const failing = (): never => {
      throw new Error("EBADF");
    };
    expect(() => loop.turn(failing)).toThrow("EBADF");
    expect(machine.trace).toEqual(["timeout@100"]);
  });

  it("are kept for it, a hundred at most, in a loop that does not turn", () => {
    const { loop, transport } = opened();
    for (let i = 0; i < 200; i++) transport.sink?.report(i);
    expect(() => loop.turn()).toThrow("100 errors in one turn");
  });

  it("go to `report` where there is one", () => {
    const reports: unknown[] = [];
    const { loop, transport } = opened({ report: (error) => reports.push(error) });
    transport.sink?.report("gone");
    loop.turn();
    expect(reports).toEqual(["gone"]);
  });

  it("of a fault of the node close it, and it can still be closed from outside", () => {
    const { loop, machine, transport } = opened();
    machine.hooks.findNode = () => {
      throw new InvariantError("torn");
    };
    expect(() => loop.driver.run((nowMs) => machine.findNode(nowMs))).toThrow("torn");
    expect(() => loop.turn()).toThrow("torn");
    void loop.close();
    expect([loop.closed, transport.closes]).toEqual([true, 1]);
  });

  it("of a hook are as any other", () => {
    const machine = new ScriptedMachine();
    const loop = new PolledLoop(
      { machine, addresses: new AddressTable(), transports: [new ArrayTransport()] },
      {
        clock: { nowMs: () => 0, unixMs: () => 0 },
        watch: () => {
          throw new Error("epoll_ctl");
        },
      },
    );
    expect(() => loop.open()).toThrow("epoll_ctl");
  });
});

describe("closing", () => {
  it("ends, sends, frees what watches, then the transports", () => {
    const { loop, machine, transport, log } = opened();
    machine.hooks.close = () => machine.outgoing.push({ tag: 9 });
    void loop.close();
    expect([transport.sent, transport.closes, log]).toEqual([
      [9],
      1,
      ["release, 0 closed", "closed, 1 closed"],
    ]);
    expect([loop.closed, machine.drained, loop.sockets]).toEqual([true, true, []]);
  });

  it("twice is the same as once, and turns do nothing afterwards", () => {
    const { loop, machine, transport, log, read } = opened();
    void loop.close();
    void loop.close();
    machine.trace.length = 0;
    transport.inbox.push(new Uint8Array(1));
    expect([loop.turn(read), transport.closes, log.length, machine.trace]).toEqual([0, 1, 2, []]);
  });

  it.each(["a turn", "a command"])("from a callback of %s lets that finish first", (from) => {
    const log: unknown[] = [];
    const { loop, machine, transport } = opened({
      onEvent({ type }) {
        void loop.close();
        log.push(type, loop.closed);
      },
    });
    machine.hooks.close = () => machine.outgoing.push({ tag: 9 });
    machine.events.push({ type: "timer", timer: 1, plugin: 1 }, { type: "timer", timer: 2, plugin: 1 });
    if (from === "a turn") loop.turn();
    else loop.driver.run(() => undefined);
    expect(log).toEqual(["timer", false, "timer", false]);
    expect([loop.closed, transport.sent, transport.closes]).toEqual([true, [9], 1]);
  });

  it("while reading stops with what has been read", () => {
    const { loop, machine, transport } = opened();
    loop.turn(() => {
      void loop.close();
      return 0;
    });
    expect([loop.closed, transport.closes, machine.drained]).toEqual([true, 1, true]);
  });

  it("throws what a transport throws, after all is closed", () => {
    const { loop, transport } = opened();
    transport.closeError = new Error("close");
    expect(() => loop.close()).toThrow("close");
    expect(loop.closed).toBe(true);
  });

  it("keeps for the next call what was met in a closing that a callback asked for", () => {
    const { loop, machine, transport } = opened({ onEvent: () => void loop.close() });
    transport.closeError = new Error("close");
    loop.driver.run(() => machine.events.push({ type: "timer", timer: 1, plugin: 1 }));
    expect(loop.closed).toBe(true);
    expect(() => loop.turn()).toThrow("close");
    expect(loop.turn()).toBe(0);
  });

  it("of a transport that takes its time is a promise, the same for each call", async () => {
    const slow: Transport = Object.assign(new ArrayTransport(), { close: () => Promise.resolve() });
    const { loop } = setUp({ transports: [slow] });
    void loop.open();
    const closing = loop.close();
    expect(closing).toBeInstanceOf(Promise);
    expect(loop.close()).toBe(closing);
    await closing;
  });
});

describe("reading from several sockets", () => {
  function sockets(...waiting: number[]): (PolledSocket & { readonly calls: number[] })[] {
    return waiting.map((left, fd) => {
      const calls: number[] = [];
      const receive = (max: number): number => {
        const read = Math.min(max, left);
        left -= read;
        calls.push(read);
        return read;
      };
      return { fd, wantsWrite: false, writable() {}, receive, calls };
    });
  }

  it.each([
    ["gives each an equal share", [100, 100], 20, 20, [[10], [10]]],
    ["gives what one leaves to the others", [100, 1], 20, 20, [[10, 9], [1]]],
    ["lets a single one have it all", [100], 20, 20, [[20]]],
    ["stops when there are no more", [3, 0], 20, 3, [[3], [0]]],
    ["reads nothing where nothing is ready", [], 20, 0, []],
    ["gives one message to the first", [5, 5], 1, 1, [[1], []]],
  ])("%s", (_title, waiting, max, expected, calls) => {
    const all = sockets(...waiting);
    expect(receiveFairly(all, max)).toBe(expected);
    expect(all.map((socket) => socket.calls)).toEqual(calls);
  });
});

it("waits for the sockets of all its transports", () => {
  const [a, b] = [new ArrayTransport(), Object.assign(new ArrayTransport(), { kinds: ["udp6"] })];
  const { loop } = setUp({ transports: [a, b as unknown as Transport] });
  void loop.open();
  expect(loop.sockets).toEqual([...a.sockets, ...b.sockets]);
});
