import { describe, expect, it } from "vitest";
import { type DatagramLimits, resolveDatagramLimits } from "../../src/datagrams/limits.ts";
import { prefixOf } from "../../src/prefix.ts";
import { ChannelNetwork, type Packet, type Peer, textsOf, typesOf } from "../support/channel-network.ts";
import { native, noble } from "../support/providers.ts";
import { SeededRandom } from "../support/random.ts";

const gauges = ({ channel }: Peer) => channel.stats().gauges;

/** A server with limits, and what clients from a subnet do to it. */
function serverWith(limits: Partial<DatagramLimits>) {
  const network = new ChannelNetwork({ delayMs: 1 });
  const server = network.add("server", { url: "udp://10.200.0.1:4000", channel: { limits } });
  server.answer = (text) => `${text}!`;
  const client = (name: string, url: string) => network.add(name, { url });
  return { network, server, client };
}

describe("a flood of HELLOs", () => {
  it("is answered within a rate and a queue, without work, and costs no memory", () => {
    const { network, server } = serverWith({ hellosPerSecond: 100 });
    const flooder = network.add("flooder", { url: "udp://10.9.0.1:4000" });
    network.send(flooder, server, "x");
    network.settle();
    const hello = network.log[0] as Packet;
    network.log.length = 0;
    for (let i = 0; i < 1_000; i++) {
      const from = network.addresses.parse(`udp://10.${i >> 8}.${i & 255}.9:4000`);
      network.inject(from, server, hello.bytes);
    }
    expect(gauges(server).queuedAnswers.used).toBe(100);
    network.settle();
    expect(typesOf(network.log).filter((type) => type === "challenge").length).toBe(100);
    expect(server.channel.stats().dropped.hellosLimited).toBe(900);
    expect(gauges(server)).toMatchObject({
      sessions: { used: 0 },
      prefixes: { used: 0 },
      seenHandshakes: { used: 0 },
    });
  });

  it("is cut where answers wait for the link", () => {
    const { network, server } = serverWith({});
    const flooder = network.add("flooder", { url: "udp://10.9.0.1:4000" });
    network.send(flooder, server, "x");
    network.settle();
    const hello = network.log[0] as Packet;
    for (let i = 0; i < 300; i++) network.inject(flooder.address, server, hello.bytes);
    expect(gauges(server).queuedAnswers).toEqual({ used: 256, limit: 256 });
    expect(server.channel.stats().dropped.challengesFull).toBe(44);
  });

  it("leaves room for others in the next second", () => {
    const { network, server, client } = serverWith({ hellosPerSecond: 10 });
    const flooder = client("flooder", "udp://10.9.0.1:4000");
    network.send(flooder, server, "x");
    network.settle();
    const hello = network.log[0] as Packet;
    const honest = client("honest", "udp://10.8.0.1:4000");
    network.send(honest, server, "let me through");
    let passedMs = 0;
    network.run(10_000, () => {
      for (; passedMs < network.nowMs - 1_000; passedMs += 100)
        for (let i = 0; i < 3; i++) network.inject(flooder.address, server, hello.bytes);
      return honest.received.length > 0;
    });
    expect(textsOf(honest)).toEqual(["let me through!"]);
  });
});

