import type { PluginContext } from "@kad/core";
import { afterEach, describe, expect, it } from "vitest";
import { closeStarted, startUdpNode } from "./udp-nodes.ts";

afterEach(closeStarted);

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

describe("closing", () => {
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
});
