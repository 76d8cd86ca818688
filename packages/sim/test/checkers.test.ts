/** Each checker is shown a broken node that it must catch, and a network of whole ones that it must leave in peace. */
import {
  type Contact,
  type Deadline,
  type InstantMs,
  KadNode,
  type NodeEvent,
  type NodeId,
  type NodeOptions,
  type NodeStats,
  openRecord,
  type QueryId,
  type ReadonlyRoutingTable,
  type RequestMessage,
  type Transmit,
} from "@kad/core";
import { describe, expect, it } from "vitest";
import {
  AmplificationChecker,
  BoundChecker,
  type Checker,
  Checkers,
  CheckFailed,
  ClosingChecker,
  type CommandArguments,
  constantDelay,
  Distribution,
  MachineLayer,
  type NodeMachine,
  QueryChecker,
  RecordChecker,
  Rogue,
  type RogueAnswer,
  rogueHost,
  Simulation,
  SimulationError,
  StaleNode,
  Swarm,
  TableChecker,
} from "../src/index.ts";
import { WatchedMachine } from "../src/watched-machine.ts";

const network = { delay: constantDelay(5), jitterMs: Distribution.constant(0) };

/** A broken node among honest ones, and one checker; returns what it says. */
function caught(
  checker: Checker,
  machine: (options: NodeOptions) => NodeMachine,
  act: (simulation: Simulation) => void,
): string {
  const simulation = new Simulation({ seed: 1, network, observers: [checker] });
  const broken = simulation.addHost({ name: "broken", machine });
  const others = simulation.addHosts(3);
  for (const other of others) other.join([broken]);
  broken.join(others);
  try {
    simulation.runFor(5_000);
    act(simulation);
    simulation.runFor(1_000);
    checker.check?.(simulation);
    return "nothing";
  } catch (error) {
    const cause = error instanceof SimulationError ? error.cause : error;
    if (!(cause instanceof CheckFailed)) throw error;
    expect(cause.message.startsWith(`${checker.rule}: `)).toBe(true);
    return cause.message.substring(checker.rule.length + 2);
  }
}

const whole = (options: NodeOptions): NodeMachine => new KadNode(options);
/** Things that any node does. */
function usual(simulation: Simulation): void {
  const broken = simulation.host("broken");
  broken.findNode(simulation.host("h1").id);
  broken.put({ ...openRecord(simulation.sha256, "a", Uint8Array.of(1), 1), lifetimeMs: 60_000 });
  simulation.runFor(5_000);
  broken.leave();
}

describe.each([
  ["queries", () => new QueryChecker()],
  ["tables", () => new TableChecker()],
  ["bounds", () => new BoundChecker()],
  ["closing", () => new ClosingChecker()],
  ["records", () => new RecordChecker()],
  ["amplification", () => new AmplificationChecker()],
] as const)("the checker of %s", (_, make) => {
  it("leaves whole nodes in peace", () => {
    expect(caught(make(), whole, usual)).toBe("nothing");
  });
});

