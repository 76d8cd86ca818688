import { describe, expect, it } from "vitest";
import { SeedIdentity } from "../../src/identity.ts";
import { NetworkKey } from "../../src/network.ts";
import { secureStreams } from "../../src/streams/stream-channel.ts";
import { native, noble } from "../support/providers.ts";
import { SeededRandom } from "../support/random.ts";
import { type Link, StreamNetwork, type StreamPeer, textsOf } from "../support/stream-network.ts";

const key = NetworkKey.fromHex("0123456789abcdef".repeat(4));
const dayMs = 24 * 3_600_000;

function pair() {
  const network = new StreamNetwork();
  const [alice, bob] = [network.add("alice"), network.add("bob")];
  bob.answer = (text) => `${text.slice(0, 20)}!`;
  return { network, alice, bob };
}

function joined() {
  const all = pair();
  all.network.send(all.alice, all.bob, "hello");
  all.network.run(1_000);
  for (const { received, events } of [all.alice, all.bob]) {
    received.length = 0;
    events.length = 0;
  }
  all.network.log.length = 0;
  return { ...all, link: all.network.links[0] as Link };
}

const ended = ({ channel }: StreamPeer) =>
  Object.fromEntries(Object.entries(channel.stats().connectionsEnded).filter(([, count]) => count > 0));
const gauges = ({ channel }: StreamPeer) => channel.stats().gauges;

describe("a connection", () => {
  it("begins with three messages, and then carries messages both ways", () => {
    const { network, alice, bob } = pair();
    const { tag, sealed } = network.send(alice, bob, "question");
    expect(sealed).toBe("pending");
    network.run(1_000);
    expect(bob.received).toMatchObject([{ text: "question", peer: alice.id }]);
    expect(alice.received).toMatchObject([
      { text: "question!", peer: bob.id, path: { remote: bob.address } },
    ]);
    expect(network.log.map(({ bytes }) => bytes.length)).toEqual([34, 199, 166, 17 + 8, 17 + 9]);
    expect(alice.events).toEqual([{ type: "sent", tag }]);
    expect(bob.events).toEqual([]);
    expect(network.links.length).toBe(1);
    expect([alice, bob].map(({ channel }) => channel.stats().connectionsOpened)).toEqual([
      { initiator: 1, responder: 0 },
      { initiator: 0, responder: 1 },
    ]);
  });

  it.each([
    ["noble", "noble", noble, noble],
    ["noble", "node", noble, native],
    ["node", "noble", native, noble],
    ["node", "node", native, native],
  ])("goes through between %s and %s, in public and in private", (_one, _other, one, other) => {
    for (const networkKey of [undefined, key]) {
      const network = new StreamNetwork();
      const credentials = networkKey === undefined ? {} : { networkKey };
      const alice = network.add("alice", { provider: one, credentials });
      const bob = network.add("bob", { provider: other, credentials });
      bob.answer = (text) => `${text}!`;
      network.send(alice, bob, "one");
      network.send(alice, bob, "two");
      network.run(1_000);
      expect(textsOf(alice)).toEqual(["one!", "two!"]);
      expect(network.log[0]?.bytes.length).toBe(networkKey === undefined ? 34 : 50);
    }
  });

  it("is used both ways: who accepted it needs no address of the other", () => {
    const { network, alice, bob } = joined();
    network.send(bob, alice, "from bob");
    const nowhere = { remote: network.addresses.parse("tcp://10.99.0.1:1"), dialable: true };
    network.send(bob, nowhere, "by its id alone", { peer: alice.id });
    network.run(100);
    expect(textsOf(alice)).toEqual(["from bob", "by its id alone"]);
    expect(network.links.length).toBe(1);
  });

  it("carries messages of any length in parts, and gives other connections their turn in between", () => {
    const { network, alice, bob } = joined();
    bob.answer = undefined;
    const carol = network.add("carol");
    network.send(alice, carol, "hello");
    network.run(100);
    network.log.length = 0;
    const lengths = [0, 1, 16_383, 16_384, 16_385, 100_000, 2 ** 20];
    const texts = lengths.map((length, i) => String.fromCharCode(97 + i).repeat(length));
    for (const text of texts) network.send(alice, bob, text);
    network.send(alice, carol, "small");
    network.run(1_000);
    expect(textsOf(bob)).toEqual(texts);
    expect(textsOf(carol)).toEqual(["hello", "small"]);
    expect(network.log.findIndex(({ bytes }) => bytes.length === 17 + 5)).toBeLessThan(6);
    expect(Math.max(...network.log.map(({ bytes }) => bytes.length))).toBe(16_384 + 17);
    expect(gauges(bob).partsBytes.used).toBe(0);
    const { tag, sealed } = network.send(alice, bob, "x".repeat(2 ** 20 + 1));
    expect(sealed).toBe("refused");
    expect(alice.events.at(-1)).toEqual({ type: "sendFailed", to: bob.address, tag, reason: "tooLarge" });
  });

  it("takes a new key after 65,536 messages in a direction, counted on both sides", () => {
    const { network, alice, bob } = joined();
    bob.answer = undefined;
    for (let i = 0; i < 66; i++) {
      for (let j = 0; j < 1_000; j++) network.send(alice, bob, "x");
      network.run(20);
    }
    expect(bob.received.length).toBe(66_000);
    network.send(bob, alice, "still here");
    network.run(20);
    expect(textsOf(alice)).toEqual(["still here"]);
  });

  it("is replaced after a day: by its initiator at once, by its acceptor never", () => {
    const { network, alice, bob } = joined();
    network.run(dayMs - 10_000);
    network.send(alice, bob, "before");
    network.run(15_000);
    network.send(alice, bob, "after");
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["before", "after"]);
    expect(network.links.length).toBe(2);
    expect(ended(alice)).toEqual({ tooOld: 1 });
    expect(ended(bob)).toEqual({ closedByPeer: 1 });

    const other = joined();
    other.network.run(dayMs + 1_000);
    other.network.send(other.bob, other.alice, "not yet");
    other.network.run(60_000);
    other.network.send(other.bob, other.alice, "dials itself");
    other.network.run(1_000);
    expect(textsOf(other.alice)).toEqual(["not yet", "dials itself"]);
    expect(ended(other.bob)).toEqual({ tooOld: 1 });
  });
});

