import { KadError } from "@kad/core";
import { describe, expect, it } from "vitest";
import {
  AnnounceFailed,
  BootstrapFailed,
  NodeClosed,
  PutFailed,
  SendFailed,
  Superseded,
  UnresolvableHost,
} from "../src/index.ts";

const failures: [string, KadError, string][] = [
  [
    "bootstrapFailed",
    new BootstrapFailed(
      250,
      [
        { address: "udp://192.0.2.1:4100", code: "noAnswer", reason: "no answer" },
        { address: "udp://seed.example:4100", code: "busy", reason: "busy" },
      ],
      true,
    ),
    "bootstrap: no seed answered within 250 ms (udp://192.0.2.1:4100: no answer; udp://seed.example:4100: busy); one is " +
      "enough. Nodes do not answer who has another network key, another network name, or no encryption: compare " +
      "`networkKey`, `network` and `security`",
  ],
  [
    "bootstrapFailed",
    new BootstrapFailed(250, [{ address: "tcp://192.0.2.1:4100", code: "closed", reason: "closed" }], false),
    "bootstrap: no seed answered within 250 ms (tcp://192.0.2.1:4100: closed); one is enough. Nodes that encrypt do not " +
      "answer who does not: compare `security`",
  ],
  [
    "bootstrapFailed",
    new BootstrapFailed(
      250,
      [{ address: "udp://192.0.2.1:4100", code: "wrongPeer", reason: "another" }],
      true,
    ),
    "bootstrap: no seed answered within 250 ms (udp://192.0.2.1:4100: another); one is enough",
  ],
  [
    "superseded",
    new Superseded(5, 7, { accepted: 0, asked: 0, refusals: {}, end: "converged" }),
    "put: the sequence number is not 5 any more: there is 7",
  ],
  [
    "superseded",
    new Superseded(5, undefined, { accepted: 2, asked: 4, refusals: { superseded: 2 }, end: "converged" }),
    "put: the sequence number is not 5 any more: 2 of 4 holders have a larger one",
  ],
  [
    "unresolvableHost",
    new UnresolvableHost("udp://seed.example:4100", "seed.example", "cannot be resolved"),
    'udp://seed.example:4100: the host "seed.example" cannot be resolved; allowed are an IP address and a name that resolves to one',
  ],
  [
    "putFailed",
    new PutFailed(3, { accepted: 1, asked: 4, refusals: { full: 2, noAnswer: 1 }, end: "timedOut" }),
    "put: 1 of 4 holders accepted, 2 full, 1 noAnswer (timedOut); minAccepted is 3",
  ],
  [
    "announceFailed",
    new AnnounceFailed(1, { accepted: 0, asked: 2, refusals: { full: 2 }, end: "converged" }),
    "announce: 0 of 2 holders accepted, 2 full (converged); minAccepted is 1",
  ],
  [
    "sendFailed",
    new SendFailed("chat", "noHandler", "exhausted"),
    'send: no reply to "chat": noHandler (exhausted)',
  ],
  ["closed", new NodeClosed(), "the node is closed; another one comes from createNode"],
];

describe("the errors of a node", () => {
  it.each(failures)(
    "%s has that code, its class's name and a message that says of what",
    (code, error, message) => {
      expect(error).toBeInstanceOf(KadError);
      expect(error.code).toBe(code);
      expect(error.name).toBe(error.constructor.name);
      expect(error.message).toBe(message);
    },
  );

  it("an unresolvable host is final unless the resolver could not be asked", () => {
    const again = Object.assign(new Error("try again"), { code: "EAI_AGAIN" });
    expect(new UnresolvableHost("udp://a:1", "a", "cannot be resolved", again).isFinal).toBe(false);
    expect(new UnresolvableHost("udp://a:1", "a", "cannot be resolved", new Error("not found")).isFinal).toBe(
      true,
    );
  });
});
