/**
 * A million datagrams into a running node, by one of whom it expects answers or by strangers: nothing throws, everything
 * stays within its bounds, and the node works as before.
 *
 * The datagrams are true ones, taken from a network that joins, stores, finds and talks, and then changed; at times with
 * the id of a request that the node waits for, from the address that it asked. A found case is named by its seed and number.
 */
import { describe, expect, it } from "vitest";
import {
  type ApplicationMessage,
  immutableRecord,
  type KadNode,
  openRecord,
  type Path,
  type Transmit,
} from "../src/index.ts";
import { addressesFlag, clientFlag, requestCodes, responseCodes } from "../src/wire/messages.ts";
import { Network, sha256 } from "./pair.ts";
import { numbered, Stage } from "./stage.ts";
import { xorshift } from "./wire/random-bytes.ts";

const datagrams = 1_000_000;
const text = (words: string): Uint8Array => Uint8Array.from(words, (char) => char.charCodeAt(0));

/** What is said on a small network in which everything is asked once; one of each kind and length is enough. */
function captured(): Uint8Array[] {
  const kinds = new Map<string, Uint8Array>();
  const network = new Network({
    delayMs: 20,
    seed: 21,
    onDatagram: (_nowMs, _from, _to, bytes) => {
      const kind = `${bytes[1]} ${bytes[2]} ${bytes.length}`;
      if (!kinds.has(kind)) kinds.set(kind, bytes);
    },
  });
  const hosts = Array.from({ length: 12 }, (_, i) => network.add(i === 11 ? { mode: "client" } : {}));
  const [seed, a, b] = hosts as [(typeof hosts)[0], (typeof hosts)[0], (typeof hosts)[0]];
  const many = [1, 2, 3].map((i) => network.addresses.parse(`udp://172.${i}.0.1:4000`));
  b.node.handleNetworkEvent(network.nowMs, { type: "addressesChanged", addresses: [b.address, ...many] });
  for (const { node } of hosts.slice(1)) node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
  network.run(3_000);
  const value = immutableRecord(sha256, text("what is kept"));
  network.finish(a, a.node.put(network.nowMs, value));
  network.finish(b, b.node.put(network.nowMs, openRecord(sha256, "name", text("one"), 1)));
  const reader = hosts[11] as (typeof hosts)[0];
  network.finish(reader, reader.node.get(network.nowMs, value.key));
  network.finish(b, b.node.announce(network.nowMs, value.key));
  network.finish(a, a.node.findProviders(network.nowMs, value.key));
  b.node.setProtocols(["talk"]);
  const query = a.node.send(network.nowMs, { addresses: [b.address] }, "talk", text("hello"));
  network.run(100);
  const message = b.events.find((event) => event.type === "messageReceived") as ApplicationMessage;
  b.node.reply(network.nowMs, message.reply, text("and to you"));
  network.finish(a, query);
  network.finish(a, a.node.send(network.nowMs, { addresses: [b.address] }, "nobody", text("hello")));
  return [...kinds.values()];
}

const corpus = captured();
const largest = 1_200;

type Change = (into: Uint8Array, random: () => number) => number;

/** Fills the start of `into` and returns the length. */
const changes: Readonly<Record<string, Change>> = {
  "true messages": (into, random) => {
    const base = pick(corpus, random);
    into.set(base);
    return base.length;
  },
  "messages with changed bytes": (into, random) => {
    const base = pick(corpus, random);
    into.set(base);
    for (let count = 1 + (random() % 4); count > 0; count--)
      into[random() % base.length] = random() % 2 === 0 ? random() : random() % 10;
    return base.length;
  },
  "messages that are cut, or run on": (into, random) => {
    const base = pick(corpus, random);
    into.set(base);
    const length = Math.min(largest, random() % (2 * base.length + 1));
    for (let i = base.length; i < length; i++) into[i] = random();
    return length;
  },
  "the start of one message before the end of another": (into, random) => {
    const [front, back] = [pick(corpus, random), pick(corpus, random)];
    const kept = random() % (front.length + 1);
    const from = random() % (back.length + 1);
    into.set(front.subarray(0, kept));
    const rest = back.subarray(from, from + largest - kept);
    into.set(rest, kept);
    return kept + rest.length;
  },
  "a true header before random bytes": (into, random) => {
    const base = pick(corpus, random);
    into.set(base.subarray(0, 43));
    const length = 43 + (random() % 200);
    for (let i = 43; i < length; i++) into[i] = random() % 3 === 0 ? random() % 9 : random();
    return length;
  },
};

function pick<T>(from: readonly T[], random: () => number): T {
  return from[random() % from.length] as T;
}

/** Drives one node by datagrams; what it asks is remembered, so that some of them may seem to answer it. */
class Storm {
  readonly stage = new Stage({ limits: { maxRecords: 64, maxQueuedMessages: 16, maxPeerHistories: 256 } });
  readonly #random: () => number;
  readonly #buffer = new Uint8Array(largest + 200);
  readonly #room = new Uint8Array(1_200);
  readonly #strangers: Path[] = [];
  /** Requests of the node's own, the newest in the place of the oldest. */
  readonly #asked: { readonly bytes: Uint8Array; readonly transmit: Transmit }[] = [];
  #next = 0;

  constructor(random: () => number) {
    this.#random = random;
    const { stage } = this;
    stage.node.setProtocols(["talk"]);
    for (let i = 1; i <= 64; i++) {
      // Loopback is exempt from the rate limit, so that it does not hide what lies behind it.
      const url = i % 4 === 0 ? undefined : `udp://127.0.${i}.1:4000`;
      const { path, id } = stage.stranger(i, url);
      this.#strangers.push(i % 8 === 1 ? { ...path, peer: id } : path);
    }
    stage.populate(10);
  }

