/**
 * The scenes that an event-driven server has to get through, for TCP and for both WebSocket servers. After each of them
 * nothing is left: no handle, no timer, no byte that waits.
 */
import { type ConnectionLimits, equalBytes, type Path, SocketAddress } from "@kad/core";
import { tcp } from "@kad/transport-tcp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { webSocket } from "../src/index.ts";
import { webSocket as uwsWebSocket } from "../src/uws/index.ts";
import {
  closeOpened,
  type Endpoint,
  numbered,
  OwnTimers,
  open,
  openHandles,
  type StreamTransport,
} from "./endpoint.ts";
import { type RawClient, rawTcp, rawWebSocket } from "./raw-client.ts";
import { uwsRuns, whyNoUws } from "./uws.ts";

interface Kind {
  readonly title: string;
  readonly isUws?: boolean;
  readonly listen: (limits?: Partial<ConnectionLimits>) => StreamTransport;
  readonly client: () => StreamTransport;
  readonly raw: (url: string) => Promise<RawClient>;
}

const kinds: readonly Kind[] = [
  {
    title: "TCP",
    listen: (limits = {}) => tcp({ listen: "tcp://127.0.0.1:0", limits }),
    client: () => tcp({ dial: ["tcp4"] }),
    raw: rawTcp,
  },
  {
    title: "WebSocket on ws",
    listen: (limits = {}) => webSocket({ listen: "ws://127.0.0.1:0", limits }),
    client: () => webSocket(),
    raw: rawWebSocket,
  },
  {
    title: "WebSocket on uWebSockets.js",
    isUws: true,
    listen: (limits = {}) => uwsWebSocket({ listen: "ws://127.0.0.1:0", limits }),
    client: () => webSocket(),
    raw: rawWebSocket,
  },
];

/** Sends every message back where it came from; what one turn brings leaves together. Counts what it said. */
function echo({ transport, sink }: Endpoint): { replies: number } {
  const count = { replies: 0 };
  let isScheduled = false;
  const flush = (): void => {
    isScheduled = false;
    transport.flush();
  };
  sink.onMessage = (path: Path, bytes: Uint8Array) => {
    if (transport.send({ path, peer: undefined, length: bytes.length, tag: 0 }, bytes) === "sent")
      count.replies++;
    if (!isScheduled) setImmediate(flush);
    isScheduled = true;
  };
  return count;
}

/** Sends one message and waits for the same to come back. */
async function ask(client: Endpoint, url: string, message: Uint8Array): Promise<void> {
  client.send(url, message, 0);
  await client.sink.until(() => client.sink.messages.length > 0);
  const [answer, ...more] = client.sink.messages.splice(0);
  // A mebibyte is too much for toEqual.
  expect([equalBytes(answer?.bytes ?? new Uint8Array(), message), more]).toEqual([true, []]);
}

/** The same for a client of no transport; rejects when the connection closes instead. */
function askRaw(client: RawClient, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    client.onMessage = resolve;
    void client.closed.then(() => reject(new Error("closed")));
    client.send(message);
  });
}

const isTried = ({ isUws }: Kind): boolean => uwsRuns || !isUws;

if (!uwsRuns) it(`uWebSockets.js plays no scene ${whyNoUws}`, (context) => context.skip(whyNoUws));

