import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { NetworkKey } from "../../src/network.ts";
import { ChannelNetwork, type Packet, type Peer, textsOf } from "../support/channel-network.ts";
import { hex } from "../support/hex.ts";
import { SeededRandom } from "../support/random.ts";

const { KAD_NIGHTLY, KAD_SEED }: { readonly KAD_NIGHTLY?: string; readonly KAD_SEED?: string } = process.env;

/** Everything that a stranger could have changed: all but counters of what came in and was dropped. */
function stateOf({ channel, received }: Peer) {
  const { dropped: _dropped, received: _received, gauges, ...stats } = channel.stats();
  return { stats, gauges, deadline: channel.nextDeadline(), texts: received.length };
}

describe("every changed bit of a handshake packet", () => {
  it.each([undefined, NetworkKey.fromHex("5a".repeat(32))])(
    "fails closed, and the true packet counts afterwards (network key: %s)",
    (networkKey) => {
      const network = new ChannelNetwork({ delayMs: 5 });
      const credentials = networkKey === undefined ? {} : { networkKey };
      const alice = network.add("alice", { credentials, url: "udp://127.0.0.1:4001" });
      const bob = network.add("bob", { credentials, url: "udp://127.0.0.1:4002" });
      bob.answer = (text) => `${text}!`;
      const tried = [0, 0, 0, 0, 0];
      network.onPacket = (packet) => {
        const [type = 0] = packet.bytes;
        if (type > 8) return [packet];
        const receiver = packet.to === alice.address ? alice : bob;
        const before = stateOf(receiver);
        for (let bit = 0; bit < 8 * packet.bytes.length; bit++) {
          const changed = Uint8Array.from(packet.bytes);
          changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
          network.inject(packet.from, receiver, changed);
          tried[type - 5] = (tried[type - 5] as number) + 1;
        }
        expect(stateOf(receiver)).toEqual(before);
        return [packet];
      };
      network.send(alice, bob, "question");
      network.run(1_000);
      expect(tried).toEqual([8 * 192, 8 * 176, 8 * (226 + 8), 8 * (57 + 9), 0]);
      expect(textsOf(bob)).toEqual(["question"]);
      expect(textsOf(alice)).toEqual(["question!"]);
    },
  );

  it("and every cut or lengthened one", () => {
    const network = new ChannelNetwork({ delayMs: 5 });
    const alice = network.add("alice", { url: "udp://127.0.0.1:4001" });
    const bob = network.add("bob", { url: "udp://127.0.0.1:4002" });
    bob.answer = (text) => `${text}!`;
    network.onPacket = (packet) => {
      const receiver = packet.to === alice.address ? alice : bob;
      const before = stateOf(receiver);
      for (let length = 0; length < packet.bytes.length; length++)
        network.inject(packet.from, receiver, packet.bytes.subarray(0, length));
      for (const extra of [1, 16, 2_000])
        network.inject(packet.from, receiver, Uint8Array.from([...packet.bytes, ...new Uint8Array(extra)]));
      expect(stateOf(receiver)).toEqual(before);
      return [packet];
    };
    network.send(alice, bob, "question");
    network.run(1_000);
    expect(textsOf(alice)).toEqual(["question!"]);
  });
});

