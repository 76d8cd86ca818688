/**
 * The other side of an echo, in a process of its own, so that its work is not the server's: so many connections, each with so
 * many messages on their way. It frames by hand, for TCP and for WebSocket, and costs as little as it can.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { tcp } from "@kad/transport-tcp";
import { SecurePipe } from "./secure-pipe.ts";

export interface LoadJob {
  /** `secure`: TCP, with the channel of `@kad/crypto` on it. */
  readonly kind: "tcp" | "ws" | "secure";
  readonly port: number;
  readonly connections: number;
  readonly bytes: number;
  /** Messages on their way, for each connection; 0: it only connects, and stays. */
  readonly inFlight: number;
  readonly warmMs: number;
  /** `undefined`: it goes on, and each further message is answered with what has come back so far. */
  readonly forMs: number | undefined;
}

export interface LoadAnswer {
  /** Messages that came back while it was measured. */
  readonly messages: number;
  readonly wallMs: number;
  /** Of those, from the last byte handed to the system to the whole echo, where one at a time was on its way. */
  readonly latenciesMs: readonly number[];
}

/** What this process tells its parent; a number: messages that have come back. */
export type LoadEvent = "ready" | "warm" | LoadAnswer | number;

/** Connections that are opened at the same time. */
const openAtOnce = 50;

process.once("disconnect", () => process.exit(1)); // whoever asked is gone
process.once("message", (job: LoadJob) => {
  run(job).then(
    () => undefined,
    (error: unknown) => {
      throw error;
    },
  );
});

function tell(event: LoadEvent): void {
  process.send?.(event);
}

async function run(job: LoadJob): Promise<void> {
  if (job.kind === "secure") return await runSecure(job);
  const sockets: Socket[] = [];
  while (sockets.length < job.connections) {
    const missing = Math.min(openAtOnce, job.connections - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: missing }, () => open(job)))));
  }
  tell("ready");
  if (job.inFlight === 0) return;
  const load = new Load(job, sockets);
  load.start();
  await new Promise((resolve) => setTimeout(resolve, job.warmMs));
  tell("warm");
  if (job.forMs === undefined) {
    process.on("message", () => tell(load.messages));
    return;
  }
  load.reset();
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, job.forMs));
  tell({ messages: load.messages, wallMs: performance.now() - startMs, latenciesMs: load.latenciesMs });
}

/** One identity, channel and transport for each connection: a transport dials an address once. */
async function runSecure({ port, connections, bytes, inFlight, warmMs, forMs = 0 }: LoadJob): Promise<void> {
  const message = new Uint8Array(bytes).fill(7);
  const load: { messages: number; latenciesMs: number[] } = { messages: 0, latenciesMs: [] };
  for (let i = 0; i < connections; i++) {
    let sentAtMs = performance.now();
    const pipe = new SecurePipe(tcp({ dial: ["tcp4"] }), (own, from, plaintext) => {
      load.messages++;
      const nowMs = performance.now();
      if (inFlight === 1) load.latenciesMs.push(nowMs - sentAtMs);
      sentAtMs = nowMs;
      own.send(from, plaintext);
    });
    await pipe.open();
    const path = { remote: pipe.addresses.parse(`tcp://127.0.0.1:${port}`), dialable: true };
    for (let number = 0; number < inFlight; number++) pipe.send(path, message);
    if (i % openAtOnce === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  tell("ready");
  await new Promise((resolve) => setTimeout(resolve, warmMs + connections));
  tell("warm");
  load.messages = 0;
  load.latenciesMs.length = 0;
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, forMs));
  tell({ messages: load.messages, wallMs: performance.now() - startMs, latenciesMs: load.latenciesMs });
}

async function open({ kind, port }: LoadJob): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  if (kind === "tcp") return socket;
  socket.write(
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  const [answer] = (await once(socket, "data")) as [Buffer];
  if (!answer.toString("latin1").startsWith("HTTP/1.1 101")) throw new Error(answer.toString("latin1"));
  return socket;
}

class Load {
  messages = 0;
  latenciesMs: number[] = [];
  readonly #job: LoadJob;
  readonly #sockets: readonly Socket[];
  /** As many messages as may come back in one chunk, framed. */
  readonly #frames: Buffer;
  readonly #frameBytes: number;
  readonly #echoBytes: number;

  constructor(job: LoadJob, sockets: readonly Socket[]) {
    this.#job = job;
    this.#sockets = sockets;
    const frame = job.kind === "tcp" ? tcpFrame(job.bytes) : webSocketFrame(job.bytes);
    this.#frameBytes = frame.length;
    this.#echoBytes = job.kind === "tcp" ? frame.length : frame.length - 4; // no mask comes back
    this.#frames = Buffer.concat(Array.from({ length: job.inFlight }, () => frame));
  }

  start(): void {
    for (const socket of this.#sockets) {
      let received = 0;
      let sentAtMs = performance.now();
      socket.on("data", ({ length }: Buffer) => {
        received += length;
        const count = Math.floor(received / this.#echoBytes);
        if (count === 0) return;
        received -= count * this.#echoBytes;
        this.messages += count;
        const nowMs = performance.now();
        if (this.#job.inFlight === 1) this.latenciesMs.push(nowMs - sentAtMs);
        sentAtMs = nowMs;
        socket.write(this.#frames.subarray(0, count * this.#frameBytes));
      });
      socket.write(this.#frames);
    }
  }

  reset(): void {
    this.messages = 0;
    this.latenciesMs = [];
  }
}

function tcpFrame(bytes: number): Buffer {
  const frame = Buffer.alloc(4 + bytes, 7);
  frame.writeUInt32BE(bytes);
  return frame;
}

/** A binary message with a mask of zeros. */
function webSocketFrame(bytes: number): Buffer {
  const head = bytes < 126 ? [0x82, 0x80 | bytes] : [0x82, 0xfe, bytes >> 8, bytes & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), Buffer.alloc(bytes, 7)]);
}
