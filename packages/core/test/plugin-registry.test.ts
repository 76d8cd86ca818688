import { describe, expect, it } from "vitest";
import { Driver } from "../src/driver.ts";
import { type CallbackError, HookError, type KadError, UsageError } from "../src/errors.ts";
import type { ApplicationMessage, NodeEvent, QueryFinished } from "../src/events.ts";
import { NodeId } from "../src/node-id.ts";
import type { Plugin, PluginContext } from "../src/plugin.ts";
import { ownId, peerAddress, peerId, peerPath, ScriptedMachine } from "./scripted-machine.ts";

function setUp() {
  const machine = new ScriptedMachine();
  const reports: unknown[] = [];
  const host = {
    clockMs: 0,
    nowMs: () => host.clockMs,
    arm: () => {},
    schedule: () => {},
    report: (error: unknown) => void reports.push(error),
  };
  const driver = new Driver(machine, host, { send: () => "sent", flush: () => {} });
  const emit = (...events: NodeEvent[]): void => {
    machine.events.push(...events);
    driver.pump();
  };
  return { machine, host, driver, reports, emit };
}

/** A context, and what removes its plugin. */
function attach(driver: Driver, plugin: Plugin = {}): { node: PluginContext; remove: () => void } {
  const contexts: PluginContext[] = [];
  const remove = driver.use({ ...plugin, onAttach: (context) => void contexts.push(context) });
  return { node: contexts[0] as PluginContext, remove };
}

/** A plugin that keeps what it is told. */
function listener(seen: unknown[], protocol?: string): Plugin {
  return {
    ...(protocol === undefined ? {} : { protocol }),
    onMessage: (message) => void seen.push(message),
    onTimeout: (timeout) => void seen.push(timeout),
    onNodeDiscovered: (contact) => void seen.push(contact),
    onQueryFinished: (end) => void seen.push(end),
    onError: (error) => void seen.push(error),
  };
}

function messageFor(protocol: string): ApplicationMessage {
  return {
    type: "messageReceived",
    from: peerPath,
    sender: peerId,
    protocol,
    body: new Uint8Array(),
    reply: { id: 1 },
  };
}

const contact = { id: peerId, addresses: [peerAddress] };
const discovered: NodeEvent = { type: "nodeDiscovered", contact };
const requestTimedOut: NodeEvent = {
  type: "requestTimedOut",
  query: undefined,
  to: peerAddress,
  peer: peerId,
};
const finished: QueryFinished = {
  type: "queryFinished",
  query: 1,
  end: "converged",
  result: { type: "nodes", contacts: [] },
  stats: { startedAtMs: 0, durationMs: 0, requests: 0, responses: 0, failures: 0, rounds: 0, hops: 0 },
};

describe("events", () => {
  it("a message reaches the plugin of its protocol alone", () => {
    const { driver, emit } = setUp();
    const chat: unknown[] = [];
    const others: unknown[] = [];
    driver.use(listener(chat, "chat"));
    driver.use(listener(others, "other"));
    driver.use(listener(others));
    emit(messageFor("chat"));
    expect([chat, others]).toEqual([[messageFor("chat")], []]);
  });

  it.each([
    ["returned", () => undefined, 1],
    [
      "thrown",
      () => {
        throw new Error("no");
      },
      1,
    ],
    ["returned a promise that is settled", async () => undefined, 1],
    [
      "returned a promise that was rejected",
      async () => {
        throw new Error("no");
      },
      1,
    ],
    ["said that the answer comes later", () => "later" as const, 0],
    ["promised that the answer comes later", async () => "later" as const, 0],
  ])("a message is acknowledged once its plugin has %s", async (_how, onMessage, acknowledged) => {
    const { machine, driver, emit } = setUp();
    driver.use({ protocol: "chat", onMessage });
    emit(messageFor("chat"));
    await Promise.resolve().then(() => undefined);
    expect(machine.trace.filter((call) => call.startsWith("reply"))).toHaveLength(acknowledged);
  });

  it("a timer reaches the plugin that set it alone", () => {
    const { driver, emit } = setUp();
    const seen: unknown[][] = [[], []];
    const [, second] = seen.map((list) => attach(driver, listener(list)).node);
    const timer = second?.setTimer(10) as number;
    emit({ type: "timer", timer, plugin: 2 }, { type: "timer", timer: 99, plugin: 77 });
    expect(seen).toEqual([[], [{ type: "timer", timer, plugin: 2 }]]);
  });

  it.each([
    ["a request that timed out", requestTimedOut, requestTimedOut],
    ["a node that was discovered", discovered, contact],
    ["the end of a query", finished, finished],
    [
      "an error",
      { type: "error", error: new HookError("store", "x") } as NodeEvent,
      new HookError("store", "x"),
    ],
  ])("%s reaches every plugin in the order of attachment", (_title, event, argument) => {
    const { driver, emit, reports } = setUp();
    const seen: unknown[] = [];
    driver.use(listener(seen));
    driver.use({});
    driver.use(listener(seen));
    emit(event);
    expect(seen).toEqual([argument, argument]);
    expect(reports).toEqual([]);
  });

  it("progress and misbehaviour concern no plugin", () => {
    const { driver, emit } = setUp();
    const seen: unknown[] = [];
    driver.use(listener(seen));
    emit(
      { type: "queryProgressed", query: 1, step: 1, result: { type: "nodes", contacts: [] } },
      { type: "peerMisbehaved", from: peerPath, code: "malformed" },
    );
    expect(seen).toEqual([]);
  });

  it("an error that no plugin listens for goes to the host", () => {
    const { driver, emit, reports } = setUp();
    const error = new HookError("validator", new Error("x"));
    driver.use({});
    emit({ type: "error", error });
    expect(reports).toEqual([error]);
  });

  it("callbacks keep their plugin as `this`", () => {
    const { driver, emit } = setUp();
    class Counter implements Plugin {
      count = 0;
      onNodeDiscovered(): void {
        this.count++;
      }
    }
    const counter = new Counter();
    driver.use(counter);
    emit(discovered, discovered);
    expect(counter.count).toBe(2);
  });
});

