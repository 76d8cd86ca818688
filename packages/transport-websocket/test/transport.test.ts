import { once } from "node:events";
import { type MakeTransport, transportSuite } from "@kad/testkit";
import { describe, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { webSocket } from "../src/index.ts";
import { webSocket as uwsWebSocket } from "../src/uws/index.ts";
import { uwsRuns, whyNoUws } from "./uws.ts";

/** Accepts, and never reads. */
async function stalled() {
  const sockets: WebSocket[] = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    socket.on("error", () => undefined).pause();
    sockets.push(socket);
  });
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.terminate();
  };
  return { url: `ws://127.0.0.1:${port}`, close };
}

/**
 * Sockets of uWebSockets.js are not among them; those that dial are. A handle that was closed leaves the list in the loop's
 * next iterations.
 */
async function openHandles(): Promise<number> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
}

const make =
  (backend: typeof webSocket): MakeTransport =>
  () => ({
    transport: () => backend({ listen: "ws://127.0.0.1:0" }),
    transportAt: (url) => backend({ listen: url }),
    stalled,
    openHandles,
  });

const runner = { describe, it };
transportSuite(make(webSocket), { name: "WebSocket on ws", runner });
if (uwsRuns) transportSuite(make(uwsWebSocket), { name: "WebSocket on uWebSockets.js", runner });
else it(`uWebSockets.js is not tried ${whyNoUws}`, (context) => context.skip(whyNoUws));