describe("the checker of queries", () => {
  it("catches a node that ends a query twice", () => {
    class EndsTwice extends MachineLayer {
      #again: NodeEvent | undefined;
      override pollEvent(): NodeEvent | undefined {
        const event = this.#again ?? super.pollEvent();
        this.#again = event?.type === "queryFinished" && this.#again === undefined ? event : undefined;
        return event;
      }
    }
    const checker = new QueryChecker();
    expect(caught(checker, (options) => new EndsTwice(new KadNode(options)), usual)).toMatch(
      /^broken query 1 ended, which is not under way/,
    );
  });

  it("catches a node that progresses after the end", () => {
    class Late extends MachineLayer {
      #ended: QueryId | undefined;
      override pollEvent(): NodeEvent | undefined {
        const event = super.pollEvent();
        if (event?.type === "queryFinished") this.#ended = event.query;
        if (event !== undefined || this.#ended === undefined) return event;
        const query = this.#ended;
        this.#ended = undefined;
        return { type: "queryProgressed", query, step: 1, result: { type: "nodes", contacts: [] } };
      }
    }
    expect(caught(new QueryChecker(), (options) => new Late(new KadNode(options)), usual)).toMatch(
      /^broken query 1 progressed, which is not under way/,
    );
  });

  class Endless extends MachineLayer {
    override pollEvent(): NodeEvent | undefined {
      const event = super.pollEvent();
      return event?.type === "queryFinished" ? this.pollEvent() : event;
    }
  }

  it("catches a node that never ends a query, in time and when it closes", () => {
    const endless = (options: NodeOptions): NodeMachine => new Endless(new KadNode(options));
    expect(caught(new QueryChecker(), endless, (simulation) => simulation.runFor(61_000))).toMatch(
      /^broken bootstrap, query 1, should have ended \d+ ms ago/,
    );
    expect(caught(new QueryChecker(), endless, (simulation) => simulation.host("broken").leave())).toBe(
      "broken closed, and these never ended: bootstrap 1",
    );
  });

  it("holds a query to the deadline that it was given", () => {
    const act = (simulation: Simulation): void => {
      simulation
        .host("broken")
        .send(simulation.host("h1").contact, "x", new Uint8Array(1), { timeoutMs: 100 });
      simulation.runFor(1_000);
    };
    expect(caught(new QueryChecker(), (options) => new Endless(new KadNode(options)), act)).toMatch(
      /^broken send, query \d+, should have ended \d+ ms ago/,
    );
  });

  it("lets a node that sleeps, or is paused, take its time", () => {
    const act = (simulation: Simulation): void => {
      const host = simulation.host("broken");
      host.findNode(host.id);
      host.sleep();
      simulation.runFor(200_000);
      host.wake();
      host.ping({ addresses: [simulation.address("udp://192.0.2.7:9")] }, { timeoutMs: 500 });
      host.pause();
      simulation.runFor(200_000);
      host.resume();
      simulation.runFor(100);
    };
    expect(caught(new QueryChecker(), whole, act)).toBe("nothing");
  });

  it("catches a node that uses an id again", () => {
    class Repeats extends MachineLayer {
      override findNode(nowMs: InstantMs, ...args: CommandArguments<"findNode">): QueryId {
        super.findNode(nowMs, ...args);
        return 1;
      }
    }
    expect(caught(new QueryChecker(), (options) => new Repeats(new KadNode(options)), usual)).toBe(
      "broken began findNode as query 1 after query 1",
    );
  });
});

describe("the checker of tables", () => {
  /** A node whose table shows other contacts than it has. */
  function showing(
    change: (contacts: Contact[], self: NodeId) => Contact[],
    buckets?: ReadonlyRoutingTable["buckets"],
  ) {
    return (options: NodeOptions): NodeMachine => {
      class Shows extends MachineLayer {
        override get table(): ReadonlyRoutingTable {
          const { table } = this.inner;
          const contacts = change(table.contacts(), options.id);
          return {
            size: contacts.length,
            bucketCount: table.bucketCount,
            get: (id) => table.get(id),
            closest: (target, count) => table.closest(target, count),
            contacts: () => contacts,
            buckets: buckets ?? (() => table.buckets()),
          };
        }
      }
      return new Shows(new KadNode(options));
    };
  }
  const catching = (machine: (options: NodeOptions) => NodeMachine): string =>
    caught(new TableChecker(), machine, () => undefined);

  it.each<[string, (contacts: Contact[], self: NodeId) => Contact[], RegExp]>([
    ["an id twice", (contacts) => [...contacts, ...contacts], /^broken has an id twice/],
    ["itself", (contacts, id) => [...contacts, { id, addresses: [] }], /^broken has itself/],
    [
      "somebody who never answered there",
      ([first, second]) => [{ id: (first as Contact).id, addresses: (second as Contact).addresses }],
      /^broken has \w+ in its table, which has never answered from udp:/,
    ],
  ])("catches a table with %s", (_, change, expected) => {
    expect(catching(showing(change))).toMatch(expected);
  });

  it("catches a table that counts wrongly, and buckets that are too full", () => {
    const buckets = [{ prefixLength: 0, size: 21, replacements: 0 }];
    expect(
      catching(
        showing(
          (contacts) => contacts,
          () => buckets,
        ),
      ),
    ).toMatch(/^broken has 21 contacts and 0 replacements/);
    class Miscounts extends MachineLayer {
      override get table(): ReadonlyRoutingTable {
        const { table } = this.inner;
        return { ...showTable(table), size: 99 };
      }
    }
    expect(catching((options) => new Miscounts(new KadNode(options)))).toBe(
      "broken says that it has 99 contacts, and has 3",
    );
  });

  it("catches a client in a table, and somebody known only from hearsay", () => {
    const simulation = new Simulation({ seed: 1, network });
    const checker = new TableChecker();
    simulation.observers.add(checker);
    const client = simulation.addHost({ mode: "client" });
    const a = simulation.addHost({
      machine: showing((contacts) => [...contacts, client.contact]),
    });
    client.join([a]);
    simulation.runFor(1_000);
    expect(() => checker.check(simulation)).toThrow(`has the client ${client.id.toHex()}`);
    const stranger = simulation.addHost();
    const b = simulation.addHost({ machine: showing((contacts) => [...contacts, stranger.contact]) });
    void b;
    client.crash();
    a.crash();
    expect(() => checker.check(simulation)).toThrow(
      `has ${stranger.id.toHex()} in its table, which has never answered`,
    );
  });

  it("catches more of one subnet than a table may have", () => {
    const simulation = new Simulation({ seed: 1, network, limits: { maxPerSubnetInBucket: 4 } });
    const checker = new TableChecker();
    simulation.observers.add(checker);
    const subnet = simulation.addSubnet();
    const hosts = simulation.addHosts(5, { subnet });
    // A node with other limits than it says that it has.
    const lax = simulation.addHost({
      machine: (options) =>
        new KadNode({ ...options, limits: { maxPerSubnetInBucket: 9, maxPerSubnetInTable: 9 } }),
      limits: { maxPerSubnetInTable: 4 },
    });
    for (const host of hosts) host.join([lax]);
    simulation.runFor(2_000);
    expect(() => checker.check(simulation)).toThrow(/has 5 contacts of .*\/24; allowed are 4/);
  });
});

function showTable(table: ReadonlyRoutingTable): ReadonlyRoutingTable {
  return {
    size: table.size,
    bucketCount: table.bucketCount,
    get: (id) => table.get(id),
    closest: (target, count) => table.closest(target, count),
    contacts: () => table.contacts(),
    buckets: () => table.buckets(),
  };
}

describe("the checker of bounds", () => {
  it.each([21, -1, Number.NaN])("catches a gauge of %s where 20 are allowed", (used) => {
    class Overfull extends MachineLayer {
      override stats(): NodeStats {
        const stats = super.stats();
        return { ...stats, gauges: { ...stats.gauges, records: { used, limit: 20 } } };
      }
    }
    expect(
      caught(
        new BoundChecker(),
        (options) => new Overfull(new KadNode(options)),
        () => undefined,
      ),
    ).toBe(`broken has ${used} records; the limit is 20`);
  });
});

describe("the checker of closing", () => {
  const leave = (simulation: Simulation): void => simulation.host("broken").leave();

  it("catches what is not drained, waits, sends, tells, or still holds something", () => {
    class NeverDrained extends MachineLayer {
      override get drained(): boolean {
        return false;
      }
    }
    class Waits extends MachineLayer {
      override nextDeadline(): Deadline | undefined {
        return super.nextDeadline() ?? { atMs: 1e9, reason: "nothing" };
      }
    }
    class Sends extends MachineLayer {
      #last: Transmit | undefined;
      #isClosing = false;
      override close(nowMs: InstantMs): void {
        this.#isClosing = true;
        super.close(nowMs);
      }
      override pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
        const transmit = super.pollTransmit(nowMs, into);
        if (transmit !== undefined) this.#last = transmit;
        // Nothing in the pump of the closing itself, but afterwards.
        if (transmit !== undefined || !this.#isClosing) return transmit;
        this.#isClosing = false;
        return undefined;
      }
      get last(): Transmit | undefined {
        return this.#last;
      }
    }
    class SendsLater extends Sends {
      #polls = 0;
      #closed = false;
      override close(nowMs: InstantMs): void {
        this.#closed = true;
        super.close(nowMs);
      }
      override pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
        const transmit = super.pollTransmit(nowMs, into);
        if (!this.#closed || transmit !== undefined) return transmit;
        return this.#polls++ === 1 ? this.last : undefined;
      }
    }
    class TellsLater extends MachineLayer {
      #polls = 0;
      #closed = false;
      override close(nowMs: InstantMs): void {
        this.#closed = true;
        super.close(nowMs);
      }
      override pollEvent(): NodeEvent | undefined {
        const event = super.pollEvent();
        if (!this.#closed || event !== undefined) return event;
        return this.#polls++ === 1 ? { type: "timer", timer: 1, plugin: 1 } : undefined;
      }
    }
    class Holds extends MachineLayer {
      override stats(): NodeStats {
        const stats = super.stats();
        return {
          ...stats,
          gauges: { ...stats.gauges, pings: { used: 1, limit: 20 }, queries: { used: 2, limit: 20 } },
        };
      }
    }
    const says = (Machine: new (inner: NodeMachine) => NodeMachine): string =>
      caught(new ClosingChecker(), (options) => new Machine(new KadNode(options)), leave);
    expect(says(NeverDrained)).toBe("broken is not drained");
    expect(says(Waits)).toBe("broken still waits for nothing");
    expect(says(SendsLater)).toMatch(/^broken still sends to udp:/);
    expect(says(TellsLater)).toBe("broken still tells timer");
    expect(says(Holds)).toBe("broken still has queries, pings");
  });
});

describe("the checker of records", () => {
  it("catches a host that serves a record after its end, or promises it a longer life", () => {
    const simulation = new Simulation({ seed: 1, network, observers: [new RecordChecker()] });
    const stale = simulation.addHost({
      name: "broken",
      machine: (options, host) => new StaleNode(options, host),
    });
    const other = simulation.addHost();
    other.join([stale]);
    simulation.runFor(1_000);
    const record = { ...openRecord(simulation.sha256, "a", Uint8Array.of(1), 1), lifetimeMs: 60_000 };
    other.put(record, { keep: false });
    simulation.runFor(1_000);
    other.get(record.key);
    expect(() => simulation.runFor(1_000)).toThrow(
      /nothing is served after it has expired: broken serves \w+ for \d+ ms beyond/,
    );
  });

  it("leaves rogues alone, and hosts that keep a record for its publisher", () => {
    const simulation = new Simulation({ seed: 1, network, observers: [new RecordChecker()] });
    const stale = simulation.addHost(rogueHost("stale"));
    const others = simulation.addHosts(5);
    for (const host of others) host.join([stale]);
    simulation.runFor(5_000);
    const [a, b] = others;
    const short = { ...openRecord(simulation.sha256, "a", Uint8Array.of(1), 1), lifetimeMs: 60_000 };
    const kept = openRecord(simulation.sha256, "b", Uint8Array.of(1), 1);
    a?.put(short, { keep: false });
    a?.put(kept);
    for (let hours = 0; hours < 30; hours++) {
      simulation.runFor(3_600_000);
      b?.get(short.key);
      b?.get(kept.key);
    }
    a?.leave();
    a?.restart({ keepsContacts: true });
    simulation.runFor(30 * 3_600_000);
    const get = b?.get(kept.key);
    simulation.runFor(10_000);
    expect(get?.finished?.result).toMatchObject({ record: { body: kept.body } });
  });

  it("allows for the time that a holder slept", () => {
    const simulation = new Simulation({ seed: 1, network, observers: [new RecordChecker()] });
    const [a, b] = [simulation.addHost(), simulation.addHost()];
    a.join([b]);
    simulation.runFor(1_000);
    const record = { ...openRecord(simulation.sha256, "a", Uint8Array.of(1), 1), lifetimeMs: 60_000 };
    a.put(record, { keep: false });
    simulation.runFor(1_000);
    b.sleep();
    simulation.runFor(600_000);
    b.wake();
    a.get(record.key);
    a.ping(b.contact);
    simulation.runFor(1_000);
    const late = a.get(record.key);
    simulation.runFor(1_000);
    expect(late.isOver).toBe(true);
  });
});

describe("the checker of amplification", () => {
  it("catches an answer that is more than three times as long as what it answers", () => {
    class Loud extends Rogue {
      protected override answer(_nowMs: InstantMs, { body }: RequestMessage): RogueAnswer {
        return body.type === "ping" ? { bytes: new Uint8Array(1_000) } : "honest";
      }
    }
    const simulation = new Simulation({ seed: 1, network, observers: [new AmplificationChecker()] });
    const loud = simulation.addHost({ name: "broken", machine: (options, host) => new Loud(options, host) });
    const other = simulation.addHost();
    other.ping(loud.seed);
    expect(() => simulation.runFor(1_000)).toThrow(/broken has sent \d+ bytes more to udp:/);
  });
});

describe("the clock of a machine", () => {
  it("may not run backwards", () => {
    const simulation = new Simulation({ seed: 1 });
    const { node } = simulation.addHost();
    const watched = new WatchedMachine(node, () => undefined);
    watched.handleTimeout(5);
    watched.handleTimeout(5);
    const into = new Uint8Array(1_200);
    for (const call of [
      () => watched.handleTimeout(4),
      () => watched.pollTransmit(4, into),
      () => watched.handleNetworkEvent(4, { type: "wallClock", unixMs: 0 }),
      () => watched.findNode(4, node.id),
      () => watched.close(4),
    ])
      expect(call).toThrow("time ran backwards, from 5 to 4 ms");
  });
});

describe("all checkers", () => {
  it("look at everybody now and then, and leave a network of whole nodes in peace", () => {
    const simulation = new Simulation({ seed: 1, network: { loss: 0.2 } });
    const checkers = new Checkers(simulation, { intervalMs: 1_000 });
    new Swarm(simulation, { nodes: 30 });
    simulation.runFor(30_000);
    expect(checkers.rounds).toBe(30);
    checkers.stop();
    simulation.runFor(10_000);
    checkers.check();
    expect(checkers.rounds).toBe(31);
  });

  it("end the run with the seed", () => {
    const simulation = new Simulation({ seed: 99, network });
    const rule: Checker = {
      rule: "nobody is alone",
      check: ({ hosts: [first] }) => {
        throw new CheckFailed("nobody is alone", first as never, "is alone");
      },
    };
    new Checkers(simulation, { more: [rule] });
    simulation.addHost();
    expect(() => simulation.runFor(11_000)).toThrow("seed 99, at 10000.000 ms: nobody is alone: h0 is alone");
  });
});
