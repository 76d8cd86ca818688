/**
 * A hundred clients, ten messages each, against an echo server on the same event loop: every message must come back, and
 * how long that took is shown. `npm start -w examples/async-stress-test -- 500 20` takes other numbers.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { type ClientSocket, EventLoop } from "@kad/transport-tcp/event-loop";

const [clients = 100, messages = 10] = process.argv.slice(2).map(Number); // slice: an array
const messageBytes = 256;

const loop = new EventLoop();
const server = createServer().listen(0, "127.0.0.1", clients);
await once(server, "listening");
const { port } = server.address() as { readonly port: number };
loop.addSocket(server, {
  onRead: (client) =>
    void loop.addSocket(client, {
      onRead: (message, socket) => void socket.send(message),
      onError: () => undefined, // it has said all that it wanted
    }),
});

const latenciesMs: number[] = [];
let left = clients;

/** One message at a time, each with the client's and its own number in front. */
function start(client: number): void {
  const message = new Uint8Array(messageBytes);
  const view = new DataView(message.buffer);
  let sent = 0;
  let sentAtMs = 0;
  const sendNext = (socket: ClientSocket<undefined>): void => {
    view.setUint32(0, client);
    view.setUint32(4, sent++);
    sentAtMs = performance.now();
    assert.equal(socket.send(message), "sent");
  };
  loop.addSocket(connect(port, "127.0.0.1"), {
    onWrite: sendNext,
    onRead(echo, socket) {
      latenciesMs.push(performance.now() - sentAtMs);
      assert.deepEqual(echo, message);
      if (sent < messages) return sendNext(socket);
      socket.close();
      if (--left === 0) server.close();
    },
  });
}

const startMs = performance.now();
for (let client = 0; client < clients; client++) start(client);
await loop.run();
const forMs = performance.now() - startMs;

latenciesMs.sort((a, b) => a - b);
const percentile = (share: number): string =>
  (latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(share * latenciesMs.length))] ?? 0).toFixed(1);
console.log(`${clients} clients, ${latenciesMs.length} messages back in ${forMs.toFixed(0)} ms`);
console.log(`p50 ${percentile(0.5)} ms, p95 ${percentile(0.95)} ms, p99 ${percentile(0.99)} ms`);
assert.equal(latenciesMs.length, clients * messages);
assert.equal(loop.socketCount, 0);