describe.each(kinds.filter(isTried))("a server on $title", ({ listen, client, raw }) => {
  let before: string[] = [];
  const timers = new OwnTimers();

  beforeEach(async () => {
    before = await openHandles();
    timers.start();
  });

  afterEach(async () => {
    await closeOpened();
    await expect.poll(openHandles, { timeout: 30_000 }).toEqual(before);
    await expect.poll(() => timers.left(), { timeout: 30_000 }).toEqual([]);
    timers.stop();
  });

  async function serve(limits?: Partial<ConnectionLimits>): Promise<Endpoint> {
    const server = await open(listen(limits));
    echo(server);
    return server;
  }

  it("echoes to one client", async () => {
    const server = await serve();
    const one = await open(client());
    for (const length of [1, 125, 126, 1_200, 65_535, 65_536, 1_048_576])
      await ask(one, server.url, numbered(7, length));
    expect(server.transport.stats).toMatchObject({
      accepted: { used: 1 },
      queuedBytes: { used: 0 },
      partialBytes: { used: 0 },
    });
  });

  it("serves three clients in sequence", async () => {
    const server = await serve();
    for (let number = 1; number <= 3; number++) {
      const one = await open(client());
      await ask(one, server.url, numbered(number));
      await one.transport.close();
      await server.sink.until(() => server.sink.failures.length === number);
      expect(server.transport.stats).toMatchObject({ accepted: { used: 0 }, opened: { accepted: number } });
    }
  });

  it("serves ten clients at once", async () => {
    const server = await serve();
    const clients = await Promise.all(Array.from({ length: 10 }, () => open(client())));
    await Promise.all(clients.map((one, number) => ask(one, server.url, numbered(number))));
    expect(server.transport.stats).toMatchObject({ accepted: { used: 10 } });
  });

  it("gives 100 clients all of their ten messages back", async ({ annotate }) => {
    const server = await serve();
    const clients = await Promise.all(Array.from({ length: 100 }, () => raw(server.url)));
    const latenciesMs: number[] = [];
    const wrong: string[] = [];
    const run = async (one: RawClient, number: number): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        const message = numbered(number, 100 + i);
        const startMs = performance.now();
        if (!equalBytes(await askRaw(one, message), message)) wrong.push(`${number}, ${i}`);
        latenciesMs.push(performance.now() - startMs);
      }
    };
    await Promise.all(clients.map(run));
    expect(wrong).toEqual([]);
    expect(latenciesMs).toHaveLength(1_000);
    latenciesMs.sort((a, b) => a - b);
    const at = (share: number): string => (latenciesMs[Math.floor(share * 1_000)] ?? 0).toFixed(1);
    await annotate(`latency: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms`);
  });

  it("serves a normal client beside one that does not read", async () => {
    const server = await serve({ stallTimeoutMs: 1_000, maxQueuedBytes: 200_000 });
    const [slow, normal] = [await raw(server.url), await raw(server.url)];
    slow.pause();
    const large = numbered(1, 50_000);
    const lost = (): number => server.transport.stats?.lostReplies ?? 0;
    const isClosed = (): boolean => server.sink.failures.some(({ tag }) => tag === undefined);
    while (lost() === 0 && !isClosed()) {
      slow.send(large);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(lost()).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) expect(await askRaw(normal, numbered(i, 20))).toEqual(numbered(i, 20));
    await server.sink.until(isClosed);
    const left = { accepted: { used: 1 }, closed: { stalled: 1 }, queuedBytes: { used: 0 } };
    await expect.poll(() => server.transport.stats, { timeout: 30_000 }).toMatchObject(left);
    expect(await askRaw(normal, numbered(9))).toEqual(numbered(9));
  });

  it("loses a client in the middle of a message, and no other", async () => {
    const server = await serve();
    const [broken, other] = [await raw(server.url), await raw(server.url)];
    await askRaw(broken, numbered(1));
    broken.begin();
    await new Promise((resolve) => setTimeout(resolve, 20)); // with the end, or before it: both are half a message
    broken.destroy();
    await server.sink.until(() => server.sink.failures.length > 0);
    expect(server.transport.stats).toMatchObject({
      accepted: { used: 1 },
      closed: { truncated: 1 },
      partialBytes: { used: 0 },
    });
    expect(await askRaw(other, numbered(2))).toEqual(numbered(2));
  });

  it("shuts down under load: what it has said still arrives", async () => {
    const server = await open(listen({ closeTimeoutMs: 5_000 }));
    const said = echo(server);
    let received = 0;
    let isOver = false;
    const clients = await Promise.all(Array.from({ length: 20 }, () => raw(server.url)));
    for (const one of clients) {
      one.onMessage = () => {
        received++;
      };
      const pour = (): void => {
        if (isOver) return;
        for (let i = 0; i < 5; i++) one.send(numbered(i, 2_000));
        setImmediate(pour);
      };
      pour();
    }
    while (received < 2_000) await new Promise((resolve) => setImmediate(resolve));
    const closing = server.transport.close();
    const { replies } = said;
    isOver = true;
    await closing;
    await Promise.all(clients.map(({ closed }) => closed));
    expect(said.replies).toBe(replies);
    expect(received).toBe(replies);
    expect(server.transport.stats).toMatchObject({ accepted: { used: 0 }, queuedBytes: { used: 0 } });
  });

  it("serves one busy client beside 1,000 that say nothing", async () => {
    const server = await serve();
    const idle: RawClient[] = [];
    while (idle.length < 1_000)
      idle.push(...(await Promise.all(Array.from({ length: 50 }, () => raw(server.url)))));
    const busy = await raw(server.url);
    for (let i = 0; i < 200; i++) expect(await askRaw(busy, numbered(i % 256))).toEqual(numbered(i % 256));
    expect(server.transport.stats?.accepted.used).toBe(1_001);
    expect(await askRaw(idle[500] as RawClient, numbered(5))).toEqual(numbered(5));
    await server.transport.close();
  });

  it("knows those who connect by addresses that nobody can dial", async () => {
    const server = await open(listen());
    const one = await open(client());
    one.send(server.url, numbered(1));
    await server.sink.until(() => server.sink.messages.length > 0);
    const [{ from }] = server.sink.messages as [(typeof server.sink.messages)[number]];
    expect(from.dialable).toBe(false);
    expect(from.remote).toBeInstanceOf(SocketAddress);
    expect((from.remote as SocketAddress).host).toBe("127.0.0.1");
    expect(from.remote.kind).toBe(server.addresses.parse(server.url).kind);
  });
});
