import { describe, expect, it } from "vitest";
import { Credentials } from "../../src/credentials.ts";
import { SeedIdentity } from "../../src/identity.ts";
import { NetworkKey } from "../../src/network.ts";
import { ChannelNetwork, type Packet, type Peer, textsOf, typesOf } from "../support/channel-network.ts";
import { native, noble } from "../support/providers.ts";
import { SeededRandom } from "../support/random.ts";

const key = NetworkKey.fromHex("0123456789abcdef".repeat(4));
const otherKey = NetworkKey.fromHex("fedcba9876543210".repeat(4));

function pair(options: ConstructorParameters<typeof ChannelNetwork>[0] = {}) {
  const network = new ChannelNetwork(options);
  const [alice, bob] = [network.add("alice"), network.add("bob")];
  return { network, alice, bob };
}

/** Packets that stop the first of a type. */
function losing(type: number, times = 1): (packet: Packet) => readonly Packet[] {
  let left = times;
  return (packet) => (packet.bytes[0] === type && left-- > 0 ? [] : [packet]);
}

const dropped = ({ channel }: Peer) =>
  Object.fromEntries(Object.entries(channel.stats().dropped).filter(([, count]) => count > 0));

describe("a first message", () => {
  it("takes two round trips, and the answer comes with the last packet", () => {
    const { network, alice, bob } = pair({ delayMs: 10 });
    bob.answer = (text) => `${text}!`;
    const tag = network.send(alice, bob, "question");
    network.run(1_000, () => alice.received.length > 0);
    expect(network.nowMs).toBe(1_040);
    expect(bob.received).toEqual([{ text: "question", peer: alice.id, from: alice.address.key }]);
    expect(alice.received).toEqual([{ text: "question!", peer: bob.id, from: bob.address.key }]);
    expect(alice.events).toEqual([{ type: "sent", tag }]);
    network.run(1_000);
    // The last one is empty: from it bob learns that alice has the keys.
    expect(typesOf(network.log)).toEqual(["hello", "challenge", "handshake", "accept", "data"]);
    expect(network.log.map(({ bytes }) => bytes.length)).toEqual([192, 176, 226 + 8, 57 + 9, 26]);
    expect([dropped(alice), dropped(bob)]).toEqual([{}, {}]);
  });

  it.each([
    ["noble", "noble", noble, noble],
    ["noble", "node", noble, native],
    ["node", "noble", native, noble],
    ["node", "node", native, native],
  ])("goes through between %s and %s, in public and in private", (_one, _other, one, other) => {
    for (const networkKey of [undefined, key]) {
      const network = new ChannelNetwork();
      const credentials = networkKey === undefined ? {} : { networkKey };
      const alice = network.add("alice", { provider: one, credentials });
      const bob = network.add("bob", { provider: other, credentials });
      bob.answer = (text) => `${text}!`;
      network.send(alice, bob, "one");
      network.run(1_000);
      network.send(alice, bob, "two");
      network.run(1_000);
      expect(textsOf(bob)).toEqual(["one", "two"]);
      expect(textsOf(alice)).toEqual(["one!", "two!"]);
    }
  });

  it("costs no round trip more once there is a session, in either direction", () => {
    const { network, alice, bob } = pair();
    network.join(alice, bob);
    network.send(bob, alice, "from bob");
    network.send(alice, bob, "from alice");
    network.run(10);
    expect(textsOf(alice)).toEqual(["from bob"]);
    expect(textsOf(bob)).toEqual(["from alice"]);
    expect(typesOf(network.log)).toEqual(["data", "data"]);
    expect(network.log.map(({ bytes }) => bytes.length)).toEqual([26 + 8, 26 + 10]);
  });

  it("may go to an address whose owner is not known: whoever proves itself there is told", () => {
    const { network, alice, bob } = pair();
    bob.answer = () => "it is me";
    network.send(alice, bob.address, "who is there?");
    network.run(1_000);
    expect(alice.received).toEqual([{ text: "it is me", peer: bob.id, from: bob.address.key }]);
    network.send(alice, bob.address, "again");
    network.run(10);
    expect(textsOf(bob)).toEqual(["who is there?", "again"]);
  });

  it("does not fit: an empty HANDSHAKE goes first, and an empty ACCEPT", () => {
    const { network, alice, bob } = pair();
    const long = (length: number) => "x".repeat(length);
    bob.answer = ({ length }) => long(length);
    for (const [sent, handshake, accept] of [
      [974, 1_200, 57 + 974],
      [975, 226, 57],
      [1_143, 226, 57],
      [1_174, 226, 57],
    ] as const) {
      const [one, other] = [network.add(`one ${sent}`), network.add(`other ${sent}`)];
      other.answer = ({ length }) => long(length);
      network.log.length = 0;
      network.send(one, other, long(sent));
      network.run(1_000);
      expect(textsOf(other).map(({ length }) => length)).toEqual([sent]);
      expect(textsOf(one).map(({ length }) => length)).toEqual([sent]);
      const bytes = network.log.map((packet) => packet.bytes.length);
      expect([bytes[2], bytes[3]]).toEqual([handshake, accept]);
      expect(Math.max(...bytes)).toBeLessThanOrEqual(1_200);
    }
    const tag = network.send(alice, bob, long(1_175), {
      onSealed: (sealed) => expect(sealed).toBe("refused"),
    });
    expect(alice.events).toEqual([{ type: "sendFailed", to: bob.address, tag, reason: "tooLarge" }]);
  });

  it("with a large answer: one of 1,143 bytes goes with the ACCEPT, a longer one after it", () => {
    for (const [length, types] of [
      [1_143, ["hello", "challenge", "handshake", "accept", "data"]],
      [1_144, ["hello", "challenge", "handshake", "accept", "data", "data"]],
    ] as const) {
      const { network, alice, bob } = pair();
      bob.answer = () => "y".repeat(length);
      network.send(alice, bob, "short");
      network.run(1_000);
      expect(textsOf(alice).map((text) => text.length)).toEqual([length]);
      expect(typesOf(network.log).toSorted()).toEqual([...types].toSorted());
    }
  });

  it("is one of several that wait: all go through one handshake, each once, in order", () => {
    const { network, alice, bob } = pair();
    const tags = ["a", "b", "c", "d"].map((text) => network.send(alice, bob, text));
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["a", "b", "c", "d"]);
    expect(alice.events).toEqual(tags.map((tag) => ({ type: "sent", tag })));
    expect(typesOf(network.log)).toEqual([
      "hello",
      "challenge",
      "handshake",
      "accept",
      "data",
      "data",
      "data",
    ]);
  });
});