describe("protocols", () => {
  it("the node is told which protocols have a plugin", () => {
    const { machine, driver } = setUp();
    const remove = driver.use({ protocol: "a" });
    driver.use({});
    driver.use({ protocol: "b" });
    expect(machine.protocols).toEqual(["a", "b"]);
    remove();
    expect(machine.protocols).toEqual(["b"]);
  });

  it("a second plugin of the same protocol is refused, and nothing changes", () => {
    const { machine, driver } = setUp();
    driver.use({ protocol: "a" });
    expect(() => driver.use({ protocol: "a" })).toThrow(expect.objectContaining({ code: "invalidArgument" }));
    expect(machine.protocols).toEqual(["a"]);
    expect(driver.stats().plugins.used).toBe(1);
  });

  it.each(["", "a b", "ü", "x".repeat(65), "tab\t"])("the name %j is refused", (protocol) => {
    const { driver } = setUp();
    expect(() => driver.use({ protocol })).toThrow(UsageError);
  });

  it("a message whose plugin was removed after it arrived is counted", () => {
    const { driver, emit } = setUp();
    driver.use({ protocol: "a" })();
    emit(messageFor("a"));
    expect(driver.stats().unclaimedMessages).toBe(1);
  });
});

describe("attaching and removing", () => {
  it("onAttach is called once, with a context that can run commands at once", () => {
    const { machine, driver } = setUp();
    const queries: number[] = [];
    driver.use({ onAttach: (node) => void queries.push(node.findNode(ownId)) });
    expect(queries).toEqual([1]);
    expect(machine.trace).toEqual(["findNode@0", "transmit 1@0"]);
  });

  it("a plugin may attach another, or remove itself, while an event is handed round", () => {
    const { driver, emit } = setUp();
    const seen: unknown[] = [];
    const removeFirst = driver.use({
      onNodeDiscovered: () => {
        removeFirst();
        removeLast();
        driver.use(listener(seen));
      },
    });
    const removeLast = driver.use(listener(seen));
    emit(discovered);
    expect(seen).toEqual([]);
    emit(discovered);
    expect(seen).toEqual([contact]);
  });

  it("removing a plugin frees its protocol and clears its timers; a second time does nothing", () => {
    const { machine, driver } = setUp();
    const { node, remove } = attach(driver, { protocol: "a" });
    const kept = node.setTimer(10);
    node.clearTimer(node.setTimer(10));
    machine.trace.length = 0;
    remove();
    driver.use({ protocol: "a" });
    remove();
    expect(machine.trace).toEqual([`clearTimer ${kept}`]);
    expect(machine.protocols).toEqual(["a"]);
  });

  it("removing a plugin after the node broke or closed does nothing bad", () => {
    const { machine, driver } = setUp();
    const removes = [driver.use({ protocol: "a" }), driver.use({ protocol: "b" })];
    driver.close();
    removes[0]?.();
    machine.hooks.setProtocols = () => {
      throw new Error("broken");
    };
    removes[1]?.();
    expect(driver.stats().plugins.used).toBe(0);
  });

  it("the context of a removed plugin throws UsageError with the code closed", () => {
    const { driver } = setUp();
    const { node, remove } = attach(driver);
    remove();
    const calls: (() => unknown)[] = [
      () => node.get(ownId),
      () => node.setTimer(1),
      () => node.stats(),
      () => node.nowMs(),
      () => node.id,
      () => node.table,
    ];
    for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: "closed" }));
    expect(node.clearTimer(1)).toBe(false);
  });

  it("more than 256 plugins are refused", () => {
    const { driver } = setUp();
    for (let i = 0; i < 256; i++) driver.use({});
    expect(() => driver.use({})).toThrow(expect.objectContaining({ code: "tooMany" }));
    expect(driver.stats().plugins).toEqual({ used: 256, limit: 256 });
  });
});

