import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NetworkKey } from "../../src/network.ts";
import { ChannelNetwork, type Packet, type Peer, textsOf, typesOf } from "../support/channel-network.ts";

const hourMs = 3_600_000;

function joined(options: ConstructorParameters<typeof ChannelNetwork>[0] = {}) {
  const network = new ChannelNetwork(options);
  const [alice, bob] = [network.add("alice"), network.add("bob")];
  network.join(alice, bob);
  return { network, alice, bob };
}

const dropped = ({ channel }: Peer) =>
  Object.fromEntries(Object.entries(channel.stats().dropped).filter(([, count]) => count > 0));
const sessions = ({ channel }: Peer) => channel.stats().gauges.sessions.used;
const ended = ({ channel }: Peer) =>
  Object.fromEntries(Object.entries(channel.stats().sessionsEnded).filter(([, count]) => count > 0));

describe("messages in a session", () => {
  it("arrive at most once each, whatever is lost, repeated or overtaken", () => {
    const fates = fc.array(
      fc.record({
        copies: fc.integer({ min: 0, max: 3 }),
        delaysMs: fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 3, maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 60 },
    );
    fc.assert(
      fc.property(fates, (run) => {
        const { network, alice, bob } = joined({ delayMs: 1 });
        let next = 0;
        network.onPacket = (packet) => {
          const fate = packet.from === alice.address ? run[next++] : undefined;
          if (fate === undefined) return [packet];
          for (let i = 0; i < fate.copies; i++) network.schedule(packet, fate.delaysMs[i] as number);
          return [];
        };
        for (let i = 0; i < run.length; i++) network.send(alice, bob, `${i}`, { tag: 0 });
        network.run(2_000);
        const heard = textsOf(bob).map(Number);
        const expected = run.flatMap(({ copies }, i) => (copies > 0 ? [i] : []));
        expect(heard.toSorted((a, b) => a - b)).toEqual(expected);
        const copies = run.reduce((sum, fate) => sum + fate.copies, 0);
        expect(bob.channel.stats().dropped.dataRepeated).toBe(copies - expected.length);
      }),
      { numRuns: 40 },
    );
  });

  it("are lost when 480 others have overtaken them", () => {
    const { network, alice, bob } = joined({ delayMs: 1 });
    let held: Packet | undefined;
    network.onPacket = (packet) => {
      if (held !== undefined) return [packet];
      held = packet;
      return [];
    };
    network.send(alice, bob, "late");
    for (let i = 0; i < 480; i++) network.send(alice, bob, `${i}`);
    network.run(10);
    network.inject(alice.address, bob, (held as Packet).bytes);
    expect(textsOf(bob).length).toBe(480);
    expect(dropped(bob)).toEqual({ dataTooOld: 1 });
  });

  it("change nothing but a counter when they are forged, at every bit", () => {
    const { network, alice, bob } = joined();
    network.onPacket = () => [];
    network.send(alice, bob, "true");
    const { bytes } = network.log.at(-1) as Packet;
    const before = bob.channel.stats();
    for (let bit = 8; bit < 8 * bytes.length; bit++) {
      const forged = Uint8Array.from(bytes);
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
      network.inject(alice.address, bob, forged);
    }
    const after = bob.channel.stats();
    const { dataForged, unknownSession, dataRepeated, dataTooOld } = after.dropped;
    expect(dataForged + unknownSession + dataRepeated + dataTooOld).toBe(8 * (bytes.length - 1));
    const quiet = { dropped: undefined, received: undefined, gauges: undefined };
    expect({ ...after, ...quiet }).toEqual({ ...before, ...quiet });
    expect(textsOf(bob)).toEqual([]);
    expect(sessions(bob)).toBe(1);
    network.inject(alice.address, bob, bytes);
    expect(textsOf(bob)).toEqual(["true"]);
  });

  it("are not let in twice by a session that has ended meanwhile", () => {
    const { network, alice, bob } = joined();
    network.send(alice, bob, "first");
    network.run(100);
    const captured = network.log.filter(({ from }) => from === alice.address);
    alice.channel.close(network.nowMs);
    network.run(100);
    expect(ended(bob)).toEqual({ closedByPeer: 1 });
    for (const { bytes } of captured) network.inject(alice.address, bob, bytes);
    expect(textsOf(bob)).toEqual(["first"]);
  });
});

describe("nothing replayed is accepted", () => {
  it("whichever packet of a whole conversation comes again, at once or later, from there or elsewhere", () => {
    const network = new ChannelNetwork();
    const [alice, bob] = [network.add("alice"), network.add("bob")];
    bob.answer = (text) => `${text}!`;
    for (const text of ["one", "two", "three"]) {
      network.send(alice, bob, text);
      network.run(1_000);
    }
    const captured = [...network.log];
    const elsewhere = network.addresses.parse("udp://203.0.113.9:9");
    for (const laterMs of [0, 5_000, 30_000, hourMs]) {
      network.run(laterMs);
      for (const { to, from, bytes } of captured) {
        const receiver = to === alice.address ? alice : bob;
        network.inject(from, receiver, bytes);
        network.inject(elsewhere, receiver, bytes);
      }
      network.run(1_000);
    }
    expect(textsOf(bob)).toEqual(["one", "two", "three"]);
    expect(textsOf(alice)).toEqual(["one!", "two!", "three!"]);
    expect(bob.channel.stats().sessionsOpened).toEqual({ initiator: 0, responder: 1 });
  });

  it("and a HANDSHAKE that comes again draws our answer a few times, then nothing", () => {
    const { network, alice, bob } = (() => {
      const network = new ChannelNetwork();
      return { network, alice: network.add("alice"), bob: network.add("bob") };
    })();
    network.send(alice, bob, "once");
    network.run(1_000);
    const handshake = network.log.find(({ bytes }) => bytes[0] === 7) as Packet;
    network.log.length = 0;
    for (let i = 0; i < 10; i++) network.inject(alice.address, bob, handshake.bytes);
    network.run(100);
    expect(typesOf(network.log)).toEqual(["accept", "accept", "accept", "accept"]);
    expect(textsOf(bob)).toEqual(["once"]);
    expect(bob.channel.stats().dropped.handshakeRepeated).toBe(10);
    expect(alice.channel.stats().dropped.unexpectedAccept).toBe(4);
  });
});

describe("an undecryptable packet", () => {
  it("does not tear a session down, however many come", () => {
    const { network, alice, bob } = joined();
    network.send(alice, bob, "seen by all");
    network.run(100);
    const { bytes } = network.log.find(({ from }) => from === alice.address) as Packet;
    for (let i = 0; i < 5_000; i++) {
      const forged = Uint8Array.from(bytes);
      network.random.fill(forged.subarray(5));
      network.inject(alice.address, bob, forged);
    }
    network.send(alice, bob, "still there");
    network.send(bob, alice, "so am I");
    network.run(100);
    expect(textsOf(bob)).toEqual(["seen by all", "still there"]);
    expect(textsOf(alice)).toEqual(["so am I"]);
    expect(sessions(bob)).toBe(1);
    expect(typesOf(network.log)).not.toContain("hello");
  });
});

describe("a session", () => {
  it("is replaced by its initiator after an hour, when there is something to say", () => {
    const { network, alice, bob } = joined();
    network.run(hourMs - 10_000);
    network.send(alice, bob, "still the old one");
    network.run(100);
    expect(typesOf(network.log)).toEqual(["data"]);
    network.run(10_000);
    network.log.length = 0;
    network.send(alice, bob, "the last on the old one");
    network.run(100);
    expect(typesOf(network.log)).toEqual(["data", "hello", "challenge", "handshake", "accept", "data"]);
    expect(sessions(alice)).toBe(2);
    network.send(alice, bob, "on the new one");
    network.send(bob, alice, "here too");
    network.run(15_000);
    expect(textsOf(bob)).toEqual(["still the old one", "the last on the old one", "on the new one"]);
    expect(textsOf(alice)).toEqual(["here too"]);
    // The old one has been silent for ten seconds beside the new one.
    expect([sessions(alice), sessions(bob)]).toEqual([1, 1]);
    expect(ended(alice)).toEqual({ replaced: 1 });
  });

  it("is replaced by its acceptor a minute later, if the initiator has nothing to say", () => {
    const { network, alice, bob } = joined();
    network.run(hourMs - 100_000);
    network.send(bob, alice, "keeps it in use", { tag: 0 });
    network.run(130_000);
    network.log.length = 0;
    network.send(bob, alice, "not yet");
    network.run(100);
    expect(typesOf(network.log)).toEqual(["data"]);
    network.run(60_000);
    network.send(bob, alice, "now");
    network.run(1_000);
    expect(typesOf(network.log)).toContain("hello");
    expect(alice.channel.stats().sessionsOpened).toEqual({ initiator: 1, responder: 1 });
    expect(textsOf(alice)).toEqual(["keeps it in use", "not yet", "now"]);
  });

  it("is replaced under traffic: nothing is lost, nothing comes twice", () => {
    const { network, alice, bob } = joined({ delayMs: 25 });
    network.run(hourMs - 5_000);
    const sent = { alice: [] as string[], bob: [] as string[] };
    for (let i = 0; i < 1_500; i++) {
      sent.alice.push(`a${i}`);
      sent.bob.push(`b${i}`);
      network.send(alice, bob, `a${i}`);
      network.send(bob, alice, `b${i}`);
      network.run(10);
    }
    network.run(15_000);
    expect(textsOf(bob)).toEqual(sent.alice);
    expect(textsOf(alice)).toEqual(sent.bob);
    expect([sessions(alice), sessions(bob)]).toEqual([1, 1]);
    expect(alice.channel.stats().sessionsOpened.initiator).toBe(2);
  });

  it("is replaced under traffic and a third of loss: nothing comes twice, and both go on", () => {
    for (let seed = 0; seed < 5; seed++) {
      const { network, alice, bob } = joined({ delayMs: 25, seed });
      network.run(hourMs - 2_000);
      network.onPacket = (packet) => (network.random.share() < 0.3 ? [] : [packet]);
      for (let i = 0; i < 1_000; i++) {
        network.send(alice, bob, `a${i}`);
        network.send(bob, alice, `b${i}`);
        network.run(20);
      }
      for (const { received } of [alice, bob]) {
        const texts = received.map(({ text }) => text);
        expect(new Set(texts).size).toBe(texts.length);
        expect(texts.length).toBeGreaterThan(600);
        expect(texts.slice(-100).length).toBe(100);
      }
      expect(sessions(alice)).toBeLessThanOrEqual(2);
      expect(Math.max(...bob.received.map(({ text }) => Number(text.slice(1))))).toBeGreaterThan(990);
    }
  });

  it("keeps its keys when stray and forged packets come while it is replaced", () => {
    const { network, alice, bob } = joined({ delayMs: 25 });
    network.run(hourMs + 1_000);
    const strays: Packet[] = [];
    network.onPacket = (packet) => {
      const [type = 0] = packet.bytes;
      if (type < 7 || type > 9) return [packet]; // those draw answers: there would be no end of them
      strays.push(packet);
      // Everything seen so far comes again, whole and with a changed bit, in front of each packet.
      const receiver = packet.to === alice.address ? alice : bob;
      for (const { from, to, bytes } of strays.filter(({ to }) => to === packet.to)) {
        network.inject(from, to === alice.address ? alice : bob, bytes);
        const forged = Uint8Array.from(bytes);
        const at = 1 + network.random.below(forged.length - 1);
        forged[at] = (forged[at] as number) ^ 0x10;
        network.inject(from, receiver, forged);
      }
      return [packet];
    };
    for (let i = 0; i < 20; i++) {
      network.send(alice, bob, `a${i}`);
      network.send(bob, alice, `b${i}`);
      network.run(30);
    }
    network.run(1_000);
    expect(textsOf(bob).toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => `a${i}`).toSorted());
    expect(textsOf(alice).toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => `b${i}`).toSorted());
    expect(alice.channel.stats().sessionsOpened.initiator).toBe(2);
  });

  it("ends after an hour without a packet, and after 75 minutes in any case", () => {
    const idle = joined();
    idle.network.run(hourMs + 2_000);
    expect([ended(idle.alice), ended(idle.bob)]).toEqual([{ idle: 1 }, { idle: 1 }]);
    expect(idle.alice.channel.nextDeadline()).toBeUndefined();

    const busy = joined();
    busy.network.onPacket = (packet) => (packet.bytes[0] === 5 ? [] : [packet]); // no handshake gets through
    for (let minute = 0; minute < 80; minute += 5) {
      busy.network.send(busy.bob, busy.alice, "at work", { tag: 0 });
      busy.network.run(5 * 60_000);
    }
    expect(ended(busy.alice)).toEqual({ tooOld: 1 });
  });

  it("is asked for anew when four seconds long nothing has come after a request", () => {
    const { network, alice, bob } = joined();
    const networkKeyless = bob.channel;
    bob.isUp = false;
    network.send(alice, bob, "into the dark");
    network.run(3_900);
    network.send(alice, bob, "patience");
    network.run(50);
    expect(typesOf(network.log)).toEqual(["data", "data"]);
    network.run(200);
    network.send(alice, bob, "anybody?");
    network.run(10);
    expect(typesOf(network.log)).toEqual(["data", "data", "data", "hello"]);
    bob.isUp = true;
    network.run(5_000);
    expect(networkKeyless.stats().sessionsOpened.responder).toBe(2);
    network.send(alice, bob, "again");
    network.run(100);
    expect(textsOf(bob)).toEqual(["again"]);
  });

  it("is not asked for anew because answers had no answer", () => {
    const { network, alice, bob } = joined();
    network.send(bob, alice, "an answer", { tag: 0 });
    network.run(600_000);
    network.log.length = 0;
    network.send(bob, alice, "a question, much later");
    network.run(100);
    expect(typesOf(network.log)).toEqual(["data"]);
  });

  it("ends with a goodbye, after which the peer asks for another", () => {
    const { network, alice, bob } = joined();
    bob.channel.close(network.nowMs);
    expect(bob.channel.drained).toBe(false);
    network.run(100);
    expect(bob.channel.drained).toBe(true);
    expect([ended(alice), ended(bob)]).toEqual([{ closedByPeer: 1 }, { closed: 1 }]);
    network.log.length = 0;
    network.send(alice, bob, "are you there?");
    network.run(100);
    expect(typesOf(network.log)).toEqual(["hello"]);
    expect(dropped(bob)).toEqual({ closed: 1 });
  });
});