describe("who is there", () => {
  it("is refused before our identity is shown, if it is not whom we want", () => {
    const { network, alice, bob } = pair();
    const carol = network.add("carol");
    const { tag } = network.send(alice, { remote: bob.address, dialable: true }, "for carol", {
      peer: carol.id,
    });
    network.run(1_000);
    expect(network.log.map(({ bytes }) => bytes.length)).toEqual([34, 199, 0]);
    expect(network.log[2]).toMatchObject({ from: alice, closes: true });
    expect(alice.events).toEqual([{ type: "sendFailed", to: bob.address, tag, reason: "wrongPeer" }]);
    expect(ended(alice)).toEqual({ wrongPeer: 1 });
    expect(textsOf(bob)).toEqual([]);
  });

  it("is known once it is proven: what is meant for somebody else is refused at once", () => {
    const { network, alice, bob } = joined();
    const carol = network.add("carol");
    const { tag, sealed } = network.send(alice, { remote: bob.address, dialable: true }, "x", {
      peer: carol.id,
    });
    expect(sealed).toBe("refused");
    expect(alice.events).toEqual([{ type: "sendFailed", to: bob.address, tag, reason: "wrongPeer" }]);
  });

  it("may be anybody, where nobody is expected", () => {
    const { network, alice, bob } = pair();
    network.send(alice, { remote: bob.address, dialable: true }, "who is there?", { peer: undefined });
    const { tag } = network.send(alice, { remote: bob.address, dialable: true }, "for alice?", {
      peer: alice.id,
    });
    network.run(1_000);
    expect(alice.received).toMatchObject([{ text: "who is there?!", peer: bob.id }]);
    expect(alice.events).toContainEqual({ type: "sendFailed", to: bob.address, tag, reason: "wrongPeer" });
  });

  it("is ourselves: refused", () => {
    const { network, alice } = pair();
    network.send(alice, { remote: alice.address, dialable: true }, "x", { peer: undefined });
    network.run(1_000);
    expect(ended(alice)).toMatchObject({ ownIdentity: 1 });
  });

  it("may be refused by the host, on either side, also by a policy that throws", () => {
    for (const refuser of ["alice", "bob"]) {
      const network = new StreamNetwork();
      const admits = () => {
        throw new Error("no list");
      };
      const add = (name: string) => network.add(name, name === refuser ? { channel: { admits } } : {});
      const [alice, bob] = [add("alice"), add("bob")];
      network.send(alice, bob, "may I?");
      network.run(1_000);
      expect(textsOf(bob)).toEqual([]);
      const refusing = refuser === "alice" ? alice : bob;
      expect(ended(refusing)).toMatchObject({ refusedByPolicy: 1 });
      expect(refusing.events).toMatchObject([
        { type: "error" },
        ...(refuser === "alice" ? [{ type: "sendFailed" }] : []),
      ]);
    }
  });

  it("is expired: refused by who knows the time", () => {
    const network = new StreamNetwork();
    const unixMs = 1_700_000_000_000;
    const alice = network.add("alice", { credentials: { unixMs } });
    const bob = network.add("bob", { credentials: { unixMs } });
    alice.channel.handleNetworkEvent(network.nowMs, { type: "wallClock", unixMs: unixMs + 3 * dayMs });
    network.send(alice, bob, "x");
    network.run(1_000);
    expect(ended(alice)).toEqual({ expired: 1 });
  });
});