describe("loss on the way", () => {
  it.each([
    ["a HELLO", 5],
    ["a CHALLENGE", 6],
    ["a HANDSHAKE", 7],
    ["an ACCEPT", 8],
  ])("of %s costs a pause, and nothing arrives twice", (_name, type) => {
    for (const times of [1, 2]) {
      const { network, alice, bob } = pair({ onPacket: losing(type, times) });
      bob.answer = (text) => `${text}!`;
      network.send(alice, bob, "once");
      network.run(5_000);
      expect(textsOf(bob)).toEqual(["once"]);
      expect(textsOf(alice)).toEqual(["once!"]);
      expect(alice.channel.stats().sessionsOpened.initiator).toBe(1);
      expect(bob.channel.stats().sessionsOpened.responder).toBe(1);
    }
  });

  it("is met by the same bytes at 0, 0.4, 1.2, 2.4 and 3.6 s, give or take a fifth, and given up at 4.8", () => {
    const { network, alice, bob } = pair({ onPacket: () => [] });
    const tag = network.send(alice, bob, "nobody hears");
    network.run(20_000);
    const hellos = network.log;
    expect(typesOf(hellos)).toEqual(["hello", "hello", "hello", "hello", "hello"]);
    expect(new Set(hellos.map(({ bytes }) => bytes.join())).size).toBe(1);
    const pauses = hellos.map(({ sentAtMs }, i) => sentAtMs - (hellos[i - 1]?.sentAtMs ?? 1_000));
    for (const [i, usual] of [0, 400, 800, 1_200, 1_200].entries()) {
      expect(pauses[i]).toBeGreaterThanOrEqual(0.8 * usual);
      expect(pauses[i]).toBeLessThanOrEqual(1.2 * usual);
    }
    expect(alice.events).toEqual([{ type: "sendFailed", to: bob.address, tag, reason: "handshakeFailed" }]);
    expect(alice.channel.stats().attemptsFailed).toBe(1);
    expect(alice.channel.nextDeadline()).toBeUndefined();
  });

  it("of every HANDSHAKE: it begins again with another key, and ends within ten seconds", () => {
    const { network, alice, bob } = pair({ onPacket: losing(7, 99) });
    network.send(alice, bob, "first");
    network.send(alice, bob, "second");
    network.run(30_000);
    const types = typesOf(network.log);
    expect(types.filter((type) => type === "hello").length).toBeGreaterThanOrEqual(2);
    const keys = network.log.flatMap(({ bytes }) => (bytes[0] === 5 ? [bytes.subarray(8, 40).join()] : []));
    expect(new Set(keys).size).toBeGreaterThanOrEqual(2);
    const last = network.log.findLast(({ from }) => from === alice.address);
    expect(last?.sentAtMs).toBeLessThanOrEqual(11_000);
    // The first was in a packet that left: what has become of it nobody knows. The second never left.
    expect(alice.events).toEqual([
      { type: "sent", tag: 1 },
      { type: "sent", tag: 2 },
    ]);
    expect(textsOf(bob)).toEqual([]);
  });

  // Of five HELLOs one is answered by 1 - 0.51^5 at 30 % loss, by 1 - 0.75^5 at 50 %.
  it.each([
    [0.3, 18],
    [0.5, 12],
  ])("of a share of %d of all packets: each message arrives once or not at all", (loss, atLeast) => {
    const network = new ChannelNetwork({ seed: loss });
    network.onPacket = (packet) => (network.random.share() < loss ? [] : [packet]);
    const server = network.add("server");
    server.answer = (text) => `${text}!`;
    const clients = Array.from({ length: 20 }, (_, i) => network.add(`client ${i}`));
    for (const client of clients) network.send(client, server, client.name);
    network.run(15_000);
    const heard = textsOf(server);
    expect(new Set(heard).size).toBe(heard.length);
    expect(heard.length).toBeGreaterThanOrEqual(atLeast);
    for (const { events } of clients) expect(events.length).toBe(1);
  });
});

