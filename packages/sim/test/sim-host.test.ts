import { type DhtRecord, type NodeEvent, openRecord, type Plugin, type PluginContext } from "@kad/core";
import { describe, expect, it } from "vitest";
import { constantDelay, Distribution, type HostChange, type HostOptions, Simulation } from "../src/index.ts";
import { addRaw, heardBy, sendRaw } from "./raw-machine.ts";

const network = { delay: constantDelay(10), jitterMs: Distribution.constant(0) };

function scene(options: HostOptions = {}) {
  const changes: string[] = [];
  /** Of the first host. */
  const events: NodeEvent[] = [];
  const sent: string[] = [];
  const simulation = new Simulation({
    seed: 1,
    network,
    observers: [
      {
        onHost: (nowUs, { name }, change: HostChange) =>
          void changes.push(`${nowUs / 1_000} ${name} ${change}`),
        onEvent: (_nowUs, host, event) => {
          if (host === a) events.push(event);
        },
        onSend: (_nowUs, { from }) => void sent.push(from.host.name),
      },
    ],
  });
  const a = simulation.addHost(options);
  const b = simulation.addHost();
  return { simulation, a, b, changes, events, sent };
}

describe("a host", () => {
  it("runs a node that pings, finds and is found", () => {
    const { simulation, a, b } = scene();
    const join = a.join([b]);
    simulation.runFor(100);
    expect(join.finished).toMatchObject({
      end: "converged",
      result: { type: "nodes", contacts: [{ id: b.id }] },
    });
    const ping = b.ping({ id: a.id, addresses: [a.address] });
    expect([ping.finished, ping.isOver]).toEqual([undefined, false]);
    simulation.runFor(20);
    expect(ping.finished).toMatchObject({ end: "converged", result: { type: "pong", rttMs: 20 } });
    expect(a.node.table.contacts()).toMatchObject([{ id: b.id }]);
  });

  it("has plugins, which have its commands, its messages and its timers", () => {
    const { simulation, a, b } = scene();
    const heard: string[] = [];
    class Chat implements Plugin {
      readonly protocol = "chat";
      #node: PluginContext | undefined;
      onAttach(node: PluginContext): void {
        this.#node = node;
        node.setTimer(1_000);
      }
      onTimeout(): void {
        this.#node?.send(a.contact, "chat", new TextEncoder().encode("hello"));
      }
      onMessage({ body }: { readonly body: Uint8Array }): void {
        heard.push(`${simulation.nowMs} ${new TextDecoder().decode(body)}`);
      }
    }
    const remove = a.use(new Chat());
    b.use(new Chat());
    simulation.runFor(1_015);
    expect(heard).toEqual(["1010 hello"]);
    remove();
    const send = b.send(a.contact, "chat", new Uint8Array(0));
    simulation.runFor(20);
    expect(send.finished?.result).toMatchObject({ type: "reply", reason: "noHandler" });
  });

  it("attaches the plugins of its options at each start, before anything is sent", () => {
    let attached = 0;
    const { a } = scene({ plugins: () => [{ onAttach: () => void attached++ }] });
    expect(attached).toBe(1);
    a.crash();
    a.start();
    expect(attached).toBe(2);
  });

  it("ends its queries when it leaves, says so, and is gone", () => {
    const { simulation, a, b, changes } = scene();
    const find = a.findNode(b.id);
    const ping = a.ping(b.seed);
    simulation.runFor(1);
    a.leave();
    expect(find.isOver).toBe(true);
    expect(ping.finished).toMatchObject({ end: "closed" });
    expect(a.state).toBe("down");
    expect(changes).toEqual(["0 h0 started", "0 h1 started", "1 h0 closed"]);
    expect(() => a.node).toThrow("h0 is down");
    expect(() => a.ping(b.seed)).toThrow("h0 is down");
  });

  it("ends without a word when it crashes: its queries are lost, and nothing of it happens any more", async () => {
    const { simulation, a, b, events } = scene();
    const ping = a.ping(b.seed);
    const seen: boolean[] = [];
    ping.onOver(({ isLost }) => void seen.push(isLost));
    simulation.runFor(1);
    a.crash();
    expect([ping.isLost, ping.isOver, ping.finished, seen]).toEqual([true, true, undefined, [true]]);
    await expect(ping.promise).rejects.toThrow("h0 crashed before it ended");
    simulation.runFor(60_000);
    expect(events).toEqual([]);
    expect(simulation.network.counters.dropped.nobody).toBeGreaterThan(0);
  });

  it.each([
    [{}, { id: "same", records: 1, joined: false }],
    [{ sameId: false }, { id: "new", records: 1, joined: false }],
    [{ keepsRecords: false }, { id: "same", records: 0, joined: false }],
    [{ keepsContacts: true }, { id: "same", records: 1, joined: true }],
  ])("comes back as %o says", (options, expected) => {
    const { simulation, a, b } = scene();
    a.join([b]);
    simulation.runFor(100);
    b.put(recordFor(simulation, 60_000));
    simulation.runFor(1_000);
    const before = a.id;
    a.crash();
    simulation.runFor(10_000);
    const query = a.restart(options);
    simulation.runFor(100);
    expect({
      id: a.id.equals(before) ? "same" : "new",
      records: a.store.size,
      joined: query?.finished?.end === "converged" && a.node.table.size === 1,
    }).toEqual(expected);
  });

  it("comes back in another network, through seeds", () => {
    const { simulation, a, b } = scene();
    const before = a.address;
    a.crash();
    const query = a.restart({ moves: true, seeds: [b] });
    simulation.runFor(100);
    expect(a.address).not.toBe(before);
    expect(query?.finished?.end).toBe("converged");
    expect(() => a.start()).toThrow("h0 is up");
  });

  it("serves what it held when it comes back with its records, until they expire", () => {
    const { simulation, a, b } = scene();
    a.join([b]);
    simulation.runFor(100);
    const record = recordFor(simulation, 60_000);
    a.put(record, { keep: false });
    simulation.runFor(1_000);
    expect(b.store.size).toBe(1);
    b.crash();
    simulation.runFor(100);
    b.restart();
    const get = a.get(record.key);
    simulation.runFor(1_000);
    expect(get.finished).toMatchObject({ end: "converged", result: { record: { body: record.body } } });
    simulation.runFor(60_000);
    const late = a.get(record.key);
    simulation.runFor(1_000);
    expect(late.finished).toMatchObject({ end: "converged", result: { record: undefined } });
  });

  it("stands still while it sleeps, and hears of the jump of the wall clock when its next timer fires", () => {
    const simulation = new Simulation({ seed: 1, network });
    const a = addRaw(simulation);
    const b = addRaw(simulation);
    let firedAtMs: number | undefined;
    a.use({
      onAttach: (node) => void node.setTimer(500),
      onTimeout: () => {
        firedAtMs = simulation.nowMs;
      },
    });
    simulation.runFor(400);
    a.sleep();
    const hostMs = a.nowMs;
    sendRaw(b, a.address, "lost");
    simulation.runFor(900_000);
    expect([a.state, a.nowMs, firedAtMs]).toEqual(["asleep", hostMs, undefined]);
    expect(simulation.network.counters.dropped.down).toBe(1);
    a.wake();
    expect([a.state, a.nowMs]).toEqual(["up", hostMs]);
    simulation.runFor(99);
    expect(a.node.events.filter(({ type }) => type === "wallClock")).toHaveLength(1);
    simulation.runFor(1);
    expect(firedAtMs).toBe(900_500);
    const told = a.node.events.filter((event) => event.type === "wallClock").map(({ unixMs }) => unixMs);
    expect((told[1] as number) - (told[0] as number)).toBe(900_500);
    sendRaw(b, a.address, "hello again");
    simulation.runFor(20);
    expect(heardBy(a)).toEqual(["hello again"]);
  });

  it("reads what has waited in its kernel when a pause ends, up to what fits there", () => {
    const simulation = new Simulation({ seed: 1, network });
    const a = addRaw(simulation);
    const b = addRaw(simulation);
    a.pause();
    for (let i = 0; i < 300; i++) sendRaw(b, a.address, String(i));
    simulation.runFor(5_000);
    expect([a.state, a.nowMs, heardBy(a).length]).toEqual(["paused", 5_000, 0]);
    a.resume();
    expect(heardBy(a)).toEqual(Array.from({ length: 256 }, (_, i) => String(i)));
    expect(simulation.network.counters.dropped.down).toBe(44);
  });

  it("reads answers that came during a pause before it lets time pass", () => {
    const { simulation, a, b, events } = scene();
    const ping = a.ping(b.contact);
    simulation.runFor(5);
    a.pause();
    simulation.runFor(15_000);
    a.resume();
    simulation.runFor(1);
    expect(ping.finished).toMatchObject({ end: "converged" });
    expect(events.filter(({ type }) => type === "requestTimedOut")).toEqual([]);
  });

  it("wakes before it leaves, and may crash asleep", () => {
    const { a, b } = scene();
    a.sleep();
    a.leave();
    b.pause();
    b.crash();
    expect([a.state, b.state]).toEqual(["down", "down"]);
    expect(() => a.sleep()).toThrow("h0 is down; it must be up");
    expect(() => a.wake()).toThrow("h0 is down; it must be asleep");
    expect(() => b.resume()).toThrow("h1 is down; it must be paused");
  });

  it("may have a wall clock that is wrong, and is set; it is told at the start, hourly, and after a step", () => {
    const simulation = new Simulation({ seed: 1, network, unixMs: 1_000_000 });
    const a = addRaw(simulation, { wallClockErrorMs: 50_000 });
    const told = (): number[] =>
      a.node.events.flatMap((event) => (event.type === "wallClock" ? [event.unixMs] : []));
    simulation.runFor(3_600_000);
    expect(told()).toEqual([1_050_000, 4_650_000]);
    a.stepWallClock(-900_000);
    simulation.runFor(3_600_000);
    const toldAfterMs = (told()[2] as number) + 900_000 - 4_650_000;
    expect(toldAfterMs).toBeGreaterThan(0);
    expect(toldAfterMs).toBeLessThanOrEqual(300_000); // the liveness interval
  });

  it("may have a monotonic clock with another origin", () => {
    const { simulation, a, b } = scene({ clockOriginMs: 123_456.789 });
    simulation.runFor(1_000);
    expect(a.nowMs).toBe(124_456.789);
    const ping = a.ping(b.seed);
    simulation.runFor(20);
    expect(ping.finished?.stats).toMatchObject({ startedAtMs: 124_456.789, durationMs: 20 });
  });

  it("sends nothing while its kernel is clogged, and goes on when it is not", () => {
    const { simulation, a, b, changes, sent } = scene();
    a.join([b]);
    simulation.runFor(1_000);
    a.setClogged(true);
    const find = a.findNode(b.id);
    sent.length = 0;
    simulation.runFor(2_000);
    expect([sent.includes("h0"), find.isOver]).toEqual([false, false]);
    a.setClogged(false);
    simulation.runFor(100);
    expect(find.finished).toMatchObject({ end: "converged" });
    expect(changes.slice(2)).toEqual(["1000 h0 clogged", "3000 h0 unclogged"]);
  });

  it("hands its own machine to callers, and to observers what it is commanded", () => {
    const commands: unknown[] = [];
    const simulation = new Simulation({
      seed: 1,
      network,
      observers: [
        { onCommand: (_nowUs, { name: host }, { name, result }) => void commands.push([host, name, result]) },
      ],
    });
    const a = addRaw(simulation);
    const b = simulation.addHost();
    expect(a.node.inbox).toEqual([]);
    const ping = a.ping(b.seed);
    a.use({ onAttach: (node) => void node.setTimer(5) });
    expect(commands).toEqual([
      ["h0", "ping", ping.id],
      ["h0", "setTimer", 1],
    ]);
    expect(a.node.id).toBe(a.id);
    expect(String(a)).toBe("h0");
  });
});

function recordFor({ sha256 }: Simulation, lifetimeMs: number): DhtRecord {
  return { ...openRecord(sha256, "name", Uint8Array.of(1, 2, 3), 1), lifetimeMs };
}
