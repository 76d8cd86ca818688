/** Servers that send every message back: bare sockets with nothing around them, and the same through our transports. */

import type { WebSocket } from "uWebSockets.js";
import { createServer, type Socket } from "node:net";
import { AddressTable, copyBytes, type Path, type Transport, type TransportSink } from "@kad/core";
import { tcp } from "@kad/transport-tcp";
import { EventLoop } from "@kad/transport-tcp/event-loop";
import { webSocket } from "@kad/transport-websocket";
import { webSocket as uwsWebSocket } from "@kad/transport-websocket/uws";
import { WebSocketServer } from "ws";
import { SecurePipe } from "./secure-pipe.ts";

export type ServerName =
  | "raw TCP"
  | "@kad TCP"
  | "@kad event loop"
  | "@kad TCP, encrypted"
  | "raw uWS"
  | "raw uWS, after the turn"
  | "@kad on uWS"
  | "@kad on uWS, after the turn"
  | "raw ws"
  | "@kad on ws";

const maxAccepted = 20_000;

/** The port at which it listens; it ends with the process. */
export const servers: Readonly<Record<ServerName, () => Promise<number>>> = {
  "raw TCP": rawTcp,
  "@kad TCP": () => echo(tcp({ listen: "tcp://127.0.0.1:0", limits: { maxAccepted }, backlog: 4_096 })),
  "@kad event loop": eventLoop,
  "@kad TCP, encrypted": encrypted,
  "raw uWS": rawUws,
  "raw uWS, after the turn": rawUwsAfterTurn,
  "@kad on uWS": () => echo(kadUws()),
  "@kad on uWS, after the turn": () => echoAfterTurn(kadUws()),
  "raw ws": rawWs,
  "@kad on ws": () => echo(webSocket({ listen: "ws://127.0.0.1:0", limits: { maxAccepted } })),
};

/** What a program would write that needs nothing but messages: it reads each, and joins the answers to one chunk. */
async function rawTcp(): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest: Buffer | undefined;
    socket.on("error", () => undefined);
    socket.on("data", (data: Buffer) => {
      const chunk = rest === undefined ? data : Buffer.concat([rest, data]);
      const messages: Buffer[] = [];
      let at = 0;
      let bytes = 0;
      while (chunk.length - at >= 4) {
        const length = chunk.readUInt32BE(at);
        if (chunk.length - at - 4 < length) break;
        messages.push(chunk.subarray(at + 4, at + 4 + length));
        at += 4 + length;
        bytes += 4 + length;
      }
      rest = at < chunk.length ? Buffer.from(chunk.subarray(at)) : undefined;
      reply(socket, messages, bytes);
    });
  });
  return await listen(server);
}

function reply(socket: Socket, messages: readonly Buffer[], bytes: number): void {
  const out = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const message of messages) {
    at = out.writeUInt32BE(message.length, at);
    out.set(message, at);
    at += message.length;
  }
  if (bytes > 0) socket.write(out);
}

function kadUws(): Transport {
  return uwsWebSocket({ listen: "ws://127.0.0.1:0", limits: { maxAccepted } });
}

/** Answers as it reads, and flushes once for each turn of the loop. */
function echo(transport: Transport): Promise<number> {
  let isScheduled = false;
  const flush = (): void => {
    isScheduled = false;
    transport.flush();
  };
  return listenWith(transport, (from, bytes) => {
    transport.send({ path: from, peer: undefined, length: bytes.length, tag: 0 }, bytes);
    if (!isScheduled) setImmediate(flush);
    isScheduled = true;
  });
}

/** Answers as a node does, whose answers are written once everybody was read. */
function echoAfterTurn(transport: Transport): Promise<number> {
  const answers: { readonly to: Path; readonly bytes: Uint8Array }[] = [];
  const flush = (): void => {
    for (const { to, bytes } of answers.splice(0))
      transport.send({ path: to, peer: undefined, length: bytes.length, tag: 0 }, bytes);
    transport.flush();
  };
  return listenWith(transport, (to, bytes) => {
    if (answers.push({ to, bytes: copyBytes(bytes) }) === 1) setImmediate(flush);
  });
}

async function listenWith(transport: Transport, onMessage: TransportSink["message"]): Promise<number> {
  const sink: TransportSink = {
    message: onMessage,
    deferred() {},
    sent() {},
    sendFailed() {},
    flow() {},
    addressesChanged() {},
    report(error) {
      throw error;
    },
  };
  const addresses = new AddressTable();
  await transport.open(sink, addresses);
  return addresses.parse(transport.localAddresses[0]?.key ?? "").port;
}

async function encrypted(): Promise<number> {
  const transport = tcp({ listen: "tcp://127.0.0.1:0", limits: { maxAccepted }, backlog: 4_096 });
  const pipe = new SecurePipe(transport, (own, from, plaintext) => own.send(from, plaintext));
  await pipe.open();
  return pipe.addresses.parse(transport.localAddresses[0]?.key ?? "").port;
}

async function eventLoop(): Promise<number> {
  const loop = new EventLoop();
  const server = createServer();
  const port = await listen(server);
  const handlers = {
    onRead: (message: Uint8Array, socket: { send(bytes: Uint8Array): unknown }) => void socket.send(message),
    onError: () => undefined,
  };
  loop.addSocket(server, { onRead: (client) => void loop.addSocket(client, handlers) });
  void loop.run();
  return port;
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

/** Answers as it reads: they leave with the read of their connection. */
function rawUws(): Promise<number> {
  return listenWithUws((socket, message) => void socket.send(message, true));
}

/** Answers as a node does, and as any program whose answers may depend on what others say: once everybody was read. */
function rawUwsAfterTurn(): Promise<number> {
  const answers = new Map<UwsSocket, Uint8Array[]>();
  const flush = (): void => {
    for (const [socket, own] of answers) {
      const send = (): void => {
        for (const message of own) socket.send(message, true);
      };
      if (own.length === 1) send();
      else socket.cork(send);
    }
    answers.clear();
  };
  return listenWithUws((socket, message) => {
    const copy = Uint8Array.from(new Uint8Array(message)); // it is gone after this
    const own = answers.get(socket);
    if (own !== undefined) own.push(copy);
    else if (answers.set(socket, [copy]).size === 1) setImmediate(flush);
  });
}

type UwsSocket = WebSocket<unknown>;

async function listenWithUws(onMessage: (socket: UwsSocket, message: ArrayBuffer) => void): Promise<number> {
  const { App, us_socket_local_port } = await import("uWebSockets.js"); // it has no binary for every Node
  return await new Promise((resolve) => {
    App()
      .ws("/*", { idleTimeout: 0, maxPayloadLength: 2 ** 20, message: onMessage })
      .listen("127.0.0.1", 0, (socket) => {
        if (socket !== false) resolve(us_socket_local_port(socket));
      });
  });
}

function rawWs(): Promise<number> {
  return new Promise((resolve) => {
    const server = new WebSocketServer({
      host: "127.0.0.1",
      port: 0,
      backlog: 4_096,
      perMessageDeflate: false,
      clientTracking: false,
      maxPayload: 2 ** 20,
    });
    server.on("connection", (socket) => {
      socket.on("error", () => undefined);
      socket.on("message", (message: Buffer, isBinary) => socket.send(message, { binary: isBinary }));
    });
    server.on("listening", () => resolve((server.address() as { readonly port: number }).port));
  });
}