describe("the secret of cookies", () => {
  it("is replaced every minute, also between CHALLENGE and HANDSHAKE: the handshake goes through all the same", () => {
    for (const offsetMs of [-35, -25, -15, -5, 5]) {
      const { network, alice, bob } = pair({ delayMs: 10 });
      const carol = network.add("carol");
      network.send(carol, bob, "so that there is a secret");
      network.run(60_000 + offsetMs);
      network.send(alice, bob, "at the minute");
      network.run(39);
      expect(textsOf(bob)).toContain("at the minute");
      expect(dropped(bob)).toEqual({});
    }
  });

  it("is void after two of them: a HANDSHAKE that was held back so long is not looked into", () => {
    const { network, alice, bob } = pair({ delayMs: 10 });
    network.onPacket = (packet) => (packet.bytes[0] === 7 ? [] : [packet]);
    network.send(alice, bob, "held back");
    network.run(100);
    const handshake = network.log.find(({ bytes }) => bytes[0] === 7);
    if (handshake === undefined) throw new Error("there was no HANDSHAKE");
    network.run(130_000);
    network.inject(alice.address, bob, Uint8Array.from(handshake.bytes));
    network.run(100);
    expect(textsOf(bob)).toEqual([]);
    expect(dropped(bob)).toEqual({ cookieExpired: 1 });
  });
});

