import type { SocketAddress } from "@kad/core";
import { describe, expect, it } from "vitest";
import { ChannelNetwork, type Packet, type Peer, textsOf, typesOf } from "../support/channel-network.ts";

function joined() {
  const network = new ChannelNetwork({ delayMs: 10 });
  const [alice, bob] = [network.add("alice"), network.add("bob")];
  network.join(alice, bob);
  return { network, alice, bob };
}

/** Another port of the same NAT. */
function rebind(network: ChannelNetwork, peer: Peer, port = 5_001): SocketAddress {
  const before = peer.address;
  peer.address = network.addresses.parse(`udp://${before.host}:${port}`);
  return before;
}

const moved = ({ channel }: Peer) => channel.stats().pathsMoved;

describe("a peer whose address has changed", () => {
  it("needs to do nothing: its message counts, and the answer finds it", () => {
    const { network, alice, bob } = joined();
    const before = rebind(network, alice);
    bob.answer = (text) => `${text}!`;
    network.send(alice, bob, "from elsewhere");
    network.run(20);
    expect(bob.received).toEqual([{ text: "from elsewhere", peer: alice.id, from: alice.address.key }]);
    expect(textsOf(alice)).toEqual(["from elsewhere!"]);
    network.run(100);
    expect(moved(bob)).toBe(1);
    // What is meant for the address that it had goes to the one that it has.
    network.send(bob, before, "to where you were", { peer: alice.id });
    network.run(100);
    expect(textsOf(alice)).toEqual(["from elsewhere!", "to where you were"]);
    expect(new Set(typesOf(network.log))).toEqual(new Set(["data"]));
    expect(alice.channel.stats().gauges.sessions.used).toBe(1);
  });

  it("is asked whether it hears us there, before anything goes there for good", () => {
    const { network, alice, bob } = joined();
    const before = rebind(network, alice);
    network.onPacket = (packet) => (packet.to === alice.address ? [] : [packet]); // it does not hear us there
    network.send(alice, bob, "from elsewhere");
    network.run(5_000);
    expect(moved(bob)).toBe(0);
    network.log.length = 0;
    network.send(bob, before, "stays with the old one", { peer: alice.id });
    network.settle();
    expect(network.log.map(({ to }) => to)).toEqual([before]);
  });

  it("is asked again when the question was lost, once in a second", () => {
    const { network, alice, bob } = joined();
    rebind(network, alice);
    let lost = 0;
    network.onPacket = (packet) => (packet.to === alice.address && lost++ < 1 ? [] : [packet]);
    for (let i = 0; i < 3; i++) {
      network.send(alice, bob, `${i}`);
      network.run(600);
    }
    expect(moved(bob)).toBe(1);
    expect(textsOf(bob)).toEqual(["0", "1", "2"]);
  });

  it("gets an answer over three times its message once it is proven, and not before", () => {
    const { network, alice, bob } = joined();
    rebind(network, alice);
    bob.answer = () => "z".repeat(1_000);
    const sentToAlice = () =>
      network.log.filter(({ to }) => to === alice.address).reduce((sum, { bytes }) => sum + bytes.length, 0);
    network.send(alice, bob, "short");
    network.run(10);
    expect(sentToAlice()).toBeLessThanOrEqual(3 * (26 + 5));
    expect(bob.channel.stats().gauges.heldMessages.used).toBe(1);
    network.run(100);
    expect(textsOf(alice)).toEqual(["z".repeat(1_000)]);
    expect(bob.channel.stats().gauges.heldMessages.used).toBe(0);
  });

  it("draws at most three times what it sent while it is not proven, and what waits is bounded", () => {
    const { network, alice, bob } = joined();
    const before = rebind(network, alice);
    network.onPacket = (packet) => (packet.to === alice.address ? [] : [packet]);
    bob.answer = () => "z".repeat(200);
    for (let i = 0; i < 200; i++) {
      network.send(alice, bob, "y".repeat(70));
      network.run(1);
    }
    network.run(100);
    const bytes = (packets: readonly Packet[]) =>
      packets.reduce((sum, packet) => sum + packet.bytes.length, 0);
    const sent = bytes(network.log.filter(({ from }) => from === alice.address));
    const drawn = bytes(network.log.filter(({ to }) => to === alice.address));
    expect(drawn).toBeLessThanOrEqual(3 * sent);
    expect(network.log.some(({ to }) => to === before)).toBe(false);

    const long = joined();
    rebind(long.network, long.alice);
    long.network.onPacket = (packet) => (packet.to === long.alice.address ? [] : [packet]);
    long.bob.answer = () => "z".repeat(1_000);
    for (let i = 0; i < 100; i++) long.network.send(long.alice, long.bob, "y");
    long.network.run(100);
    expect(long.bob.channel.stats().gauges.heldMessages.used).toBe(64);
    // 100 messages of 27 bytes: seven answers of 1,026 are within three times as much.
    expect(long.bob.channel.stats().refused.unprovenPath).toBe(100 - 64 - 7);
    long.network.run(4_000);
    long.network.send(long.alice, long.bob, "y");
    long.network.run(100);
    expect(long.bob.channel.stats().gauges.heldMessages.used).toBe(1); // those before have waited too long
  });

  it("moves back when it moves back", () => {
    const { network, alice, bob } = joined();
    const home = rebind(network, alice);
    bob.answer = (text) => text;
    network.send(alice, bob, "away");
    network.run(100);
    alice.address = home;
    network.send(alice, bob, "at home");
    network.run(100);
    expect(moved(bob)).toBe(2);
    expect(textsOf(alice)).toEqual(["away", "at home"]);
  });

  it("is two addresses in turn: one is looked at, the other after three seconds", () => {
    const { network, alice, bob } = joined();
    const home = alice.address;
    network.onPacket = (packet) => (packet.from === bob.address && packet.to !== home ? [] : [packet]);
    const asked = () =>
      new Set(network.log.filter(({ from }) => from === bob.address).map(({ to }) => to.port));
    rebind(network, alice, 5_001);
    network.send(alice, bob, "one");
    network.run(100);
    rebind(network, alice, 5_002);
    network.send(alice, bob, "two");
    network.run(100);
    expect(asked()).toEqual(new Set([5_001]));
    network.run(3_000);
    network.send(alice, bob, "three");
    network.run(100);
    expect(asked()).toEqual(new Set([5_001, 5_002]));
    expect(textsOf(bob)).toEqual(["one", "two", "three"]);
  });
});