describe("a network key", () => {
  it.each([
    ["has none", undefined, key],
    ["has one where there is none", key, undefined],
    ["has another", NetworkKey.fromHex("ab".repeat(32)), key],
  ])("closes the connection without a word to who %s", (_what, ours, theirs) => {
    const network = new StreamNetwork();
    const keyed = (networkKey: NetworkKey | undefined) => ({ credentials: networkKey ? { networkKey } : {} });
    const [alice, bob] = [network.add("alice", keyed(ours)), network.add("bob", keyed(theirs))];
    const { tag } = network.send(alice, bob, "let me in");
    network.run(1_000);
    const fromBob = network.log.filter(({ from }) => from === bob);
    expect(fromBob.map(({ bytes, closes }) => [bytes.length, closes])).toEqual([[0, true]]);
    expect(alice.events).toEqual([{ type: "sendFailed", to: bob.address, tag, reason: "closed" }]);
  });
});

describe("every changed bit", () => {
  it.each([undefined, key])(
    "of a handshake message ends it, and nothing gets through (network key: %s)",
    (networkKey) => {
      const credentials = networkKey === undefined ? {} : { networkKey };
      for (const [index, length] of [networkKey === undefined ? 34 : 50, 199, 166].entries()) {
        for (let bit = index; bit < 8 * length; bit += 29) {
          const network = new StreamNetwork();
          network.delayMs = 0;
          const alice = network.add("alice", { credentials });
          const bob = network.add("bob", { credentials });
          let at = 0;
          network.onMessage = (bytes) => [at++ === index ? withChangedBit(bytes, bit) : bytes];
          network.send(alice, bob, "question");
          network.run(20_000);
          expect([textsOf(bob), textsOf(alice)], `message ${index}, bit ${bit}`).toEqual([[], []]);
          expect([gauges(alice).connections.used, gauges(bob).connections.used]).toEqual([0, 0]);
          expect(alice.events.length).toBe(1);
        }
      }
    },
  );

  it("of a message closes the connection, and nothing is delivered twice or in part", () => {
    for (let bit = 0; bit < 8 * 25; bit++) {
      const { network, alice, bob, link } = joined();
      network.onMessage = (bytes) => [withChangedBit(bytes, bit)];
      network.send(alice, bob, "question");
      network.run(100);
      expect(textsOf(bob)).toEqual([]);
      expect(ended(bob)).toEqual({ forged: 1 });
      expect(link.isUp).toBe(false);
    }
  });
});

