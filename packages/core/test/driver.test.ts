import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyBytes } from "../src/bytes.ts";
import { Driver, type DriverOptions, type Host } from "../src/driver.ts";
import { CallbackError, InvariantError, KadError, UsageError } from "../src/errors.ts";
import type { NodeEvent } from "../src/events.ts";
import type { Deadline, InstantMs, NetworkEvent, Transmit } from "../src/machine.ts";
import type { Outlet, SendOutcome } from "../src/transport.ts";
import { peerAddress, peerId, peerPath, type ScriptedCall, ScriptedMachine } from "./scripted-machine.ts";

/** A loop by hand: time moves when the test says so, and scheduled turns run when it says so. */
class HandHost implements Host {
  clockMs = 0;
  clockReads = 0;
  readonly armed: (number | undefined)[] = [];
  readonly turns: (() => void)[] = [];
  readonly reports: unknown[] = [];

  nowMs(): InstantMs {
    this.clockReads++;
    return this.clockMs;
  }
  arm(deadline: Deadline | undefined): void {
    this.armed.push(deadline?.atMs);
  }
  schedule(pump: () => void): void {
    this.turns.push(pump);
  }
  report(error: unknown): void {
    this.reports.push(error);
  }
  /** Runs what is scheduled now, not what it schedules. */
  turn(): void {
    for (const pump of this.turns.splice(0)) pump();
  }
}

class HandOutlet implements Outlet {
  readonly maxBytes?: number;
  readonly sent: { tag: number; bytes: Uint8Array; scratchBytes: number }[] = [];
  flushes = 0;
  outcome: (transmit: Transmit) => SendOutcome = () => "sent";
  onFlush: () => void = () => {};

  constructor(maxBytes?: number) {
    if (maxBytes !== undefined) this.maxBytes = maxBytes;
  }
  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    this.sent.push({ tag: transmit.tag, bytes: copyBytes(bytes), scratchBytes: bytes.buffer.byteLength });
    return this.outcome(transmit);
  }
  flush(): void {
    this.flushes++;
    this.onFlush();
  }
}

function setUp(options?: DriverOptions, maxBytes?: number) {
  const machine = new ScriptedMachine();
  const host = new HandHost();
  const outlet = new HandOutlet(maxBytes);
  return { machine, host, outlet, driver: new Driver(machine, host, outlet, options) };
}

const message: NetworkEvent = { type: "message", from: peerPath, bytes: new Uint8Array([1]) };
const discovered: NodeEvent = { type: "nodeDiscovered", contact: { id: peerId, addresses: [peerAddress] } };
const misbehaved: NodeEvent = { type: "peerMisbehaved", from: peerPath, code: "malformed" };

describe("a turn", () => {
  it("reads the clock once for a command, its transmits and its events", () => {
    const { machine, host, driver } = setUp();
    host.clockMs = 7;
    machine.events.push(discovered, discovered);
    machine.deadline = { atMs: 5, reason: "test" };
    driver.run((nowMs) => machine.findNode(nowMs));
    expect(host.clockReads).toBe(1);
    expect(machine.trace).toEqual([
      "findNode@7",
      "timeout@7",
      "transmit 1@7",
      "event nodeDiscovered",
      "event nodeDiscovered",
    ]);
  });

  it("reads the clock once for a batch of messages and the pump after them", () => {
    const { machine, host, driver } = setUp();
    host.clockMs = 3;
    driver.deliver(message);
    host.clockMs = 4;
    driver.deliver(message);
    driver.pump();
    expect(host.clockReads).toBe(1);
    driver.deliver(message);
    expect(machine.trace).toEqual(["message@3", "message@3", "message@4"]);
  });

  it("does not pump when something is delivered", () => {
    const { machine, outlet, driver } = setUp();
    machine.outgoing.push({ tag: 1 });
    driver.deliver(message);
    expect([outlet.sent.length, outlet.flushes]).toEqual([0, 0]);
  });

  it("counts a clock that runs backwards as standing still", () => {
    const { machine, host, driver } = setUp();
    for (const clockMs of [10, 4, 9, 11]) {
      host.clockMs = clockMs;
      driver.deliver(message);
      driver.pump();
    }
    expect(machine.trace).toEqual(["message@10", "message@10", "message@10", "message@11"]);
  });

  it("returns what the command returns, and throws what it throws after pumping", () => {
    const { machine, outlet, driver } = setUp();
    expect(driver.run((nowMs) => machine.get(nowMs))).toBe(1);
    const refuse = (): never => {
      machine.outgoing.push({ tag: 9 });
      throw new UsageError("invalidArgument", "no");
    };
    expect(() => driver.run(refuse)).toThrow("no");
    expect(outlet.sent.map((sent) => sent.tag)).toEqual([1, 9]);
    expect(machine.isClosed).toBe(false);
  });
});