  get node(): KadNode {
    return this.stage.node;
  }

  send(change: Change): void {
    const random = this.#random;
    const buffer = this.#buffer;
    const length = change(buffer, random);
    let from = pick(this.#strangers, random);
    const asked = random() % 3 === 0 ? this.#asked[random() % 64] : undefined;
    if (asked !== undefined) {
      // The id of a true request, and at times the address that it went to and the id of whom it went to.
      buffer.set(asked.bytes.subarray(3, 11), 3);
      if (random() % 4 !== 0) from = asked.transmit.path;
      if (random() % 4 !== 0) asked.transmit.peer?.writeTo(buffer, 11);
    }
    this.node.handleNetworkEvent(this.stage.nowMs, {
      type: "message",
      from,
      bytes: buffer.subarray(0, length),
    });
  }

  /** Time passes, and the host does its part; at times it is slow to. */
  turn(): void {
    const random = this.#random;
    const { stage, node } = this;
    stage.nowMs += random() % 50;
    node.handleTimeout(stage.nowMs);
    if (random() % 8 === 0) return;
    for (;;) {
      const transmit = node.pollTransmit(stage.nowMs, this.#room);
      if (transmit === undefined) break;
      if (transmit.tag === 0) continue;
      this.#asked[this.#next++ % 64] = { transmit, bytes: Uint8Array.from(this.#room.subarray(0, 43)) };
      const chance = random() % 16;
      const { tag, path } = transmit;
      if (chance === 0)
        node.handleNetworkEvent(stage.nowMs, {
          type: "sendFailed",
          to: path.remote,
          tag,
          reason: "unreachable",
        });
      else if (chance === 1) node.handleNetworkEvent(stage.nowMs, { type: "deferred", tag });
    }
    for (let event = node.pollEvent(); event !== undefined; event = node.pollEvent())
      if (event.type === "messageReceived" && random() % 2 === 0)
        node.reply(stage.nowMs, event.reply, text("thanks"));
    if (random() % 4 !== 0) return;
    const { queries } = node.stats().gauges;
    if (queries.used < 20) {
      const target = numbered(random() % 1_000);
      const command = random() % 4;
      if (command === 0) node.get(stage.nowMs, target);
      else if (command === 1) node.findNode(stage.nowMs, target);
      else if (command === 2) node.findProviders(stage.nowMs, target);
      else node.put(stage.nowMs, openRecord(sha256, `name ${random() % 20}`, text("x"), random() % 1_000));
    }
  }

  checkBounds(): void {
    const { gauges } = this.node.stats();
    for (const [name, { used, limit }] of Object.entries(gauges))
      if (used > limit || used < 0) throw new Error(`${name}: ${used} of ${limit}`);
  }
}

describe("a million datagrams into a running node", () => {
  const names = Object.keys(changes);

  it("begin with true messages of every kind", () => {
    const codes = new Set([...Object.values(requestCodes), ...Object.values(responseCodes)]);
    expect(new Set(corpus.map((bytes) => bytes[1]))).toEqual(codes);
    expect(corpus.some((bytes) => ((bytes[2] as number) & addressesFlag) !== 0)).toBe(true);
    expect(corpus.some((bytes) => ((bytes[2] as number) & clientFlag) !== 0)).toBe(true);
  });

  it.each(names.flatMap((name, index) => [0x5eed, 0xfeed].map((seed) => ({ name, seed: seed + index }))))(
    "$name, seed $seed: none throws, all stays bounded, and the node works",
    ({ name, seed }) => {
      const random = xorshift(seed);
      const storm = new Storm(random);
      const change = changes[name] as Change;
      const { stage, node } = storm;
      const share = datagrams / (2 * names.length);
      for (let i = 0; i < share; i++) {
        try {
          storm.send(change);
          if (i % 20 === 0) storm.turn();
          if (i % 2_000 === 0) storm.checkBounds();
        } catch (error) {
          throw new Error(`seed ${seed}, datagram ${i}`, { cause: error });
        }
      }
      storm.checkBounds();
      const { messagesReceived, dropped, responsesReceived, requestsReceived } = node.stats();
      expect(messagesReceived).toBeGreaterThanOrEqual(share);
      expect(requestsReceived).toBeGreaterThan(1_000);
      expect(responsesReceived).toBeGreaterThan(20);
      expect(dropped.unknownResponse).toBeGreaterThan(100);
      expect(stage.of("error").filter(({ error }) => error.code !== "denseNeighbourhood")).toEqual([]);

      // What was begun comes to its end, and a newcomer is met, stored for and answered as ever.
      stage.pass(120_000);
      expect(node.stats().gauges).toMatchObject({ queries: { used: 0 }, replyTokens: { used: 0 } });
      const peer = stage.stranger(500);
      const query = node.ping(stage.nowMs, { id: peer.id, addresses: [peer.path.remote] });
      const ping = stage.requests("ping").find(({ transmit }) => transmit.peer?.equals(peer.id));
      if (ping === undefined) throw new Error("no ping was sent");
      stage.reply(peer, ping, { type: "pong" });
      stage.poll();
      expect(stage.of("queryFinished").find((event) => event.query === query)?.end).toBe("converged");
      const told = stage.answerTo(peer, { type: "findNode", target: numbered(7), wantToken: true });
      expect(told).toMatchObject({ type: "nodes", token: expect.any(Uint8Array) });
    },
    60_000,
  );
});
