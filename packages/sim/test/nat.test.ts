import type { Address } from "@kad/core";
import { describe, expect, it } from "vitest";
import { constantDelay, Distribution, type NatKind, type NatOptions, Simulation } from "../src/index.ts";
import { addRaw, heardBy, sendRaw } from "./raw-machine.ts";

/** One host behind a NAT, and two outside: one of them with a second port at the same address. */
function scene(options: NatOptions) {
  const simulation = new Simulation({
    seed: 1,
    network: { delay: constantDelay(1), jitterMs: Distribution.constant(0) },
  });
  const nat = simulation.addNat(options);
  const inside = addRaw(simulation, { nat });
  const friend = addRaw(simulation, { addresses: ["udp://198.51.100.1:4100"] });
  const friendsOtherPort = addRaw(simulation, { addresses: ["udp://198.51.100.1:4200"] });
  const stranger = addRaw(simulation, { addresses: ["udp://203.0.113.1:4100"] });
  const seenBy = (host: typeof friend): Address => simulation.address(host.node.inbox.at(-1)?.from as string);
  const knock = (): string[] => {
    const before = inside.node.inbox.length;
    const at = seenBy(friend);
    for (const host of [friend, friendsOtherPort, stranger]) sendRaw(host, at, host.address.key);
    simulation.runFor(5);
    return heardBy(inside).slice(before);
  };
  return { simulation, nat, inside, friend, friendsOtherPort, stranger, seenBy, knock };
}

describe("a NAT", () => {
  it.each<[NatKind, string[]]>([
    ["fullCone", ["udp://198.51.100.1:4100", "udp://198.51.100.1:4200", "udp://203.0.113.1:4100"]],
    ["restricted", ["udp://198.51.100.1:4100", "udp://198.51.100.1:4200"]],
    ["portRestricted", ["udp://198.51.100.1:4100"]],
    ["symmetric", ["udp://198.51.100.1:4100"]],
  ])("that is %s lets in whom it should", (kind, getIn) => {
    const { simulation, inside, friend, knock } = scene({ kind });
    sendRaw(inside, friend.address, "hello");
    simulation.runFor(5);
    expect(knock()).toEqual(getIn);
    expect(simulation.network.counters.dropped.nat).toBe(3 - getIn.length);
  });

  it.each<[NatKind, boolean]>([
    ["fullCone", true],
    ["restricted", true],
    ["portRestricted", true],
    ["symmetric", false],
  ])("that is %s shows the same port to everybody: %s", (kind, isSame) => {
    const { simulation, nat, inside, friend, stranger, seenBy } = scene({ kind });
    for (const host of [friend, stranger]) sendRaw(inside, host.address, "hello");
    simulation.runFor(5);
    expect(seenBy(friend).key.startsWith(`udp://${nat.ip}:`)).toBe(true);
    expect(seenBy(friend) === seenBy(stranger)).toBe(isSame);
    expect(nat.mappings).toBe(isSame ? 1 : 2);
  });

  it.each<NatKind>(["fullCone", "restricted", "portRestricted", "symmetric"])(
    "that is %s forgets a mapping that is not used from inside, and lets nobody keep it alive from outside",
    (kind) => {
      const { simulation, inside, friend, knock } = scene({ kind, mappingMs: 1_000 });
      sendRaw(inside, friend.address, "hello");
      simulation.runFor(900);
      expect(knock()).toContain(friend.address.key);
      sendRaw(inside, friend.address, "still here");
      simulation.runFor(900);
      expect(knock()).toContain(friend.address.key);
      simulation.runFor(200);
      expect(knock()).toEqual([]);
    },
  );

  it("keeps the port of a host where it is free", () => {
    const { simulation, nat, inside, friend, seenBy } = scene({ kind: "portRestricted" });
    const second = addRaw(simulation, { nat });
    for (const host of [inside, second]) {
      sendRaw(host, friend.address, "hello");
      simulation.runFor(5);
    }
    expect(friend.node.inbox.map(({ from }) => from)).toEqual([
      `udp://${nat.ip}:4100`,
      `udp://${nat.ip}:1024`,
    ]);
    sendRaw(friend, seenBy(friend), "for the second");
    simulation.runFor(5);
    expect([heardBy(inside), heardBy(second)]).toEqual([[], ["for the second"]]);
  });

  it("forgets the mapping unused for longest when all are taken, and says how often", () => {
    const { simulation, nat, inside, friend, stranger, knock } = scene({ kind: "symmetric", maxMappings: 1 });
    sendRaw(inside, friend.address, "hello");
    simulation.runFor(5);
    sendRaw(inside, stranger.address, "hello");
    simulation.runFor(5);
    expect([nat.mappings, nat.overflows]).toEqual([1, 1]);
    expect(knock()).not.toContain(friend.address.key);
  });

  it("that was started anew knows nobody", () => {
    const { simulation, nat, inside, friend, knock } = scene({ kind: "fullCone" });
    sendRaw(inside, friend.address, "hello");
    simulation.runFor(5);
    nat.reset();
    expect(knock()).toEqual([]);
  });

  it.each([
    [false, []],
    [true, ["round the corner"]],
  ])("leads back inside: %s", (hairpin, heard) => {
    const { simulation, nat, inside, friend, seenBy } = scene({ kind: "fullCone", hairpin });
    const neighbour = addRaw(simulation, { nat });
    sendRaw(inside, friend.address, "hello");
    simulation.runFor(5);
    sendRaw(neighbour, seenBy(friend), "round the corner");
    simulation.runFor(5);
    expect(heardBy(inside)).toEqual(heard);
  });

  it.each([
    [{ kind: "none" }, "nat.kind: none; allowed is fullCone, restricted, portRestricted, symmetric"],
    [{ kind: "symmetric", mappingMs: 0 }, "nat.mappingMs: 0"],
    [{ kind: "symmetric", maxMappings: 0 }, "nat.maxMappings: 0"],
  ])("refuses %o", (options, text) => {
    expect(() => new Simulation({ seed: 1 }).addNat(options as NatOptions)).toThrow(text);
  });
});