function withChangedBit(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
  return changed;
}

describe("what goes wrong on the way", () => {
  it.each<[string, (bytes: Uint8Array) => readonly Uint8Array[]]>([
    ["lost", () => []],
    ["repeated", (bytes) => [bytes, bytes]],
    ["cut", (bytes) => [bytes.subarray(0, bytes.length - 1)]],
    ["too short", () => [new Uint8Array(16)]],
    ["too long", () => [new Uint8Array(65_536)]],
  ])("a message that is %s ends the connection; the next one is dialled", (_what, change) => {
    const { network, alice, bob } = joined();
    bob.answer = undefined;
    let changed = false;
    network.onMessage = (bytes) => {
      if (changed) return [bytes];
      changed = true;
      return change(bytes);
    };
    network.send(alice, bob, "one");
    network.send(alice, bob, "two");
    network.run(1_000);
    const before = textsOf(bob);
    expect(before.length).toBeLessThanOrEqual(1);
    expect(gauges(bob).connections.used).toBe(0);
    network.send(alice, bob, "three");
    network.run(1_000);
    expect(textsOf(bob)).toEqual([...before, "three"]);
    expect(gauges(alice).connections.used).toBe(1);
  });

  it("a connection that breaks without a goodbye is counted as truncated, and what waits fails", () => {
    const { network, alice, bob, link } = joined();
    alice.onSend = () => "full";
    const { tag } = network.send(alice, bob, "x");
    const second = network.send(alice, bob, "y");
    network.run(10);
    network.cut(link);
    expect(ended(alice)).toEqual({ truncated: 1 });
    expect(ended(bob)).toEqual({ truncated: 1 });
    // The first was sealed, and counts as sent; of the other nothing has left.
    expect(alice.events).toEqual([
      { type: "sent", tag },
      { type: "sendFailed", to: bob.address, tag: second.tag, reason: "closed" },
    ]);
    expect(gauges(alice)).toMatchObject({ heldMessages: { used: 0 }, heldBytes: { used: 0 } });
  });

  it("a goodbye ends it in good order", () => {
    const { network, alice, bob, link } = joined();
    alice.channel.close(network.nowMs);
    alice.channel.close(network.nowMs);
    expect(alice.channel.drained).toBe(false);
    network.run(100);
    expect(alice.channel.drained).toBe(true);
    expect(ended(alice)).toEqual({ closed: 1 });
    expect(ended(bob)).toEqual({ closedByPeer: 1 });
    expect(link.isUp).toBe(false);
    expect(network.send(alice, bob, "x").sealed).toBe("refused");
    expect(alice.events.at(-1)).toMatchObject({ reason: "closed" });
    network.inject(network.connect(bob, alice), alice, new Uint8Array(34));
    expect(alice.channel.stats().unexpectedMessages).toBe(1);
    expect(alice.channel.nextDeadline()).toBeUndefined();
  });

  it("nobody is there: what waits fails as the transport says", () => {
    const { network, alice } = pair();
    const nobody = { remote: network.addresses.parse("tcp://10.50.0.1:1"), dialable: true };
    const { tag } = network.send(alice, nobody, "x", { peer: undefined });
    network.run(1_000);
    expect(alice.events).toEqual([{ type: "sendFailed", to: nobody.remote, tag, reason: "unreachable" }]);
    expect(ended(alice)).toEqual({ unreachable: 1 });
  });

  it("a handshake that gets no answer ends after ten seconds, one that is not gone on with after five", () => {
    const { network, alice, bob } = pair();
    network.onMessage = () => [];
    const { tag } = network.send(alice, bob, "x");
    network.run(9_900);
    expect(alice.events).toEqual([]);
    network.run(200);
    expect(alice.events).toEqual([{ type: "sendFailed", to: bob.address, tag, reason: "handshakeFailed" }]);
    expect(ended(alice)).toEqual({ timedOut: 1 });

    network.onMessage = (bytes) => [bytes];
    const link = network.connect(alice, bob);
    const mallory = network.add("mallory");
    network.send(mallory, bob, "x");
    network.settle();
    network.inject(link, bob, network.log.at(-1)?.bytes as Uint8Array);
    network.run(4_900);
    expect(gauges(bob)).toMatchObject({ handshakes: { used: 1 }, connections: { used: 2 } });
    network.run(200);
    expect(ended(bob)).toEqual({ timedOut: 1 });
    expect(gauges(bob)).toMatchObject({ handshakes: { used: 0 }, connections: { used: 1 } });
    expect(link.isUp).toBe(false);
  });

  it("a stranger's first message that is none: the connection is closed", () => {
    const { network, alice, bob } = pair();
    for (const bytes of [new Uint8Array(1), new Uint8Array(34), Uint8Array.of(1, 0), new Uint8Array(2_000)]) {
      const link = network.connect(alice, bob);
      network.inject(link, bob, bytes);
      network.run(20);
      expect(link.isUp).toBe(false);
    }
    expect(bob.channel.stats().unexpectedMessages).toBe(3);
    expect(ended(bob)).toEqual({ badVersion: 1 });
    // Whoever could speak a later version, and asks for less, was made to.
    const first = Uint8Array.from({ length: 34 }, (_, i) => (i < 2 ? i : 7));
    for (const [version, maxVersion] of [
      [1, 2],
      [2, 2],
      [0, 0],
      [1, 0],
    ] as const) {
      first.set([version, maxVersion]);
      network.inject(network.connect(alice, bob), bob, first);
    }
    expect(ended(bob)).toMatchObject({ badVersion: 4 });
  });

  it("an empty message is a sign of life, and nothing else", () => {
    const { network, alice, bob, link } = joined();
    network.inject(link, bob, new Uint8Array(0));
    network.inject(network.connect(network.add("stranger"), bob), bob, new Uint8Array(0));
    network.send(alice, bob, "x");
    network.run(100);
    expect(textsOf(bob)).toEqual(["x"]);
    expect([ended(bob), bob.channel.stats().unexpectedMessages]).toEqual([{}, 0]);
  });

  it("a later version that asks for ours is answered", () => {
    const { network, alice, bob } = pair();
    const first = Uint8Array.from({ length: 34 }, () => 9);
    first.set([1, 5]);
    const link = network.connect(alice, bob);
    network.inject(link, bob, first);
    network.settle();
    expect(network.log.map(({ bytes }) => bytes.length)).toEqual([199]);
  });

  it("an ephemeral key of small order ends the handshake", () => {
    const { network, alice, bob } = pair();
    const first = new Uint8Array(34);
    first.set([1, 1]);
    network.inject(network.connect(alice, bob), bob, first);
    expect(ended(bob)).toEqual({ smallOrderKey: 1 });
  });

  it("more than a whole message: parts without end are cut at a bound, of one and of all", () => {
    for (const [limits, count] of [
      [{ maxMessageBytes: 50_000 }, 4],
      [{ maxPartsBytes: 60_000 }, 5],
    ] as const) {
      const network = new StreamNetwork();
      const [alice, bob] = [network.add("alice"), network.add("bob", { channel: { limits } })];
      network.send(alice, bob, "x".repeat(100_000));
      network.run(1_000);
      expect(ended(bob)).toEqual({ tooLarge: 1 });
      expect(gauges(bob).partsBytes.used).toBe(0);
      const parts = network.log.filter(({ bytes }) => bytes.length === 16_401);
      expect(parts.length).toBeGreaterThanOrEqual(count);
      expect(textsOf(bob)).toEqual([]);
    }
  });
});

