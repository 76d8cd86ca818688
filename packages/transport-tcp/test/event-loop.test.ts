import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  type ClientHandlers,
  type ClientSocket,
  EventLoop,
  type ListeningSocket,
  SocketError,
} from "../src/event-loop/index.ts";
import { openHandles } from "./endpoint.ts";
import { frame } from "./frame.ts";

const opened: (Server | Socket)[] = [];

afterEach(() => {
  vi.restoreAllMocks();
  for (const one of opened.splice(0)) {
    if ("destroy" in one) one.destroy();
    else one.close();
  }
});

async function listen(): Promise<{ server: Server; dial: () => Socket }> {
  const server = createServer();
  opened.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const dial = (): Socket => {
    const socket = connect(port, "127.0.0.1");
    opened.push(socket);
    return socket;
  };
  return { server, dial };
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (message: string): Uint8Array => new Uint8Array(Buffer.from(message));

/** A loop that echoes, and what its clients were called. */
async function echoLoop(options = {}, handlers: Partial<ClientHandlers<string>> = {}) {
  const loop = new EventLoop(options);
  const { server, dial } = await listen();
  const errors: string[] = [];
  let clients = 0;
  const listener = loop.addSocket(
    server,
    {
      onRead(client, { userData }) {
        opened.push(client);
        loop.addSocket(
          client,
          {
            onRead: (message, socket) => void socket.send(message),
            onError: ({ code }, socket) => void errors.push(`${socket.userData} ${code}`),
            ...handlers,
          },
          `${userData} ${++clients}`,
        );
      },
    },
    "client",
  );
  return { loop, listener, dial, errors };
}

/** Reads so many messages from a raw socket. */
async function read(socket: Socket, count: number): Promise<string[]> {
  const messages: string[] = [];
  let rest = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
      const length = rest.readUInt32BE();
      messages.push(rest.subarray(4, 4 + length).toString());
      rest = rest.subarray(4 + length);
    }
    if (messages.length >= count) break;
  }
  return messages;
}