describe("any bytes", () => {
  const runs = KAD_NIGHTLY === undefined ? 100_000 : 5_000_000;
  const seed = KAD_SEED ?? "fuzz";

  it(`do not throw and change nothing but counters: ${runs} datagrams (KAD_SEED=${seed})`, () => {
    const network = new ChannelNetwork();
    const [alice, bob] = [
      network.add("alice", { url: "udp://127.0.0.1:4001" }),
      network.add("bob", { url: "udp://127.0.0.1:4002" }),
    ];
    network.join(alice, bob);
    // A conversation to mutilate, and attempts under way at whose packets can be guessed.
    network.send(alice, bob, "seen by all");
    network.run(100);
    const other = network.add("other", { url: "udp://127.0.0.1:4003" });
    network.onPacket = () => [];
    network.send(other, bob, "x");
    network.send(bob, other, "y");
    network.settle();
    const seen = network.log.map(({ bytes }) => bytes);
    const random = new SeededRandom(seed);
    const elsewhere = network.addresses.parse("udp://127.0.0.1:9");
    const before = [alice, bob, other].map(stateOf);
    for (let i = 0; i < runs; i++) {
      const bytes = fuzzed(random, seen);
      const receiver = [alice, bob, other][i % 3] as Peer;
      network.inject(
        [alice.address, elsewhere, other.address][i & 1 ? 1 : i % 3] as Packet["from"],
        receiver,
        bytes,
      );
      if (i % 1_000 === 0) for (const peer of [alice, bob, other]) peer.channel.handleTimeout(network.nowMs);
    }
    // A true HELLO or RESET may come out of the mill: it is answered, and that is all.
    const states = [alice, bob, other].map((peer, i) => {
      const { gauges, ...state } = stateOf(peer);
      const queuedAnswers = before[i]?.gauges.queuedAnswers;
      return { ...state, gauges: { ...gauges, queuedAnswers } };
    });
    expect(states).toEqual(before);
  }, 120_000);
});

/** Random bytes of random length, or something seen, mutilated. */
function fuzzed(random: SeededRandom, seen: readonly Uint8Array[]): Uint8Array {
  const way = random.below(4);
  if (way === 0) {
    const bytes = new Uint8Array(random.below(80));
    random.fill(bytes);
    if (bytes.length > 0) bytes[0] = 4 + random.below(8);
    return bytes;
  }
  const bytes = Uint8Array.from(seen[random.below(seen.length)] as Uint8Array);
  const changes = 1 + random.below(3);
  if (way === 1) return bytes.subarray(0, random.below(bytes.length));
  for (let i = 0; i < changes; i++) bytes[random.below(bytes.length)] = random.below(256);
  if (way === 3) bytes[0] = 5 + random.below(6);
  return bytes;
}

describe("a secret", () => {
  it("shows in no statistic, no event, no error and no record of `random`", () => {
    const drawn: string[] = [];
    const secrets: string[] = [];
    const recording = (of: SeededRandom, into: string[]) => ({
      fill(bytes: Uint8Array) {
        of.fill(bytes);
        into.push(hex(bytes));
      },
    });
    const network = new ChannelNetwork();
    const networkKey = NetworkKey.fromHex("c3".repeat(32));
    const add = (name: string) =>
      network.add(name, {
        credentials: { networkKey, keys: recording(new SeededRandom(`k ${name}`), secrets) },
        channel: { random: recording(new SeededRandom(`r ${name}`), drawn) },
      });
    const [alice, bob] = [add("alice"), add("bob")];
    network.join(alice, bob);
    alice.address = network.addresses.parse("udp://10.0.0.7:5001");
    network.send(alice, bob, "moved");
    network.run(20_000);
    secrets.push(hex(alice.credentials.network.psk), hex(networkKey.exportBytes()));
    expect(secrets.length).toBe(8); // two each of static, ephemeral and cookie keys, psk and network key
    expect(new Set(secrets.map(({ length }) => length))).toEqual(new Set([64]));
    // cids, jitter, the token of a path challenge
    expect(drawn.every(({ length }) => length === 2 || length === 8 || length === 16)).toBe(true);
    for (const { channel, credentials, events } of [alice, bob]) {
      const shown = [
        ...[channel, credentials, events, channel.stats()].map((value) =>
          inspect(value, { depth: 12, maxArrayLength: null, breakLength: Number.POSITIVE_INFINITY }),
        ),
        JSON.stringify([channel, credentials, channel.stats()]),
      ].join("\n");
      for (const secret of secrets) {
        const decimals = [...Buffer.from(secret, "hex")].slice(0, 6).join(" ");
        expect(shown).not.toContain(secret);
        expect(shown.replaceAll(/[^0-9]+/g, " ")).not.toContain(decimals);
      }
    }
  });
});