describe("backpressure", () => {
  it("a message that the transport refuses goes out later, as it was sealed, and nothing overtakes it", () => {
    const { network, alice, bob } = joined();
    bob.answer = undefined;
    let refusals = 3;
    const sizes: number[] = [];
    alice.onSend = (bytes) => {
      sizes.push(bytes.length);
      return refusals-- > 0 ? "full" : "sent";
    };
    for (const text of ["one", "twotwo", "three"]) network.send(alice, bob, text);
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["one", "twotwo", "three"]);
    expect(sizes).toEqual([20, 20, 20, 20, 23, 22]);
    expect(alice.events.map(({ type }) => type)).toEqual(["sent", "sent", "sent"]);
  });

  it("a reply that the transport refuses too, and its sender hears of none of it", () => {
    const { network, alice, bob } = joined();
    let refusals = 1;
    bob.onSend = () => (refusals-- > 0 ? "full" : "sent");
    network.send(alice, bob, "question");
    network.run(1_000);
    expect(textsOf(alice)).toEqual(["question!"]);
    expect(bob.events).toEqual([]);
  });

  it("so does a message of the handshake", () => {
    const { network, alice, bob } = pair();
    let refusals = 4;
    alice.onSend = () => (refusals-- % 2 === 0 ? "full" : "sent");
    network.send(alice, bob, "x");
    network.run(2_000);
    expect(textsOf(bob)).toEqual(["x"]);
  });

  it("a closed link holds back all of its connections, and an open one lets them go", () => {
    const { network, alice, bob } = joined();
    network.setFlow(alice, false);
    network.send(alice, bob, "x");
    network.run(10_000);
    expect(textsOf(bob)).toEqual([]);
    network.setFlow(alice, true);
    network.run(100);
    expect(textsOf(bob)).toEqual(["x"]);
    // A refusal in between does not wake it either.
    alice.onSend = () => "full";
    network.send(alice, bob, "y");
    network.settle();
    network.setFlow(alice, false);
    alice.onSend = () => "sent";
    network.run(10_000);
    expect(textsOf(bob)).toEqual(["x"]);
    network.setFlow(alice, true);
    network.run(100);
    expect(textsOf(bob)).toEqual(["x", "y"]);
  });

  it("what waits for one connection is bounded, others go on", () => {
    const { network, alice, bob } = joined();
    const limits = { maxHeldMessages: 80, maxHeldBytes: 8_000 };
    const dave = network.add("dave", { channel: { limits } });
    const nobody = { remote: network.addresses.parse("tcp://10.60.0.1:1"), dialable: true };
    const outcomes = Array.from(
      { length: 12 },
      () => network.send(dave, nobody, "x", { peer: undefined }).sealed,
    );
    expect(outcomes.filter((sealed) => sealed === "pending").length).toBe(10);
    const large = Array.from({ length: 4 }, () => network.send(dave, bob, "x".repeat(400)).sealed);
    expect(large).toEqual(["pending", "pending", "refused", "refused"]);
    expect(network.send(dave, alice, "x".repeat(2_500)).sealed).toBe("pending"); // a single one may be larger
    expect(dave.channel.stats().refused.heldFull).toBe(4);
    expect(dave.events.every((event) => event.type === "sendFailed" && event.reason === "queueFull")).toBe(
      true,
    );
    network.run(20_000);
    expect(gauges(dave)).toMatchObject({ heldMessages: { used: 0 }, heldBytes: { used: 0 } });
  });

  it("a message that fails later than at once breaks the connection: what is after it could not be opened", () => {
    const { network, alice, bob } = joined();
    network.send(alice, bob, "x");
    network.run(1);
    network.send(alice, bob, "y");
    network.settle();
    alice.channel.pollTransmit(network.nowMs, new Uint8Array(2_000));
    alice.channel.handleNetworkEvent(network.nowMs, {
      type: "sendFailed",
      to: bob.address,
      tag: 0,
      reason: "queueFull",
    });
    expect(ended(alice)).toEqual({ sendFailed: 1 });
    network.run(100);
    expect(gauges(bob).connections.used).toBe(0);
  });
});