describe("a loop", () => {
  it("tells listening sockets and clients apart, and hands out whole messages, with the user's data", async () => {
    const { loop, listener, dial } = await echoLoop();
    expect([listener.kind, listener.userData, loop.socketCount, loop.isRunning]).toEqual([
      "listening",
      "client",
      1,
      false,
    ]);
    const running = loop.run();
    expect(loop.isRunning).toBe(true);
    const socket = dial();
    const whole = Buffer.concat([frame(bytes("hello")), frame(bytes("there"))]);
    for (const part of [whole.subarray(0, 3), whole.subarray(3, 11), whole.subarray(11)]) {
      socket.write(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await read(socket, 2)).toEqual(["hello", "there"]);
    expect(loop.socketCount).toBe(2);
    loop.stop();
    await running;
    expect([loop.isRunning, loop.socketCount]).toEqual([false, 2]);
  });

  it("sends what callbacks of one read send in one write", async () => {
    const { loop, dial } = await echoLoop();
    const running = loop.run();
    const socket = dial();
    socket.write(Buffer.concat([frame(bytes("a"))]));
    await read(socket, 1);
    const served = opened.at(-1) as Socket;
    const write = vi.spyOn(served, "write");
    socket.write(Buffer.concat(["b", "c", "d"].map((message) => frame(bytes(message)))));
    expect(await read(socket, 3)).toEqual(["b", "c", "d"]);
    expect(write).toHaveBeenCalledTimes(1);
    loop.stop();
    await running;
  });

  it("calls nothing before it runs, nothing after it was stopped, and goes on when it is run again", async () => {
    const { loop, dial } = await echoLoop();
    const socket = dial();
    socket.write(frame(bytes("early")));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(loop.socketCount).toBe(1);
    let running = loop.run();
    expect(await read(socket, 1)).toEqual(["early"]);
    loop.stop();
    loop.stop();
    await running;
    socket.write(frame(bytes("between")));
    const late = dial();
    await once(late, "connect");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(loop.socketCount).toBe(2);
    running = loop.run();
    expect(await read(socket, 1)).toEqual(["between"]);
    late.write(frame(bytes("late")));
    expect(await read(late, 1)).toEqual(["late"]);
    loop.stop();
    await running;
  });

  it("ends by itself when no socket is left, and at once when there is none", async () => {
    await new EventLoop().run();
    const { loop, listener, dial } = await echoLoop();
    const running = loop.run();
    const socket = dial();
    socket.write(frame(bytes("x")));
    await read(socket, 1);
    expect(loop.removeSocket(listener)).toBe(true);
    socket.end();
    await running;
    expect(loop.socketCount).toBe(0);
  });

  it("refuses to run twice at a time, and options out of range", async () => {
    const { loop } = await echoLoop();
    const running = loop.run();
    await expect(loop.run()).rejects.toMatchObject({ code: "invalidArgument" });
    loop.stop();
    await running;
    expect(() => new EventLoop({ maxMessageBytes: 0 })).toThrow("maxMessageBytes: 0; allowed are 1 to");
    expect(() => new EventLoop({ maxQueuedBytes: 1.5 })).toThrow("maxQueuedBytes: 1.5; allowed are 1 to");
  });

  it("leaves no handle behind", async () => {
    const before = await openHandles();
    const { loop, listener, dial } = await echoLoop();
    const running = loop.run();
    const socket = dial();
    socket.write(frame(bytes("x")));
    await read(socket, 1);
    listener.server.close();
    socket.end();
    await running;
    expect(await openHandles()).toEqual(before);
  });
});

describe("a client that dials", () => {
  it("is told when it is connected, and talks through the loop", async () => {
    const { loop, dial } = await echoLoop();
    const heard: string[] = [];
    loop.addSocket(
      dial(),
      {
        onWrite: (socket) => void socket.send(bytes(`I am ${socket.userData}`)),
        onRead(message, socket) {
          heard.push(text(message));
          socket.close();
          loop.stop();
        },
      },
      "bob",
    );
    await loop.run();
    expect(heard).toEqual(["I am bob"]);
  });

  it("is told when it is connected also where that was before the loop ran", async () => {
    const { loop, dial } = await echoLoop();
    const socket = dial();
    let writes = 0;
    loop.addSocket(socket, {
      onRead: () => undefined,
      onWrite: () => {
        writes++;
        loop.stop();
      },
    });
    await once(socket, "connect");
    expect(writes).toBe(0);
    await loop.run();
    expect(writes).toBe(1);
  });

  it("hears of a dial that fails, and may try again: the loop goes on", async () => {
    const { server, dial } = await listen();
    const loop = new EventLoop();
    const errors: SocketError[] = [];
    const { port } = server.address() as { port: number };
    server.close();
    const add = (): void => {
      loop.addSocket(dial(), {
        onRead: () => undefined,
        onError(error) {
          errors.push(error);
          expect(loop.socketCount).toBe(0);
          if (errors.length < 3) add();
        },
      });
    };
    add();
    await loop.run();
    expect(errors.map(({ code }) => code)).toEqual(["broken", "broken", "broken"]);
    expect(errors[0]?.cause).toMatchObject({ code: "ECONNREFUSED", port });
  });
});

describe("removing", () => {
  it("from inside a callback ends what was just read, and gives the socket back open", async () => {
    const heard: string[] = [];
    let removed: ClientSocket<string> | undefined;
    const { loop, dial } = await echoLoop(
      {},
      {
        onRead(message, socket) {
          heard.push(text(message));
          removed = socket;
          expect(loop.removeSocket(socket)).toBe(true);
          expect(loop.removeSocket(socket)).toBe(false);
          loop.stop();
        },
      },
    );
    const socket = dial();
    socket.write(Buffer.concat(["1", "2"].map((message) => frame(bytes(message)))));
    await loop.run();
    expect(heard).toEqual(["1"]);
    expect(() => removed?.send(bytes("x"))).toThrow(expect.objectContaining({ code: "closed" }));
    const echo = once(socket, "data");
    removed?.socket.write("by hand");
    expect(String((await echo)[0])).toBe("by hand");
  });

  it("a socket from the callback of another means that it is called no more", async () => {
    const heard: string[] = [];
    const sockets: ClientSocket<string>[] = [];
    const { loop, dial } = await echoLoop(
      {},
      {
        onRead(message, socket) {
          heard.push(`${socket.userData}: ${text(message)}`);
          if (!sockets.includes(socket)) sockets.push(socket);
          if (sockets.length < 2) return;
          for (const other of sockets) if (other !== socket) loop.removeSocket(other);
          if (text(message) === "last") loop.stop();
        },
      },
    );
    const [a, b] = [dial(), dial()];
    const running = loop.run();
    a.write(frame(bytes("first")));
    await vi.waitUntil(() => heard.length === 1, { timeout: 30_000 });
    b.write(frame(bytes("second")));
    await vi.waitUntil(() => heard.length === 2, { timeout: 30_000 });
    a.write(frame(bytes("unheard")));
    b.write(frame(bytes("last")));
    await running;
    expect(heard.map((line) => line.split(": ")[1])).toEqual(["first", "second", "last"]);
  });

  it("a listening socket leaves its clients in the loop; who came before the loop ran is closed", async () => {
    const { loop, listener, dial } = await echoLoop();
    const early = dial();
    await once(early, "connect");
    await new Promise((resolve) => setTimeout(resolve, 20));
    loop.removeSocket(listener as ListeningSocket<unknown>);
    await new Promise((resolve) => early.resume().once("close", resolve));
    expect(loop.socketCount).toBe(0);
  });
});

describe("a socket that ends", () => {
  it.each([
    ["between two messages", (socket: Socket) => void socket.end(frame(bytes("x"))), "ended"],
    ["in the middle of one", (socket: Socket) => void socket.end(Uint8Array.of(0, 0, 0, 9, 1)), "truncated"],
    [
      "with a length over the limit",
      (socket: Socket) => void socket.write(Uint8Array.of(255, 0, 0, 0)),
      "tooLarge",
    ],
  ])("%s reaches onError with a code, and leaves the loop", async (_title, end, code) => {
    const { loop, dial, errors } = await echoLoop();
    const running = loop.run();
    end(dial());
    await vi.waitUntil(() => errors.length > 0, { timeout: 30_000 });
    expect(errors).toEqual([`client 1 ${code}`]);
    expect(loop.socketCount).toBe(1);
    loop.stop();
    await running;
  });

  it("is told when the loop runs, where it ended before", async () => {
    const { server, dial } = await listen();
    server.close();
    const loop = new EventLoop();
    const errors: SocketError[] = [];
    const socket = dial();
    loop.addSocket(socket, { onRead: () => undefined, onError: (error) => void errors.push(error) });
    await new Promise((resolve) => socket.once("close", resolve));
    expect([errors.length, loop.socketCount]).toEqual([0, 1]);
    await loop.run();
    expect([errors.length, loop.socketCount]).toEqual([1, 0]);
  });
});

describe("a callback that throws", () => {
  it("reaches the socket's onError, and the loop goes on", async () => {
    const errors: SocketError[] = [];
    const { loop, dial } = await echoLoop(
      {},
      {
        onRead(message, socket) {
          if (text(message) === "bad") throw new Error("I cannot");
          socket.send(message);
        },
        onError: (error) => void errors.push(error),
      },
    );
    const running = loop.run();
    const socket = dial();
    socket.write(Buffer.concat([frame(bytes("bad")), frame(bytes("good"))]));
    expect(await read(socket, 1)).toEqual(["good"]);
    expect(errors[0]).toMatchObject({ code: "callbackFailed", message: "a callback threw: I cannot" });
    loop.stop();
    await running;
  });

  it("without onError, or there too, ends the loop with the error", async () => {
    for (const onError of [
      undefined,
      () => {
        throw new Error("again");
      },
    ]) {
      const loop = new EventLoop();
      const { server, dial } = await listen();
      loop.addSocket(server, {
        onRead() {
          throw "no text";
        },
        ...(onError === undefined ? {} : { onError }),
      });
      const running = loop.run();
      dial();
      const error = await running.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(SocketError);
      expect(error).toMatchObject({ code: "callbackFailed", cause: "no text" });
      expect(loop.isRunning).toBe(false);
    }
  });
});

describe("sending", () => {
  it("answers full when the other side does not read, and onWrite says when there is room", async () => {
    const { loop, dial, listener } = await echoLoop({ maxQueuedBytes: 100_000 });
    listener.server.removeAllListeners("connection");
    const served = once(listener.server, "connection");
    let writes = 0;
    const client = loop.addSocket(dial(), {
      onRead: () => undefined,
      onWrite: () => void writes++,
    });
    const running = loop.run();
    const [reader] = (await served) as [Socket];
    opened.push(reader);
    await vi.waitUntil(() => writes === 1, { timeout: 30_000 });
    let sent = 0;
    while (client.send(new Uint8Array(50_000)) === "sent") {
      sent++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(client.bufferedBytes).toBeGreaterThan(50_000);
    let received = 0;
    reader.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    await vi.waitUntil(() => writes === 2, { timeout: 30_000 });
    await vi.waitUntil(() => received === sent * 50_004, { timeout: 30_000 });
    expect(client.send(bytes("room"))).toBe("sent");
    loop.stop();
    await running;
  });

  it("refuses messages of no bytes and over the limit", async () => {
    const { loop, dial } = await echoLoop({ maxMessageBytes: 10 });
    const client = loop.addSocket(dial(), { onRead: () => undefined });
    for (const length of [0, 11])
      expect(() => client.send(new Uint8Array(length))).toThrow(
        `message: ${length} bytes; allowed are 1 to 10 bytes`,
      );
  });

  it("and closing lets leave what was sent", async () => {
    const { loop, dial } = await echoLoop(
      {},
      {
        onRead(message, socket) {
          for (let i = 0; i < 20; i++) socket.send(message);
          socket.close();
          socket.close();
        },
      },
    );
    const running = loop.run();
    const socket = dial();
    socket.write(frame(bytes("x".repeat(30_000))));
    expect(await read(socket, 20)).toHaveLength(20);
    expect(loop.socketCount).toBe(1);
    loop.stop();
    await running;
  });
});
