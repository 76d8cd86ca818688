import { describe, expect, it } from "vitest";
import { listenErrorOf, sendFailureOf } from "../src/socket-errors.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(`send ${code}`), { code });
}

describe("the system's codes", () => {
  it.each([
    ["EMSGSIZE", "tooLarge"],
    ["ENETUNREACH", "unreachable"],
    ["EHOSTUNREACH", "unreachable"],
    ["ECONNREFUSED", "unreachable"],
    ["EPERM", "unreachable"],
    ["ENOBUFS", "queueFull"],
    ["EAGAIN", "queueFull"],
    ["ECANCELED", "closed"],
    ["ESOMETHING", "closed"],
  ])("of a send: %s means %s", (code, reason) => {
    expect(sendFailureOf(systemError(code))).toBe(reason);
  });

  it.each([
    ["EADDRINUSE", "addressInUse"],
    ["EADDRNOTAVAIL", "addressNotAvailable"],
    ["EACCES", "notPermitted"],
    ["EMFILE", "listenFailed"],
  ])("of a bind: %s means %s", (code, expected) => {
    const cause = systemError(code);
    expect(listenErrorOf("udp://127.0.0.1:1", cause)).toMatchObject({
      code: expected,
      url: "udp://127.0.0.1:1",
      cause,
    });
  });

  it("without a code mean no fault of the peer's", () => {
    expect(sendFailureOf(new Error("odd"))).toBe("closed");
  });
});