describe("two connections with one peer", () => {
  it("that dial each other at once use the one whose initiator has the lower id; the other is closed", () => {
    const { network, alice, bob } = pair();
    bob.answer = undefined;
    network.send(alice, bob, "a");
    network.send(bob, alice, "b");
    network.run(100);
    expect(network.links.length).toBe(2);
    const lower = alice.id.toHex() < bob.id.toHex() ? alice : bob;
    for (let i = 0; i < 3; i++) {
      network.send(alice, bob, `a${i}`);
      network.send(bob, alice, `b${i}`);
      network.run(5_000);
    }
    network.run(11_000);
    expect(textsOf(bob)).toEqual(["a", "a0", "a1", "a2"]);
    expect(textsOf(alice)).toEqual(["b", "b0", "b1", "b2"]);
    const up = network.links.filter(({ isUp }) => isUp);
    expect(up.length).toBe(1);
    expect(up[0]?.sides[0].peer).toBe(lower);
    for (const peer of [alice, bob]) expect(gauges(peer).connections.used).toBe(1);
  });

  it("of which the peer has dialled the second anew use that, and the first again when it ends", () => {
    const { network, alice, bob, link } = joined();
    // The same identity, from a process that has lost its first connection without our notice.
    const again = network.add("alice", {
      credentials: { keys: new SeededRandom("again") },
      url: "tcp://10.0.0.8:4000",
    });
    network.send(again, bob, "again");
    network.run(100);
    network.send(bob, { remote: alice.address, dialable: false, peer: alice.id }, "to whom?");
    network.run(100);
    expect([textsOf(alice), textsOf(again)]).toEqual([[], ["again!", "to whom?"]]);
    network.cut(network.links[1] as Link);
    network.send(bob, { remote: alice.address, dialable: false, peer: alice.id }, "and now?");
    network.run(100);
    expect(textsOf(alice)).toEqual(["and now?"]);
    expect(link.isUp).toBe(true);
  });
});