describe("who is there", () => {
  it("is somebody else: nothing of ours is shown, and at the end the error says so", () => {
    const { network, alice, bob } = pair();
    const carol = network.add("carol");
    const tag = network.send(alice, bob.address, "for carol", { peer: carol.id });
    network.run(20_000);
    expect(typesOf(network.log).includes("handshake")).toBe(false);
    expect(alice.events).toEqual([{ type: "sendFailed", to: bob.address, tag, reason: "wrongPeer" }]);
    expect(dropped(alice)).toEqual({ wrongPeer: 5 });
  });

  it("is wanted by one of two: the other hears at once that it is not whom it wants", () => {
    const { network, alice, bob } = pair();
    const carol = network.add("carol");
    const wrong = network.send(alice, bob.address, "for carol", { peer: carol.id });
    const right = network.send(alice, bob, "for bob");
    network.run(100);
    expect(textsOf(bob)).toEqual(["for bob"]);
    expect(alice.events).toEqual([
      { type: "sent", tag: right },
      { type: "sendFailed", to: bob.address, tag: wrong, reason: "wrongPeer" },
    ]);
  });

  it("is told by a racer in front of the peer: the true answer counts all the same", () => {
    const { network, alice, bob } = pair();
    const mallory = network.add("mallory");
    network.onPacket = (packet) => {
      // Mallory sees the HELLO, answers it as itself, and is faster than bob.
      if (packet.bytes[0] !== 5 || packet.to !== bob.address) return [packet];
      const { channel } = mallory;
      channel.open(network.nowMs, { remote: alice.address, dialable: true }, packet.bytes);
      const scratch = new Uint8Array(1_200);
      const answer = channel.pollTransmit(network.nowMs, scratch);
      const bytes = scratch.subarray(0, answer?.length);
      network.inject(bob.address, alice, bytes);
      return [packet];
    };
    network.send(alice, bob, "for bob alone");
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["for bob alone"]);
    expect(dropped(alice)).toEqual({ wrongPeer: 1 });
  });

  it("is a flood of racers: so many are looked at for each HELLO, and no more", () => {
    const { network, alice, bob } = pair();
    const mallory = network.add("mallory");
    network.onPacket = (packet) => {
      if (packet.bytes[0] !== 5 || packet.to !== bob.address) return [packet];
      const scratch = new Uint8Array(1_200);
      for (let i = 0; i < 20; i++) {
        mallory.channel.open(network.nowMs, { remote: alice.address, dialable: true }, packet.bytes);
        const answer = mallory.channel.pollTransmit(network.nowMs, scratch);
        network.inject(bob.address, alice, scratch.subarray(0, answer?.length));
      }
      return [];
    };
    network.send(alice, bob, "never arrives");
    network.run(100);
    expect(dropped(alice)).toEqual({ wrongPeer: 8, challengesExceeded: 12 });
  });

  it("is ourselves: a reflected HELLO and a copied identity are refused", () => {
    const { network, alice } = pair();
    const identity = SeedIdentity.generate(native, new SeededRandom("identity of alice"));
    const copy = network.add("copy of alice", { credentials: { identity } });
    expect(copy.id.equals(alice.id)).toBe(true);
    network.send(alice, copy.address, "to myself", { peer: undefined });
    network.send(copy, alice.address, "to myself", { peer: undefined });
    network.run(20_000);
    expect([alice, copy].flatMap(textsOf)).toEqual([]);
    expect(alice.channel.stats().dropped.ownIdentity).toBeGreaterThan(0);
    network.onPacket = (packet) => [{ ...packet, to: packet.from }];
    network.send(alice, copy.address, "reflected", { peer: undefined });
    network.run(20_000);
    expect(textsOf(alice)).toEqual([]);
  });

  it("may be refused by the host, on either side", () => {
    for (const [asker, answerer] of [
      [false, true],
      [true, false],
    ]) {
      const network = new ChannelNetwork();
      const seen: string[] = [];
      const add = (name: string, isWelcome = true) =>
        network.add(name, {
          channel: {
            admits: (peer, publicKey, from) => {
              seen.push(`${name} ${peer.toHex().slice(0, 4)} ${publicKey.length} ${from.remote.key}`);
              return isWelcome;
            },
          },
        });
      const [alice, bob] = [add("alice", asker), add("bob", answerer)];
      network.send(alice, bob, "may I?");
      network.run(20_000);
      expect(textsOf(bob)).toEqual([]);
      const refuser = asker ? bob : alice;
      expect(refuser.channel.stats().dropped.refusedByPolicy).toBeGreaterThan(0);
      expect(seen[0]).toBe(`alice ${bob.id.toHex().slice(0, 4)} 32 ${bob.address.key}`);
      expect(alice.events.some(({ type }) => type === "sendFailed")).toBe(!asker);
    }
  });

  it("is refused by a policy that throws, which is told", () => {
    const network = new ChannelNetwork();
    const alice = network.add("alice");
    const admits = () => {
      throw new Error("the list is not there");
    };
    const bob = network.add("bob", { channel: { admits } });
    network.send(alice, bob, "may I?");
    network.run(100);
    expect(textsOf(bob)).toEqual([]);
    expect(bob.events).toMatchObject([{ type: "error", error: { code: "hookFailed" } }]);
  });
});

