import { InvariantError, KadNode, type Plugin } from "@kad/core";
import { describe, expect, it } from "vitest";
import { MachineLayer, Simulation, SimulationError, type SimulationOptions } from "../src/index.ts";

describe("a simulation", () => {
  it("passes time, whether or not anything happens", () => {
    const simulation = new Simulation({ seed: 1, unixMs: 5_000 });
    simulation.runFor(1_234.567);
    expect([simulation.nowMs, simulation.nowUs, simulation.unixMs, simulation.events]).toEqual([
      1_234.567, 1_234_567, 6_234, 0,
    ]);
  });

  it("does what was planned, in time, unless it was taken back", () => {
    const simulation = new Simulation({ seed: 1 });
    const done: string[] = [];
    simulation.after(20, () => void done.push(`${simulation.nowMs} second`));
    simulation.after(10, () => void done.push(`${simulation.nowMs} first`));
    const planned = simulation.after(15, () => void done.push("never"));
    planned.cancel();
    planned.cancel();
    simulation.runFor(30);
    expect(done).toEqual(["10 first", "20 second"]);
  });

  it("takes nothing back that has happened", () => {
    const simulation = new Simulation({ seed: 1 });
    const first = simulation.after(1, () => undefined);
    simulation.runFor(5);
    let isDone = false;
    simulation.after(1, () => {
      isDone = true;
    });
    first.cancel();
    simulation.runFor(5);
    expect(isDone).toBe(true);
  });

  it("runs until something is so, or its time is over, or nothing can happen any more", () => {
    const simulation = new Simulation({ seed: 1 });
    let count = 0;
    for (const delayMs of [1, 2, 3]) simulation.after(delayMs, () => count++);
    expect(simulation.runUntil(() => count === 2)).toBe(true);
    expect(simulation.nowMs).toBe(2);
    expect(simulation.runUntil(() => count === 2)).toBe(true);
    expect(simulation.runUntil(() => count === 9, 0.5)).toBe(false);
    expect(simulation.nowMs).toBe(2.5);
    expect(simulation.runUntil(() => count === 9)).toBe(false);
    expect(count).toBe(3);
  });

  it("is the same run for the same seed, and another for another", () => {
    const figures = (seed: number): unknown => {
      const simulation = new Simulation({ seed, network: { loss: 0.1 } });
      const [first, ...others] = simulation.addHosts(20);
      for (const host of others) host.join([first as never]);
      simulation.runFor(60_000);
      const tables = simulation.hosts.map(({ node }) => node.table.contacts().map(({ id }) => id.toHex()));
      return [simulation.events, simulation.network.counters, tables];
    };
    expect(figures(1)).toEqual(figures(1));
    expect(figures(1)).not.toEqual(figures(2));
  });

  it("ends with the seed and the instant when an observer throws", () => {
    const simulation = new Simulation({
      seed: "s",
      observers: [
        {
          onSend() {
            throw new Error("I have seen enough");
          },
        },
      ],
    });
    const [a, b] = simulation.addHosts(2);
    simulation.after(12.5, () => void a?.ping(b?.seed as never));
    expect(() => simulation.runFor(100)).toThrow(SimulationError);
    expect(simulation.nowMs).toBe(12.5);
    const failing = new Simulation({
      seed: "s",
      observers: [
        {
          onEnd: () => {
            throw new Error("at the end");
          },
        },
      ],
    });
    expect(() => failing.end()).toThrow("seed s, at 0.000 ms: at the end");
    expect(() => failing.runFor(1)).not.toThrow();
  });

  it("ends with what a host reports, unless somebody takes it", () => {
    const plugin: Plugin = {
      onAttach: (node) => void node.setTimer(5),
      onTimeout() {
        throw new Error("a fault in a plugin");
      },
    };
    const start = (options: Partial<SimulationOptions>): Simulation => {
      const simulation = new Simulation({ seed: 7, ...options });
      simulation.addHost().use(plugin);
      return simulation;
    };
    expect(() => start({}).runFor(10)).toThrow(
      "seed 7, at 5.000 ms: h0: onTimeout failed: a fault in a plugin",
    );
    const reports: unknown[] = [];
    start({ onReport: (host, error) => void reports.push([host.name, (error as Error).cause]) }).runFor(10);
    expect(reports).toEqual([["h0", new Error("a fault in a plugin")]]);
  });

  it("has hosts by name, and streams by names", () => {
    const simulation = new Simulation({ seed: 1 });
    const host = simulation.addHost({ name: "alice", isStarted: false });
    expect([simulation.host("alice"), host.state, simulation.hosts.length]).toEqual([host, "down", 1]);
    expect(() => simulation.addHost({ name: "alice" })).toThrow('host "alice": there is one of this name');
    expect(() => simulation.host("bob")).toThrow('host "bob": there is none');
    expect(simulation.stream("x").u32()).toBe(simulation.stream("x").u32());
  });

  it("refuses two hosts at one address", () => {
    const simulation = new Simulation({ seed: 1 });
    const addresses = ["udp://192.0.2.1:4100"];
    simulation.addHost({ addresses });
    expect(() => simulation.addHost({ addresses })).toThrow("address udp://192.0.2.1:4100: it is taken");
  });

  it("tells observers of notes and of its end", () => {
    const seen: string[] = [];
    const simulation = new Simulation({
      seed: 1,
      observers: [{ onNote: (_nowUs, text) => void seen.push(text), onEnd: () => void seen.push("end") }],
    });
    const remove = simulation.observers.add({ onNote: (_nowUs, text) => void seen.push(`also ${text}`) });
    simulation.note("chaos");
    remove();
    simulation.note("peace");
    simulation.end();
    expect(seen).toEqual(["chaos", "also chaos", "peace", "end"]);
  });

  it.each([[undefined], [null], [{}]])("refuses %o as a seed", (seed) => {
    expect(() => new Simulation({ seed: seed as never })).toThrow(/seed: .*allowed is a number or a text/);
  });

  it("says when a node breaks its own rules", () => {
    class Broken extends MachineLayer {
      override handleTimeout(): void {
        throw new InvariantError("two nodes in one");
      }
    }
    const simulation = new Simulation({ seed: 1 });
    simulation.addHost({ machine: (options) => new Broken(new KadNode(options)) });
    expect(() => simulation.runFor(600_000)).toThrow(/seed 1, at .* ms: h0: two nodes in one/);
  });
});