describe("the context", () => {
  it("forwards every command at the instant of the turn, and pumps after it", () => {
    const { machine, host, driver } = setUp();
    const { node } = attach(driver);
    host.clockMs = 4;
    const record = { type: "immutable" } as unknown as Parameters<PluginContext["put"]>[0];
    const seed = { addresses: [peerAddress] };
    expect([
      node.bootstrap([seed]),
      node.ping(seed),
      node.findNode(peerId),
      node.get(peerId),
      node.put(record),
      node.announce(peerId, { lifetimeMs: 60_000 }),
      node.withdraw(peerId),
      node.findProviders(peerId, { limit: 5 }),
      node.send(seed, "chat", new Uint8Array()),
      node.reply({ id: 1 }, new Uint8Array()),
      node.cancel(1),
      node.addContact(contact),
    ]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, true, true, { type: "inserted" }]);
    expect(machine.trace.filter((call) => !call.startsWith("transmit"))).toEqual(
      [
        "bootstrap",
        "ping",
        "findNode",
        "get",
        "put",
        "announce",
        "withdraw",
        "findProviders",
        "send",
        "reply",
        "cancel",
        "addContact",
      ].map((name) => `${name}@4`),
    );
    expect(machine.outgoing).toEqual([]);
    expect([node.nowMs(), node.id, node.table, node.stats()]).toEqual([
      4,
      ownId,
      machine.table,
      machine.stats(),
    ]);
  });

  it("clears only timers of its own that have not fired", () => {
    const { driver, emit } = setUp();
    const first = attach(driver).node;
    const second = attach(driver).node;
    const timer = first.setTimer(5);
    expect([second.clearTimer(timer), first.clearTimer(timer), first.clearTimer(timer)]).toEqual([
      false,
      true,
      false,
    ]);
    const fired = first.setTimer(5);
    emit({ type: "timer", timer: fired, plugin: 1 });
    expect(first.clearTimer(fired)).toBe(false);
  });
});

describe("a callback that fails", () => {
  const mine = new Error("mine");
  const failing: [string, Plugin][] = [
    [
      "throws",
      {
        onNodeDiscovered: () => {
          throw mine;
        },
      },
    ],
    ["rejects", { onNodeDiscovered: () => Promise.reject(mine) }],
    [
      "returns another library's thenable that rejects",
      {
        onNodeDiscovered: () =>
          ({
            // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
            then: (_ok: unknown, reject: (error: unknown) => void) => reject(mine),
          }) as unknown as Promise<void>,
      },
    ],
  ];

  it.each(failing)(
    "because it %s reaches its own onError, then report; others notice nothing",
    async (_title, plugin) => {
      const { driver, emit, reports } = setUp();
      const order: unknown[] = [];
      const seen: unknown[] = [];
      driver.use({
        ...plugin,
        onError: (error: KadError) => void order.push(["onError", error.code, error.cause, reports.length]),
      });
      driver.use(listener(seen));
      emit(discovered, discovered);
      await Promise.resolve();
      expect(order).toEqual([
        ["onError", "callbackFailed", mine, 0],
        ["onError", "callbackFailed", mine, 1],
      ]);
      expect(
        reports.map((error) => [(error as CallbackError).message, (error as CallbackError).cause]),
      ).toEqual([
        ["onNodeDiscovered failed: mine", mine],
        ["onNodeDiscovered failed: mine", mine],
      ]);
      expect(seen).toEqual([contact, contact]);
    },
  );

  it.each([
    [
      "throws",
      () => {
        throw mine;
      },
    ],
    ["rejects", () => Promise.reject(mine)],
  ])("in onError itself, because it %s, is reported and not tried again", async (_title, onError) => {
    const { driver, emit, reports } = setUp();
    driver.use({ onError });
    emit({ type: "error", error: new HookError("store", "x") });
    await Promise.resolve();
    expect(reports.map((error) => (error as Error).message)).toEqual(["onError failed: mine"]);
  });

  it("in onAttach is reported, and the plugin stays attached", () => {
    const { driver, emit, reports } = setUp();
    const seen: unknown[] = [];
    driver.use({
      ...listener(seen),
      onAttach: () => {
        throw mine;
      },
    });
    emit(discovered);
    expect(reports.length).toBe(1);
    expect(seen.length).toBe(2);
  });

  it("after its plugin was removed goes to report alone", async () => {
    const { driver, emit, reports } = setUp();
    const seen: unknown[] = [];
    const remove = driver.use({ ...listener(seen), onNodeDiscovered: () => Promise.reject(mine) });
    emit(discovered);
    remove();
    await Promise.resolve();
    expect([seen.length, reports.length]).toEqual([0, 1]);
  });

  it("and a command from its onError finds the node unharmed", () => {
    const { machine, driver, emit } = setUp();
    const { node } = attach(driver, {
      onNodeDiscovered: () => {
        throw mine;
      },
      onError: () => void node.findNode(NodeId.fromHex("ff")),
    });
    emit(discovered, discovered);
    expect(machine.trace).toEqual([
      "event nodeDiscovered",
      "findNode@0",
      "transmit 1@0",
      "event nodeDiscovered",
      "findNode@0",
      "transmit 2@0",
    ]);
  });
});
