import { type NetworkEvent, NodeId, type Transmit } from "@kad/core";
import { describe, expect, it } from "vitest";
import {
  MachineLayer,
  type NodeMachine,
  type NodeStack,
  type RandomStream,
  runExperiment,
  Simulation,
  type StackSurroundings,
} from "../src/index.ts";

/** Turns every byte of a message around, and puts three in front. */
class Masked extends MachineLayer {
  readonly #room = new Uint8Array(1_200);

  override handleNetworkEvent(nowMs: number, event: NetworkEvent): void {
    if (event.type !== "message") super.handleNetworkEvent(nowMs, event);
    else if (event.bytes[0] === 0xee)
      super.handleNetworkEvent(nowMs, {
        ...event,
        bytes: event.bytes.subarray(3).map((byte) => byte ^ 0xff),
      });
  }

  override pollTransmit(nowMs: number, into: Uint8Array): Transmit | undefined {
    const room = this.#room.subarray(0, into.length - 3);
    const transmit = super.pollTransmit(nowMs, room);
    if (transmit === undefined || transmit.deferred) return transmit;
    into.set([0xee, 0xee, 0xee]);
    into.set(
      room.subarray(0, transmit.length).map((byte) => byte ^ 0xff),
      3,
    );
    return { ...transmit, length: transmit.length + 3 };
  }
}

class MaskStack implements NodeStack {
  readonly overheadBytes = 3;
  readonly ids: NodeId[] = [];
  readonly starts: StackSurroundings[] = [];

  newId(random: RandomStream): NodeId {
    const bytes = new Uint8Array(32).fill(0x55);
    random.fill(bytes.subarray(0, 8));
    const id = NodeId.fromBytes(bytes);
    this.ids.push(id);
    return id;
  }

  wrap(node: NodeMachine, surroundings: StackSurroundings): NodeMachine {
    expect(this.ids.some((id) => id.equals(node.id))).toBe(true);
    this.starts.push(surroundings);
    return new Masked(node);
  }
}

describe("a stack around every node", () => {
  it("gives the ids, and all that is said passes through it", () => {
    const stack = new MaskStack();
    const firstBytes = new Set<number>();
    const simulation = new Simulation({
      seed: "masked",
      stack,
      observers: [{ onSend: (_nowUs, { bytes }) => void firstBytes.add(bytes[0] as number) }],
    });
    const [first, second] = simulation.addHosts(2);
    const query = second?.bootstrap([first?.seed ?? { addresses: [] }]);
    simulation.runFor(5_000);
    expect(query?.finished?.end).toBe("converged");
    expect([...firstBytes]).toEqual([0xee]);
    expect([first?.id, second?.id]).toEqual(stack.ids);
    expect(first?.node.table.contacts().map(({ id }) => id)).toEqual([second?.id]);
  });

  it("is asked for another id when a host comes back under one, and put around the node at each start", () => {
    const stack = new MaskStack();
    const simulation = new Simulation({ seed: "masked again", stack });
    const [first, second] = simulation.addHosts(2);
    const before = second?.id as NodeId;
    second?.crash();
    second?.restart({ seeds: first === undefined ? [] : [first] });
    expect(second?.id).toEqual(before);
    simulation.runFor(1_000);
    second?.leave();
    second?.restart({ sameId: false, seeds: first === undefined ? [] : [first] });
    expect(second?.id).toEqual(stack.ids[2]);
    expect(stack.starts.map(({ nowMs }) => nowMs)).toEqual([0, 0, 0, 1_000]);
  });

  it("leaves as much less room on every link, so that what is said fits it", () => {
    const sizes: number[] = [];
    const simulation = new Simulation({
      seed: "room",
      stack: new MaskStack(),
      observers: [{ onSend: (_nowUs, { bytes }) => void sizes.push(bytes.length) }],
    });
    const hosts = simulation.addHosts(40);
    for (const host of hosts.slice(1)) host.bootstrap([(hosts[0] as (typeof hosts)[0]).seed]); // slice: an array
    simulation.runFor(10_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_200);
    // Requests are not padded: the stack proves addresses.
    expect(Math.min(...sizes)).toBeLessThan(100);
  });

  it("stands around rogues, too, in an experiment", () => {
    const stack = new MaskStack();
    const options = {
      seed: "rogues",
      nodes: 30,
      lookups: 20,
      hours: 0.02,
      sybils: 0.1,
      rogues: { liar: 0.1 },
    };
    const report = runExperiment({ ...options, stack });
    expect(report.join.joined).toBe(29);
    expect(stack.ids).toHaveLength(30);
    expect(report.phases[0]?.lookups?.foundClosest).toBeGreaterThan(0.9);
  });
});