describe("limits", () => {
  it("of handshakes of one subnet, of all, and under way", () => {
    const network = new StreamNetwork();
    const bob = network.add("bob", { channel: { limits: { handshakesPerSecond: 30, maxHandshakes: 25 } } });
    for (let i = 0; i < 30; i++) {
      const one = network.add(`crowd ${i}`, { url: `tcp://10.200.0.${i + 1}:4000` });
      network.send(one, bob, "x");
    }
    network.run(100);
    expect(ended(bob)).toMatchObject({ prefixLimited: 10 });
    for (let i = 0; i < 30; i++) {
      const one = network.add(`many ${i}`, { url: `tcp://10.${100 + i}.0.1:4000` });
      network.send(one, bob, "x");
    }
    network.run(1_000);
    // Ten were left, and three have come meanwhile.
    expect(ended(bob)).toMatchObject({ handshakesLimited: 17 });
    network.onMessage = (bytes, to) => (to === bob && bytes.length !== 34 ? [] : [bytes]);
    network.run(3_000);
    for (let i = 0; i < 30; i++) {
      const one = network.add(`slow ${i}`, { url: `tcp://11.${100 + i}.0.1:4000` });
      network.send(one, bob, "x");
    }
    network.run(100);
    expect(gauges(bob).handshakes).toEqual({ used: 25, limit: 25 });
    expect(ended(bob)).toMatchObject({ handshakesLimited: 17 + 5 });
  });

  it("of connections: no more are taken, nor begun", () => {
    const network = new StreamNetwork();
    const bob = network.add("bob", { channel: { limits: { maxConnections: 2 } } });
    const others = [0, 1, 2].map((i) => network.add(`${i}`));
    for (const other of others) network.send(other, bob, other.name);
    network.run(1_000);
    expect(textsOf(bob)).toEqual(["0", "1"]);
    expect(ended(bob)).toEqual({ connectionsFull: 1 });
    expect(network.send(bob, others[2] as StreamPeer, "x").sealed).toBe("refused");
    expect(bob.channel.stats().refused.connectionsFull).toBe(1);
  });

  it("of loopback: none", () => {
    const network = new StreamNetwork();
    const bob = network.add("bob", { url: "tcp://127.0.0.1:4000" });
    for (let i = 0; i < 60; i++)
      network.send(network.add(`${i}`, { url: `tcp://127.0.0.1:${5_000 + i}` }), bob, "x");
    network.run(1_000);
    expect(bob.received.length).toBe(60);
  });

  it("of paths that cannot be dialled: without a connection there is none", () => {
    const { network, alice, bob } = pair();
    const path = { remote: bob.address, dialable: false };
    expect(network.send(alice, path, "late", { peer: bob.id, tag: 0 }).sealed).toBe("refused");
    expect(network.send(alice, path, "x", { peer: bob.id }).sealed).toBe("refused");
    expect(alice.channel.stats().refused.noConnection).toBe(2);
    expect(network.links.length).toBe(0);
    expect(network.send(alice, bob, "dialled for", { tag: 0 }).sealed).toBe("pending");
    network.run(100);
    expect(textsOf(bob)).toEqual(["dialled for"]);
  });

  it("are checked", () => {
    const { credentials, channel } = new StreamNetwork().add("alice");
    const make = (limits: object) =>
      secureStreams({ credentials, addresses: new StreamNetwork().addresses, nowMs: 0, limits });
    expect(() => make({ maxConnections: 0 })).toThrow(
      "limits.maxConnections: 0; allowed is a whole number from 1",
    );
    expect(() => make({ toString: 0 })).toThrow("limits.toString: there is no such limit");
    expect(() => channel.pollTransmit(0, new Uint8Array(1_023))).toThrow(
      "into: 1023 bytes; allowed are 1024",
    );
  });
});

