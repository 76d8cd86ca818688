/** What is WebSocket's own, for both servers. */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { connect as netConnect, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { deflateRawSync } from "node:zlib";
import { AddressTable, ListenError, type Path, UsageError } from "@kad/core";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type WebSocketOptions, webSocket } from "../src/index.ts";
import { webSocket as uwsWebSocket } from "../src/uws/index.ts";
import { makeCertificate } from "./certificate.ts";
import {
  closeOpened,
  closing,
  type Endpoint,
  ended,
  endpointOf,
  type Heard,
  heard,
  keep,
  numbered,
  open,
  openHandles,
  rawClient,
} from "./endpoint.ts";
import { uwsRuns, whyNoUws } from "./uws.ts";

const certificate = makeCertificate();

afterEach(async () => {
  vi.restoreAllMocks();
  await closeOpened();
});

afterAll(() => {
  if (certificate !== undefined) rmSync(certificate.folder, { recursive: true });
});

const servers = [
  { title: "on ws", make: webSocket, isUws: false },
  { title: "on uWebSockets.js", make: uwsWebSocket, isUws: true },
] as const;

const listen = "ws://127.0.0.1:0";
const counts = ({ transport }: Endpoint) => transport.stats;

/** The raw connection below a WebSocket. */
async function below(url: string): Promise<Socket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  keep({ destroy: () => socket.terminate() });
  socket.on("error", () => undefined);
  const opened = once(socket, "open");
  const [response] = (await once(socket, "upgrade")) as [{ socket: Socket }];
  await opened;
  return response.socket;
}

/** A masked frame, with a mask of zeros. */
function frame(firstByte: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const head = length < 126 ? [firstByte, 0x80 | length] : [firstByte, 0xfe, length >> 8, length & 255];
  return Uint8Array.from([...head, 0, 0, 0, 0, ...payload]);
}

async function statusOf(url: string, headers: Record<string, string> = {}): Promise<number | undefined> {
  const socket = new WebSocket(url, { headers });
  keep({ destroy: () => socket.terminate() });
  return await new Promise((resolve) => {
    socket.once("open", () => resolve(101));
    socket.once("unexpected-response", (_request, response) => resolve(response.statusCode));
    socket.on("error", () => undefined);
  });
}

if (!uwsRuns) it(`uWebSockets.js is not tried ${whyNoUws}`, (context) => context.skip(whyNoUws));