describe("a network key", () => {
  it.each([
    ["has another key", key, otherKey, "kad"],
    ["has none", undefined, key, "kad"],
    ["has one where there is none", key, undefined, "kad"],
    ["is in another network", undefined, undefined, "other"],
  ])("is answered with silence who %s", (_what, ours, theirs, name) => {
    const network = new ChannelNetwork();
    const keyed = (networkKey: NetworkKey | undefined, of: string) => ({
      credentials: { network: of, ...(networkKey && { networkKey }) },
    });
    const alice = network.add("alice", keyed(ours, name));
    const bob = network.add("bob", keyed(theirs, "kad"));
    network.send(alice, bob, "let me in");
    network.run(20_000);
    expect(new Set(typesOf(network.log))).toEqual(new Set(["hello"]));
    expect(dropped(bob)).toEqual({ helloForged: 5 });
    expect(alice.events).toMatchObject([{ type: "sendFailed", reason: "handshakeFailed" }]);
  });

  it("keeps silent too about sessions that are gone", () => {
    const network = new ChannelNetwork();
    const alice = network.add("alice", { credentials: { networkKey: key } });
    network.inject(alice.address, alice, new Uint8Array(26).fill(9));
    network.run(100);
    expect(network.log).toEqual([]);
    expect(dropped(alice)).toEqual({ unknownSession: 1 });
  });
});

describe("both at once", () => {
  it.each(["both names", "other seeds", "more", "and more"])("have one session at the end (%s)", (seed) => {
    const network = new ChannelNetwork({ delayMs: 10 });
    const [alice, bob] = [network.add(`alice ${seed}`), network.add(`bob ${seed}`)];
    network.send(alice, bob, "from alice");
    network.send(bob, alice, "from bob");
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["from alice"]);
    expect(textsOf(alice)).toEqual(["from bob"]);
    for (const { channel, events } of [alice, bob]) {
      expect(channel.stats().gauges.sessions.used).toBe(1);
      expect(channel.stats().gauges.attempts.used).toBe(0);
      expect(events).toMatchObject([{ type: "sent" }]);
    }
    const yielded = [alice, bob].map(({ channel }) => channel.stats().dropped.simultaneous);
    expect(Math.max(...yielded) + Math.min(...yielded)).toBe(1);
    expect(network.nowMs).toBe(2_000);
  });

  it("with loss: both messages arrive, and none twice", () => {
    for (let seed = 0; seed < 30; seed++) {
      const network = new ChannelNetwork({ seed });
      network.onPacket = (packet) => (network.random.share() < 0.3 ? [] : [packet]);
      const [alice, bob] = [network.add(`alice ${seed}`), network.add(`bob ${seed}`)];
      network.send(alice, bob, "from alice");
      network.send(bob, alice, "from bob");
      network.run(15_000);
      expect(textsOf(bob).length).toBeLessThanOrEqual(1);
      expect(textsOf(alice).length).toBeLessThanOrEqual(1);
      expect(alice.events.length + bob.events.length, `seed ${seed}`).toBe(2);
    }
  });

  it("with handshakes that have crossed: both run to their end, and whichever is used works", () => {
    let crossed = 0;
    for (let seed = 0; seed < 12; seed++) {
      const network = new ChannelNetwork({ delayMs: 10 });
      const [alice, bob] = [network.add(`alice ${seed}`), network.add(`bob ${seed}`)];
      network.onPacket = (packet) => {
        if (packet.bytes[0] !== 6 || network.nowMs > 1_015) return [packet];
        network.schedule(packet, 20); // overtaken by bob's own HELLO
        return [];
      };
      network.send(alice, bob, "a");
      network.run(12);
      network.send(bob, alice, "b");
      network.run(500);
      crossed += typesOf(network.log).filter((type) => type === "handshake").length === 2 ? 1 : 0;
      for (let i = 0; i < 5; i++) {
        network.send(alice, bob, `a${i}`);
        network.send(bob, alice, `b${i}`);
        network.run(5_000);
      }
      expect(textsOf(bob)).toEqual(["a", "a0", "a1", "a2", "a3", "a4"]);
      expect(textsOf(alice)).toEqual(["b", "b0", "b1", "b2", "b3", "b4"]);
      for (const peer of [alice, bob]) {
        const { unexpectedAccept, unknownSession } = peer.channel.stats().dropped;
        expect([unexpectedAccept, unknownSession]).toEqual([0, 0]);
      }
    }
    expect(crossed).toBeGreaterThan(0);
  });

  it("a forged HELLO of the peer does not stop our own attempt", () => {
    const { network, alice, bob } = pair();
    network.send(alice, bob, "ours goes on");
    const forger = network.add("forger");
    network.onPacket = (packet) => (packet.from === forger.address ? [] : [packet]);
    for (let i = 0; i < 4; i++) {
      network.send(forger, alice, `forged ${i}`);
      network.settle();
      const hello = network.log.findLast(({ from }) => from === forger.address) as Packet;
      network.inject(bob.address, alice, hello.bytes);
    }
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["ours goes on"]);
  });
});