describe("a flood of HANDSHAKEs", () => {
  it("from one subnet is taken up at five a second, and others are served", () => {
    const { network, server, client } = serverWith({});
    const crowd = Array.from({ length: 60 }, (_, i) => client(`crowd ${i}`, `udp://10.9.0.${i + 1}:4000`));
    for (const one of crowd) network.send(one, server, "x");
    network.run(100);
    expect(gauges(server).sessions.used).toBe(16);
    expect(server.channel.stats().sessionsOpened.responder).toBe(20);
    expect(server.channel.stats().dropped.prefixLimited).toBe(40);
    const honest = client("honest", "udp://10.8.0.1:4000");
    network.send(honest, server, "let me through");
    network.run(100);
    expect(textsOf(honest)).toEqual(["let me through!"]);
    expect(gauges(server).prefixes.used).toBe(2);
  });

  it("from many subnets is taken up at the rate of all, and goes on in the next second", () => {
    const { network, server, client } = serverWith({ handshakesPerSecond: 10 });
    const crowd = Array.from({ length: 30 }, (_, i) => client(`crowd ${i}`, `udp://10.9.${i}.1:4000`));
    for (const one of crowd) network.send(one, server, one.name);
    network.run(100);
    expect(server.channel.stats().sessionsOpened.responder).toBe(10);
    expect(server.channel.stats().dropped.handshakesLimited).toBe(20);
    network.run(5_000);
    expect(new Set(textsOf(server)).size).toBe(30);
  });

  it("that is garbage under good cookies costs the same limits, and leaves nothing", () => {
    const { network, server, client } = serverWith({});
    const forger = client("forger", "udp://10.9.0.1:4000");
    network.onPacket = (packet) => {
      if (packet.bytes[0] !== 7) return [packet];
      const bytes = Uint8Array.from(packet.bytes);
      for (let i = 0; i < 100; i++) {
        network.random.fill(bytes.subarray(60));
        network.inject(forger.address, server, bytes);
      }
      return [];
    };
    network.send(forger, server, "x");
    network.run(100);
    expect(server.channel.stats().dropped).toMatchObject({ handshakeForged: 20, prefixLimited: 80 });
    expect(gauges(server)).toMatchObject({ sessions: { used: 0 }, seenHandshakes: { used: 0 } });
  });

  it("under wrong or old cookies is not looked into", () => {
    const { network, server, client } = serverWith({});
    const forger = client("forger", "udp://10.9.0.1:4000");
    network.onPacket = (packet) => (packet.bytes[0] === 7 ? [] : [packet]);
    network.send(forger, server, "x");
    network.run(100);
    const handshake = network.log.find(({ bytes }) => bytes[0] === 7) as Packet;
    const forged = Uint8Array.from(handshake.bytes);
    forged[20] = (forged[20] as number) ^ 1;
    network.inject(forger.address, server, forged);
    network.inject(network.addresses.parse("udp://10.9.0.2:4000"), server, handshake.bytes);
    network.run(12_000);
    network.inject(forger.address, server, handshake.bytes);
    expect(server.channel.stats().dropped).toMatchObject({ cookieForged: 2, cookieExpired: 1 });
    expect(gauges(server).prefixes.used).toBe(0);
  });
});

describe("handshakes that are remembered", () => {
  it("are forgotten when their cookies have expired", () => {
    const { network, server, client } = serverWith({});
    network.send(client("one", "udp://10.1.0.1:4000"), server, "x");
    network.run(20_000);
    expect(gauges(server)).toMatchObject({ seenHandshakes: { used: 1 }, keptAccepts: { used: 1 } });
    network.send(client("two", "udp://10.2.0.1:4000"), server, "x");
    network.run(100);
    expect(gauges(server)).toMatchObject({ seenHandshakes: { used: 1 }, keptAccepts: { used: 1 } });
  });

  it("and too many: all cookies are void at once, and none runs twice", () => {
    const { network, server, client } = serverWith({ maxSeenHandshakes: 4 });
    const crowd = Array.from({ length: 5 }, (_, i) => client(`${i}`, `udp://10.9.${i}.1:4000`));
    const late = client("late", "udp://10.8.0.1:4000");
    network.onPacket = (packet) => {
      if (packet.from !== late.address || packet.bytes[0] !== 7 || network.nowMs > 1_500) return [packet];
      network.schedule(packet, 200);
      return [];
    };
    for (const one of [...crowd, late]) network.send(one, server, one.name);
    network.run(300);
    expect(gauges(server).seenHandshakes).toEqual({ used: 1, limit: 4 });
    expect(server.channel.stats().dropped.cookieForged).toBe(1);
    for (const { bytes, from } of network.log.filter(({ bytes }) => bytes[0] === 7))
      network.inject(from, server, bytes);
    network.send(late, server, "late again");
    network.run(6_000);
    // The late one has had to begin again; whether its first message had arrived, it could not know.
    expect(textsOf(server).toSorted()).toEqual(["0", "1", "2", "3", "4", "late again"]);
  });
});

