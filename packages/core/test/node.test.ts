import { describe, expect, it } from "vitest";
import { type Contact, immutableRecord, type KadNode, type Path, type SendFailure } from "../src/index.ts";
import { Network, seededRandom, sha256 } from "./pair.ts";
import { numbered, type Sent, Stage, type Stranger } from "./stage.ts";

const second = 1_000;
const contactOf = ({ id, path }: Stranger): Contact => ({ id, addresses: [path.remote] });

describe("what a node writes", () => {
  /** As many as fit are told; the rest of the message is the same. */
  function told(stage: Stage, room: number, from: Stranger): number | undefined {
    stage.ask(from, { type: "findNode", target: numbered(5), wantToken: true }, { client: true });
    const into = new Uint8Array(room);
    const transmit = stage.node.pollTransmit(stage.nowMs, into);
    if (transmit === undefined) return undefined;
    expect(transmit.length).toBeLessThanOrEqual(room);
    const message = stage.protocol.decode(into.subarray(0, transmit.length));
    return message.kind === "response" && message.body.type === "nodes"
      ? message.body.contacts.length
      : undefined;
  }

  it("fits the room that the caller gives: the list of contacts is cut to it", () => {
    const stage = new Stage();
    stage.populate(30);
    const asker = stage.stranger(99);
    expect(told(stage, 1_200, asker)).toBe(20);
    expect(told(stage, 853, asker)).toBe(20);
    expect(told(stage, 852, asker)).toBe(19);
    expect(told(stage, 53 + 4 * 40, asker)).toBe(4);
    expect(told(stage, 53 + 4 * 40 - 1, asker)).toBeUndefined();
  });

  it("fits what the link carries, whatever the room", () => {
    const stage = new Stage();
    stage.populate(30);
    stage.addresses.setLink("udp4", { link: 1, maxBytes: 500 });
    expect(told(stage, 1_200, stage.stranger(99))).toBe(11);
  });

  it("leaves the rest of the room as it was", () => {
    const stage = new Stage();
    stage.ask(stage.stranger(1), { type: "ping" }, { client: true });
    const into = new Uint8Array(1_200).fill(0x55);
    const { length } = stage.node.pollTransmit(stage.nowMs, into) as { length: number };
    expect(into.subarray(length).every((byte) => byte === 0x55)).toBe(true);
  });

  it("says which kinds of address we can dial, as they are when it is written", () => {
    const stage = new Stage();
    const ask = (): number => {
      stage.node.ping(stage.nowMs, { addresses: [stage.stranger(1).path.remote] });
      const [sent] = stage.requests("ping");
      return sent?.message.kind === "request" ? sent.message.want : -1;
    };
    expect(ask()).toBe(0b000101);
    stage.addresses.setLink("udp6", { link: 3, maxBytes: 1_200 });
    expect(ask()).toBe(0b000111);
    stage.addresses.setLink("tcp4", undefined);
    expect(ask()).toBe(0b000011);
  });
});

describe("our own addresses", () => {
  const said = (stage: Stage): string[] => {
    stage.ask(stage.stranger(1), { type: "ping" }, { client: true });
    return stage.poll().flatMap(({ message }) => message.addresses.map(({ key }) => key));
  };
  const change = (stage: Stage, ...urls: readonly string[]): void =>
    stage.node.handleNetworkEvent(stage.nowMs, {
      type: "addressesChanged",
      addresses: urls.map((url) => stage.addresses.parse(url)),
    });

  it("are not said while there is one that others see anyway", () => {
    const stage = new Stage();
    expect(said(stage)).toEqual([]);
    change(stage, "udp://10.200.1.1:4000");
    expect(said(stage)).toEqual([]);
  });

  it("are said in every message when there are several, or one that nobody sees; the newest list counts", () => {
    const stage = new Stage();
    change(stage, "udp://10.200.1.1:4000", "tcp://10.200.1.1:4000");
    expect(said(stage)).toEqual(["udp://10.200.1.1:4000", "tcp://10.200.1.1:4000"]);
    change(stage, "wss://node.example/kad");
    expect(said(stage)).toEqual(["wss://node.example/kad"]);
    change(stage, "udp://10.200.1.1:4000");
    expect(said(stage)).toEqual([]);
  });

  it("are at most as many as a contact may carry", () => {
    const stage = new Stage();
    change(stage, ...[1, 2, 3, 4, 5, 6].map((i) => `udp://10.200.${i}.1:4000`));
    expect(said(stage)).toHaveLength(4);
  });

  it("that change say that it is another network: earlier silence counts no more", () => {
    const stage = new Stage();
    const peers = stage.populate(12);
    stage.live.clear();
    stage.nowMs += 1;
    for (const peer of peers) stage.node.ping(stage.nowMs, contactOf(peer));
    stage.pass(11 * second);
    expect(stage.node.stats().health).toBe("offline");
    change(stage, "udp://10.200.1.1:4000");
    expect(stage.node.stats().health).toBe("online");
  });
});

