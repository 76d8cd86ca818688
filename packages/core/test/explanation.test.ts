import { describe, expect, it } from "vitest";
import { type ExplainedStep, QueryTrace } from "../src/explanation.ts";
import {
  AddressTable,
  formatExplanation,
  immutableRecord,
  Lookup,
  NodeId,
  type QueryFinished,
} from "../src/index.ts";
import { type Host, Network } from "./pair.ts";
import { sha256 } from "./sha256.ts";

const table = new AddressTable();
const id = (byte: number): NodeId => NodeId.fromBytes(new Uint8Array(32).fill(byte));
const contact = (byte: number) => ({ id: id(byte), addresses: [table.parse(`udp://192.0.2.${byte}:4100`)] });

/** Thirty nodes that know each other. */
function joined(): Network {
  const net = new Network({ seed: 5, delayMs: 10 });
  for (let i = 0; i < 30; i++) net.add();
  const [first, ...others] = net.hosts as [Host, ...Host[]];
  for (const host of others)
    net.finish(host, host.node.bootstrap(net.nowMs, [{ addresses: [first.address] }]));
  net.run(20_000);
  return net;
}

function stepsOf(end: QueryFinished, type: ExplainedStep["event"]["type"]): ExplainedStep[] {
  return (end.explanation?.steps ?? []).filter((step) => step.event.type === type);
}

describe("a query begun with explain", () => {
  it("says whom it asked, what they gave and why it ended, in order", () => {
    const net = joined();
    const [host] = net.hosts as [Host];
    const end = net.finish(host, host.node.findNode(net.nowMs, id(9), { explain: true }));
    const { target, steps, omitted, why } = end.explanation ?? {};
    expect(target).toEqual(id(9));
    expect(stepsOf(end, "asked")).toHaveLength(end.stats.requests);
    expect(stepsOf(end, "answered")).toHaveLength(end.stats.responses);
    expect(steps?.map((step) => step.afterMs)).toEqual(
      steps?.map((step) => step.afterMs).sort((a, b) => a - b),
    );
    expect(stepsOf(end, "answered")[0]?.event).toEqual({ type: "answered", gave: "nodes", contacts: 20 });
    expect([omitted, why]).toEqual([0, "the closest that were needed have answered"]);
  });

  it("says who was slow, who was given up, and who failed", () => {
    const net = joined();
    const [host, ...others] = net.hosts as [Host, ...Host[]];
    for (const other of others.slice(0, 10)) other.isUp = false;
    const query = host.node.findNode(net.nowMs, id(9), { explain: true, results: 20, timeoutMs: 30_000 });
    const end = net.finish(host, query);
    const down = new Set(others.slice(0, 10).map((other) => other.node.id.key));
    expect(stepsOf(end, "slow").length).toBeGreaterThan(3);
    expect(stepsOf(end, "overdue").length).toBeGreaterThan(3);
    for (const step of stepsOf(end, "overdue")) expect(down.has(step.peer?.key ?? "")).toBe(true);
  });

  it("says who was passed over because of their subnet or distance, once each", () => {
    const trace = new QueryTrace(10);
    trace.begin(0, id(1));
    const lookup = new Lookup({
      target: id(1),
      self: id(0xff),
      results: 1,
      parallelism: 1,
      stalledParallelism: 1,
      maxCandidates: 2,
      maxPerSubnet: 1,
      groupOf: (address) => (address.key.endsWith(".4:4100") ? undefined : "crowded"),
      onSkip: (skipped, reason) => trace.skipped(skipped, reason),
    });
    lookup.addSeeds([contact(2), contact(3), contact(3)]);
    lookup.addSeeds([contact(4), { ...contact(4), id: id(0x80) }]);
    expect(trace.explanation().steps.map(({ peer, event }) => [peer, event])).toEqual([
      [id(3), { type: "skipped", reason: "subnet" }],
      [id(0x80), { type: "skipped", reason: "tooFar" }],
    ]);
  });

  it("tells disjoint paths apart: a peer that one path has asked is skipped by the others", () => {
    const net = joined();
    const [host] = net.hosts as [Host];
    const end = net.finish(host, host.node.findNode(net.nowMs, id(9), { explain: true, paths: 3 }));
    expect(
      stepsOf(end, "skipped").some(({ event }) => event.type === "skipped" && event.reason === "otherPath"),
    ).toBe(true);
  });

  it("carries the explanation so far on its progress, and on every kind of end", () => {
    const net = joined();
    const [host, other] = net.hosts as [Host, Host];
    const get = host.node.get(net.nowMs, id(9), { explain: true, progress: true });
    net.finish(host, get);
    const progress = host.events.filter((event) => event.type === "queryProgressed");
    expect(progress.length).toBeGreaterThan(0);
    expect(
      progress.every((event) => event.explanation !== undefined && event.explanation.why === undefined),
    ).toBe(true);
    const put = net.finish(
      host,
      host.node.put(net.nowMs, immutableRecord(sha256, Uint8Array.of(1)), { explain: true }),
    );
    expect(
      stepsOf(put, "answered").some(({ event }) => event.type === "answered" && event.gave === "stored"),
    ).toBe(true);
    const ping = net.finish(
      host,
      host.node.ping(net.nowMs, { addresses: [other.address] }, { explain: true }),
    );
    expect(ping.explanation?.target).toBeUndefined();
    expect(ping.explanation?.steps.map(({ event }) => event.type)).toEqual(["asked", "answered"]);
    const cancelled = host.node.findNode(net.nowMs, id(3), { explain: true });
    host.node.cancel(net.nowMs, cancelled);
    expect(net.finish(host, cancelled).explanation?.why).toBe("it was cancelled");
    const refused = net.finish(
      host,
      host.node.send(net.nowMs, { addresses: [other.address] }, "none", new Uint8Array(1), { explain: true }),
    );
    expect(stepsOf(refused, "refused").map(({ event }) => event)).toEqual([
      { type: "refused", reason: "noHandler" },
    ]);
  });

  it("is not explained unless asked", () => {
    const net = joined();
    const [host] = net.hosts as [Host];
    expect(net.finish(host, host.node.findNode(net.nowMs, id(9)))).not.toHaveProperty("explanation");
  });
});

