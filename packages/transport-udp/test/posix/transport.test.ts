import { networkInterfaces } from "node:os";
import { type MakeTransport, transportSuite } from "@kad/testkit";
import { describe, it } from "vitest";
import { PosixUdpTransport } from "../../src/posix/posix-udp.ts";
import { type SocketCalls, socketCalls } from "../../src/posix/socket-calls.ts";
import { watchedByNode } from "../../src/posix/watched-by-node.ts";
import { note, openDescriptors, whyNot, withoutBatches } from "./posix-endpoint.ts";

const common = {
  runner: { describe, it },
  skip: {
    "refuses at some point, rather than to keep without a bound":
      "the kernel takes every datagram at once on loopback, and loses what is too much: see backpressure in posix-udp.test.ts",
  },
};
const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);

const at =
  (listen: string, calls: () => SocketCalls = socketCalls): MakeTransport =>
  () => ({
    transport: () => new PosixUdpTransport({ listen }, calls()),
    transportAt: (url) => new PosixUdpTransport({ listen: url }, calls()),
    openHandles: openDescriptors,
  });

const watched: MakeTransport = () => ({
  transport: () => watchedByNode(new PosixUdpTransport({ listen: "udp://127.0.0.1:0" }, socketCalls())),
  transportAt: (url) => watchedByNode(new PosixUdpTransport({ listen: url }, socketCalls())),
  openHandles: openDescriptors,
});

describe.skipIf(whyNot !== undefined)(`posix sockets in the suite for transports${note}`, () => {
  if (whyNot !== undefined) return;
  transportSuite(at("udp://127.0.0.1:0"), { name: "posix UDP over IPv4", ...common });
  transportSuite(at("udp://127.0.0.1:0", withoutBatches), { name: "posix UDP, one by one", ...common });
  transportSuite(watched, { name: "posix UDP in Node's own loop", ...common });
  if (hasIpv6) transportSuite(at("udp://[::1]:0"), { name: "posix UDP over IPv6", ...common });
});