describe("sending", () => {
  it("drains transmits before events, also those that a callback causes", () => {
    const { machine, driver } = setUp({
      onEvent: () => {
        if (machine.events.length > 0) driver.run((nowMs) => machine.ping(nowMs));
      },
    });
    machine.outgoing.push({ tag: 50 }, { tag: 51 });
    machine.events.push(discovered, discovered);
    driver.pump();
    expect(machine.trace).toEqual([
      "transmit 50@0",
      "transmit 51@0",
      "event nodeDiscovered",
      "ping@0",
      "transmit 1@0",
      "event nodeDiscovered",
    ]);
  });

  it("lends bytes that stay as they are until send returns, though other drivers pump meanwhile", () => {
    const [near, far, farther] = [setUp(), setUp(), setUp(undefined, 4_000)];
    const lent: Uint8Array[] = [];
    /** Delivers at once, as a network in memory may, to somebody who has something to say as well. */
    const deliverTo = (to: ReturnType<typeof setUp>): void => {
      to.machine.outgoing.push({ tag: 2, bytes: [9, 9, 9, 9] });
      to.driver.deliver(message);
      to.driver.pump();
    };
    near.outlet.send = (_transmit, bytes) => {
      for (const to of [far, farther, far]) deliverTo(to);
      lent.push(copyBytes(bytes));
      return "sent";
    };
    near.machine.outgoing.push({ tag: 1, bytes: [1, 2, 3] }, { tag: 3, bytes: [4] });
    near.driver.pump();
    expect(lent).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    expect(far.outlet.sent.map(({ scratchBytes }) => scratchBytes)).toEqual([1_200, 1_200, 1_200, 1_200]);
    expect(farther.outlet.sent.map(({ scratchBytes }) => scratchBytes)).toEqual([4_000, 4_000]);
  });

  it("hands the outlet exactly the message, in a scratch made once for the largest transmit", () => {
    const { machine, outlet, driver } = setUp(undefined, 4_000);
    machine.outgoing.push({ tag: 1, bytes: [1, 2, 3] }, { tag: 2, bytes: [4] }, { tag: 3 });
    driver.pump();
    expect(outlet.sent).toEqual([
      { tag: 1, bytes: new Uint8Array([1, 2, 3]), scratchBytes: 4_000 },
      { tag: 2, bytes: new Uint8Array([4]), scratchBytes: 4_000 },
      { tag: 3, bytes: new Uint8Array(), scratchBytes: 4_000 },
    ]);
  });

  it.each([
    ["one datagram where the outlet names no size", undefined, 1_200],
    ["64 KiB and some for streams that take more", 2 ** 20, 65_536 + 2_048],
  ])("makes a scratch of %s", (_title, maxBytes, expected) => {
    const { machine, outlet, driver } = setUp(undefined, maxBytes);
    machine.outgoing.push({ tag: 1 });
    driver.pump();
    expect(outlet.sent[0]?.scratchBytes).toBe(expected);
  });

  it.each([
    ["full", "queueFull"],
    ["unreachable", "unreachable"],
  ] as const)("tells the machine of a transmit that came back %s", (outcome, reason) => {
    const { machine, outlet, driver } = setUp();
    outlet.outcome = () => outcome;
    machine.outgoing.push({ tag: 7 });
    driver.pump();
    expect(machine.received).toEqual([{ type: "sendFailed", to: peerAddress, tag: 7, reason }]);
  });

  it.each(["sent", "queued"] as const)("says nothing of a transmit that was %s", (outcome) => {
    const { machine, outlet, driver } = setUp();
    outlet.outcome = () => outcome;
    machine.outgoing.push({ tag: 7 });
    driver.pump();
    expect(machine.received).toEqual([]);
  });

  it("does not recurse when every transmit fails and the machine offers another at once", () => {
    const { machine, host, outlet, driver } = setUp({ maxTransmits: 10 });
    outlet.outcome = () => "unreachable";
    let depth = 0;
    machine.hooks.sendFailed = () => {
      expect(++depth).toBe(1);
      machine.outgoing.push({ tag: 1 });
      depth--;
    };
    machine.outgoing.push({ tag: 1 });
    driver.pump();
    expect(outlet.sent.length).toBe(10);
    expect(host.turns.length).toBe(1);
  });

  it("never hands out a transmit that a layer above still holds back", () => {
    const { machine, outlet, driver } = setUp();
    machine.outgoing.push({ tag: 1, bytes: [1], deferred: true }, { tag: 2 });
    driver.pump();
    expect(outlet.sent.map((sent) => sent.tag)).toEqual([2]);
  });

  it("reports an outlet that throws, does not blame the peer, and goes on", () => {
    const { machine, host, outlet, driver } = setUp();
    const fault = new Error("socket gone");
    outlet.outcome = (transmit) => {
      if (transmit.tag === 1) throw fault;
      return "sent";
    };
    machine.outgoing.push({ tag: 1 }, { tag: 2 });
    driver.pump();
    expect(host.reports).toEqual([fault]);
    expect(machine.received).toEqual([{ type: "sendFailed", to: peerAddress, tag: 1, reason: "closed" }]);
    expect(outlet.sent.length).toBe(2);
  });
});

