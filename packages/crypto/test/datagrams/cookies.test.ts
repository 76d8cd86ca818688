import { AddressTable } from "@kad/core";
import { describe, expect, it } from "vitest";
import { Cookies } from "../../src/datagrams/cookies.ts";
import { native } from "../support/providers.ts";
import { SeededRandom } from "../support/random.ts";

const addresses = new AddressTable();
const here = addresses.parse("udp://192.0.2.1:4100");
const head = new Uint8Array(40).fill(1);
const certificate = new Uint8Array(134).fill(2);

function make(second = 0): Cookies {
  return new Cookies(native, new SeededRandom("cookies"), second);
}

describe("a cookie", () => {
  it("is the time and a code, and is ours again", () => {
    const cookies = make();
    const cookie = cookies.issue(0x01020304, here, head, certificate);
    expect(cookie.length).toBe(20);
    expect([...cookie.subarray(0, 4)]).toEqual([1, 2, 3, 4]);
    expect(cookies.isOurs(0x01020304, cookie, here, head, certificate)).toBe(true);
  });

  it("is fresh for ten seconds, and not before it was given", () => {
    const cookies = make();
    const cookie = cookies.issue(100, here, head, certificate);
    expect([99, 100, 110, 111].map((second) => cookies.isFresh(second, cookie))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it.each([
    "udp://192.0.2.1:4101",
    "udp://192.0.2.2:4100",
    "udp://[2001:db8::1]:4100",
    "tcp://192.0.2.1:4100",
  ])("is nobody's at %s", (url) => {
    const cookies = make();
    const cookie = cookies.issue(1, here, head, certificate);
    expect(cookies.isOurs(1, cookie, addresses.parse(url), head, certificate)).toBe(false);
  });

  it("fails at every changed bit of it, of the HELLO and of the certificate", () => {
    const cookies = make();
    const cookie = cookies.issue(1, here, head, certificate);
    for (const part of [cookie, head, certificate]) {
      for (let bit = 0; bit < 8 * part.length; bit++) {
        part[bit >> 3] = (part[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(cookies.isOurs(1, cookie, here, head, certificate)).toBe(false);
        part[bit >> 3] = (part[bit >> 3] as number) ^ (1 << (bit & 7));
      }
    }
    expect(cookies.isOurs(1, cookie, here, head, certificate)).toBe(true);
  });

  it("outlives one replacement of the secret, which comes every minute, and not two", () => {
    const cookies = make(0);
    const cookie = cookies.issue(59, here, head, certificate);
    expect(cookies.isOurs(60, cookie, here, head, certificate)).toBe(true);
    expect(cookies.isOurs(119, cookie, here, head, certificate)).toBe(true);
    expect(cookies.isOurs(120, cookie, here, head, certificate)).toBe(false);
    const asleep = make(0);
    const old = asleep.issue(1, here, head, certificate);
    expect(asleep.isOurs(500, old, here, head, certificate)).toBe(false);
  });

  it("is void with all others at once", () => {
    const cookies = make();
    const cookie = cookies.issue(1, here, head, certificate);
    cookies.voidAll(1);
    expect(cookies.isOurs(1, cookie, here, head, certificate)).toBe(false);
    expect(cookies.isOurs(1, cookies.issue(1, here, head, certificate), here, head, certificate)).toBe(true);
  });
});