describe("the table of sessions", () => {
  it("is bounded: what was used longest ago makes room", () => {
    const { network, server, client } = serverWith({ maxSessions: 3 });
    const clients = Array.from({ length: 5 }, (_, i) => client(`${i}`, `udp://10.9.${i}.1:4000`));
    for (const one of clients.slice(0, 3)) {
      network.send(one, server, "x");
      network.run(100);
    }
    network.send(clients[0] as Peer, server, "in use");
    network.run(100);
    for (const one of clients.slice(3)) {
      network.send(one, server, "x");
      network.run(100);
    }
    expect(gauges(server).sessions).toEqual({ used: 3, limit: 3 });
    expect(server.channel.stats().sessionsEnded.evicted).toBe(2);
    network.log.length = 0;
    for (const one of clients) network.send(one, server, "again");
    network.settle();
    const hellos = network.log.filter(({ bytes }) => bytes[0] === 5).map(({ from }) => from);
    expect(hellos).toEqual([clients[1]?.address, clients[2]?.address]);
  });

  it("tells those who make room, so that their next messages are not lost", () => {
    const { network, server, client } = serverWith({ maxSessions: 1 });
    const [first, second] = [client("first", "udp://10.9.1.1:4000"), client("second", "udp://10.9.2.1:4000")];
    for (const one of [first, second]) {
      network.send(one, server, "x");
      network.run(100);
    }
    expect(first.channel.stats().sessionsEnded.closedByPeer).toBe(1);
    network.send(first, server, "again");
    network.run(100);
    expect(textsOf(server)).toEqual(["x", "x", "again"]);
    expect(server.channel.stats().dropped.unknownSession).toBe(0);
  });

  it("and who has not heard that is told by RESET", () => {
    const { network, server, client } = serverWith({ maxSessions: 1 });
    const [first, second] = [client("first", "udp://10.9.1.1:4000"), client("second", "udp://10.9.2.1:4000")];
    const goodbyeBytes = 27;
    network.onPacket = (packet) => (packet.bytes.length === goodbyeBytes ? [] : [packet]);
    for (const one of [first, second]) {
      network.send(one, server, "x");
      network.run(100);
    }
    network.log.length = 0;
    network.send(first, server, "again");
    network.run(1_000);
    const resets = network.log.filter(({ bytes }) => bytes[0] === 10).map(({ to }) => to);
    expect(resets).toEqual([first.address]);
    network.send(first, server, "and again");
    network.run(1_000);
    expect(textsOf(server)).toEqual(["x", "x", "and again"]);
  });

  it("holds sessions that nobody has confirmed to a quarter, the oldest making room", () => {
    const { network, server, client } = serverWith({ maxSessions: 8 });
    network.onPacket = (packet) => (packet.bytes[0] === 8 ? [] : [packet]); // no ACCEPT gets through
    for (let i = 0; i < 5; i++) {
      network.send(client(`${i}`, `udp://10.9.${i}.1:4000`), server, "x");
      network.run(100);
    }
    expect(gauges(server)).toMatchObject({
      sessions: { used: 2 },
      unconfirmedSessions: { used: 2, limit: 2 },
    });
    network.onPacket = (packet) => [packet];
    for (let i = 5; i < 12; i++) {
      network.send(client(`${i}`, `udp://10.9.${i}.1:4000`), server, "x");
      network.run(100);
    }
    expect(gauges(server)).toMatchObject({ sessions: { used: 8 }, unconfirmedSessions: { used: 0 } });
  });

  it("lets what is not confirmed go before what is", () => {
    const { network, server, client } = serverWith({ maxSessions: 4 });
    const friends = [0, 1, 2].map((i) => client(`friend ${i}`, `udp://10.7.${i}.1:4000`));
    for (const friend of friends) {
      network.send(friend, server, "x");
      network.run(100);
    }
    network.onPacket = (packet) => (packet.bytes[0] === 8 ? [] : [packet]);
    for (let i = 0; i < 6; i++) {
      network.send(client(`${i}`, `udp://10.9.${i}.1:4000`), server, "x");
      network.run(50);
    }
    network.log.length = 0;
    for (const friend of friends) network.send(friend, server, "still here");
    network.run(100);
    expect(textsOf(server).filter((text) => text === "still here").length).toBe(3);
  });

  it("has at most two sessions of one peer", () => {
    const { network, server, client } = serverWith({});
    const one = client("one", "udp://10.9.0.1:4000");
    network.send(one, server, "x");
    network.run(100);
    for (let i = 0; i < 4; i++) {
      // The same identity at other addresses, as after restarts.
      const again = network.add("one", {
        url: `udp://10.9.0.1:${5_000 + i}`,
        credentials: { keys: new SeededRandom(`keys ${i}`) },
      });
      network.send(again, server, `${i}`);
      network.run(100);
      again.isUp = false;
    }
    expect(gauges(server).sessions.used).toBe(2);
    expect(server.channel.stats().sessionsEnded.replaced).toBe(3);
  });
});