describe("a budget", () => {
  it("of transmits is kept, and a spent one schedules another pump until all is sent", () => {
    const { machine, host, outlet, driver } = setUp({ maxTransmits: 4 });
    for (let tag = 1; tag <= 10; tag++) machine.outgoing.push({ tag });
    driver.pump();
    const counts = [outlet.sent.length];
    while (host.turns.length > 0) {
      expect(host.turns.length).toBe(1);
      host.turn();
      counts.push(outlet.sent.length);
    }
    expect(counts).toEqual([4, 8, 10]);
    expect(outlet.flushes).toBe(3);
  });

  it("of events is kept, and a spent one schedules another pump until all are handed out", () => {
    const counts: number[] = [];
    let events = 0;
    const { machine, host, driver } = setUp({
      maxEvents: 3,
      onEvent: () => {
        events++;
      },
    });
    for (let i = 0; i < 7; i++) machine.events.push(discovered);
    driver.pump();
    counts.push(events);
    while (host.turns.length > 0) {
      host.turn();
      counts.push(events);
    }
    expect(counts).toEqual([3, 6, 7]);
  });

  it("of transmits that is spent does not hold back events", () => {
    const { machine, driver } = setUp({ maxTransmits: 1 });
    machine.outgoing.push({ tag: 1 }, { tag: 2 });
    machine.events.push(discovered);
    driver.pump();
    expect(machine.trace).toEqual(["transmit 1@0", "event nodeDiscovered"]);
  });

  it("keeps a blocking loop from sleeping while it is spent", () => {
    const { machine, host, driver } = setUp({ maxTransmits: 1 });
    machine.deadline = { atMs: 500, reason: "test" };
    machine.outgoing.push({ tag: 1 });
    driver.pump();
    expect(driver.getNextTimeoutMs()).toBe(0);
    host.turn();
    expect(driver.getNextTimeoutMs()).toBe(500);
  });

  it.each([0, 1.5, 65_537, Number.NaN])("of %s is refused", (budget) => {
    expect(() => setUp({ maxEvents: budget })).toThrow(UsageError);
    expect(() => setUp({ maxTransmits: budget })).toThrow(/maxTransmits.*1 to 65536/);
  });
});

