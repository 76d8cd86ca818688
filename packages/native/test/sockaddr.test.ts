import { AddressTable } from "@kad/core";
import { describe, expect, it } from "vitest";
import {
  readSockaddr,
  readSockaddrPort,
  sockaddrBytes,
  sockaddrLayout,
  writeSockaddr,
} from "../src/index.ts";

const ip6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

describe("a socket address", () => {
  it.each([
    ["udp4", "udp://192.0.2.1:4100", "linux", [2, 0, 0x10, 4, 192, 0, 2, 1, ...new Array(8).fill(0)]],
    ["udp4", "udp://192.0.2.1:4100", "darwin", [16, 2, 0x10, 4, 192, 0, 2, 1, ...new Array(8).fill(0)]],
    ["udp6", "udp://[2001:db8::1]:4100", "linux", [10, 0, 0x10, 4, 0, 0, 0, 0, ...ip6, 0, 0, 0, 0]],
    ["udp6", "udp://[2001:db8::1]:4100", "darwin", [28, 30, 0x10, 4, 0, 0, 0, 0, ...ip6, 0, 0, 0, 0]],
    ["udp6", "udp://[2001:db8::1]:4100", "win32", [23, 0, 0x10, 4, 0, 0, 0, 0, ...ip6, 0, 0, 0, 0]],
  ] as const)("of %s is written as the system has it: %s on %s", (kind, url, platform, expected) => {
    const table = new AddressTable();
    const bytes = new Uint8Array(40).fill(0xaa);
    writeSockaddr(table.parse(url), kind, sockaddrLayout(platform), bytes, 4);
    expect([...bytes.subarray(4, 4 + sockaddrBytes(kind))]).toEqual(expected);
    expect([bytes[3], bytes[4 + sockaddrBytes(kind)]]).toEqual([0xaa, 0xaa]);
    expect([readSockaddr(table, kind, bytes, 4)?.key, readSockaddrPort(bytes, 4)]).toEqual([url, 4_100]);
  });

  it.each([
    ["port 0", "udp4", [2, 0, 0, 0, 192, 0, 2, 1]],
    ["a multicast address", "udp4", [2, 0, 1, 1, 224, 0, 0, 1]],
    [
      "a scope: it means something on one link only",
      "udp6",
      [10, 0, 1, 1, 0, 0, 0, 0, 0xfe, 0x80, ...ip6.slice(2), 3, 0, 0, 0],
    ],
    [
      "IPv4 inside IPv6",
      "udp6",
      [10, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1, 0, 0, 0, 0],
    ],
  ] as const)("that has %s is nobody's", (_what, kind, bytes) => {
    expect(readSockaddr(new AddressTable(), kind, Uint8Array.from(bytes), 0)).toBe(undefined);
  });
});