describe("what waits for handshakes of ours", () => {
  it("is bounded by attempts: what is too much is to be asked for later", () => {
    const network = new ChannelNetwork();
    const alice = network.add("alice", { channel: { limits: { maxAttempts: 2 } } });
    const outcomes = [1, 2, 3].map((i) => {
      let outcome: unknown;
      const to = network.addresses.parse(`udp://10.9.0.${i}:4000`);
      network.send(alice, to, "x", { onSealed: (sealed) => (outcome = sealed) });
      return outcome;
    });
    expect(outcomes).toEqual(["pending", "pending", "refused"]);
    expect(alice.events).toMatchObject([{ type: "sendFailed", tag: 3, reason: "queueFull" }]);
    expect(alice.channel.stats().refused.attemptsFull).toBe(1);
    network.run(20_000);
    expect(gauges(alice)).toMatchObject({
      attempts: { used: 0 },
      heldMessages: { used: 0 },
      heldBytes: { used: 0 },
    });
    expect(alice.events.length).toBe(3);
  });

  it("is bounded by messages, by bytes, and for each address", () => {
    const network = new ChannelNetwork();
    const few = network.add("few", { channel: { limits: { maxHeldMessages: 3 } } });
    const small = network.add("small", { channel: { limits: { maxHeldBytes: 1_200 } } });
    const usual = network.add("usual");
    const nobody = network.addresses.parse("udp://10.99.0.1:4000");
    for (let i = 0; i < 20; i++) {
      network.send(few, nobody, "x");
      network.send(small, nobody, "x".repeat(500));
      network.send(usual, nobody, "x");
    }
    expect([few, small, usual].map((peer) => gauges(peer).heldMessages.used)).toEqual([3, 2, 16]);
    expect([few, small, usual].map(({ channel }) => channel.stats().refused.heldFull)).toEqual([17, 18, 4]);
    const other = network.addresses.parse("udp://10.98.0.1:4000");
    network.send(few, other, "x");
    expect(gauges(few).attempts.used).toBe(1); // none is begun for what cannot be kept
    network.run(20_000);
    for (const peer of [few, small, usual]) {
      expect(gauges(peer)).toMatchObject({
        attempts: { used: 0 },
        heldMessages: { used: 0 },
        heldBytes: { used: 0 },
      });
      expect(new Set(peer.events.map((event) => "tag" in event && event.tag)).size).toBe(peer.events.length);
    }
    expect([few.events.length, small.events.length, usual.events.length]).toEqual([21, 20, 20]);
  });

  it("may be a reply whose session has ended: nobody is told of it", () => {
    const network = new ChannelNetwork();
    const [alice, bob] = [network.add("alice"), network.add("bob")];
    network.send(alice, bob, "late reply", { tag: 0, onSealed: (sealed) => expect(sealed).toBe("pending") });
    network.run(100);
    expect(textsOf(bob)).toEqual(["late reply"]);
    bob.isUp = false;
    const nobody = network.addresses.parse("udp://10.99.0.1:4000");
    network.send(alice, nobody, "another", { tag: 0 });
    network.run(20_000);
    expect(alice.events).toEqual([]);
    expect(gauges(alice).heldMessages.used).toBe(0);
  });

  it("ends at once when the transport says that nothing leads there, and pauses when its queue is full", () => {
    const network = new ChannelNetwork();
    const [alice, bob] = [network.add("alice"), network.add("bob")];
    const tag = network.send(alice, bob, "x");
    network.settle();
    const failed = (reason: "unreachable" | "queueFull" | "tooLarge") =>
      alice.channel.handleNetworkEvent(network.nowMs, {
        type: "sendFailed",
        to: bob.address,
        tag: 0,
        reason,
      });
    failed("queueFull");
    failed("tooLarge");
    expect(alice.channel.nextDeadline()?.atMs).toBe(network.nowMs + 50);
    failed("queueFull");
    failed("queueFull");
    failed("unreachable");
    failed("unreachable");
    network.run(0);
    expect(alice.events).toEqual([{ type: "sendFailed", to: bob.address, tag, reason: "unreachable" }]);
    expect(gauges(alice).attempts.used).toBe(0);
  });
});