describe("flushing", () => {
  it("ends a pump that had nothing to do", () => {
    const { outlet, driver } = setUp();
    driver.pump();
    expect(outlet.flushes).toBe(1);
  });

  it("comes after the transmits, also when a callback throws", () => {
    const { machine, outlet, driver } = setUp({
      onEvent: () => {
        throw new Error("callback");
      },
    });
    let sentAtFlush = 0;
    outlet.onFlush = () => {
      sentAtFlush = outlet.sent.length;
    };
    machine.events.push(discovered);
    machine.outgoing.push({ tag: 1 });
    driver.pump();
    expect([outlet.flushes, sentAtFlush]).toEqual([1, 1]);
  });

  it("that throws is reported, and the timer is armed all the same", () => {
    const { machine, host, outlet, driver } = setUp();
    const fault = new Error("flush");
    outlet.onFlush = () => {
      throw fault;
    };
    machine.deadline = { atMs: 5, reason: "test" };
    driver.pump();
    expect(host.reports).toEqual([fault]);
    expect(host.armed).toEqual([5]);
  });
});

describe("the timer", () => {
  it("is armed anew only when the deadline has changed", () => {
    const { machine, host, driver } = setUp();
    driver.pump();
    machine.deadline = { atMs: 50, reason: "a" };
    driver.pump();
    machine.deadline = { atMs: 50, reason: "b" };
    driver.pump();
    machine.deadline = { atMs: 40, reason: "b" };
    driver.pump();
    machine.deadline = undefined;
    driver.pump();
    driver.pump();
    expect(host.armed).toEqual([50, 40, undefined]);
  });

  it("that fires early is armed again for the same deadline", () => {
    const { machine, host, driver } = setUp();
    machine.deadline = { atMs: 50, reason: "test" };
    driver.pump();
    host.clockMs = 49;
    driver.wake();
    expect(host.armed).toEqual([50, 50]);
    expect(machine.trace).toEqual([]);
  });

  it("begins a turn of its own, also where something was delivered and not yet pumped", () => {
    const { machine, host, driver } = setUp();
    driver.deliver(message);
    machine.deadline = { atMs: 10, reason: "test" };
    host.clockMs = 15;
    driver.wake();
    expect(machine.trace).toEqual(["message@0", "timeout@15"]);
  });

  it("lets time pass when it is due, and not before", () => {
    const { machine, host, driver } = setUp();
    machine.deadline = { atMs: 50, reason: "test" };
    host.clockMs = 49.9;
    driver.pump();
    expect(machine.trace).toEqual([]);
    host.clockMs = 50;
    driver.wake();
    expect(machine.trace).toEqual(["timeout@50"]);
  });

  it.each([
    [undefined, undefined],
    [100, 90],
    [10.2, 1],
    [10, 0],
    [3, 0],
  ])("with a deadline at %s is %s ms away at 10", (atMs, expected) => {
    const { machine, host, driver } = setUp();
    host.clockMs = 10;
    machine.deadline = atMs === undefined ? undefined : { atMs, reason: "test" };
    expect(driver.getNextTimeoutMs()).toBe(expected);
  });
});

