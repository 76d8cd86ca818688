import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { AddressTable, ListenError, UsageError } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { tcp } from "../src/index.ts";
import {
  closeOpened,
  type Endpoint,
  endpointOf,
  numbered,
  openHandles,
  openTcp,
  rawServer,
  rawSocket,
} from "./endpoint.ts";
import { frame } from "./frame.ts";

afterEach(async () => {
  vi.restoreAllMocks();
  await closeOpened();
});

const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);

type Message = Endpoint["sink"]["messages"][number];

async function heard({ sink }: Endpoint, count = 1): Promise<Message[]> {
  await sink.until(() => sink.messages.length >= count);
  return sink.messages.splice(0, count);
}

/** An error comes before it. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.resume().once("close", () => resolve());
  });
}

const closed = ({ transport }: Endpoint) => transport.stats?.closed ?? {};
const client = { dial: ["tcp4"] } as const;

describe("messages", () => {
  const families: [string, string][] = [["IPv4", "tcp://127.0.0.1:0"]];
  if (hasIpv6) families.push(["IPv6", "tcp://[::1]:0"]);

  it.each(families)("go both ways over one connection, %s", async (_title, listen) => {
    const [a, b] = [await openTcp({ listen }), await openTcp({ listen })];
    expect(a.send(b.url, numbered(1), 7)).toBe("queued");
    const [{ from, bytes }] = (await heard(b)) as [Message];
    expect([from.dialable, bytes]).toEqual([false, numbered(1)]);
    expect(b.reply(from, numbered(2), 0)).toBe("sent");
    const [answer] = (await heard(a)) as [Message];
    expect(answer.from).toMatchObject({ dialable: true, remote: { key: b.url } });
    expect(answer.bytes).toEqual(numbered(2));
    expect(a.sink.deferrals).toEqual([7]);
    expect(a.sink.sents).toEqual([7]);
    expect(a.send(b.url, numbered(3))).toBe("sent");
    expect((await heard(b))[0]?.from).toBe(from);
    expect(b.transport.stats?.opened).toEqual({ accepted: 1, dialled: 0 });
  });

  it("arrive whole and as plain bytes, from 1 byte to 1 MiB", async () => {
    const [a, b] = [await openTcp(), await openTcp()];
    const lengths = [1, 1_200, 2_044, 2_045, 65_532, 65_533, 300_000, 1_048_576];
    const messages: Message[] = [];
    for (const [index, length] of lengths.entries()) {
      a.send(b.url, numbered(index, length));
      messages.push(...(await heard(b)));
    }
    expect(messages.map(({ bytes }) => bytes.length)).toEqual(lengths);
    expect(messages.every(({ bytes }, index) => bytes.every((byte) => byte === index))).toBe(true);
    expect(messages.every(({ isPlain }) => isPlain)).toBe(true);
  });

  it("over 1 MiB, or of no bytes, are not carried", async () => {
    const [a, b] = [await openTcp(), await openTcp()];
    expect([a.send(b.url, numbered(1, 2 ** 20 + 1), 5), a.send(b.url, numbered(1, 0), 6)]).toEqual([
      "queued",
      "queued",
    ]);
    expect(a.sink.failures.map(({ tag, reason }) => [tag, reason])).toEqual([
      [5, "tooLarge"],
      [6, "tooLarge"],
    ]);
  });

  it("of one turn leave in one write", async () => {
    const [a, b] = [await openTcp(), await openTcp()];
    a.send(b.url, numbered(0));
    await heard(b);
    const write = vi.spyOn(Socket.prototype, "write");
    const path = { remote: a.addresses.parse(b.url), dialable: true };
    for (let i = 1; i <= 20; i++) a.transport.send({ path, peer: undefined, length: 8, tag: i }, numbered(i));
    expect(write).not.toHaveBeenCalled();
    a.transport.flush();
    expect(write).toHaveBeenCalledTimes(1);
    expect((await heard(b, 20)).map(({ bytes }) => bytes[0])).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  it("go to an address that another table made", async () => {
    const [a, b] = [await openTcp(), await openTcp()];
    const { key, wire, kind } = new AddressTable().parse(b.url);
    const remote = { key, wire, kind, link: 1, maxBytes: 1_000 };
    a.reply({ remote, dialable: true }, numbered(3));
    expect((await heard(b))[0]?.bytes).toEqual(numbered(3));
  });

  it("that several nodes send each other at the same instant all arrive", async () => {
    const nodes = await Promise.all(Array.from({ length: 4 }, () => openTcp()));
    for (const [from, node] of nodes.entries())
      for (const other of nodes) if (other !== node) node.send(other.url, numbered(from));
    for (const [index, node] of nodes.entries()) {
      const senders = (await heard(node, 3)).map(({ bytes }) => bytes[0] ?? 0).sort((a, b) => a - b);
      expect(senders).toEqual([0, 1, 2, 3].filter((number) => number !== index));
    }
  });
});

describe("a dial", () => {
  it("of a port where nobody listens fails with unreachable, and is not repeated at once", async () => {
    const a = await openTcp(client);
    const nobody = await openTcp();
    const { url } = nobody;
    await nobody.transport.close();
    expect(a.send(url, numbered(1), 9)).toBe("queued");
    await a.sink.until(() => a.sink.failures.length > 0);
    expect(a.sink.failures).toEqual([{ to: url, tag: 9, reason: "unreachable" }]);
    expect(a.send(url, numbered(1), 9)).toBe("unreachable");
  });

  it("that nobody answers is given up", async () => {
    const a = await openTcp({ ...client, limits: { connectTimeoutMs: 30 } });
    a.send("tcp://192.0.2.1:9", numbered(1), 9); // TEST-NET-1: no host is there
    await a.sink.until(() => a.sink.failures.length > 0);
    expect(a.sink.failures[0]).toMatchObject({ tag: 9, reason: "unreachable" });
  });

  it("of a kind that it does not carry is refused", async () => {
    const a = await openTcp(client);
    for (const url of ["udp://127.0.0.1:1", "tcp://[2001:db8::1]:1"])
      expect(() => a.send(url, numbered(1))).toThrow(expect.objectContaining({ code: "invalidAddress" }));
  });
});

describe("what a raw socket does", () => {
  it("in the middle of a message, byte by byte: the message is put together", async () => {
    const a = await openTcp();
    const socket = await rawSocket(a);
    for (const byte of frame(numbered(5, 20))) {
      socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await heard(a))[0]?.bytes).toEqual(numbered(5, 20));
  });

  it("keep-alives are ignored", async () => {
    const a = await openTcp();
    const socket = await rawSocket(a);
    socket.write(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0));
    socket.write(frame(numbered(5)));
    expect((await heard(a))[0]?.bytes).toEqual(numbered(5));
    expect(a.sink.messages).toEqual([]);
  });

  it.each([
    [
      "a length of 4 GiB",
      (socket: Socket) => void socket.write(Uint8Array.of(255, 255, 255, 255)),
      "tooLarge",
    ],
    [
      "a length of 1 MiB and a byte",
      (socket: Socket) => void socket.write(Uint8Array.of(0, 16, 0, 1)),
      "tooLarge",
    ],
    [
      "an end in the middle of a message",
      (socket: Socket) => void socket.end(Uint8Array.of(0, 0, 0, 9, 1)),
      "truncated",
    ],
    ["an end between two messages", (socket: Socket) => void socket.end(frame(numbered(1))), "remote"],
  ])("%s closes its own connection, counted, and no other", async (_title, misbehave, reason) => {
    const a = await openTcp();
    const [bad, good] = [await rawSocket(a), await rawSocket(a)];
    good.write(frame(numbered(1)));
    await heard(a);
    misbehave(bad);
    await a.sink.until(() => a.sink.failures.length > 0);
    expect(a.sink.failures).toEqual([
      { to: expect.stringContaining("tcp://127.0.0.1:"), tag: undefined, reason: "closed" },
    ]);
    expect(closed(a)).toMatchObject({ [reason]: 1 });
    a.sink.messages.length = 0;
    good.write(frame(numbered(2)));
    expect((await heard(a))[0]?.bytes).toEqual(numbered(2));
    expect(a.transport.stats?.partialBytes.used).toBe(0);
  });

  it("a reset closes its own connection, counted", async () => {
    const a = await openTcp();
    const socket = await rawSocket(a);
    socket.write(frame(numbered(1)));
    const [{ from }] = (await heard(a)) as [Message];
    socket.write(Uint8Array.of(0, 0, 0, 9, 1));
    a.reply(from, numbered(2, 400_000), 0); // most of it is never read: the kernel then resets instead of closing
    await vi.waitUntil(() => a.transport.stats?.partialBytes.used !== 0, { timeout: 30_000 });
    socket.destroy();
    await a.sink.until(() => a.sink.failures.length > 0);
    expect(closed(a)).toMatchObject({ reset: 1 });
    expect(a.transport.stats?.partialBytes.used).toBe(0);
  });

  it("a byte now and then is not enough: a message must be whole in its time", async () => {
    const a = await openTcp({ listen: "tcp://127.0.0.1:0", limits: { messageTimeoutMs: 100 } });
    const socket = await rawSocket(a);
    socket.write(Uint8Array.of(0, 0, 1, 0));
    const drip = setInterval(() => socket.write(Uint8Array.of(1)), 10);
    await a.sink.until(() => a.sink.failures.length > 0);
    clearInterval(drip);
    expect(closed(a)).toMatchObject({ slow: 1 });
    await closing(socket);
  });

  it("nothing: the connection is closed when it was idle for long", async () => {
    const a = await openTcp({ listen: "tcp://127.0.0.1:0", limits: { idleTimeoutMs: 40 } });
    const socket = await rawSocket(a);
    await closing(socket);
    expect(closed(a)).toMatchObject({ idle: 1 });
  });

  it("not reading: it fills its own queue, hears queueFull, is closed, and nobody else notices", async () => {
    const slow: Socket[] = [];
    const url = await rawServer((socket) => {
      socket.pause();
      slow.push(socket);
    });
    const b = await openTcp();
    const a = await openTcp({ ...client, limits: { stallTimeoutMs: 150, maxQueuedBytes: 300_000 } });
    const outcomes = new Map<string, number>();
    a.send(url, numbered(0), 1);
    await a.sink.until(() => a.sink.sents.length > 0);
    for (let i = 2; a.sink.failures.every(({ reason }) => reason !== "queueFull"); i++) {
      const outcome = a.send(url, numbered(1, 60_000), i);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(outcomes.get("full")).toBeUndefined();
    a.send(b.url, numbered(2), 0);
    expect((await heard(b))[0]?.bytes).toEqual(numbered(2));
    await a.sink.until(() => a.sink.failures.some(({ tag }) => tag === undefined));
    expect(closed(a)).toMatchObject({ stalled: 1 });
    expect(a.transport.stats?.queuedBytes.used).toBe(0);
  });
});

describe("a connection", () => {
  it("that the other side has closed is gone for replies, and a dialled one is dialled again", async () => {
    const [a, b] = [await openTcp(client), await openTcp()];
    a.send(b.url, numbered(1));
    const [{ from }] = (await heard(b)) as [Message];
    await a.transport.close();
    await b.sink.until(() => b.sink.failures.length > 0);
    expect(b.reply(from, numbered(2), 8)).toBe("queued");
    expect(b.sink.failures).toEqual([
      { to: from.remote.key, tag: undefined, reason: "closed" },
      { to: from.remote.key, tag: 8, reason: "closed" },
    ]);
    const { url } = b;
    const { port } = b.addresses.parse(url);
    const c = await openTcp(client);
    c.send(url, numbered(3));
    await heard(b);
    await b.transport.close();
    await c.sink.until(() => c.sink.failures.length > 0);
    const again = await openTcp({ listen: `tcp://127.0.0.1:${port}` });
    expect(c.send(url, numbered(4))).toBe("queued");
    expect((await heard(again))[0]?.bytes).toEqual(numbered(4));
  });

  it("of one host is one of so many", async () => {
    class Exposed extends AddressTable {
      override source(): string {
        return "one host"; // loopback is exempt
      }
    }
    const b = endpointOf(tcp({ listen: "tcp://127.0.0.1:0", limits: { maxAcceptedPerHost: 2 } }));
    await b.transport.open(b.sink, new Exposed());
    const sockets = [await rawSocket(b), await rawSocket(b), await rawSocket(b)];
    await closing(sockets[2] as Socket);
    expect(b.transport.stats).toMatchObject({ accepted: { used: 2 }, refused: { hostFull: 1 } });
  });

  it("is watched by the kernel on both sides, which finds out when the other one has vanished", async (context) => {
    context.skip(process.platform !== "linux", "there is no /proc/net/tcp");
    const [a, b] = [await openTcp(client), await openTcp()];
    a.send(b.url, numbered(1));
    await heard(b);
    const port = b.addresses.parse(b.url).port.toString(16).toUpperCase().padStart(4, "0");
    const [established, keepAliveTimer] = ["01", "02"];
    const timers = (): string[] =>
      readFileSync("/proc/net/tcp", "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        .filter(
          ([, local, remote, state]) => state === established && `${local} ${remote}`.includes(`:${port}`),
        )
        .map(([, , , , , timer = ""]) => timer.slice(0, 2));
    await expect.poll(timers, { timeout: 30_000 }).toEqual([keepAliveTimer, keepAliveTimer]);
  });

  it("sends a keep-alive when nothing was heard, if it was ours to open", async () => {
    const received: Buffer[] = [];
    let done: () => void = () => undefined;
    const url = await rawServer((socket) => {
      socket.on("data", (chunk: Buffer) => {
        received.push(chunk);
        if (Buffer.concat(received).length >= 16) done();
      });
    });
    const a = await openTcp({ ...client, limits: { keepAliveMs: 20 } });
    const came = new Promise<void>((resolve) => {
      done = resolve;
    });
    a.send(url, numbered(1));
    await came;
    expect([...Buffer.concat(received).subarray(0, 16)]).toEqual([...frame(numbered(1)), 0, 0, 0, 0]);
  });
});

describe("listening", () => {
  it("on every address tells others those of the interfaces, and no loopback", async () => {
    const a = await openTcp({ listen: "tcp://0.0.0.0:0" });
    const expected = Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .filter(
        ({ family, internal, address }) => family === "IPv4" && !internal && !address.startsWith("169.254."),
      )
      .map(({ address }) => address);
    expect(a.transport.localAddresses.map(({ key }) => a.addresses.parse(key).host)).toEqual(expected);
  });

  it("tells others what they are to dial, where that differs", async () => {
    const a = await openTcp({ listen: "tcp://127.0.0.1:0", announce: "tcp://203.0.113.7:4100" });
    expect(a.url).toBe("tcp://203.0.113.7:4100");
  });

  it("at a port in use fails with an error that names the address, and leaves nothing open", async () => {
    const a = await openTcp();
    const before = await openHandles();
    const b = endpointOf(tcp({ listen: ["tcp://127.0.0.1:0", a.url] }));
    const error = await b.transport.open(b.sink, b.addresses).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: "addressInUse", url: a.url, cause: { code: "EADDRINUSE" } });
    expect(await openHandles()).toEqual(before);
  });

  it("at an address that no interface has fails with addressNotAvailable", async () => {
    const b = endpointOf(tcp({ listen: "tcp://198.51.100.1:0" }));
    await expect(b.transport.open(b.sink, b.addresses)).rejects.toMatchObject({
      code: "addressNotAvailable",
    });
  });

  it("twice is refused", async () => {
    const a = await openTcp();
    await expect(a.transport.open(a.sink, a.addresses)).rejects.toBeInstanceOf(UsageError);
  });

  it.runIf(hasIpv6)("takes the same port in both families", async () => {
    const a = await openTcp();
    const { port } = a.addresses.parse(a.url);
    const b = await openTcp({ listen: `tcp://[::]:${port}` });
    expect(b.transport.kinds).toEqual(["tcp6"]);
  });
});

describe("options", () => {
  it.each(["udp://127.0.0.1:1", "tcp://localhost:1", "127.0.0.1:1", "tcp://127.0.0.1", ""])(
    "refuse to listen at %j",
    (listen) => {
      expect(() => tcp({ listen })).toThrow(expect.objectContaining({ code: "invalidAddress" }));
    },
  );

  it.each([
    [{ backlog: 0 }, "backlog: 0; allowed are 1 to 65535"],
    [{ dial: ["udp4"] }, "dial: udp4; allowed are tcp4 and tcp6"],
    [{ announce: [] }, "announce: 0 addresses; allowed are 1 to 16"],
    [{ listen: new Array(17).fill("tcp://127.0.0.1:0") }, "listen: 17 addresses; allowed are 0 to 16"],
    [{ limits: { maxAccepted: -1 } }, "limits.maxAccepted: -1; allowed is a whole number from 0 to 1000000"],
    [{ limits: { maxDials: 1 } }, "limits.maxDials: there is no such limit"],
  ])("%j is refused", (options, message) => {
    expect(() => tcp(options as object)).toThrow(
      expect.objectContaining({ code: "invalidOption", message: expect.stringContaining(message) }),
    );
  });

  it("say which families are dialled: those listened at, those asked for, or those of the machine", () => {
    expect(tcp({ listen: "tcp://127.0.0.1:0" }).kinds).toEqual(["tcp4"]);
    expect(tcp({ listen: "tcp://127.0.0.1:0", dial: ["tcp6"] }).kinds).toEqual(["tcp4", "tcp6"]);
    expect(tcp().kinds).toContain("tcp4");
  });
});

describe("closing", () => {
  it("lets leave what was sent, and frees every handle", async () => {
    const before = await openHandles();
    const [a, b] = [await openTcp(client), await openTcp()];
    a.send(b.url, numbered(0));
    await heard(b);
    for (let i = 0; i < 50; i++) a.send(b.url, numbered(i, 20_000));
    await a.transport.close();
    await heard(b, 50);
    await b.transport.close();
    expect(await openHandles()).toEqual(before);
  });

  it("does not wait for who does not read", async () => {
    const url = await rawServer((socket) => void socket.pause());
    const a = await openTcp({ ...client, limits: { closeTimeoutMs: 50 } });
    for (let i = 0; i < 200; i++) a.send(url, numbered(1, 60_000), 0);
    await a.sink.until(() => true);
    await a.transport.close();
    expect(a.transport.localAddresses).toEqual([]);
    expect(a.send(url, numbered(1))).toBe("unreachable");
  });

  it("before, while and after it opens is allowed, and leaves nothing behind", async () => {
    const before = await openHandles();
    const never = tcp({ listen: "tcp://127.0.0.1:0" });
    await never.close();
    const a = endpointOf(tcp({ listen: "tcp://127.0.0.1:0" }));
    const opening = a.transport.open(a.sink, a.addresses);
    const closing = a.transport.close();
    expect(a.transport.close()).toBe(closing);
    await Promise.all([opening, closing]);
    expect(await openHandles()).toEqual(before);
    expect(a.transport.stats).toMatchObject({ accepted: { used: 0 } });
  });

  it("tells nothing more, not even of its own connections", async () => {
    const [a, b] = [await openTcp(client), await openTcp()];
    a.send(b.url, numbered(1));
    await heard(b);
    await Promise.all([a.transport.close(), b.transport.close()]);
    expect([...a.sink.failures, ...b.sink.failures].filter(({ tag }) => tag !== undefined)).toEqual([]);
  });
});

it("keeps the process alive, unless it is told not to", async () => {
  const before = await openHandles();
  const [a, b] = [await openTcp(client), await openTcp()];
  a.transport.unref();
  b.transport.unref();
  a.send(b.url, numbered(1));
  await heard(b);
  expect(await openHandles()).toEqual(before);
  a.transport.ref();
  b.transport.ref();
  expect((await openHandles()).length).toBe(before.length + 3); // two ends of a connection, and a listener
});