describe("a trace", () => {
  it("keeps so many steps and counts the rest", () => {
    const trace = new QueryTrace(3);
    trace.begin(100, id(1));
    for (let i = 0; i < 5; i++) trace.add(100 + i, contact(2), { type: "asked", request: "ping" });
    expect(trace.explanation()).toMatchObject({ omitted: 2, why: undefined });
    expect(trace.explanation().steps.map((step) => step.afterMs)).toEqual([0, 1, 2]);
  });

  it("as text has a line for each step", () => {
    const trace = new QueryTrace(7);
    trace.begin(0, id(0x0f));
    const peer = contact(0x0e);
    trace.add(0, peer, { type: "asked", request: "findNode" });
    trace.add(0, { addresses: peer.addresses }, { type: "asked", request: "findNode" });
    trace.add(300, peer, { type: "slow" });
    trace.add(900, peer, { type: "overdue" });
    trace.add(950.25, peer, { type: "answered", gave: "nodes", contacts: 20 });
    trace.add(951, peer, { type: "answered", gave: "value", contacts: 0 });
    trace.add(952, peer, { type: "refused", reason: "busy" });
    trace.add(953, peer, { type: "failed", reason: "noAnswer" });
    expect(formatExplanation(trace.explanation()).split("\n")).toEqual([
      `toward ${"0f".repeat(32)}`,
      "      0.0 ms  0e0e0e0e (7 bits)  udp://192.0.2.14:4100  asked findNode",
      "      0.0 ms  unknown   udp://192.0.2.14:4100  asked findNode",
      "    300.0 ms  0e0e0e0e (7 bits)  udp://192.0.2.14:4100  is slow: another is asked beside it",
      "    900.0 ms  0e0e0e0e (7 bits)  udp://192.0.2.14:4100  is overdue: nobody waits for it",
      "    950.3 ms  0e0e0e0e (7 bits)  udp://192.0.2.14:4100  named 20 contacts",
      "    951.0 ms  0e0e0e0e (7 bits)  udp://192.0.2.14:4100  gave value",
      "    952.0 ms  0e0e0e0e (7 bits)  udp://192.0.2.14:4100  refused: busy",
      "… and 1 more steps",
      "still under way",
    ]);
    const single = new QueryTrace(7);
    single.begin(0);
    single.add(0, peer, { type: "failed", reason: "noAnswer" });
    single.skipped(peer, "tooFar");
    single.ended("exhausted");
    expect(formatExplanation(single.explanation()).split("\n")).toEqual([
      "one peer",
      "      0.0 ms  0e0e0e0e  udp://192.0.2.14:4100  failed: noAnswer",
      "      0.0 ms  0e0e0e0e  udp://192.0.2.14:4100  skipped: tooFar",
      "ended: nobody answered: there was nobody left to ask",
    ]);
  });
});