describe("rule 8: what has arrived is delivered before time passes", () => {
  const due = 100;

  function blockedUntil(clockMs: number) {
    const loop = setUp();
    loop.machine.deadline = { atMs: due, reason: "request" };
    loop.driver.pump();
    loop.host.clockMs = clockMs;
    loop.driver.wake();
    return loop;
  }

  it("takes one turn to read when it is late by more than 20 ms", () => {
    const { machine, host, driver } = blockedUntil(due + 20.5);
    expect(machine.trace).toEqual([]);
    driver.deliver(message);
    host.turn();
    expect(machine.trace).toEqual(["message@120.5", "timeout@120.5"]);
    expect(driver.stats().lateTurns).toBe(1);
  });

  it("lets time pass at once when it is late by 20 ms", () => {
    const { machine, host } = blockedUntil(due + 20);
    expect(machine.trace).toEqual(["timeout@120"]);
    expect(host.turns).toEqual([]);
  });

  it("does not let time pass in other pumps before that turn is over", () => {
    const { machine, host, driver } = blockedUntil(1_000);
    driver.run((nowMs) => machine.ping(nowMs));
    driver.wake();
    expect(machine.trace).toEqual(["ping@1000", "transmit 1@1000"]);
    expect(host.turns.length).toBe(1);
    expect(driver.getNextTimeoutMs()).toBe(0);
    host.turn();
    expect(machine.trace.at(-1)).toBe("timeout@1000");
  });

  it("takes no second turn for the same deadline, however late it has become", () => {
    const { machine, host, driver } = blockedUntil(1_000);
    host.clockMs = 5_000;
    host.turn();
    expect(machine.trace).toEqual(["timeout@5000"]);
    expect(host.turns).toEqual([]);
    expect(driver.stats().lateTurns).toBe(1);
  });

  it("lets time pass every other turn in a loop that is always late", () => {
    const { machine, host, driver } = setUp();
    machine.deadline = { atMs: 0, reason: "test" };
    machine.hooks.timeout = () => {
      machine.deadline = { atMs: host.clockMs + 1, reason: "next" };
    };
    for (let turn = 0; turn < 10; turn++) {
      host.clockMs += 100;
      driver.deliver(message);
      if (host.turns.length > 0) host.turn();
      else driver.pump();
    }
    expect(machine.trace.filter((call) => call.startsWith("timeout")).length).toBe(5);
  });

  it("never starves time under steady traffic", () => {
    const { machine, host, driver } = setUp();
    machine.deadline = { atMs: 10, reason: "tick" };
    machine.hooks.timeout = () => {
      const atMs = machine.deadline?.atMs ?? 0;
      machine.deadline = undefined;
      machine.hooks.message = () => {
        machine.deadline ??= { atMs: atMs + 10, reason: "tick" };
      };
    };
    for (let clockMs = 0; clockMs < 200; clockMs++) {
      host.clockMs = clockMs;
      driver.deliver(message);
      driver.pump();
    }
    expect(machine.trace.filter((call) => call.startsWith("timeout")).length).toBe(19);
  });

  it("forgets the turn to read when the answer has removed the deadline", () => {
    const { machine, host, driver } = blockedUntil(1_000);
    machine.deadline = undefined;
    driver.deliver(message);
    host.turn();
    expect(machine.trace).toEqual(["message@1000"]);
    machine.deadline = { atMs: 1_100, reason: "next" };
    host.clockMs = 2_000;
    driver.wake();
    expect(driver.stats().lateTurns).toBe(2);
  });

  it("works on a host that runs scheduled turns at once", () => {
    const { machine, host, driver } = setUp();
    host.schedule = (pump) => pump();
    machine.deadline = { atMs: 0, reason: "test" };
    host.clockMs = 100;
    driver.pump();
    expect(machine.trace).toEqual(["timeout@100"]);
  });
});

