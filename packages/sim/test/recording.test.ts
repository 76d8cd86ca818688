import {
  immutableRecord,
  KadNode,
  MemoryRecordStore,
  NodeId,
  type NodeOptions,
  type RecordValidator,
  UsageError,
} from "@kad/core";
import { describe, expect, it } from "vitest";
import {
  CallLog,
  MachineLayer,
  type NodeMachine,
  type RecordedCall,
  RecordingError,
  record,
  recordedNode,
  replay,
  Simulation,
  Swarm,
} from "../src/index.ts";
import { Chaos } from "../src/trials/chaos.ts";
import { drawFaultPlan } from "../src/trials/fault-plan.ts";
import { chattyPlugin, Workload } from "../src/trials/workload.ts";

/** What one host does in a network of 20 that suffers, in one recording for each of its lives. */
function recordings(seed: number, recorded: (options: NodeOptions, log: CallLog) => NodeMachine): string[][] {
  const lives: string[][] = [];
  const simulation = new Simulation({ seed });
  const plan = { ...drawFaultPlan(simulation.stream("plan")), nodes: 20, growthMs: 0, chaosMs: 30_000 };
  const swarm = new Swarm(simulation, {
    nodes: plan.nodes,
    host: (place) => ({
      families: plan.families,
      limits: plan.limits,
      plugins: () => [chattyPlugin(simulation.stream("plugin", place))],
      ...(place % 4 === 1 && {
        machine: (options) => {
          const lines: string[] = [];
          lives.push(lines);
          return recorded(options, new CallLog({ sink: (line) => lines.push(line), about: "a test" }));
        },
      }),
    }),
  });
  new Chaos(swarm, plan, simulation.stream("chaos"));
  new Workload(swarm, 8, simulation.stream("work"));
  simulation.runFor(plan.chaosMs);
  for (const host of swarm.up) host.leave();
  simulation.runFor(10_000);
  return lives;
}

/** One quiet life, short enough to be looked at. */
function shortRecording(): string[] {
  const lines: string[] = [];
  const simulation = new Simulation({ seed: 3 });
  const first = simulation.addHost();
  const second = simulation.addHost({
    machine: (options) => recordedNode(options, new CallLog({ sink: (line) => lines.push(line) })),
  });
  second.join([first]);
  simulation.runFor(5_000);
  second.put(immutableRecord(simulation.sha256, new Uint8Array(10)));
  second.leave();
  simulation.runFor(5_000);
  return lines;
}