describe.each(servers.filter(({ isUws }) => uwsRuns || !isUws))("a server $title", ({ make, isUws }) => {
  const serve = (options: WebSocketOptions = {}): Promise<Endpoint> => open(make({ listen, ...options }));

  it("takes messages both ways, and dials others itself", async () => {
    const [a, b] = [await serve(), await serve()];
    expect(a.send(b.url, numbered(1), 7)).toBe("queued");
    const [{ from, bytes, isPlain }] = (await heard(b)) as [Heard];
    expect([from.dialable, bytes, isPlain]).toEqual([false, numbered(1), true]);
    expect(b.reply(from, numbered(2), 0)).toBe("sent");
    const [answer] = (await heard(a)) as [Heard];
    expect(answer.from).toMatchObject({ dialable: true, remote: { key: b.url } });
    expect([answer.bytes, answer.isPlain]).toEqual([numbered(2), true]);
    expect([a.sink.deferrals, a.sink.sents]).toEqual([[7], [7]]);
    for (const number of [3, 4, 5]) b.reply(from, numbered(number), 0);
    expect((await heard(a, 3)).map((one) => one.bytes[0])).toEqual([3, 4, 5]);
  });

  it("puts a message of many fragments together", async () => {
    const server = await serve();
    const client = await rawClient(server.url);
    for (let i = 0; i < 10; i++) client.send(numbered(i, 1_000), { fin: i === 9 });
    const [{ bytes }] = (await heard(server)) as [Heard];
    expect(bytes.length).toBe(10_000);
    expect([...bytes.filter((_byte, at) => at % 1_000 === 0)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it.each([
    ["one that is too long", (client: WebSocket) => client.send(numbered(1, 2 ** 20 + 1)), 1_009, "tooLarge"],
    [
      "one whose fragments together are too long",
      (client: WebSocket) => {
        for (let i = 0; i < 17; i++) client.send(numbered(1, 65_536), { fin: i === 16 });
      },
      1_009,
      "tooLarge",
    ],
    ["text", (client: WebSocket) => client.send("hello"), 1_003, "malformed"],
  ] as const)(
    "closes a connection for %s, with a code, and counts it",
    async (_title, send, code, reason) => {
      const server = await serve();
      const [bad, good] = [await rawClient(server.url), await rawClient(server.url)];
      const closed = closing(bad);
      send(bad);
      expect((await closed).code).toBe(code);
      await server.sink.until(() => server.sink.failures.length > 0);
      expect(counts(server)?.closed).toMatchObject({ [reason]: 1 });
      good.send(numbered(2));
      expect((await heard(server)).map(({ bytes }) => bytes)).toEqual([numbered(2)]);
    },
  );

  it("cuts off who sends very much more than it may", async () => {
    const server = await serve();
    const client = await rawClient(server.url);
    const closed = closing(client);
    client.send(numbered(1, 8 * 2 ** 20));
    expect((await closed).code).toBe(isUws ? 1_006 : 1_009);
    await server.sink.until(() => server.sink.failures.length > 0);
    expect(counts(server)?.closed).toMatchObject({ tooLarge: 1 });
  });

  it("agrees to no compression, and takes a bomb for what it is", async () => {
    const server = await serve();
    const client = await rawClient(server.url, { perMessageDeflate: true });
    expect(client.extensions).toBe("");
    const bomb = deflateRawSync(new Uint8Array(64 * 2 ** 20));
    const raw = await below(server.url);
    raw.write(frame(0x80 | 0x40 | 2, bomb.subarray(0, 65_000)));
    await ended(raw);
    await server.sink.until(() => server.sink.failures.length > 0);
    expect(counts(server)?.closed).toMatchObject({ malformed: 1 });
    expect(server.sink.messages).toEqual([]);
  });

  it("answers no request for another path", async () => {
    const server = await serve({ listen: "ws://127.0.0.1:0/kad" });
    const { port } = server.addresses.parse(server.url);
    expect(server.url).toBe(`ws://127.0.0.1:${port}/kad`);
    for (const path of ["", "/", "/kad/", "/other", "/kad?x=1"])
      expect(await statusOf(`ws://127.0.0.1:${port}${path}`)).toBe(404);
    expect(await statusOf(server.url)).toBe(101);
    expect(counts(server)?.refused).toMatchObject({ handshake: 5 });
  });

  it("tells who is no WebSocket what it is", async () => {
    const server = await serve();
    const { port } = server.addresses.parse(server.url);
    const response = await new Promise<{ statusCode?: number | undefined }>((resolve, reject) => {
      httpRequest({ port, host: "127.0.0.1" }, (answer) => resolve(answer.resume()))
        .on("error", reject)
        .end();
    });
    expect(response.statusCode).toBe(426);
  });

  it("lets pages connect from where it is told, and everybody who is no page", async () => {
    const server = await serve({ origins: ["https://app.example"] });
    expect(await statusOf(server.url, { Origin: "https://app.example" })).toBe(101);
    expect(await statusOf(server.url, { Origin: "https://evil.example" })).toBe(403);
    expect(await statusOf(server.url)).toBe(101);
    expect(counts(server)?.refused).toMatchObject({ handshake: 1 });
  });

  it("pings who says nothing, and gives up who does not answer", async () => {
    const server = await serve({ limits: { keepAliveMs: 60, idleTimeoutMs: 60_000 } });
    const alive = await rawClient(server.url);
    let pings = 0;
    alive.on("ping", () => pings++);
    const silent = await rawClient(server.url, { autoPong: false });
    await closing(silent);
    expect(counts(server)?.closed).toMatchObject({ silent: 1 });
    expect(pings).toBeGreaterThan(0);
    expect(alive.readyState).toBe(WebSocket.OPEN);
  });

  it("closes who has said nothing for long, with a goodbye", async () => {
    const server = await serve({ limits: { idleTimeoutMs: 50 } });
    expect(await closing(await rawClient(server.url))).toEqual({ code: 1_000, reason: "idle" });
    expect(counts(server)?.closed).toMatchObject({ idle: 1 });
  });

  it("turns away who is one too many", async () => {
    const server = await serve({ limits: { maxAccepted: 1 } });
    const first = await rawClient(server.url);
    const second = new WebSocket(server.url);
    keep({ destroy: () => second.terminate() });
    expect((await closing(second)).code).toBe(1_013);
    expect(counts(server)?.refused).toMatchObject({ full: 1 });
    first.send(numbered(1));
    await heard(server);
  });

  it("says goodbye when it closes", async () => {
    const server = await serve();
    const client = await rawClient(server.url);
    const closed = closing(client);
    await server.transport.close();
    expect(await closed).toEqual({ code: 1_001, reason: "shutdown" });
  });

  it("counts those who come through a proxy of ours by what that has written", async () => {
    class Exposed extends AddressTable {
      readonly sources: (string | undefined)[] = [];
      override source(...args: Parameters<AddressTable["source"]>): string | undefined {
        const source = super.source(...args);
        this.sources.push(source);
        return source;
      }
    }
    const headers = { "X-Forwarded-For": "203.0.113.9, 198.51.100.7" };
    const table = new Exposed();
    const trusting = await open(make({ listen, trustProxy: true, limits: { maxAcceptedPerHost: 1 } }), table);
    const first = await rawClient(trusting.url, { headers });
    const second = new WebSocket(trusting.url, { headers });
    keep({ destroy: () => second.terminate() });
    await closing(second);
    expect(counts(trusting)?.refused).toMatchObject({ hostFull: 1 });
    expect(new Set(table.sources)).toEqual(new Set(["198.51.100.7"]));
    first.send(numbered(1));
    expect((await heard(trusting))[0]?.from.remote.key).toMatch(/^ws:\/\/198\.51\.100\.7:/);
    const doubting = await serve({ limits: { maxAcceptedPerHost: 1 } });
    for (let i = 0; i < 2; i++) await rawClient(doubting.url, { headers });
    expect(counts(doubting)?.accepted.used).toBe(2); // loopback is nobody in particular
  });

  it("behind a reverse proxy is dialled at its public URL", async () => {
    const proxy = createServer();
    proxy.on("upgrade", ({ headers, url }, socket: Socket, head) => {
      const { port } = inner.addresses.parse(innerUrl);
      const upstream = keep(netConnect(port, "127.0.0.1"));
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
      upstream.write(`GET ${url?.replace("/public", "") || "/"} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
      for (const one of [socket, upstream]) one.on("error", () => undefined);
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const publicUrl = `ws://localhost:${(proxy.address() as { port: number }).port}/public`;
    const innerUrl = `ws://127.0.0.1:${await freePort()}`;
    const inner = await serve({ listen: innerUrl, announce: publicUrl });
    expect(inner.url).toBe(publicUrl);
    const client = await open(webSocket());
    client.send(publicUrl, numbered(4));
    const [{ from }] = (await heard(inner)) as [Heard];
    inner.reply(from, numbered(5), 0);
    expect((await heard(client))[0]).toMatchObject({
      bytes: numbered(5),
      from: { remote: { key: publicUrl } },
    });
    await client.transport.close();
    await inner.transport.close();
    proxy.close();
  });

  it("at a port in use fails with an error that names the address", async () => {
    const a = await serve();
    const b = endpointOf(make({ listen: [listen, a.url] }));
    const error = await b.transport.open(b.sink, b.addresses)?.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: "addressInUse", url: a.url });
  });

  it("twice is refused, and closing while it opens leaves nothing", async () => {
    const before = await openHandles();
    const a = await serve();
    await expect(a.transport.open(a.sink, a.addresses)).rejects.toBeInstanceOf(UsageError);
    const b = endpointOf(make({ listen }));
    const opening = b.transport.open(b.sink, b.addresses);
    await b.transport.close();
    await opening;
    await a.transport.close();
    await expect.poll(openHandles).toEqual(before);
  });

  describe.skipIf(certificate === undefined)("with a certificate (skipped without openssl)", () => {
    const tls = certificate ?? { certFile: "", keyFile: "" };

    it("is dialled at wss:// by who trusts it, and by nobody else", async () => {
      const { certFile, keyFile } = tls;
      const server = await serve({ listen: "wss://127.0.0.1:0/kad", tls: { certFile, keyFile } });
      expect(server.url).toMatch(/^wss:\/\/127\.0\.0\.1:\d+\/kad$/);
      const trusting = await open(webSocket({ ca: certificate?.cert ?? "" }));
      trusting.send(server.url, numbered(1));
      const [{ from }] = (await heard(server)) as [Heard];
      expect(from.remote.key).toMatch(/^wss:/);
      server.reply(from, numbered(2, 100_000), 0);
      expect((await heard(trusting))[0]?.bytes).toHaveLength(100_000);
      const doubting = await open(webSocket());
      doubting.send(server.url, numbered(1), 3);
      await doubting.sink.until(() => doubting.sink.failures.length > 0);
      expect(doubting.sink.failures).toEqual([{ to: server.url, tag: 3, reason: "unreachable" }]);
      const careless = await open(webSocket({ rejectUnauthorized: false }));
      careless.send(server.url, numbered(6));
      expect((await heard(server))[0]?.bytes).toEqual(numbered(6));
    });

    it("that cannot be read says so", async () => {
      const { certFile } = tls;
      const server = endpointOf(make({ listen: "wss://127.0.0.1:0", tls: { certFile, keyFile: certFile } }));
      await expect(server.transport.open(server.sink, server.addresses)).rejects.toMatchObject({
        code: "invalidOption",
        message: expect.stringContaining("tls:"),
      });
    });
  });
});

describe("the ws server", () => {
  it("gives up who does not finish its request, and who finishes no message", async () => {
    const server = await open(
      webSocket({ listen, limits: { connectTimeoutMs: 100, messageTimeoutMs: 100 } }),
    );
    const { port } = server.addresses.parse(server.url);
    const slow = keep(netConnect(port, "127.0.0.1"));
    slow.write("GET / HTTP/1.1\r\n");
    await ended(slow);
    expect(counts(server)?.refused).toMatchObject({ handshake: 1 });
    const raw = await below(server.url);
    raw.write(frame(0x82, numbered(1, 200)).subarray(0, 20));
    const drip = setInterval(() => raw.write(Uint8Array.of(1)), 10);
    await server.sink.until(() => server.sink.failures.length > 0);
    clearInterval(drip);
    expect(counts(server)).toMatchObject({ closed: { slow: 1 }, partialBytes: { used: 0 } });
  });

  it("refuses what is no proper handshake", async () => {
    const server = await open(webSocket({ listen }));
    const { port } = server.addresses.parse(server.url);
    for (const text of [
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      "\0\r\n\r\n",
    ]) {
      const socket = keep(netConnect(port, "127.0.0.1"));
      socket.write(text);
      await ended(socket);
    }
    expect(counts(server)?.refused).toMatchObject({ handshake: 2 });
  });

  it.skipIf(certificate === undefined)(
    "takes a certificate in memory (skipped without openssl)",
    async () => {
      const { cert, key } = certificate as { cert: string; key: string };
      const tls = { cert, key: new Uint8Array(Buffer.from(key)) };
      const server = await open(webSocket({ listen: "wss://127.0.0.1:0", tls }));
      const { port } = server.addresses.parse(server.url);
      const socket = keep(tlsConnect({ port, host: "127.0.0.1", ca: cert }));
      await once(socket, "secureConnect");
      expect(socket.authorized).toBe(true);
      if (!uwsRuns) return; // the server would be that of ws
      const inMemory = endpointOf(uwsWebSocket({ listen: "wss://127.0.0.1:0", tls }));
      await expect(inMemory.transport.open(inMemory.sink, inMemory.addresses)).rejects.toMatchObject({
        code: "invalidOption",
        message: expect.stringContaining("allowed are { certFile, keyFile }"),
      });
    },
  );

  it("lets the process end when it is told to", async () => {
    const before = await openHandles();
    const server = await open(webSocket({ listen }));
    const client = await open(webSocket());
    for (const { transport } of [server, client]) transport.unref?.();
    client.send(server.url, numbered(1));
    await heard(server);
    await expect.poll(openHandles).toEqual(before);
    for (const { transport } of [server, client]) transport.ref?.();
    await expect.poll(async () => (await openHandles()).length).toBe(before.length + 3);
  });
});

describe.skipIf(!uwsRuns)("the server of uWebSockets.js", () => {
  const say = ({ transport }: Endpoint, path: Path, bytes: Uint8Array) =>
    transport.send({ path, peer: undefined, length: bytes.length, tag: 0 }, bytes);

  it("answers with the read of a message, before any flush", async () => {
    const server = await open(uwsWebSocket({ listen }));
    const client = await open(webSocket());
    server.sink.onMessage = (path, bytes) => void say(server, path, bytes);
    for (const number of [1, 2]) {
      client.send(server.url, numbered(number));
      const [answer] = await heard(client);
      expect(answer?.bytes).toEqual(numbered(number));
    }
    server.transport.flush();
    expect(counts(server)).toMatchObject({ queuedBytes: { used: 0 } });
  });

  it("keeps the order of what was said before a read and in it", async () => {
    const server = await open(uwsWebSocket({ listen }));
    const client = await open(webSocket());
    client.send(server.url, numbered(1));
    const [first] = await heard(server);
    say(server, first?.from as Path, numbered(2));
    server.sink.onMessage = (path) => {
      say(server, path, numbered(3));
      setImmediate(() => server.transport.flush());
    };
    client.send(server.url, numbered(1));
    const answers = await heard(client, 2);
    expect(answers.map(({ bytes }) => bytes)).toEqual([numbered(2), numbered(3)]);
  });
});

describe("dialling", () => {
  it("where nobody listens, or who is no WebSocket, fails with unreachable", async () => {
    const http = createServer((_request, response) => void response.end("hello"));
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const client = await open(webSocket());
    const urls = [
      `ws://127.0.0.1:${await freePort()}`,
      `ws://127.0.0.1:${(http.address() as { port: number }).port}`,
    ];
    for (const [tag, url] of urls.entries()) {
      client.send(url, numbered(1), tag + 1);
      await client.sink.until(() => client.sink.failures.length > tag);
    }
    expect(client.sink.failures.map(({ tag, reason }) => [tag, reason])).toEqual([
      [1, "unreachable"],
      [2, "unreachable"],
    ]);
    http.close();
  });

  it("who does not answer the request is given up", async () => {
    const mute = createServer();
    mute.on("upgrade", (_request, socket) => void keep(socket));
    mute.listen(0, "127.0.0.1");
    await once(mute, "listening");
    const client = await open(webSocket({ limits: { connectTimeoutMs: 50 } }));
    client.send(`ws://127.0.0.1:${(mute.address() as { port: number }).port}`, numbered(1), 4);
    await client.sink.until(() => client.sink.failures.length > 0);
    expect(client.sink.failures[0]).toMatchObject({ tag: 4, reason: "unreachable" });
    mute.close();
  });

  it("keeps the connection until the other side closes it, and then dials anew", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    const url = `ws://127.0.0.1:${(server.address() as { port: number }).port}`;
    let connections = 0;
    server.on("connection", (socket) => {
      connections++;
      socket.on("message", () => socket.close(1_000));
    });
    const client = await open(webSocket());
    for (let round = 1; round <= 2; round++) {
      client.send(url, numbered(1), 0);
      await client.sink.until(() => client.sink.failures.length === round);
    }
    expect(connections).toBe(2);
    expect(counts(client)?.closed).toMatchObject({ remote: 2 });
    server.close();
  });

  it("an address of another kind is refused", async () => {
    const client = await open(webSocket({ dial: ["wss"] }));
    for (const url of ["ws://127.0.0.1:1", "tcp://127.0.0.1:1"])
      expect(() => client.send(url, numbered(1))).toThrow(
        expect.objectContaining({ code: "invalidAddress" }),
      );
  });
});

describe("options", () => {
  it.each([
    [{ listen: "udp://127.0.0.1:1" }, "invalidAddress", "allowed are ws:// and wss:// URLs"],
    [{ listen: "ws://name.example:1" }, "invalidAddress", "an IP address in place of the name"],
    [{ listen: "wss://127.0.0.1:1" }, "invalidOption", "tls: is missing"],
    [{ listen: new Array(17).fill(listen) }, "invalidOption", "listen: 17 addresses; allowed are 0 to 16"],
    [{ announce: [] }, "invalidOption", "announce: 0 addresses; allowed are 1 to 16"],
    [{ announce: "tcp://192.0.2.1:1" }, "invalidAddress", "announce:"],
    [{ origins: ["app.example"] }, "invalidOption", 'origins: "app.example"; allowed are origins such as'],
    [{ dial: ["tcp4"] }, "invalidOption", "dial: tcp4; allowed are ws and wss"],
    [{ limits: { idleTimeoutMs: 0 } }, "invalidOption", "limits.idleTimeoutMs: 0"],
  ])("%j is refused", (options, code, message) => {
    expect(() => webSocket(options as object)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it("say which kinds are carried", () => {
    expect(webSocket().kinds).toEqual(["ws", "wss"]);
    expect(webSocket({ listen, dial: ["wss"] }).kinds).toEqual(["ws", "wss"]);
    expect(webSocket({ dial: ["wss"] }).kinds).toEqual(["wss"]);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