describe("rule 1: callbacks run between transitions and may call anything", () => {
  it("a nested pump returns at once", () => {
    const { machine, outlet, driver } = setUp({
      onEvent: () => {
        machine.outgoing.push({ tag: 1 });
        driver.pump();
        driver.wake();
        expect(outlet.sent).toEqual([]);
      },
    });
    machine.events.push(discovered);
    driver.pump();
    expect(outlet.sent.length).toBe(1);
    expect(outlet.flushes).toBe(1);
  });

  it("a command from a callback runs at once, at the instant of the turn", () => {
    const { machine, host, driver } = setUp({
      onEvent: () => {
        host.clockMs = 99;
        expect(driver.run((nowMs) => machine.get(nowMs))).toBe(1);
        expect(machine.trace.at(-1)).toBe("get@5");
        expect(driver.getNextTimeoutMs()).toBe(undefined);
      },
    });
    host.clockMs = 5;
    machine.events.push(discovered);
    driver.pump();
    expect(machine.trace.at(-1)).toBe("transmit 1@5");
  });

  it("close from a callback ends the node, and the pump under way hands out the rest", () => {
    const seen: string[] = [];
    const { machine, host, driver } = setUp({
      maxEvents: 2,
      onEvent: (event) => {
        seen.push(event.type);
        if (event.type === "nodeDiscovered") driver.close();
      },
    });
    machine.deadline = { atMs: 5, reason: "test" };
    machine.events.push(discovered, misbehaved, misbehaved, misbehaved);
    driver.pump();
    expect(seen).toEqual(["nodeDiscovered", "peerMisbehaved", "peerMisbehaved", "peerMisbehaved"]);
    expect(machine.trace.filter((call) => call.startsWith("close"))).toEqual(["close@0"]);
    expect(host.turns).toEqual([]);
  });
});

describe("rule 2: a hook inside a transition may not call the node", () => {
  it("a pump from inside a transition returns at once", () => {
    const { machine, outlet, driver } = setUp();
    machine.hooks.message = () => driver.pump();
    driver.deliver(message);
    expect(outlet.flushes).toBe(0);
  });

  it("what the node throws at the hook goes to the hook, and the node lives", () => {
    const { machine, host, driver } = setUp();
    const reentrant = new UsageError("reentrant", "a hook called the node");
    const caught: unknown[] = [];
    const callBack = (call: () => void): void => {
      try {
        call();
      } catch (error) {
        caught.push(error);
      }
    };
    machine.hooks.message = () => {
      machine.hooks.message = () => {
        throw reentrant;
      };
      machine.hooks.ping = machine.hooks.message;
      callBack(() => driver.deliver(message));
      callBack(() => driver.run((nowMs) => machine.ping(nowMs)));
    };
    driver.deliver(message);
    expect(caught).toEqual([reentrant, reentrant]);
    expect([machine.isClosed, host.reports.length]).toEqual([false, 0]);
  });
});

describe("rule 3: a callback that fails", () => {
  it("reaches report with what it threw, and no event is lost", () => {
    const thrown = new Error("mine");
    const seen: string[] = [];
    const { machine, host, driver } = setUp({
      onEvent: (event) => {
        seen.push(event.type);
        throw thrown;
      },
    });
    machine.events.push(discovered, misbehaved);
    driver.pump();
    expect(seen).toEqual(["nodeDiscovered", "peerMisbehaved"]);
    expect(host.reports.map((error) => (error as CallbackError).cause)).toEqual([thrown, thrown]);
    expect(host.reports[0]).toBeInstanceOf(CallbackError);
  });

  it("is counted where report throws as well", () => {
    const { machine, host, driver } = setUp({
      onEvent: () => {
        throw "text";
      },
    });
    host.report = () => {
      throw new Error("report");
    };
    machine.events.push(discovered);
    driver.pump();
    expect(driver.stats().lostReports).toBe(1);
  });
});