describe("requests of our own", () => {
  it("are not queued: the next one is picked, numbered and started when it is asked for", () => {
    const stage = new Stage();
    const [a, b] = [stage.stranger(1), stage.stranger(2)];
    const first = stage.node.ping(stage.nowMs, contactOf(a));
    const second = stage.node.ping(stage.nowMs, contactOf(b));
    expect(stage.node.stats()).toMatchObject({ requestsSent: 0, gauges: { requestsInFlight: { used: 0 } } });
    // Nobody asks for half a minute; a query that is cancelled meanwhile never says a word.
    stage.nowMs += 30_000;
    stage.node.handleTimeout(stage.nowMs);
    stage.node.cancel(stage.nowMs, second);
    const sent = stage.poll();
    expect(sent.map(({ transmit }) => transmit.path.remote)).toEqual([a.path.remote]);
    expect(stage.node.stats().gauges.requestsInFlight.used).toBe(1);
    stage.pass(9_999);
    expect(stage.of("queryFinished").map(({ query }) => query)).toEqual([second]);
    stage.pass(1);
    expect(stage.of("queryFinished").map(({ query }) => query)).toEqual([second, first]);
  });

  it("take turns among queries: none waits for all of another's", () => {
    const stage = new Stage();
    stage.populate(20);
    const targets = [numbered(50), numbered(51)];
    for (const target of targets) stage.node.findNode(stage.nowMs, target, { parallelism: 6 });
    const order = stage
      .poll()
      .map(
        ({ message }) =>
          message.kind === "request" && message.body.type === "findNode" && message.body.target,
      );
    expect(order).toHaveLength(12);
    for (const [i, target] of order.entries()) expect(target).toEqual(targets[i % 2]);
  });

  it("are at most so many at once, and go on as answers come", () => {
    const stage = new Stage({ limits: { maxInFlight: 4 } });
    for (let i = 1; i <= 10; i++) stage.node.ping(stage.nowMs, contactOf(stage.stranger(i)));
    const [first] = stage.poll() as [Sent];
    expect(stage.sent).toHaveLength(4);
    expect(stage.node.stats().gauges.requestsInFlight).toEqual({ used: 4, limit: 4 });
    stage.reply(stage.stranger(1), first, { type: "pong" });
    expect(stage.poll()).toHaveLength(1);
  });
});

describe("a message that could not be sent", () => {
  function asked() {
    const stage = new Stage({ limits: { smallTableSize: 0 } });
    const [peer, other] = stage.populate(2) as [Stranger, Stranger];
    const query = stage.node.ping(stage.nowMs, contactOf(peer));
    const bystander = stage.node.ping(stage.nowMs, contactOf(other));
    const sent = stage.poll();
    const { tag, path } = (sent.find(({ transmit }) => transmit.peer?.equals(peer.id)) as Sent).transmit;
    const fail = (reason: SendFailure, ofTag: number | undefined = tag): void =>
      stage.node.handleNetworkEvent(stage.nowMs, {
        type: "sendFailed",
        to: path.remote,
        ...(ofTag !== undefined && { tag: ofTag }),
        reason,
      });
    const ended = () => {
      stage.poll();
      return stage.of("queryFinished").map((event) => event.query);
    };
    return { stage, peer, other, query, bystander, tag, path, fail, ended };
  }

  it("ends its own request alone", () => {
    const { stage, query, fail, ended } = asked();
    fail("unreachable");
    expect(ended()).toEqual([query]);
    expect(stage.of("queryFinished")[0]?.result).toMatchObject({ reason: "unreachable" });
  });

  it.each<[SendFailure, number]>([
    ["unreachable", 1],
    ["handshakeFailed", 1],
    ["wrongPeer", 1],
    ["tooLarge", 0],
    ["closed", 0],
    ["queueFull", 0],
  ])("for the reason %s counts against the peer: %i", (reason, failures) => {
    const { stage, peer, fail } = asked();
    fail(reason);
    expect(stage.node.table.get(peer.id)?.failures).toBe(failures);
  });

  it("because a queue was full is sent again later, when there is room", () => {
    const { stage, peer, query, fail, ended } = asked();
    stage.node.handleNetworkEvent(stage.nowMs, { type: "flow", link: 1, open: false });
    fail("queueFull");
    expect(stage.pass(5 * second)).toEqual([]);
    expect(ended()).toEqual([]);
    stage.node.handleNetworkEvent(stage.nowMs, { type: "flow", link: 1, open: true });
    const again = stage.poll().find(({ transmit }) => transmit.peer?.equals(peer.id)) as Sent;
    stage.reply(peer, again, { type: "pong" });
    expect(ended()).toContain(query);
  });

  it("is ignored when its tag is unknown or answered, and fails the whole path without one", () => {
    const { stage, peer, query, bystander, tag, fail, ended } = asked();
    fail("unreachable", tag ^ 0x5555);
    expect(ended()).toEqual([]);
    const more = stage.node.ping(stage.nowMs, contactOf(peer));
    const sent = stage.poll()[0] as Sent;
    stage.reply(peer, sent, { type: "pong" });
    fail("unreachable", sent.transmit.tag);
    expect(stage.of("queryFinished").map((event) => event.query)).toEqual([]);
    const last = stage.node.ping(stage.nowMs, contactOf(peer));
    expect(ended()).toEqual([more]);
    stage.node.handleNetworkEvent(stage.nowMs, {
      type: "sendFailed",
      to: peer.path.remote,
      reason: "unreachable",
    });
    expect(ended()).toEqual([more, query, last]);
    expect(ended()).not.toContain(bystander);
  });
});

