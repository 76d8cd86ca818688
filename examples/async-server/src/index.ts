/**
 * An echo server on the event loop of `@kad/transport-tcp/event-loop`, and three clients in the same loop that try it.
 *
 * With a port as argument it only serves, until it is stopped: `npm start -w examples/async-server -- 4200`.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { type ClientHandlers, EventLoop, type SocketError } from "@kad/transport-tcp/event-loop";

const loop = new EventLoop();
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What is known of a client: the loop hands it back with every call. */
interface Visitor {
  readonly number: number;
  messages: number;
}

const visitors: Visitor[] = [];

const echo: ClientHandlers<Visitor> = {
  onRead(message, socket) {
    socket.userData.messages++;
    socket.send(message);
  },
  onError({ code }: SocketError, { userData }) {
    console.log(`client ${userData.number}: ${code} after ${userData.messages} messages`);
  },
};

async function serve(port: number): Promise<Server> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  loop.addSocket(server, {
    onRead(client) {
      const visitor = { number: visitors.length + 1, messages: 0 };
      visitors.push(visitor);
      loop.addSocket(client, echo, visitor);
    },
  });
  return server;
}

/** Sends its lines one after another, each when the one before has come back. */
function visit(port: number, lines: readonly string[], onDone: (heard: readonly string[]) => void): void {
  const heard: string[] = [];
  loop.addSocket(connect(port, "127.0.0.1"), {
    onWrite: (socket) => void socket.send(encode(lines[0] as string)),
    onRead(message, socket) {
      heard.push(decode(message));
      const next = lines[heard.length];
      if (next !== undefined) socket.send(encode(next));
      else {
        socket.close();
        onDone(heard);
      }
    },
  });
}

const [given] = process.argv.slice(2); // slice: an array
const server = await serve(Number(given ?? 0));
const { port } = server.address() as { readonly port: number };
console.log(`listening at 127.0.0.1:${port}`);

if (given === undefined) {
  const long = "f".repeat(100_000);
  const stories = [["a", "b"], ["c", "d", "e"], [long]];
  const told = new Map<readonly string[], readonly string[]>();
  for (const story of stories) {
    visit(port, story, (heard) => {
      told.set(story, heard);
      if (told.size === stories.length) server.close(); // no socket is left once the clients are gone
    });
  }
  await loop.run();
  for (const [story, heard] of told) assert.deepEqual(heard, story);
  assert.equal(loop.socketCount, 0);
  assert.deepEqual(
    visitors.map(({ messages }) => messages).sort((a, b) => a - b),
    [1, 2, 3],
  );
} else {
  await loop.run();
}