it("our own static key that is not signed yet: others are refused, and we do not dial", async () => {
  const network = new StreamNetwork();
  const secret = SeedIdentity.generate(native, new SeededRandom("slow"));
  let answer = (): void => undefined;
  const sign = (message: Uint8Array) =>
    new Promise<Uint8Array>((resolve) => {
      answer = () => resolve(secret.sign(message));
    });
  const slow = network.add("slow", { credentials: { identity: { publicKey: secret.publicKey, sign } } });
  const bob = network.add("bob");
  network.send(bob, slow, "x");
  expect(network.send(slow, bob, "x").sealed).toBe("refused");
  network.run(500);
  expect(ended(slow)).toEqual({ notReady: 1 });
  answer();
  await Promise.resolve();
  network.run(1_500);
  network.send(slow, bob, "now");
  network.run(100);
  expect(textsOf(bob)).toEqual(["now"]);
});

it("any bytes at any stage end at most their own connection, and never throw", () => {
  const { network, alice, bob } = joined();
  bob.answer = undefined;
  const random = new SeededRandom("stream fuzz");
  const strangers = Array.from({ length: 3 }, (_, i) =>
    network.add(`stranger ${i}`, { url: `tcp://127.0.0.1:${i + 1}` }),
  );
  for (let i = 0; i < 20_000; i++) {
    const bytes = new Uint8Array(random.below(4) === 0 ? 34 : random.below(260));
    random.fill(bytes);
    if (random.below(2) === 0 && bytes.length > 1) bytes.set([1, 1]);
    const link = network.connect(strangers[i % 3] as StreamPeer, bob);
    network.inject(link, bob, bytes);
    if (bytes.length === 34 && random.below(2) === 0) network.inject(link, bob, bytes);
    if (i % 500 === 0) {
      network.run(5_100);
      network.links.length = 1;
    }
  }
  network.run(6_000);
  network.send(alice, bob, "unharmed");
  network.run(100);
  expect(textsOf(bob)).toEqual(["unharmed"]);
  expect(gauges(bob)).toMatchObject({
    connections: { used: 1 },
    handshakes: { used: 0 },
    partsBytes: { used: 0 },
  });
});
