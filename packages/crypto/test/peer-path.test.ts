import { setFlagsFromString } from "node:v8";
import { runInThisContext } from "node:vm";
import { AddressTable, NodeId } from "@kad/core";
import { describe, expect, it } from "vitest";
import { peerPath } from "../src/peer-path.ts";

const addresses = new AddressTable();
const peer = NodeId.fromHex("07".repeat(32));
const remote = (i: number) => addresses.parse(`udp://192.0.2.1:${1_000 + i}`);

describe("the path of a proven peer", () => {
  it("is the path with the peer, whoever was there before", () => {
    const [there, here] = [remote(0), remote(1)];
    const before = NodeId.fromHex("08".repeat(32));
    expect(peerPath({ remote: there, dialable: true }, peer)).toEqual({
      remote: there,
      dialable: true,
      peer,
    });
    expect(peerPath({ remote: there, local: here, dialable: false, peer: before }, peer)).toEqual({
      remote: there,
      local: here,
      dialable: false,
      peer,
    });
  });

  it("has the hidden class of all others, so that who reads thousands of them need not search each", () => {
    setFlagsFromString("--allow-natives-syntax");
    const isOfOneClass: (a: object, b: object) => boolean = runInThisContext("(a, b) => %HaveSameMap(a, b)");
    const paths = Array.from({ length: 300 }, (_, i) =>
      peerPath({ remote: remote(i), dialable: true }, NodeId.fromBytes(Uint8Array.of(i, i >>> 8))),
    );
    const [first, ...others] = paths as [object, ...object[]];
    expect(others.filter((path) => !isOfOneClass(first, path))).toEqual([]);
  });
});