describe("our own static key", () => {
  it("that is not signed yet: others get no answer, and our own handshakes wait for it", async () => {
    const network = new ChannelNetwork();
    const secret = SeedIdentity.generate(native, new SeededRandom("slow"));
    let answer = (): void => undefined;
    const identity = {
      publicKey: secret.publicKey,
      sign: (message: Uint8Array) =>
        new Promise<Uint8Array>((resolve) => {
          answer = () => resolve(secret.sign(message));
        }),
    };
    const slow = network.add("slow", { credentials: { identity } });
    const bob = network.add("bob");
    network.send(bob, slow, "to slow");
    network.send(slow, bob, "from slow");
    network.run(300);
    expect(slow.channel.stats().dropped.notReady).toBeGreaterThan(0);
    answer();
    await Promise.resolve();
    network.run(5_000);
    expect(textsOf(bob)).toEqual(["from slow"]);
    expect(textsOf(slow)).toEqual(["to slow"]);
  });

  it("is replaced between CHALLENGE and HANDSHAKE: the handshake goes through all the same", () => {
    const dayMs = 86_400_000;
    for (const offsetMs of [-25, -15, -5, 5]) {
      const { network, alice, bob } = pair({ delayMs: 10 });
      network.run(dayMs + offsetMs);
      const before = bob.credentials.staticAt(bob.credentials.secondOf(network.nowMs));
      network.send(alice, bob, "at midnight");
      network.run(3_000);
      expect(textsOf(bob)).toEqual(["at midnight"]);
      expect(bob.credentials.staticAt(bob.credentials.secondOf(network.nowMs))).not.toBe(before);
      expect(dropped(bob)).toEqual({});
    }
  });

  it("that has expired is refused by who knows the time", () => {
    const network = new ChannelNetwork();
    const unixMs = 1_700_000_000_000;
    const alice = network.add("alice", { credentials: { unixMs: unixMs + 3 * 86_400_000 } });
    const bob = network.add("bob", { credentials: { unixMs } });
    network.send(alice, bob, "late");
    network.run(20_000);
    expect(alice.channel.stats().dropped.expired).toBeGreaterThan(0);
    const carol = network.add("carol");
    network.send(carol, bob, "without a clock");
    network.run(100);
    expect(textsOf(bob)).toEqual(["without a clock"]);
    alice.channel.handleNetworkEvent(network.nowMs, { type: "wallClock", unixMs });
    network.send(alice, bob, "with the clock put right");
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["without a clock", "with the clock put right"]);
  });
});

it("credentials are shared by the channels of one node", () => {
  const credentials = new Credentials({
    provider: native,
    identity: SeedIdentity.generate(native, new SeededRandom(1)),
    keys: new SeededRandom(2),
    nowMs: 0,
  });
  const network = new ChannelNetwork();
  const one = network.add("one", { channel: { credentials } });
  expect(one.channel.id.equals(credentials.id)).toBe(true);
});
