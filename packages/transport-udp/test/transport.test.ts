import { networkInterfaces } from "node:os";
import { type MakeTransport, transportSuite } from "@kad/testkit";
import { describe, it } from "vitest";
import { udp } from "../src/index.ts";
import { openSockets } from "./recording-sink.ts";

const udpAt =
  (listen: string): MakeTransport =>
  () => ({
    transport: () => udp({ listen }),
    transportAt: (url) => udp({ listen: url }),
    openHandles: openSockets,
  });

transportSuite(udpAt("udp://127.0.0.1:0"), { name: "UDP over IPv4", runner: { describe, it } });

const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);

describe.runIf(hasIpv6)("where the host has IPv6", () => {
  transportSuite(udpAt("udp://[::1]:0"), { name: "UDP over IPv6", runner: { describe, it } });
});
