import { networkInterfaces } from "node:os";
import { AddressTable } from "@kad/core";
import { afterEach, describe, expect, it } from "vitest";
import { closeCodeOf, reasonOf } from "../src/close-codes.ts";
import { webSocket } from "../src/index.ts";
import { dialableAddresses, forwardedHost, isAllowedOrigin, remoteAddress } from "../src/listening.ts";
import { webSocket as uwsWebSocket } from "../src/uws/index.ts";
import { closeOpened, heard, numbered, open } from "./endpoint.ts";

afterEach(closeOpened);

const addresses = new AddressTable();
const listening = (url: string) => addresses.parse(url, { listening: true });
const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);

describe("where others reach a server", () => {
  it.each([
    ["ws://127.0.0.1:0/kad", "ws://127.0.0.1:4200/kad"],
    ["wss://192.0.2.7:0", "wss://192.0.2.7:4200"],
    ["ws://[2001:db8::1]:0/a?b=c", "ws://[2001:db8::1]:4200/a?b=c"],
  ])("%s, once it has a port", (url, expected) => {
    expect(dialableAddresses(listening(url), 4_200, addresses).map(({ key }) => key)).toEqual([expected]);
  });

  it.each([
    ["ws://0.0.0.0:0/kad", "IPv4"],
    ["ws://[::]:0/kad", "IPv6"],
  ])(
    "at every address (%s): those of the interfaces, without loopback and link-local ones",
    (url, family) => {
      const hosts = Object.values(networkInterfaces())
        .flatMap((entries) => entries ?? [])
        .filter(
          (entry) => entry.family === family && !entry.internal && !/^(fe80|169\.254)/.test(entry.address),
        )
        .map(
          ({ address }) =>
            addresses.parse(`ws://${family === "IPv6" ? `[${address}]` : address}:4200/kad`).key,
        );
      expect(dialableAddresses(listening(url), 4_200, addresses).map(({ key }) => key)).toEqual(hosts);
    },
  );
});

describe("who has connected", () => {
  it.each([
    ["ws", "192.0.2.1", "ws://192.0.2.1:50000"],
    ["wss", "::ffff:192.0.2.1", "wss://192.0.2.1:50000"],
    ["ws", "0000:0000:0000:0000:0000:ffff:c000:0201", "ws://192.0.2.1:50000"],
    ["ws", "2001:0db8:0000:0000:0000:0000:0000:0001", "ws://[2001:db8::1]:50000"],
    ["ws", "fe80::1%eth0", undefined],
    ["ws", "no address", undefined],
    ["ws", "", undefined],
  ] as const)("%s from %j is %s", (scheme, host, expected) => {
    expect(remoteAddress(addresses, scheme, host, 50_000)?.key).toBe(expected);
  });

  it.each([
    ["203.0.113.9", "203.0.113.9"],
    ["10.0.0.1, 203.0.113.9", "203.0.113.9"],
    ["203.0.113.9:4711", "203.0.113.9"],
    ["[2001:db8::1]:4711", "2001:db8::1"],
    ["2001:db8::1", "2001:db8::1"],
    [["10.0.0.1", "203.0.113.9"], "203.0.113.9"],
    ["", undefined],
    [undefined, undefined],
  ])("as a proxy writes it: %j is %s", (header, expected) => {
    expect(forwardedHost(header)).toBe(expected);
  });

  it.each([
    [undefined, "https://any.example", true],
    [["https://app.example"], "https://APP.example", true],
    [["https://app.example"], "https://app.example.evil.example", false],
    [["https://app.example"], "null", false],
    [["https://app.example"], undefined, true],
    [["https://app.example"], "", true],
    [[], "https://app.example", false],
  ])("with %j allowed, from %s: %s", (origins, origin, expected) => {
    expect(isAllowedOrigin(origins, origin)).toBe(expected);
  });
});

describe("reasons", () => {
  it.each([
    ["idle", 1_000],
    ["evicted", 1_000],
    ["shutdown", 1_001],
    ["malformed", 1_003],
    ["slow", 1_008],
    ["tooLarge", 1_009],
    ["stalled", undefined],
    ["silent", undefined],
  ] as const)("to close, %s, are said as %s", (reason, code) => {
    expect(closeCodeOf(reason)).toBe(code);
  });

  it.each([
    [1_000, false, "remote"],
    [1_001, true, "remote"],
    [1_002, false, "malformed"],
    [1_003, false, "malformed"],
    [1_007, false, "malformed"],
    [1_009, false, "tooLarge"],
    [1_006, false, "remote"],
    [1_006, true, "truncated"],
  ])("of the other side: %i (half a message: %s) is %s", (code, isPartial, reason) => {
    expect(reasonOf(code, isPartial)).toBe(reason);
  });
});

describe.skipIf(!hasIpv6).each([
  ["ws", webSocket],
  ["uWebSockets.js", uwsWebSocket],
])("on IPv6, %s", (_title, make) => {
  it("serves who dials it there", async () => {
    const server = await open(make({ listen: "ws://[::1]:0/kad" }));
    const client = await open(webSocket());
    client.send(server.url, numbered(1));
    expect((await heard(server))[0]?.from.remote.key).toMatch(/^ws:\/\/\[::1\]:\d+$/);
  });
});
