import { describe, expect, it } from "vitest";
import { closeReasonOf, isShortage } from "../src/socket-errors.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

describe("the system's codes", () => {
  it.each([
    ["ECONNREFUSED", "unreachable"],
    ["EHOSTUNREACH", "unreachable"],
    ["ETIMEDOUT", "timedOut"],
    ["EMFILE", "noResources"],
    ["ENFILE", "noResources"],
    ["ENOBUFS", "noResources"],
    ["EADDRNOTAVAIL", "noResources"], // no port is free
    ["ESOMETHING", "unreachable"],
  ])("of a dial: %s means %s", (code, reason) => {
    expect(closeReasonOf(systemError(code), true)).toBe(reason);
  });

  it("of an open connection mean that it broke", () => {
    expect(closeReasonOf(systemError("ECONNRESET"), false)).toBe("reset");
    expect(closeReasonOf(new Error("odd"), false)).toBe("reset");
  });

  it("tell a shortage of our own from what others do", () => {
    expect([isShortage(systemError("EMFILE")), isShortage(systemError("ECONNABORTED"))]).toEqual([
      true,
      false,
    ]);
  });
});