describe("a lost session", () => {
  function restarted(networkKey?: NetworkKey) {
    const network = new ChannelNetwork();
    const credentials = networkKey === undefined ? {} : { networkKey };
    const alice = network.add("alice", { credentials });
    const bob = network.add("bob", { credentials });
    network.join(alice, bob);
    const url = bob.address.key;
    network.peers.splice(network.peers.indexOf(bob), 1);
    const again = network.add("bob", { credentials, url });
    return { network, alice, bob: again };
  }

  it("is told by RESET: the next message goes through a new one", () => {
    const { network, alice, bob } = restarted();
    network.send(alice, bob, "lost");
    network.run(100);
    expect(typesOf(network.log)).toEqual([
      "data",
      "reset",
      "hello",
      "challenge",
      "handshake",
      "accept",
      "data",
    ]);
    network.send(alice, bob, "found");
    network.run(100);
    expect(textsOf(bob)).toEqual(["found"]);
    network.run(20_000);
    expect([sessions(alice), sessions(bob)]).toEqual([2, 1]);
    network.send(bob, alice, "I am back");
    network.run(20_000);
    expect([sessions(alice), sessions(bob)]).toEqual([1, 1]);
  });

  it("is found out by silence in a private network, where no RESET would be sent", () => {
    const { network, alice, bob } = restarted(NetworkKey.fromHex("ab".repeat(32)));
    network.send(alice, bob, "lost");
    network.run(4_500);
    network.send(alice, bob, "lost too, but it asks");
    network.run(500);
    network.send(alice, bob, "found");
    network.run(100);
    expect(textsOf(bob)).toEqual(["found"]);
    expect(bob.channel.stats().sent.reset).toBe(0);
  });

  it("is never ended by a RESET, true or forged", () => {
    const { network, alice, bob } = joined();
    const elsewhere = network.addresses.parse("udp://203.0.113.9:9");
    network.send(alice, bob, "seen by all");
    network.run(100);
    const data = network.log[0] as Packet;
    const reset = (change: (bytes: Uint8Array) => void = () => undefined) => {
      const bytes = Uint8Array.of(10, ...data.bytes.subarray(1, 9));
      change(bytes);
      return bytes;
    };
    const before = network.log.length;
    network.inject(elsewhere, alice, reset());
    network.inject(
      bob.address,
      alice,
      reset((bytes) => bytes.fill(1, 1, 5)),
    );
    network.inject(
      bob.address,
      alice,
      reset((bytes) => bytes.set([0, 0, 0, 9], 5)),
    );
    network.inject(bob.address, alice, reset().subarray(1, 9));
    network.inject(bob.address, alice, Uint8Array.of(...reset(), 0));
    network.run(100);
    expect(network.log.length).toBe(before);
    expect(dropped(alice)).toMatchObject({ unexpectedReset: 3, badLength: 1 });

    // One that is true in all: a handshake beside the session, once in five seconds.
    network.onPacket = (packet) => (packet.bytes[0] === 5 ? [] : [packet]);
    for (let i = 0; i < 10; i++) network.inject(bob.address, alice, reset());
    network.run(20_000);
    expect(typesOf(network.log).filter((type) => type === "hello").length).toBe(5);
    expect(dropped(alice)).toMatchObject({ resetIgnored: 9 });
    network.send(alice, bob, "nothing has happened");
    network.run(100);
    expect(textsOf(bob)).toEqual(["seen by all", "nothing has happened"]);
    expect(sessions(alice)).toBe(1);
  });

  it("is told at most ten times a second, and never because of a RESET", () => {
    const network = new ChannelNetwork();
    const bob = network.add("bob");
    const from = network.addresses.parse("udp://203.0.113.9:9");
    for (let i = 0; i < 100; i++) network.inject(from, bob, Uint8Array.of(9, ...new Uint8Array(25).fill(i)));
    network.settle();
    expect(typesOf(network.log)).toEqual(Array.from({ length: 10 }, () => "reset"));
    expect(network.log.every(({ bytes }) => bytes.length === 9)).toBe(true);
    network.inject(from, bob, Uint8Array.of(10, 1, 2, 3, 4, 5, 6, 7, 8));
    network.inject(from, bob, Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 7, 8));
    network.run(1_000);
    expect(network.log.length).toBe(10);
  });

  it("is not told of when DATA overtakes the ACCEPT", () => {
    const network = new ChannelNetwork({ delayMs: 10 });
    const [alice, bob] = [network.add("alice"), network.add("bob")];
    bob.answer = () => "with the ACCEPT";
    network.onPacket = (packet) => {
      if (packet.bytes[0] !== 8) return [packet];
      network.schedule(packet, 900);
      return [];
    };
    network.send(alice, bob, "question");
    network.run(40);
    network.send(bob, alice, "before the ACCEPT", { tag: 0 });
    network.run(2_000);
    expect(dropped(alice)).toMatchObject({ unknownSession: 1 });
    expect(typesOf(network.log)).not.toContain("reset");
    expect(textsOf(alice)).toEqual(["with the ACCEPT"]);
  });
});