describe("a broken invariant", () => {
  const fault = new InvariantError("a bucket holds an id twice");
  const call: { [name in ScriptedCall]?: (loop: ReturnType<typeof setUp>) => void } = {
    message: ({ driver }) => driver.deliver(message),
    timeout: ({ driver, machine }) => {
      machine.deadline = { atMs: 0, reason: "test" };
      driver.pump();
    },
    pollTransmit: ({ driver }) => driver.pump(),
    pollEvent: ({ driver }) => driver.pump(),
    nextDeadline: ({ driver }) => {
      driver.getNextTimeoutMs();
    },
    ping: ({ driver, machine }) => {
      expect(() => driver.run((nowMs) => machine.ping(nowMs))).toThrow(fault);
    },
    setProtocols: ({ driver }) => {
      driver.use({ protocol: "p" });
    },
  };

  it.each(Object.keys(call) as ScriptedCall[])(
    "in %s closes the node and is reported once; later calls are safe",
    (name) => {
      const loop = setUp();
      const { machine, host, driver } = loop;
      let isBroken = true;
      machine.hooks[name] = () => {
        if (isBroken) throw fault;
      };
      call[name]?.(loop);
      isBroken = false;
      expect(machine.isClosed).toBe(true);
      expect(driver.closed).toBe(true);
      driver.deliver(message);
      driver.wake();
      driver.pump();
      driver.close();
      expect(driver.getNextTimeoutMs()).toBe(undefined);
      expect(() => driver.run((nowMs) => machine.ping(nowMs))).toThrow(
        expect.objectContaining({ code: "closed" }),
      );
      expect(() => driver.use({})).toThrow(expect.objectContaining({ code: "closed" }));
      expect(host.reports).toEqual([fault]);
      expect(driver.drained).toBe(true);
    },
  );

  it("still hands out how the queries ended", () => {
    const seen: string[] = [];
    const { machine, driver } = setUp({ onEvent: (event) => void seen.push(event.type) });
    machine.hooks.message = () => {
      throw fault;
    };
    machine.hooks.close = () => void machine.events.push(misbehaved);
    driver.deliver(message);
    driver.pump();
    expect(seen).toEqual(["peerMisbehaved"]);
  });

  it("in closing as well leaves a machine that nobody calls any more", () => {
    const { machine, host, driver } = setUp();
    const throwFault = (): never => {
      throw fault;
    };
    machine.hooks = {
      message: throwFault,
      close: throwFault,
      pollTransmit: throwFault,
      pollEvent: throwFault,
    };
    machine.outgoing.push({ tag: 1 });
    driver.deliver(message);
    driver.pump();
    driver.pump();
    expect(host.reports).toEqual([fault]);
    expect(machine.trace).toEqual(["message@0", "close@0"]);
    expect(driver.drained).toBe(true);
  });

  it("that a machine throws only when it is closed is reported once", () => {
    const { machine, host, driver } = setUp();
    machine.hooks.close = () => {
      throw fault;
    };
    driver.close();
    expect(host.reports).toEqual([fault]);
  });

  it("that comes out of a callback's own command is not reported a second time", () => {
    const { machine, host, driver } = setUp({
      onEvent: () => void driver.run((nowMs) => machine.ping(nowMs)),
    });
    machine.hooks.ping = () => {
      throw fault;
    };
    machine.events.push(discovered);
    driver.pump();
    expect(host.reports).toEqual([fault]);
  });

  it("is any error that the machine throws by itself", () => {
    const { machine, host, driver } = setUp();
    const bug = new TypeError("undefined is not a function");
    machine.hooks.message = () => {
      throw bug;
    };
    driver.deliver(message);
    expect([machine.isClosed, host.reports]).toEqual([true, [bug]]);
  });
});