describe("the trace of a node", () => {
  type Call = { readonly name: string; readonly args: readonly unknown[]; readonly result: string };

  /** What a call gave, bytes included, as text. */
  const told = (result: unknown, into: unknown): string => {
    const text = JSON.stringify(result, (_key, value) => {
      if (value instanceof Uint8Array) return [...value];
      return value !== null && typeof value === "object" && "wire" in value ? value.key : value;
    });
    const { length = 0 } = (result ?? {}) as { length?: number };
    return into instanceof Uint8Array ? `${text} ${into.subarray(0, length).join()}` : String(text);
  };
  const copy = (arg: unknown): unknown => {
    if (arg instanceof Uint8Array) return Uint8Array.from(arg);
    if (arg !== null && typeof arg === "object" && "bytes" in arg) {
      const { from, bytes } = arg as { from: Path; bytes: Uint8Array };
      return { type: "message", from, bytes: Uint8Array.from(bytes) };
    }
    return arg;
  };

  function recording(node: KadNode, calls: Call[]): KadNode {
    return new Proxy(node, {
      get(target, name) {
        const member = Reflect.get(target, name, target) as unknown;
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          const kept = args.map(copy);
          const result: unknown = member.apply(target, args);
          calls.push({
            name: String(name),
            args: kept,
            result: told(result, name === "pollTransmit" && args[1]),
          });
          return result;
        };
      },
    });
  }

  it("replayed on a fresh node gives identical outputs: every message, event, deadline and answer", () => {
    const network = new Network({ delayMs: 20, loss: 0.1, seed: 31 });
    const seed = network.add();
    const others = Array.from({ length: 12 }, () => network.add());
    const host = network.add({ id: numbered(0), random: seededRandom(99) });
    const calls: Call[] = [];
    const hosts = network.hosts as { node: KadNode }[];
    const fresh = new Network({ delayMs: 20 });
    const replica = fresh.addAt(host.address, {
      id: numbered(0),
      random: seededRandom(99),
      addresses: network.addresses,
    });
    // The first input was its address, here as there; from here on all calls are recorded.
    (hosts.at(-1) as { node: KadNode }).node = recording(host.node, calls);
    const at = (): KadNode => (network.hosts.at(-1) as { node: KadNode }).node;
    for (const { node } of others) node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
    at().bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
    network.run(5 * second);
    const record = immutableRecord(sha256, Uint8Array.of(1));
    at().put(network.nowMs, record);
    at().setProtocols(["talk"]);
    at().setTimer(network.nowMs, 700, 3);
    network.run(5 * second);
    at().get(network.nowMs, numbered(3));
    at().findNode(network.nowMs, numbered(4), { progress: true, paths: 3 });
    others[2]?.node.send(network.nowMs, { addresses: [host.address] }, "talk", Uint8Array.of(5));
    network.run(60 * second);
    at().close(network.nowMs);
    network.run(1);
    expect(calls.length).toBeGreaterThan(500);
    const node = replica.node as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const [i, { name, args, result }] of calls.entries()) {
      const given = args.map(copy);
      const call = node[name] as (...values: unknown[]) => unknown;
      const again = told(call.apply(node, given), name === "pollTransmit" && given[1]);
      if (again !== result) throw new Error(`call ${i}, ${name}: ${again} instead of ${result}`);
    }
  });
});
