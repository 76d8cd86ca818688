/**
 * The platform's WebSocket, without a browser: that of `ws` has the same interface. Chromium itself is driven by the test of
 * examples/browser.
 */
import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type PlatformSocket, webSocket } from "../src/browser/index.ts";
import { webSocket as serverWebSocket } from "../src/index.ts";
import {
  closeOpened,
  type Endpoint,
  type Heard,
  heard,
  keep,
  numbered,
  open,
  openHandles,
} from "./endpoint.ts";

const Platform = WebSocket as unknown as new (url: string) => PlatformSocket;
const listen = "ws://127.0.0.1:0";

afterEach(async () => {
  vi.unstubAllGlobals();
  await closeOpened();
});

const client = (options = {}): Promise<Endpoint> => open(webSocket({ WebSocket: Platform, ...options }));

/** A server of no transport. */
async function serve(onConnection: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    keep({ destroy: () => socket.terminate() });
    onConnection(socket);
  });
  keep({ destroy: () => server.close() });
  await once(server, "listening");
  return `ws://127.0.0.1:${(server.address() as { port: number }).port}`;
}

describe("the platform's WebSocket", () => {
  it("carries messages both ways, as plain bytes", async () => {
    const server = await open(serverWebSocket({ listen }));
    const page = await client();
    expect(page.send(server.url, numbered(1), 7)).toBe("queued");
    const [{ from }] = (await heard(server)) as [Heard];
    server.reply(from, numbered(2, 100_000), 0);
    const [answer] = (await heard(page)) as [Heard];
    expect(answer.from).toMatchObject({ dialable: true, remote: { key: server.url } });
    expect([answer.bytes.length, answer.isPlain]).toEqual([100_000, true]);
    expect([page.sink.deferrals, page.sink.sents]).toEqual([[7], [7]]);
    expect(page.send(server.url, numbered(3))).toBe("sent");
    expect((await heard(server))[0]?.bytes).toEqual(numbered(3));
    expect([page.transport.kinds, page.transport.localAddresses]).toEqual([["ws", "wss"], []]);
  });

  it("tells of what it cannot reach, and of what it loses", async () => {
    const url = await serve((socket) => socket.on("message", () => socket.close(1_001)));
    const page = await client();
    page.send(url, numbered(1), 1);
    await page.sink.until(() => page.sink.failures.length > 0);
    page.send("ws://127.0.0.1:9", numbered(1), 2);
    await page.sink.until(() => page.sink.failures.length > 1);
    expect(page.sink.failures).toEqual([
      { to: url, tag: undefined, reason: "closed" },
      { to: "ws://127.0.0.1:9", tag: 2, reason: "unreachable" },
    ]);
    expect(page.transport.stats?.closed).toMatchObject({ remote: 1, unreachable: 1 });
  });

  it("closes a connection that sends text, and ignores what is empty", async () => {
    const url = await serve((socket) => {
      socket.send(new Uint8Array(0));
      socket.send("hello");
    });
    const page = await client();
    page.send(url, numbered(1), 0);
    await page.sink.until(() => page.sink.failures.length > 0);
    expect(page.transport.stats?.closed).toMatchObject({ malformed: 1 });
    expect(page.sink.messages).toEqual([]);
  });

  it("is looked at while something waits, since it does not tell when that has left", async () => {
    const readers: WebSocket[] = [];
    const url = await serve((socket) => {
      socket.pause();
      readers.push(socket);
    });
    const page = await client({ limits: { maxQueuedBytesInAll: 200_000, maxQueuedBytes: 200_000 } });
    page.send(url, numbered(0), 1);
    await page.sink.until(() => page.sink.sents.length > 0);
    while (page.send(url, numbered(1, 100_000), 2) !== "full") if (page.sink.failures.length > 0) break;
    expect(page.sink.failures[0]).toMatchObject({ tag: 2, reason: "queueFull" });
    for (const reader of readers) reader.resume();
    await vi.waitUntil(() => page.transport.stats?.queuedBytes.used === 0, { timeout: 30_000 });
    expect(page.send(url, numbered(1), 3)).toBe("sent");
  });

  it("is closed after its time, and at the end", async () => {
    const before = await openHandles();
    const closed: string[] = [];
    const url = await serve((socket) =>
      socket.on("close", (code, reason) => closed.push(`${code} ${String(reason)}`)),
    );
    const page = await client({ limits: { idleTimeoutMs: 40 } });
    page.send(url, numbered(1), 0);
    await page.sink.until(() => page.sink.failures.length > 0);
    await vi.waitUntil(() => closed.length === 1, { timeout: 30_000 });
    const other = await client();
    other.send(url, numbered(1), 5);
    await other.sink.until(() => other.sink.sents.length > 0);
    await other.transport.close();
    await vi.waitUntil(() => closed.length === 2, { timeout: 30_000 });
    expect(closed).toEqual(["1000 idle", "1000 shutdown"]);
    await closeOpened();
    await expect.poll(openHandles).toEqual(before);
  });

  it("that a dial is given up by is closed", async () => {
    const page = await client({ limits: { connectTimeoutMs: 20 } });
    page.send("ws://192.0.2.1:9", numbered(1), 4); // TEST-NET-1: no host is there
    await page.sink.until(() => page.sink.failures.length > 0);
    expect(page.sink.failures[0]).toMatchObject({ tag: 4, reason: "unreachable" });
  });

  it("of a page that was loaded by https dials wss alone, unless it is told otherwise", () => {
    vi.stubGlobal("location", { protocol: "https:" });
    expect(webSocket({ WebSocket: Platform }).kinds).toEqual(["wss"]);
    expect(webSocket({ WebSocket: Platform, dial: ["ws"] }).kinds).toEqual(["ws"]);
  });

  it("must be there", () => {
    vi.stubGlobal("WebSocket", undefined);
    expect(() => webSocket()).toThrow("WebSocket: the platform has none");
    vi.stubGlobal("WebSocket", Platform);
    expect(webSocket().kinds).toEqual(["ws", "wss"]);
  });

  it("that cannot be made for an address is unreachable", async () => {
    class Picky {
      constructor(url: string) {
        throw new SyntaxError(url);
      }
    }
    const page = await client({ WebSocket: Picky });
    expect(page.send("ws://127.0.0.1:1", numbered(1))).toBe("unreachable");
  });
});