describe("a copy that somebody sends from elsewhere", () => {
  it("moves nobody, even if it comes first", () => {
    const { network, alice, bob } = joined();
    const mallory = network.addresses.parse("udp://203.0.113.66:666");
    network.onPacket = (packet) => {
      if (packet.from === alice.address && packet.to === bob.address)
        network.inject(mallory, bob, packet.bytes);
      return [packet];
    };
    bob.answer = (text) => text;
    network.send(alice, bob, "copied");
    network.run(1_000);
    // Its answer went to mallory, within the bound; the next comes the right way.
    network.onPacket = (packet) => [packet];
    network.send(alice, bob, "next");
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["copied", "next"]);
    expect(textsOf(alice)).toEqual(["next"]);
    expect(moved(bob)).toBe(0);
    const toMallory = network.log.filter(({ to }) => to === mallory);
    expect(toMallory.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(3 * 32);
  });

  it("and comes late, is not looked at as a new address at all", () => {
    const { network, alice, bob } = joined();
    const mallory = network.addresses.parse("udp://203.0.113.66:666");
    let late: Packet | undefined;
    network.onPacket = (packet) => {
      if (late !== undefined) return [packet];
      late = packet;
      return [];
    };
    network.send(alice, bob, "held back");
    network.send(alice, bob, "newer");
    network.run(100);
    network.inject(mallory, bob, (late as Packet).bytes);
    network.run(100);
    expect(textsOf(bob)).toEqual(["newer", "held back"]);
    expect(network.log.some(({ to }) => to === mallory)).toBe(false);
    // An answer to it goes to the address that is proven.
    network.send(bob, mallory, "answer", { peer: alice.id, tag: 0 });
    network.run(100);
    expect(textsOf(alice)).toEqual(["answer"]);
  });
});

describe("a peer with several addresses", () => {
  it("is asked where the node says, though its session has another", () => {
    const { network, alice, bob } = joined();
    const second = network.addresses.parse("udp://10.77.0.1:4000");
    network.onPacket = (packet) => [packet.to === second ? { ...packet, to: bob.address } : packet];
    bob.answer = (text) => text;
    network.send(alice, second, "at your other address", { peer: bob.id });
    network.run(100);
    expect(network.log[0]?.to).toBe(second);
    expect(textsOf(alice)).toEqual(["at your other address"]);
    expect(typesOf(network.log)).toEqual(["data", "data"]);
  });
});

it("a path response that nobody has asked for, or with another token, does nothing", () => {
  const { network, alice, bob } = joined();
  const home = rebind(network, alice, 5_001);
  let response: Packet | undefined;
  network.onPacket = (packet) => {
    // The answer to the first question is held back until another address is being looked at.
    if (packet.from === alice.address && packet.bytes.length === 34 && response === undefined) {
      response = packet;
      return [];
    }
    return [packet];
  };
  network.send(alice, bob, "first");
  network.run(500);
  network.onPacket = (packet) => (packet.from === bob.address ? [] : [packet]);
  network.run(3_000);
  rebind(network, alice, 5_002);
  network.send(alice, bob, "second");
  network.run(100);
  network.inject(home, bob, (response as Packet).bytes);
  expect(moved(bob)).toBe(0);
  expect(bob.channel.stats().dropped.unexpectedResponse).toBe(1);
});