describe("a session that others have begun", () => {
  function begun(onPacket: (packet: Packet) => readonly Packet[]) {
    const network = new ChannelNetwork({ delayMs: 10 });
    const [alice, bob] = [network.add("alice"), network.add("bob")];
    network.onPacket = onPacket;
    network.send(alice, bob, "question");
    network.run(30);
    const tag = network.send(bob, alice, "from bob");
    return { network, alice, bob, tag };
  }

  it("is sent on once the peer has shown that it has the keys", () => {
    const { network, alice, bob, tag } = begun((packet) => [packet]);
    network.settle();
    expect(typesOf(network.log)).toEqual(["hello", "challenge", "handshake", "accept"]);
    network.run(40);
    expect(typesOf(network.log)).toEqual(["hello", "challenge", "handshake", "accept", "data", "data"]);
    expect(textsOf(alice)).toEqual(["from bob"]);
    expect(bob.events).toEqual([{ type: "sent", tag }]);
  });

  it("and whose ACCEPT is lost loses nothing: it waits for the next one", () => {
    let lost = 0;
    const { network, alice } = begun((packet) => (packet.bytes[0] === 8 && lost++ < 1 ? [] : [packet]));
    network.run(700);
    expect(textsOf(alice)).toEqual(["from bob"]);
    expect(dropped(alice)).toEqual({});
  });

  it("is sent on after 0.6 s without a sign of the peer: that may have been lost", () => {
    const { network, alice, bob } = begun((packet) =>
      packet.bytes[0] === 9 && packet.bytes.length === 26 ? [] : [packet],
    );
    network.run(500);
    expect(textsOf(alice)).toEqual([]);
    network.run(200);
    expect(textsOf(alice)).toEqual(["from bob"]);
    network.send(bob, alice, "at once");
    network.run(10);
    expect(textsOf(alice)).toEqual(["from bob", "at once"]);
  });

  it("and that ends meanwhile fails what waits", () => {
    const { network, alice, bob, tag } = begun((packet) => (packet.bytes[0] === 8 ? [] : [packet]));
    bob.channel.close(network.nowMs);
    network.run(100);
    expect(bob.events).toEqual([{ type: "sendFailed", to: alice.address, tag, reason: "closed" }]);
    expect(bob.channel.stats().gauges.heldMessages.used).toBe(0);
  });
});