describe("a recording", () => {
  it.each([1, 2, 3, 4])("of a node that suffers plays again, call for call: seed %i", (seed) => {
    const lives = recordings(seed, recordedNode);
    expect(lives.length).toBeGreaterThanOrEqual(5);
    let messages = 0;
    for (const lines of lives) {
      const report = replay(lines);
      expect(report.difference).toBeUndefined();
      expect(report.calls).toBeGreaterThan(3);
      messages += report.messagesIn + report.messagesOut;
    }
    expect(messages).toBeGreaterThan(200);
  });

  it("says in its first line what it is, and that it holds plain text", () => {
    const [first = "", made = ""] = shortRecording();
    expect(JSON.parse(first)).toMatchObject({
      recording: 1,
      warning: expect.stringContaining("plain text"),
      mode: "server",
      padRequests: true,
      hasStore: true,
    });
    expect(JSON.parse(made)).toMatchObject({ c: "made" });
  });

  it("holds the records that the store held, those of the built-in types and others", () => {
    const simulation = new Simulation({ seed: 1 });
    const store = new MemoryRecordStore();
    const key = NodeId.fromBytes(new Uint8Array(32).fill(9));
    const validator: RecordValidator = {
      code: 77,
      maxBodyBytes: 10,
      quorum: 1,
      validate: () => undefined,
      select: () => 0,
    };
    store.put({
      kind: "value",
      typeCode: 77,
      key,
      body: Uint8Array.of(1, 2),
      expiresAtMs: 80_000,
      storedAtMs: -5,
    });
    const lines: string[] = [];
    const first = simulation.addHost();
    const host = simulation.addHost({
      machine: (options) =>
        recordedNode(
          { ...options, store, validators: { mine: validator } },
          new CallLog({ sink: (line) => lines.push(line) }),
        ),
    });
    host.join([first]);
    const get = host.get(key);
    simulation.runFor(1_000);
    expect(get.finished?.result).toMatchObject({ type: "value", record: { type: "mine" } });
    expect(() => replay(lines)).toThrow("validators: the recording needs mine");
    const report = replay(lines, { validators: { mine: validator } });
    expect(report).toMatchObject({ difference: undefined, end: "cut" });
    // Without what was stored the run is another one.
    const emptied = lines.filter((line) => !line.includes('"c":"stored"'));
    expect(replay(emptied, { validators: { mine: validator } }).difference).toBeDefined();
  });

  it("ends with its node's store full where the store said so", () => {
    const lines: string[] = [];
    const simulation = new Simulation({ seed: 3 });
    const [first] = simulation.addHosts(3);
    const host = simulation.addHost({
      machine: (options) =>
        recordedNode(
          { ...options, store: new MemoryRecordStore({ maxRecords: 1 }) },
          new CallLog({ sink: (line) => lines.push(line) }),
        ),
    });
    for (const other of simulation.hosts) if (other !== first) other.join([first as never]);
    simulation.runFor(3_000);
    for (const byte of [1, 2, 3]) first?.put(immutableRecord(simulation.sha256, Uint8Array.of(byte)));
    simulation.runFor(3_000);
    expect(lines.filter((line) => line.includes('"full":[0]')).length).toBeGreaterThan(0);
    expect(host.store.size).toBe(0);
    expect(replay(lines)).toMatchObject({ difference: undefined });
  });

  it("is over at its bound, and the node is not", () => {
    const lines: string[] = [];
    const log = new CallLog({ sink: (line) => lines.push(line), maxCharacters: 20_000 });
    const simulation = new Simulation({ seed: 3 });
    const first = simulation.addHost();
    const host = simulation.addHost({ machine: (options) => recordedNode(options, log) });
    host.join([first]);
    simulation.runFor(2 * 3_600_000);
    expect(log.state).toBe("full");
    expect(log.characters).toBe(lines.reduce((sum, line) => sum + line.length + 1, 0));
    expect(log.characters).toBeLessThan(20_100);
    expect(host.node.table.size).toBe(1);
    expect(replay(lines)).toMatchObject({ difference: undefined, end: "full" });
  });

  it("is over when whoever takes it throws, and the node is not", () => {
    let lines = 0;
    const log = new CallLog({
      sink: () => {
        if (++lines === 20) throw new Error("the disk is full");
      },
    });
    const simulation = new Simulation({ seed: 3 });
    const host = simulation.addHost({ machine: (options) => recordedNode(options, log) });
    host.join([simulation.addHost()]);
    simulation.runFor(10_000);
    expect([log.state, lines, host.node.table.size]).toEqual(["failed", 20, 1]);
  });

  it("can be ended, and says so", () => {
    const lines: string[] = [];
    const log = new CallLog({ sink: (line) => lines.push(line) });
    const simulation = new Simulation({ seed: 3 });
    const host = simulation.addHost({ machine: (options) => recordedNode(options, log) });
    simulation.runFor(10);
    log.end();
    log.end();
    host.join([simulation.addHost()]);
    simulation.runFor(1_000);
    expect(log.state).toBe("ended");
    expect(lines.filter((line) => line === '{"c":"end","r":"ended"}')).toHaveLength(1);
    expect(replay(lines)).toMatchObject({ difference: undefined, end: "ended" });
  });

  it("is of one node, made from what the log watches", () => {
    const log = new CallLog({ sink: () => undefined });
    const simulation = new Simulation({ seed: 3 });
    const make = (options: NodeOptions): NodeMachine => record(new KadNode(options), log);
    expect(() => simulation.addHost({ machine: make })).toThrow(UsageError);
    simulation.addHost({ machine: (options) => recordedNode(options, log) });
    expect(() => simulation.addHost({ machine: (options) => recordedNode(options, log) })).toThrow(
      "log: it has a node already",
    );
    expect(() => new CallLog({ sink: () => undefined, maxCharacters: 0 })).toThrow("maxCharacters: 0");
  });

  it("keeps what a command threw", () => {
    const lines: string[] = [];
    const simulation = new Simulation({ seed: 3 });
    const host = simulation.addHost({
      machine: (options) => recordedNode(options, new CallLog({ sink: (line) => lines.push(line) })),
    });
    expect(() => host.query((node, nowMs) => node.findNode(nowMs, host.id, { results: -1 }))).toThrow(
      "results: -1",
    );
    const thrown = lines.map((line) => JSON.parse(line) as RecordedCall).find(({ c }) => c === "findNode");
    expect(thrown?.r).toEqual({ $error: expect.stringContaining("UsageError invalidOption: results: -1") });
    expect(replay(lines).difference).toBeUndefined();
  });
});

