/** A node as a page has it: a client over WebSocket, which ends with the page. */
import { createHash, randomFillSync } from "node:crypto";
import { AddressTable, KadNode, NodeId, type QueryFinished } from "@kad/core";
import { webSocket as serverWebSocket } from "@kad/transport-websocket";
import { webSocket } from "@kad/transport-websocket/browser";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { type RunNodeOptions, type RunningNode, runNode } from "../src/index.ts";

const running: RunningNode[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.close()));
  vi.unstubAllGlobals();
});

async function start(options: Partial<RunNodeOptions> & { mode?: "client" | "server" } = {}) {
  const addresses = new AddressTable();
  const { mode = "client" } = options;
  const machine = new KadNode({
    id: NodeId.fromBytes(randomFillSync(new Uint8Array(32))),
    addresses,
    mode,
    random: { fill: (into) => void randomFillSync(into) },
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  });
  const ends: QueryFinished[] = [];
  const node = await runNode({
    machine,
    addresses,
    transports: [webSocket({ WebSocket: WebSocket as never })],
    report: (error) => {
      throw error;
    },
    onEvent: (event) => void (event.type === "queryFinished" && ends.push(event)),
    ...options,
  });
  running.push(node);
  return { machine, addresses, node, ends };
}

const startServer = () =>
  start({ mode: "server", transports: [serverWebSocket({ listen: "ws://127.0.0.1:0" })] });

const urlOf = ({ node }: { node: RunningNode }): string => node.router.localAddresses[0]?.key ?? "";

describe("a node in a page", () => {
  it("joins over WebSocket and is answered", async () => {
    const server = await startServer();
    const page = await start();
    const seed = { addresses: [page.addresses.parse(urlOf(server))] };
    page.node.driver.run((nowMs) => page.machine.bootstrap(nowMs, [seed]));
    await vi.waitUntil(() => page.ends.length > 0, { timeout: 30_000 });
    expect(page.ends[0]?.end).toBe("converged");
    expect(page.machine.table.contacts().map(({ id }) => id)).toEqual([server.machine.id]);
    expect(server.machine.table.size).toBe(0); // a client stands in nobody's table
  });

  it("ends with the page, and hears when the page is shown again", async () => {
    const listeners = new Map<string, () => void>();
    vi.stubGlobal("addEventListener", (name: string, listener: () => void) => listeners.set(name, listener));
    vi.stubGlobal("removeEventListener", (name: string) => listeners.delete(name));
    const page = await start();
    expect([...listeners.keys()].sort()).toEqual([
      "online",
      "pagehide",
      "pageshow",
      "resume",
      "visibilitychange",
    ]);
    for (const name of ["online", "pageshow", "resume", "visibilitychange"]) listeners.get(name)?.();
    expect(page.machine.drained).toBe(false);
    listeners.get("pagehide")?.();
    expect([page.machine.drained, listeners.size]).toEqual([true, 0]);
    expect(page.node.close()).toBe(page.node.close());
    await page.node.close();
    const kept = await start({ closeWithPage: false });
    expect(listeners.has("pagehide")).toBe(false);
    await kept.node.close();
  });

  it("that cannot open its transports leaves nothing behind", async () => {
    const server = await startServer();
    const transports = [serverWebSocket({ listen: urlOf(server) })];
    await expect(start({ transports })).rejects.toMatchObject({ code: "addressInUse" });
  });

  it("frees everything when it is closed", async () => {
    const handles = async (): Promise<string[]> => {
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      return process.getActiveResourcesInfo().filter((name) => /^(TCP|MessagePort)/.test(name));
    };
    const before = await handles();
    const { node } = await start();
    await node.close();
    await expect.poll(handles).toEqual(before);
  });
});
