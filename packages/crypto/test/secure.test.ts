import {
  AddressTable,
  type ChannelEvent,
  type ChannelInput,
  type Commands,
  type Deadline,
  KadError,
  KadNode,
  type Machine,
  type NetworkEvent,
  type NodeEvent,
  NodeId,
  type OpenedMessage,
  type Path,
  type SecureChannel,
  type Transmit,
} from "@kad/core";
import { describe, expect, it } from "vitest";
import { secure } from "../src/secure.ts";
import { native } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

const addresses = new AddressTable();
const remote = addresses.parse("udp://192.0.2.1:4100");
const path: Path = { remote, dialable: true };
const ownId = NodeId.fromBytes(new Uint8Array(32).fill(1));
const peerId = NodeId.fromBytes(new Uint8Array(32).fill(2));

/** A node whose sendings are written down beforehand, and which writes down what it hears. */
class ScriptedNode {
  readonly heard: (
    | Exclude<NetworkEvent, { type: "message" }>
    | { type: "message"; text: string; peer: string }
  )[] = [];
  readonly outgoing: { readonly tag: number; readonly text: string }[] = [];
  readonly events: NodeEvent[] = [];
  readonly rooms: number[] = [];
  deadline: Deadline | undefined;
  timeouts = 0;
  isClosed = false;
  readonly id = ownId;

  handleNetworkEvent(_nowMs: number, event: NetworkEvent): void {
    if (event.type !== "message") this.heard.push(event);
    else
      this.heard.push({ type: "message", text: textOf(event.bytes), peer: event.from.peer?.toHex() ?? "" });
  }

  handleTimeout(): void {
    this.timeouts++;
  }

  pollTransmit(_nowMs: number, into: Uint8Array): Transmit | undefined {
    this.rooms.push(into.length);
    const next = this.outgoing.shift();
    if (next === undefined) return undefined;
    const { written } = new TextEncoder().encodeInto(next.text, into);
    return { path, peer: peerId, length: written, tag: next.tag };
  }

  pollEvent(): NodeEvent | undefined {
    return this.events.shift();
  }

  nextDeadline(): Deadline | undefined {
    return this.deadline;
  }

  close(): void {
    this.isClosed = true;
  }

  get drained(): boolean {
    return this.isClosed && this.outgoing.length === 0;
  }
}

/** A channel that seals by putting `*` in front, waits for what begins with `?`, and refuses what begins with `!`. */
class ScriptedChannel implements SecureChannel {
  readonly overheadBytes = 1;
  readonly heard: ChannelInput[] = [];
  readonly events: ChannelEvent[] = [];
  /** Its own packets. */
  readonly outgoing: { readonly tag: number; readonly text: string; readonly onSent?: () => void }[] = [];
  deadline: Deadline | undefined;
  timeouts = 0;
  isClosed = false;

  open(_nowMs: number, from: Path, wire: Uint8Array): OpenedMessage | undefined {
    if (textOf(wire).startsWith("*")) return { from: { ...from, peer: peerId }, plaintext: wire.subarray(1) };
    return undefined;
  }

  seal(
    _nowMs: number,
    to: Transmit,
    plaintext: Uint8Array,
    into: Uint8Array,
  ): number | "pending" | "refused" {
    const text = textOf(plaintext);
    if (text.startsWith("?")) return "pending";
    if (text.startsWith("!")) {
      if (to.tag !== 0)
        this.events.push({ type: "sendFailed", to: to.path.remote, tag: to.tag, reason: "queueFull" });
      return "refused";
    }
    return new TextEncoder().encodeInto(`*${text}`, into).written;
  }

  handleNetworkEvent(_nowMs: number, event: ChannelInput): void {
    this.heard.push(event);
  }

  handleTimeout(): void {
    this.timeouts++;
  }

  pollTransmit(_nowMs: number, into: Uint8Array): Transmit | undefined {
    const next = this.outgoing.shift();
    if (next === undefined) return undefined;
    next.onSent?.();
    return {
      path,
      peer: peerId,
      length: new TextEncoder().encodeInto(next.text, into).written,
      tag: next.tag,
    };
  }

  pollEvent(): ChannelEvent | undefined {
    return this.events.shift();
  }

  nextDeadline(): Deadline | undefined {
    return this.deadline;
  }

  close(): void {
    if (!this.isClosed) this.outgoing.push({ tag: 0, text: "goodbye" });
    this.isClosed = true;
  }

