/** Clients of no transport, for TCP and for WebSocket: what a server meets. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import { keep } from "./endpoint.ts";

export interface RawClient {
  send(message: Uint8Array): void;
  /** Called for each whole message from now on. */
  onMessage: (message: Uint8Array) => void;
  /** Reads nothing from now on. */
  pause(): void;
  /** Sends the beginning of a message of 1,000 bytes. */
  begin(): void;
  /** Is gone, without a goodbye. */
  destroy(): void;
  /** Resolves when the connection is closed, from whichever side. */
  readonly closed: Promise<void>;
}

/** Frames and reads by itself, so that both sides of a mistake are not ours. */
export async function rawTcp(url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url.replace(/^tcp/, "http"));
  const socket = keep(connect({ host: hostname, port: Number(port), noDelay: true }));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  let rest: Buffer = Buffer.alloc(0);
  const client: RawClient = {
    send(message) {
      const frame = Buffer.alloc(4 + message.length);
      frame.writeUInt32BE(message.length);
      frame.set(message, 4);
      socket.write(frame);
    },
    onMessage: () => undefined,
    pause: () => void socket.pause(),
    begin: () => void socket.write(Buffer.from([0, 0, 3, 232, 1, 2, 3])),
    destroy: () => void socket.destroy(),
    closed: new Promise((resolve) => socket.once("close", () => resolve())),
  };
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const length = rest.readUInt32BE();
      if (rest.length < 4 + length) break;
      client.onMessage(Uint8Array.from(rest.subarray(4, 4 + length)));
      rest = rest.subarray(4 + length);
    }
  });
  return client;
}

export async function rawWebSocket(url: string): Promise<RawClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  let below: Socket | undefined;
  socket.once("upgrade", (response) => {
    below = response.socket;
  });
  socket.on("error", () => undefined);
  keep({ destroy: () => socket.terminate() });
  await once(socket, "open");
  const client: RawClient = {
    send: (message) => socket.send(message),
    onMessage: () => undefined,
    pause: () => socket.pause(),
    // A binary frame with a length of two bytes and a mask of zeros.
    begin: () => void below?.write(Buffer.from([0x82, 0xfe, 3, 232, 0, 0, 0, 0, 1, 2, 3])),
    destroy: () => void below?.destroy(),
    closed: new Promise((resolve) => socket.once("close", () => resolve())),
  };
  socket.on("message", (message: Buffer) => client.onMessage(Uint8Array.from(message)));
  return client;
}