describe("loopback", () => {
  it.each([
    ["node", native],
    ["noble", noble],
  ])("is exempt: a network of many nodes on one host joins unhindered, with %s", (_name, provider) => {
    const count = provider === native ? 127 : 40;
    const network = new ChannelNetwork({ delayMs: 0 });
    const server = network.add("server", { provider, url: "udp://127.0.0.1:4000" });
    const clients = Array.from({ length: count }, (_, i) =>
      network.add(`${i}`, { url: `udp://127.0.0.1:${4_001 + i}` }),
    );
    for (const one of clients) network.send(one, server, one.name);
    network.run(500);
    expect(server.received.length).toBe(count);
    expect(Object.values(server.channel.stats().dropped).every((drops) => drops === 0)).toBe(true);
  });
});

describe("a prefix", () => {
  it.each([
    ["udp://192.0.2.77:1", "192.0.2.0/24"],
    ["udp://[2001:db8:1:2::3]:1", "20010db80001/48"],
    ["tcp://[2001:db8:1:ffff::3]:1", "20010db80001/48"],
    ["udp://127.0.0.1:1", undefined],
    ["udp://[::1]:1", undefined],
    ["wss://node.example.org/kad", "example.org"],
  ])("of %s is %s", (url, prefix) => {
    const { addresses } = new ChannelNetwork();
    expect(prefixOf(addresses, addresses.parse(url))).toBe(prefix);
  });

  it("of an address that is not the table's is what its codec says", () => {
    const codec = { dialable: 0, decode: () => undefined, source: () => "host", group: () => "a group" };
    const address = { key: "x", wire: new Uint8Array(19), kind: 2, link: 1, maxBytes: 1_200 };
    expect(prefixOf(codec, address)).toBe("a group");
  });
});

describe("limits", () => {
  it("are those of the design", () => {
    expect(resolveDatagramLimits({}, {})).toEqual({
      maxSessions: 2_048,
      maxSessionsPerPrefix: 16,
      maxAttempts: 256,
      maxHeldMessages: 512,
      maxHeldBytes: 524_288,
      handshakeTimeoutMs: 10_000,
      hellosPerSecond: 5_000,
      handshakesPerSecond: 500,
      handshakesPerSecondAndPrefix: 5,
      maxSeenHandshakes: 8_192,
      resetsPerSecond: 10,
    });
    expect(resolveDatagramLimits({ maxSessions: 7 }, { maxSessions: 5, resetsPerSecond: 0 })).toMatchObject({
      maxSessions: 7,
      resetsPerSecond: 0,
    });
  });

  it.each([
    [{ maxSessions: 0 }, "limits.maxSessions: 0; allowed is a whole number from 1 to 1048576"],
    [{ maxAttempts: 1.5 }, "limits.maxAttempts: 1.5; allowed"],
    [{ resetsPerSecond: Number.NaN }, "limits.resetsPerSecond: NaN; allowed"],
    [{ hellosPerSecond: "5" as never }, "limits.hellosPerSecond: 5; allowed"],
    [{ maxSesions: 5 } as never, "limits.maxSesions: there is no such limit; there are maxSessions, "],
  ])("refuse %o", (limits, message) => {
    expect(() => resolveDatagramLimits(limits, {})).toThrow(message);
  });
});
