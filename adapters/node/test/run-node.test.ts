import { createSocket } from "node:dgram";
import {
  AddressTable,
  type InstantMs,
  KadNode,
  ListenError,
  type PluginContext,
  type Transmit,
  type Transport,
} from "@kad/core";
import { udp } from "@kad/transport-udp";
import { afterEach, describe, expect, it, vi } from "vitest";
import { NodeLoop, runNode } from "../src/index.ts";
import { blockLoop, closeStarted, nodeOptions, startUdpNode, type UdpNode } from "./udp-nodes.ts";

afterEach(async () => {
  vi.restoreAllMocks();
  await closeStarted();
});

/** What keeps this process alive; a handle that was closed leaves the list in the loop's next iteration. */
async function openHandles(): Promise<string[]> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((name) => name === "UDPWrap" || name === "Timeout");
}

/** Those open now that were not before; timers of the test runner may have ended meanwhile. */
async function leakedSince(before: readonly string[]): Promise<string[]> {
  const known = [...before];
  return (await openHandles()).filter((name) => {
    const place = known.indexOf(name);
    if (place >= 0) known.splice(place, 1);
    return place < 0;
  });
}

describe("a node in Node's loop", () => {
  it("asks another over real sockets, and is answered", async () => {
    const [a, b] = [await startUdpNode(), await startUdpNode()];
    const query = a.node.driver.run((nowMs) => a.machine.ping(nowMs, b.seedFor(a)));
    const { end, result } = await a.end(query);
    expect([end, result.type === "pong" && result.contact?.id]).toEqual(["converged", b.machine.id]);
  });

  it("finds nodes through others, ten of them in one process", async () => {
    const nodes: UdpNode[] = [];
    for (let i = 0; i < 10; i++) nodes.push(await startUdpNode());
    const [first, ...others] = nodes as [UdpNode, ...UdpNode[]];
    for (const node of others) {
      const query = node.node.driver.run((nowMs) => node.machine.bootstrap(nowMs, [first.seedFor(node)]));
      expect((await node.end(query)).end).toBe("converged");
    }
    const last = nodes.at(-1) as UdpNode;
    const target = nodes[4] as UdpNode;
    const found = await last.end(
      last.node.driver.run((nowMs) => last.machine.findNode(nowMs, target.machine.id)),
    );
    expect(found.result.type === "nodes" && found.result.contacts[0]?.id).toEqual(target.machine.id);
  });

  it("is told its addresses and the wall clock", async () => {
    const addresses = new AddressTable();
    const machine = new KadNode(nodeOptions(addresses));
    const told = vi.spyOn(machine, "handleNetworkEvent");
    const a = await startUdpNode({ machine, addresses });
    expect(told.mock.calls.map(([, event]) => event)).toEqual([
      { type: "wallClock", unixMs: expect.closeTo(Date.now(), -5) as number },
      { type: "addressesChanged", addresses: [a.addresses.parse(a.url)] },
    ]);
  });

  it("hands messages to plugins, and their replies back", async () => {
    const [a, b] = [await startUdpNode(), await startUdpNode()];
    let node: PluginContext | undefined;
    b.node.driver.use({
      protocol: "echo",
      onAttach: (context) => {
        node = context;
      },
      onMessage: (message) => void node?.reply(message.reply, message.body),
    });
    const body = new Uint8Array([1, 2, 3]);
    const ask = (protocol: string) =>
      a.end(a.node.driver.run((nowMs) => a.machine.send(nowMs, b.seedFor(a), protocol, body)));
    expect((await ask("echo")).result).toMatchObject({ type: "reply", body });
    expect((await ask("other")).result).toMatchObject({ type: "reply", reason: "noHandler" });
  });

  it("does not live on a process that wants to end, once it is unreferenced", async () => {
    const before = await openHandles();
    const a = await startUdpNode();
    expect((await openHandles()).length).toBeGreaterThan(before.length);
    a.node.unref();
    expect(await leakedSince(before)).toEqual([]);
    a.node.ref();
    expect((await openHandles()).length).toBeGreaterThan(before.length);
  });
});

