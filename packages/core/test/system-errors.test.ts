import { describe, expect, it } from "vitest";
import { listenErrorOf, sendFailureOf, systemCodeOf } from "../src/index.ts";

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
    [undefined, "closed"],
  ])("of a send: %s means %s", (code, failure) => {
    expect(sendFailureOf(code)).toBe(failure);
  });

  it.each([
    ["EADDRINUSE", "addressInUse"],
    ["EADDRNOTAVAIL", "addressNotAvailable"],
    ["EAFNOSUPPORT", "addressNotAvailable"],
    ["EACCES", "notPermitted"],
    ["EPERM", "notPermitted"],
    ["EMFILE", "listenFailed"],
  ])("of listening: %s means %s", (code, expected) => {
    const cause = Object.assign(new Error(`bind ${code}`), { code });
    expect(listenErrorOf("udp://127.0.0.1:1", cause)).toMatchObject({
      code: expected,
      url: "udp://127.0.0.1:1",
      cause,
    });
  });

  it.each([[new Error("odd")], [{ code: 98 }], ["text"], [null], [undefined]])(
    "are not looked for where there are none: %o",
    (error) => {
      expect(systemCodeOf(error)).toBeUndefined();
      expect(listenErrorOf("udp://127.0.0.1:1", error).code).toBe("listenFailed");
    },
  );
});
