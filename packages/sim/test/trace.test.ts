import { immutableRecord } from "@kad/core";
import { describe, expect, it } from "vitest";
import { constantDelay, Distribution, Simulation, Swarm, Trace } from "../src/index.ts";

describe("a trace", () => {
  it("says what happens, a line for each event", () => {
    const lines: string[] = [];
    const trace = new Trace({ seed: 4, sink: (line) => void lines.push(line) });
    const simulation = new Simulation({
      seed: 4,
      network: { delay: constantDelay(10), jitterMs: Distribution.constant(0.5) },
      observers: [trace],
    });
    const [a, b] = [simulation.addHost({ name: "alice" }), simulation.addHost({ name: "bob" })];
    const record = immutableRecord(simulation.sha256, new TextEncoder().encode("hello"));
    a.join([b]);
    simulation.runFor(200);
    a.put(record, { keep: false });
    a.ping({ addresses: [simulation.address("udp://192.0.2.9:1")] });
    simulation.runFor(50);
    simulation.note("bob goes");
    b.crash();
    a.get(record.key);
    simulation.runFor(5);
    a.leave();
    simulation.end();
    // Checksums hold random request ids, and with them every draw that core makes.
    expect(lines.map((line) => line.replace(/ [0-9a-f]{8}$/, " CHECKSUM"))).toMatchInlineSnapshot(`
      [
        "kad-sim trace 1, seed 4",
        "0.000 alice started 3ca2ad95a7268642 udp://1.0.0.1:4100",
        "0.000 bob started 5427f6c9cfdc06dd udp://1.0.1.1:4100",
        "0.000 alice command bootstrap =1 [udp://1.0.1.1:4100] -",
        "0.000 alice send #1 bob findNode 400 CHECKSUM",
        "10.500 bob receive #1 alice",
        "10.500 bob send #2 alice nodes! 45 CHECKSUM",
        "10.500 bob send #3 alice ping 43 CHECKSUM",
        "21.000 alice receive #2 bob",
        "21.000 alice event nodeDiscovered 5427f6c9cfdc06dd@udp://1.0.1.1:4100",
        "21.000 alice event queryFinished 1 converged requests=1 responses=1 failures=0 rounds=1 hops=0 nodes=5427f6c9cfdc06dd",
        "21.000 alice receive #3 bob",
        "21.000 alice send #4 bob pong! 43 CHECKSUM",
        "31.500 bob receive #4 alice",
        "31.500 bob event nodeDiscovered 3ca2ad95a7268642@udp://1.0.0.1:4100",
        "200.000 alice command put =2 {type:immutable,key:d02504b429e20003,body:5:4f9f2cab} {keep:false}",
        "200.000 alice send #5 bob findNode 400 CHECKSUM",
        "200.000 alice command ping =3 udp://192.0.2.9:1 -",
        "200.000 alice send #6 udp://192.0.2.9:1 ping 43 CHECKSUM",
        "200.000 alice drop #6 nobody",
        "210.500 bob receive #5 alice",
        "210.500 bob send #7 alice nodes! 53 CHECKSUM",
        "221.000 alice receive #7 bob",
        "221.000 alice send #8 bob putValue 96 CHECKSUM",
        "231.500 bob receive #8 alice",
        "231.500 bob send #9 alice stored! 43 CHECKSUM",
        "242.000 alice receive #9 bob",
        "242.000 alice event queryFinished 2 converged requests=2 responses=2 failures=0 rounds=1 hops=0 asked=1 holders=5427f6c9cfdc06dd",
        "250.000 - note bob goes",
        "250.000 bob crashed",
        "250.000 alice command get =4 d02504b429e20003 -",
        "250.000 alice send #10 udp://1.0.1.1:4100 getValue 400 CHECKSUM",
        "250.000 alice drop #10 nobody",
        "255.000 alice event queryFinished 3 closed requests=1 responses=0 failures=0 rounds=1 hops=0 pong=noAnswer",
        "255.000 alice event queryFinished 4 closed requests=1 responses=0 failures=0 rounds=0 hops=0 value=- holders=- nodes=-",
        "255.000 alice closed",
        "255.000 - end 36",
      ]
    `);
    expect(trace.lines).toBe(lines.length);
    expect(trace.hash).toMatch(/^[0-9a-f]{16}$/);
  });

  it("has every kind of event, and names what each says", () => {
    const lines: string[] = [];
    const simulation = new Simulation({
      seed: 4,
      observers: [new Trace({ seed: 4, sink: (line) => void lines.push(line) })],
      onReport: () => undefined,
    });
    const [a, b] = [simulation.addHost(), simulation.addHost()];
    a.use({ protocol: "chat", onAttach: (node) => void node.setTimer(1), onMessage: () => undefined });
    a.join([b]);
    simulation.addHost().join([b]);
    simulation.runFor(1_000);
    b.send(a.contact, "chat", Uint8Array.of(1, 2, 3));
    b.send(a.contact, "nothing", Uint8Array.of(1, 2, 3));
    const key = simulation.host("h0").id;
    a.announce(key, { meta: Uint8Array.of(9) });
    simulation.runFor(1_000);
    b.findNode(key, { progress: true });
    b.ping({ addresses: [simulation.address("udp://192.0.2.9:1")] });
    b.ping({ id: key, addresses: b.contact.addresses });
    simulation.runFor(1_000);
    a.move();
    a.stepWallClock(5_000);
    b.ping(a.seed, { timeoutMs: 1 });
    simulation.runFor(15_000);
    const whats = new Set(
      lines.slice(1).map((line) =>
        line
          .split(" ")
          .slice(2, line.includes(" event ") ? 4 : 3)
          .join(" "),
      ),
    );
    expect([...whats].toSorted()).toEqual([
      "command",
      "drop",
      "event messageReceived",
      "event nodeDiscovered",
      "event queryFinished",
      "event queryProgressed",
      "event requestTimedOut",
      "event timer",
      "moved",
      "receive",
      "send",
      "started",
      "stepped",
    ]);
    expect(lines.join("\n")).not.toMatch(/undefined|\[object|NaN/);
  });

  const hashOf = (seed: number, loss = 0.1): string => {
    const trace = new Trace({ seed });
    const simulation = new Simulation({ seed, network: { loss }, observers: [trace] });
    new Swarm(simulation, { nodes: 10 });
    simulation.runFor(30_000);
    return trace.hash;
  };

  it("is the same for the same seed, and differs with the seed and with what happens", () => {
    expect(hashOf(1)).toBe(hashOf(1));
    expect(hashOf(1)).not.toBe(hashOf(2));
    expect(hashOf(1)).not.toBe(hashOf(1, 0.11));
  });
});