  get drained(): boolean {
    return this.isClosed && this.outgoing.length === 0;
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function stack() {
  const node = new ScriptedNode();
  const channel = new ScriptedChannel();
  const machine = secure(node as unknown as Machine<NodeEvent> & Commands, channel);
  const scratch = new Uint8Array(64);
  /** What leaves with one poll: its text and tag, `deferred`, or nothing. */
  const poll = (nowMs = 0): string | undefined => {
    const transmit = machine.pollTransmit(nowMs, scratch);
    if (transmit === undefined) return undefined;
    return transmit.deferred ? "deferred" : `${textOf(scratch.subarray(0, transmit.length))} ${transmit.tag}`;
  };
  const pollAll = (): string[] => {
    const all: string[] = [];
    for (let next = poll(); next !== undefined; next = poll()) all.push(next);
    return all;
  };
  const send = (...texts: readonly string[]) =>
    node.outgoing.push(...texts.map((text, i) => ({ tag: i + 1, text })));
  return { node, channel, machine, poll, pollAll, send };
}

describe("what the node sends", () => {
  it("is sealed, with the path, peer and tag that it had", () => {
    const { pollAll, send, node } = stack();
    send("one", "two");
    expect(pollAll()).toEqual(["*one 1", "*two 2"]);
    expect(node.heard).toEqual([]);
  });

  it("has as much less room as the channel adds", () => {
    const { machine, node } = stack();
    machine.pollTransmit(0, new Uint8Array(64));
    machine.pollTransmit(0, new Uint8Array(32));
    machine.pollTransmit(0, new Uint8Array(0));
    expect(node.rooms).toEqual([63, 31, 0]);
  });

  it("and must wait is deferred, then sent, once", () => {
    const { pollAll, send, node, channel } = stack();
    send("?wait", "go");
    expect(pollAll()).toEqual(["*go 2"]);
    expect(node.heard).toEqual([{ type: "deferred", tag: 1 }]);
    channel.outgoing.push({
      tag: 1,
      text: "?wait",
      onSent: () => channel.events.push({ type: "sent", tag: 1 }),
    });
    expect(pollAll()).toEqual(["?wait 1"]);
    expect(node.heard.slice(1)).toEqual([{ type: "sent", tag: 1 }]);
  });

  it("and comes to nothing is told by the channel alone, once", () => {
    const { pollAll, send, node, channel, machine } = stack();
    send("?one", "!two");
    expect(pollAll()).toEqual([]);
    channel.events.push({ type: "sendFailed", to: remote, tag: 1, reason: "handshakeFailed" });
    machine.handleTimeout(1);
    expect(node.heard).toEqual([
      { type: "deferred", tag: 1 },
      { type: "sendFailed", to: remote, tag: 2, reason: "queueFull" },
      { type: "sendFailed", to: remote, tag: 1, reason: "handshakeFailed" },
    ]);
  });

  it("and that the channel will send again by itself has not failed, whatever the transport says", () => {
    const { node, channel, machine } = stack();
    channel.handleNetworkEvent = (_nowMs, event) => {
      if (event.type === "sendFailed" && event.tag === 7) channel.events.push({ type: "sent", tag: 7 });
    };
    const failed = (tag: number) =>
      machine.handleNetworkEvent(0, { type: "sendFailed", to: remote, tag, reason: "queueFull" });
    failed(7);
    failed(8);
    expect(node.heard).toEqual([
      { type: "sent", tag: 7 },
      { type: "sendFailed", to: remote, tag: 8, reason: "queueFull" },
    ]);
  });

  it("and is a reply that must wait or is refused, is not told of", () => {
    const { pollAll, node } = stack();
    node.outgoing.push({ tag: 0, text: "?reply" }, { tag: 0, text: "!reply" });
    expect(pollAll()).toEqual([]);
    expect(node.heard).toEqual([]);
  });

  it("leaves every eighth turn to the channel", () => {
    const { pollAll, send, channel } = stack();
    send(...Array.from({ length: 20 }, (_, i) => `${i}`));
    channel.outgoing.push({ tag: 0, text: "a" }, { tag: 0, text: "b" }, { tag: 0, text: "c" });
    const texts = pollAll().map((line) => line.split(" ")[0]);
    expect(texts.indexOf("a")).toBe(7);
    expect(texts.indexOf("b")).toBe(15);
    expect(texts.indexOf("c")).toBe(22);
    expect(texts.length).toBe(23);
  });

  it("is taken in so many at a time where all of it waits, and the rest with the next poll", () => {
    const { poll, send, node, channel } = stack();
    send(...Array.from({ length: 40 }, (_, i) => `?${i}`));
    channel.outgoing.push({ tag: 0, text: "hello" });
    expect(poll()).toBe("hello 0");
    expect(node.outgoing.length).toBe(24);
    expect(poll()).toBe("deferred");
    expect(poll()).toBeUndefined();
    expect(node.heard.length).toBe(40);
  });

  it("and is deferred by what is below the node already passes", () => {
    const { machine, node } = stack();
    const inner = machine as unknown as { pollTransmit: typeof machine.pollTransmit };
    node.pollTransmit = () => ({ path, peer: peerId, length: 0, tag: 0, deferred: true });
    expect(inner.pollTransmit(0, new Uint8Array(64))).toMatchObject({ deferred: true });
  });
});

describe("what arrives", () => {
  it("reaches the node opened, from a proven peer, or not at all", () => {
    const { machine, node } = stack();
    const bytes = (text: string) => new TextEncoder().encode(text);
    machine.handleNetworkEvent(0, { type: "message", from: path, bytes: bytes("*good") });
    machine.handleNetworkEvent(0, { type: "message", from: path, bytes: bytes("bad") });
    expect(node.heard).toEqual([{ type: "message", text: "good", peer: peerId.toHex() }]);
  });

  it("of the network is told to both, the channel first", () => {
    const { machine, node, channel } = stack();
    const events: readonly ChannelInput[] = [
      { type: "wallClock", unixMs: 5 },
      { type: "flow", link: 1, open: false },
      { type: "sent", tag: 7 },
      { type: "deferred", tag: 8 },
      { type: "addressesChanged", addresses: [remote] },
    ];
    for (const event of events) machine.handleNetworkEvent(0, event);
    channel.events.push({ type: "sendFailed", to: remote, tag: 1, reason: "unreachable" });
    const down = { type: "sendFailed", to: remote, reason: "unreachable" } as const;
    machine.handleNetworkEvent(0, down);
    expect(channel.heard).toEqual([...events, down]);
    expect(node.heard).toEqual([
      ...events,
      { type: "sendFailed", to: remote, tag: 1, reason: "unreachable" },
      down,
    ]);
  });
});

describe("time and events", () => {
  it("have the earlier of two deadlines, and both are told of time", () => {
    const { machine, node, channel } = stack();
    expect(machine.nextDeadline()).toBeUndefined();
    node.deadline = { atMs: 20, reason: "node" };
    expect(machine.nextDeadline()?.reason).toBe("node");
    channel.deadline = { atMs: 10, reason: "channel" };
    expect(machine.nextDeadline()?.reason).toBe("channel");
    channel.deadline = { atMs: 30, reason: "channel" };
    expect(machine.nextDeadline()?.reason).toBe("node");
    machine.handleTimeout(30);
    expect([node.timeouts, channel.timeouts]).toEqual([1, 1]);
  });

  it("of the channel that concern the host come first", () => {
    const { machine, node, channel } = stack();
    const error = new KadError("signingFailed", "no card");
    node.events.push({ type: "error", error: new KadError("hookFailed", "other") });
    for (let i = 0; i < 100; i++) channel.events.push({ type: "error", error });
    machine.handleTimeout(0);
    const seen: (NodeEvent | undefined)[] = [];
    for (let event = machine.pollEvent(); event !== undefined; event = machine.pollEvent()) seen.push(event);
    expect(seen.length).toBe(65); // the channel's are bounded
    expect(seen[0]).toEqual({ type: "error", error });
  });
});

describe("closing", () => {
  it("lets the node speak out, then the channel says goodbye, and it is drained", () => {
    const { machine, node, channel, poll, send } = stack();
    send("last words");
    machine.close(0);
    expect([node.isClosed, channel.isClosed, machine.drained]).toEqual([true, false, false]);
    expect(poll()).toBe("*last words 1");
    expect(machine.drained).toBe(false);
    expect(poll()).toBe("goodbye 0");
    expect(poll()).toBeUndefined();
    expect(machine.drained).toBe(true);
  });
});

describe("a real node inside", () => {
  const make = (id = ownId) =>
    new KadNode({ id, random: new SeededRandom(1), sha256: (bytes) => native.sha256(bytes), addresses });

  it("is commanded through the stack", () => {
    const machine = secure(make(), new ScriptedChannel());
    const seed = { id: peerId, addresses: [remote] };
    const contact = { id: peerId, addresses: [remote] };
    addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
    const queries = [
      machine.bootstrap(0, [seed]),
      machine.ping(0, seed),
      machine.findNode(0, peerId),
      machine.get(0, peerId),
      machine.findProviders(0, peerId),
      machine.announce(0, peerId),
      machine.withdraw(0, peerId),
      machine.send(0, seed, "test/1", new Uint8Array(1)),
    ];
    expect(new Set(queries).size).toBe(8);
    expect(machine.cancel(0, queries[1] as number)).toBe(true);
    expect(() => machine.put(0, { type: "none", key: peerId, body: new Uint8Array(0) })).toThrow("type");
    expect(machine.addContact(0, contact).type).not.toBe("refused");
    machine.setProtocols(["test/1"]);
    const timer = machine.setTimer(0, 5, 1);
    expect(machine.clearTimer(timer)).toBe(true);
    expect(machine.reply(0, 99 as never, new Uint8Array(0))).toBe(false);
    expect(machine.id).toBe(ownId);
    expect(machine.table).toBeDefined();
    expect(machine.stats().messagesSent).toBe(0);
  });

  it("must have the id of the channel's identity", () => {
    const channel = Object.assign(new ScriptedChannel(), { id: peerId });
    expect(() => secure(make(), channel)).toThrow(`node: its id is ${ownId.toHex()}; allowed is`);
    expect(secure(make(peerId), channel).id).toBe(peerId);
  });
});