describe("a replay", () => {
  it("shows every call to whoever asks, with the bytes that were sent", () => {
    const lines = shortRecording();
    const shown: string[] = [];
    let bytesOut = 0;
    const report = replay(lines, {
      onCall: ({ line, call, bytes }) => {
        shown.push(`${line} ${call.c}`);
        bytesOut += bytes?.length ?? 0;
      },
    });
    expect(shown.length).toBe(report.calls);
    expect(shown.at(-1)).toBe(`${lines.length} ${(JSON.parse(lines.at(-1) ?? "") as RecordedCall).c}`);
    expect(bytesOut).toBeGreaterThan(report.messagesOut * 40);
  });

  /** Changes the first line that a pattern fits. */
  function changed(pattern: RegExp, by: string): string[] {
    const lines = shortRecording();
    const at = lines.findIndex((line) => pattern.test(line));
    lines[at] = (lines[at] as string).replace(pattern, by);
    return lines;
  }

  it.each([
    ["a message that went out", /"checksum":"[0-9a-f]{8}"/, '"checksum":"00000000"', "poll"],
    ["an event", /"end":"converged"/, '"end":"exhausted"', "event"],
    ["the number of a query", /("c":"put".*)"r":\d+/, '$1"r":99', "put"],
    ["a draw that was not made", /"c":"timeout"/, '"c":"timeout","draws":["00"]', "timeout"],
    ["a draw of another length", /"draws":\["[0-9a-f]{2}/, '"draws":["', "networkEvent"],
    ["a deadline", /("c":"deadline".*)"reason":"[^"]+"/, '$1"reason":"whim"', "deadline"],
  ])("points at the first difference: %s", (_what, pattern, by, call) => {
    const lines = changed(pattern, by);
    const { difference, calls } = replay(lines);
    expect(difference?.call).toBe(call);
    expect(difference?.recorded).not.toBe(difference?.replayed);
    expect((JSON.parse(lines[(difference?.line ?? 0) - 1] as string) as RecordedCall).c).toBe(call);
    expect(calls).toBeLessThan(lines.length);
  });

  it("finds that a changed node is not the recorded one", () => {
    class Hasty extends MachineLayer {
      override handleTimeout(nowMs: number): void {
        super.handleTimeout(nowMs + 3_000);
      }
    }
    const report = replay(shortRecording(), {
      machine: (options) => new Hasty(new KadNode(options)),
    });
    expect(report.difference).toBeDefined();
  });

  it.each([
    [[], "malformed", "line 0: it is empty"],
    [["not json"], "malformed", "line 1: it is no JSON"],
    [["{}"], "malformed", "line 1: it is not the first line of a recording"],
    [['{"recording":2}'], "unsupported", "recording of version 2; this version plays 1"],
    [
      ["header", '{"c":"poll","t":1,"a":[9]}'],
      "malformed",
      "line 2: a call of poll before the node was made",
    ],
    [["header", "made", "{", "{}"], "malformed", "line 3: it is no JSON"],
    [["header", "made", '{"c":"dance"}'], "unsupported", "a call of dance"],
    [
      ["header", "made", '{"c":"networkEvent","a":[{"$at":"nowhere"}]}'],
      "malformed",
      "line 3: UsageError invalidAddress",
    ],
    [
      ["header", "made", '{"c":"networkEvent","a":[{"$bytes":"0g"}]}'],
      "malformed",
      'line 3: RangeError: "0g" is not hex',
    ],
  ])("says what is wrong with a file: %j", (given, code, message) => {
    const [header = "", made = ""] = shortRecording();
    const lines = given.map((line) => ({ header, made })[line] ?? line);
    let thrown: unknown;
    try {
      replay(lines);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(RecordingError);
    expect(thrown).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it("takes a file whose writer has crashed", () => {
    const lines = shortRecording();
    const last = lines.pop() as string;
    lines.push(last.substring(0, last.length - 3));
    expect(replay(lines)).toMatchObject({ difference: undefined, end: "cut" });
  });
});
