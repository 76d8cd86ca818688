import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { type MakeTransport, transportSuite } from "@kad/testkit";
import { describe, it } from "vitest";
import { tcp } from "../src/index.ts";

/** Accepts, and never reads. */
async function stalledAt(host: string) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => undefined).pause();
    sockets.push(socket);
  });
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { url: `tcp://${host.includes(":") ? `[${host}]` : host}:${port}`, close };
}

/** A handle that was closed leaves the list in the loop's next iterations. */
async function openHandles(): Promise<number> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
}

const tcpAt =
  (host: string): MakeTransport =>
  () => ({
    transport: () => tcp({ listen: `tcp://${host.includes(":") ? `[${host}]` : host}:0` }),
    transportAt: (url) => tcp({ listen: url }),
    stalled: () => stalledAt(host),
    openHandles,
  });

const runner = { describe, it };
transportSuite(tcpAt("127.0.0.1"), { name: "TCP over IPv4", runner });

const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);

describe.runIf(hasIpv6)("where the host has IPv6", () => {
  transportSuite(tcpAt("::1"), { name: "TCP over IPv6", runner });
});