describe("rule 8: what has arrived is delivered before time passes", () => {
  /** Blocks the loop as soon as it has sent once; the datagram is in the receiver's kernel buffer by then. */
  function blockingAfterSend(durationMs: number): Transport {
    const transport = udp({ listen: "udp://127.0.0.1:0" });
    const send = transport.send.bind(transport);
    let isFirst = true;
    vi.spyOn(transport, "send").mockImplementation((transmit, bytes) => {
      const outcome = send(transmit, bytes);
      if (isFirst) blockLoop(durationMs);
      isFirst = false;
      return outcome;
    });
    return transport;
  }

  async function pingAcrossABlockedLoop(): Promise<string> {
    const a = await startUdpNode();
    const b = await startUdpNode({ transports: [blockingAfterSend(300)] });
    const query = a.node.driver.run((nowMs) => a.machine.ping(nowMs, b.seedFor(a), { timeoutMs: 150 }));
    return (await a.end(query)).end;
  }

  it("an answer that waits in the kernel while the loop is blocked past the deadline still counts", async () => {
    expect(await pingAcrossABlockedLoop()).toBe("converged");
  });

  it("in a loop that does not read first, the same answer comes too late", async () => {
    vi.spyOn(NodeLoop.prototype, "schedule").mockImplementation((pump) => pump());
    expect(await pingAcrossABlockedLoop()).toBe("timedOut");
  });

  it("a deadline that has passed in a blocked loop is not forgotten where no answer came", async () => {
    const a = await startUdpNode();
    const silent = { addresses: [a.addresses.parse("udp://127.0.0.1:9")] };
    const query = a.node.driver.run((nowMs) => a.machine.ping(nowMs, silent, { timeoutMs: 30 }));
    blockLoop(100);
    expect((await a.end(query)).end).toBe("timedOut");
    expect(a.node.driver.stats().lateTurns).toBeGreaterThan(0);
  });

  it("steady traffic starves no deadline", async () => {
    const a = await startUdpNode();
    const flood = createSocket("udp4");
    const { port } = a.addresses.parse(a.url);
    let isOver = false;
    const pour = (): void => {
      if (isOver) return;
      for (let i = 0; i < 32; i++) flood.send(new Uint8Array(60), port, "127.0.0.1");
      setImmediate(pour);
    };
    pour();
    const silent = { addresses: [a.addresses.parse("udp://127.0.0.1:9")] };
    const query = a.node.driver.run((nowMs) => a.machine.ping(nowMs, silent, { timeoutMs: 50 }));
    const { end } = await a.end(query);
    isOver = true;
    await new Promise<void>((resolve) => flood.close(resolve));
    expect(end).toBe("timedOut");
    expect(a.machine.stats().messagesReceived).toBeGreaterThan(0);
  });

  it("a node that always has something to send starves neither timers nor input", async () => {
    class Endless extends KadNode {
      sent = 0;
      override pollTransmit(_nowMs: InstantMs, into: Uint8Array): Transmit {
        this.sent++;
        into.fill(0, 0, 8);
        return { path: { remote: to, dialable: true }, peer: undefined, length: 8, tag: 0 };
      }
    }
    const addresses = new AddressTable();
    const b = await startUdpNode();
    const to = addresses.parse(b.url);
    const machine = new Endless(nodeOptions(addresses));
    const a = await startUdpNode({ machine, addresses });
    await new Promise((resolve) => setTimeout(resolve, 1)); // a timer of somebody else
    b.node.driver.run((nowMs) => b.machine.ping(nowMs, a.seedFor(b)));
    await vi.waitUntil(() => machine.stats().messagesReceived > 0, { timeout: 10_000, interval: 1 });
    machine.pollTransmit = () => undefined as unknown as Transmit; // or closing would send 65,536 more
    expect(machine.sent).toBeGreaterThan(256);
  });
});

describe("opening", () => {
  it("at a port in use rejects with the address, and leaves nothing behind", async () => {
    const a = await startUdpNode();
    const before = await openHandles();
    const addresses = new AddressTable();
    const machine = new KadNode(nodeOptions(addresses));
    const failed = runNode({ machine, addresses, transports: [udp({ listen: a.url })] });
    await expect(failed).rejects.toBeInstanceOf(ListenError);
    await expect(failed).rejects.toMatchObject({ code: "addressInUse", url: a.url });
    expect(machine.drained).toBe(true);
    expect(await leakedSince(before)).toEqual([]);
  });
});

describe("closing", () => {
  it("ends every query, says so, and frees every handle", async () => {
    const before = await openHandles();
    const a = await startUdpNode();
    const silent = { addresses: [a.addresses.parse("udp://127.0.0.1:9")] };
    const query = a.node.driver.run((nowMs) => a.machine.ping(nowMs, silent));
    await a.node.close();
    expect((await a.end(query)).end).toBe("closed");
    expect(a.machine.drained).toBe(true);
    expect(await leakedSince(before)).toEqual([]);
  });

  it("from an event of its own closing returns the same promise", async () => {
    const a = await startUdpNode();
    const inner: Promise<void>[] = [];
    a.node.driver.use({ onQueryFinished: () => void inner.push(a.node.close()) });
    a.node.driver.run((nowMs) =>
      a.machine.ping(nowMs, { addresses: [a.addresses.parse("udp://127.0.0.1:9")] }),
    );
    const outer = a.node.close();
    await outer;
    expect(inner.length).toBeGreaterThan(0);
    expect(inner.every((closing) => closing === outer)).toBe(true);
  });

  it("twice returns the same promise, and commands afterwards fail with the code closed", async () => {
    const a = await startUdpNode();
    expect(a.node.close()).toBe(a.node.close());
    await a.node.close();
    expect(() => a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id))).toThrow(
      expect.objectContaining({ code: "closed" }),
    );
  });

  it("from inside a callback lets the pump under way send and hand out the rest first", async () => {
    const before = await openHandles();
    const ends: string[] = [];
    let closing: Promise<void> | undefined;
    const a = await startUdpNode({
      onEvent: (event) => {
        if (event.type !== "queryFinished") return;
        ends.push(event.end);
        closing ??= a.node.close();
      },
    });
    const silent = { addresses: [a.addresses.parse("udp://127.0.0.1:9")] };
    for (let i = 0; i < 3; i++) a.node.driver.run((nowMs) => a.machine.ping(nowMs, silent));
    a.node.driver.run((nowMs) => a.machine.ping(nowMs, silent, { timeoutMs: 1 }));
    await vi.waitUntil(() => closing !== undefined, { timeout: 10_000, interval: 1 });
    await closing;
    expect(ends).toEqual(["timedOut", "closed", "closed", "closed"]);
    expect(await leakedSince(before)).toEqual([]);
  });
});