describe("closing", () => {
  it("closes, sends and hands out what was queued, flushes and disarms", () => {
    const { machine, host, outlet, driver } = setUp({ maxTransmits: 2, maxEvents: 2 });
    machine.deadline = { atMs: 50, reason: "test" };
    driver.pump();
    for (let tag = 1; tag <= 5; tag++) machine.outgoing.push({ tag });
    machine.events.push(discovered, discovered, discovered);
    host.clockMs = 9;
    expect(driver.closed).toBe(false);
    driver.close();
    expect(driver.closed).toBe(true);
    expect(machine.trace[0]).toBe("close@9");
    expect(driver.drained).toBe(true);
    expect(outlet.sent.length).toBe(5);
    expect(outlet.flushes).toBe(2);
    expect(host.armed).toEqual([50, undefined]);
    expect(host.turns).toEqual([]);
  });

  it("a second time does nothing", () => {
    const { machine, outlet, driver } = setUp();
    driver.close();
    driver.close();
    expect(machine.trace).toEqual(["close@0"]);
    expect(outlet.flushes).toBe(1);
  });

  it("leaves commands and plugins to fail with the code closed", () => {
    const { driver } = setUp();
    driver.close();
    expect(() => driver.use({})).toThrow(expect.objectContaining({ code: "closed" }));
  });

  it("ends a turn to read that was under way", () => {
    const { machine, host, driver } = setUp();
    machine.deadline = { atMs: 0, reason: "test" };
    host.clockMs = 100;
    driver.pump();
    driver.close();
    host.turn();
    expect(machine.trace).toEqual(["close@100"]);
    expect(driver.getNextTimeoutMs()).toBe(undefined);
  });
});

it("errors of the library carry their code and cause", () => {
  const cause = new Error("inner");
  const error = new CallbackError("onMessage", cause);
  expect(error).toBeInstanceOf(KadError);
  expect([error.name, error.code, error.message, error.cause]).toEqual([
    "CallbackError",
    "callbackFailed",
    "onMessage failed: inner",
    cause,
  ]);
});

describe("whatever a host does, in whatever order", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("transmit" as const), count: fc.nat(9) }),
    fc.record({ do: fc.constant("event" as const), count: fc.nat(9) }),
    fc.record({ do: fc.constant("deadline" as const), inMs: fc.nat(60) }),
    fc.record({ do: fc.constant("clock" as const), byMs: fc.integer({ min: -5, max: 60 }) }),
    fc.record({ do: fc.constantFrom("pump", "wake", "turn", "deliver") }),
  );

  it("everything is sent and handed out once and in order, flushed, and no deadline is forgotten", () => {
    const budget = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), budget, budget, (steps, maxTransmits, maxEvents) => {
        const seen: number[] = [];
        const { machine, host, outlet, driver } = setUp({
          maxTransmits,
          maxEvents,
          onEvent: (event) => void (event.type === "timer" && seen.push(event.timer)),
        });
        let sentAtFlush = 0;
        outlet.onFlush = () => {
          sentAtFlush = outlet.sent.length;
        };
        let transmits = 0;
        let events = 0;
        for (const next of steps) {
          if (next.do === "transmit")
            for (let i = 0; i < next.count; i++) machine.outgoing.push({ tag: ++transmits });
          else if (next.do === "event") {
            for (let i = 0; i < next.count; i++)
              machine.events.push({ type: "timer", timer: ++events, plugin: 1 });
          } else if (next.do === "deadline")
            machine.deadline = { atMs: host.clockMs + next.inMs, reason: "test" };
          else if (next.do === "clock") host.clockMs += next.byMs;
          else if (next.do === "turn") host.turn();
          else if (next.do === "deliver") driver.deliver(message);
          else driver[next.do as "pump" | "wake"]();
        }
        host.clockMs += 1_000;
        driver.wake();
        while (host.turns.length > 0) host.turn();
        expect(outlet.sent.map(({ tag }) => tag)).toEqual(Array.from({ length: transmits }, (_, i) => i + 1));
        expect(seen).toEqual(Array.from({ length: events }, (_, i) => i + 1));
        expect([sentAtFlush, machine.deadline, host.reports]).toEqual([transmits, undefined, []]);
      }),
      { seed: 4, numRuns: 500 },
    );
  });
});
