import { ListenError, NodeId, UsageError } from "@kad/core";
import {
  AnnounceFailed,
  BootstrapFailed,
  FileIncomplete,
  FilePutFailed,
  type MissingPart,
  PutFailed,
  UnresolvableHost,
} from "@kad/dht";
import { describe, expect, it } from "vitest";
import { Failure, oneLine, toFailure, WrongUsage } from "../src/failure.ts";

const url = "udp://127.0.0.1:4100";
const unresolvable = new UnresolvableHost("udp://nowhere:1", "nowhere", "cannot be resolved (ENOTFOUND)");

const key = NodeId.fromHex("ab".repeat(32));
const half = { stored: 1_200, chunks: 1_216, storedBytes: 1_189_408, bytes: 1_206_272 };
const refused = new PutFailed(1, { accepted: 0, asked: 20, refusals: { full: 20 }, end: "converged" });

function part(firstChunk: number, chunks: number, bytes: number): MissingPart {
  return { key, level: 0, offset: firstChunk * 992, bytes, firstChunk, chunks };
}

function systemError(code: string, path?: string): Error {
  return Object.assign(new Error(`${code}: something, open`), { code, path });
}

describe("what goes wrong, in a line", () => {
  it.each([
    [new UsageError("invalidAddress", "listen: it is bad"), 2, "--listen: it is bad"],
    [new UsageError("invalidOption", "bootstrap[3]: it is bad"), 2, "--bootstrap: it is bad"],
    [new UsageError("invalidId", "key: it is bad"), 2, "key: it is bad"],
    [
      new BootstrapFailed(
        1_000,
        [
          { address: "udp://a:1", code: "noAnswer", reason: "no answer within 900 ms" },
          { address: "udp://b:2", code: "noAnswer", reason: "no answer within 900 ms" },
        ],
        true,
      ),
      4,
      "no node answered at udp://a:1, udp://b:2; is one running there, and in the same network (--network-key, --insecure)?",
    ],
    [
      new BootstrapFailed(
        1_000,
        [
          { address: "udp://a:1", code: "unreachable", reason: "unreachable" },
          { address: "udp://b:2", code: "noAnswer", reason: "no answer within 900 ms" },
        ],
        true,
      ),
      4,
      "no node answered at udp://b:2; is one running there, and in the same network (--network-key, --insecure)?; udp://a:1: unreachable",
    ],
    [
      new BootstrapFailed(
        1_000,
        [{ address: "udp://nowhere:1", code: "failed", reason: unresolvable.message }],
        true,
      ),
      4,
      'udp://nowhere:1: the host "nowhere" cannot be resolved (ENOTFOUND); allowed are an IP address and a name that resolves to one',
    ],
    [unresolvable, 4, unresolvable.message],
    [
      new PutFailed(1, { accepted: 0, asked: 3, refusals: { full: 2, noAnswer: 1 }, end: "converged" }),
      1,
      "the record is not stored: 0 of 3 holders took it, 2 full, 1 noAnswer",
    ],
    [
      new PutFailed(1, { accepted: 0, asked: 0, refusals: {}, end: "exhausted" }),
      1,
      "the record is not stored: no node answered that could keep it",
    ],
    [
      new AnnounceFailed(1, { accepted: 0, asked: 3, refusals: { full: 3 }, end: "converged" }),
      1,
      "the key is not announced: 0 of 3 holders took it, 3 full",
    ],
    [
      new FilePutFailed(key, half, refused),
      6,
      "the file is not stored: 1,200 of 1,216 chunks read so far found holders (of the next, 0 of 20 holders took it, 20 full); the same command again goes on from there",
    ],
    [
      new FilePutFailed(key, { stored: 0, chunks: 1, storedBytes: 0, bytes: 5 }, undefined),
      6,
      "the file is not stored: 0 of 1 chunk read so far found holders; the same command again goes on from there",
    ],
    [
      new FileIncomplete(key, { missing: [], missingParts: 1, size: undefined, checkedTo: 0 }),
      3,
      `nobody has ${key.toHex()}`,
    ],
    [
      new FileIncomplete(key, {
        missing: [part(2, 1, 992), part(4, 30, 29_760), part(50, 1, 992), part(52, 1, 992)],
        missingParts: 5,
        size: 1_000_000,
        checkedTo: 60_000,
      }),
      6,
      "the file of 1,000,000 bytes is incomplete: nobody has chunk 2 (bytes 1,984 to 2,975), chunks 4 to 33 (bytes 3,968 to 33,727), chunk 50 (bytes 49,600 to 50,591) and 2 more; what follows byte 60,000 was not looked for",
    ],
    [
      new ListenError("addressInUse", url, new Error("EADDRINUSE")),
      5,
      `${url} is in use by another program; choose another port, or port 0 for any free one`,
    ],
    [
      new ListenError("addressNotAvailable", url, new Error("EADDRNOTAVAIL")),
      5,
      `${url}: this machine has no such address; 0.0.0.0 and [::] are all that it has`,
    ],
    [
      new ListenError("notPermitted", url, new Error("EACCES")),
      5,
      `${url}: the system does not allow it; ports below 1024 often need privileges, others do not`,
    ],
    [new ListenError("listenFailed", url, new Error("EMFILE")), 5, `${url}: EMFILE`],
    [systemError("ENOENT", "a\nb"), 2, "a b: there is no such file"],
    [systemError("EISDIR", "folder"), 2, "folder: this is a folder, not a file"],
    [systemError("EACCES", "secret"), 2, "secret: the system does not let us read it"],
    [systemError("ENOENT"), 2, "the file: there is no such file"],
    [new Error("two\nlines \u001b[2J"), 1, "two lines \u{fffd}[2J"],
    ["not even an error", 1, "not even an error"],
    [new WrongUsage("as it is"), 2, "as it is"],
  ])("%s has exit code %i", (error, code, message) => {
    const failure = toFailure(error);
    expect(failure).toBeInstanceOf(Failure);
    expect([failure.exitCode, failure.message]).toEqual([code, message]);
  });

  it("keeps the cause for those who debug", () => {
    const error = new Error("why");
    expect(toFailure(error).cause).toBe(error);
  });

  it("makes one line of any text", () => {
    expect(oneLine(" a\r\n\tb\u0000 ")).toBe("a b\u{fffd}");
  });
});
