import { describe, expect, it } from "vitest";
import { NetworkKey } from "../../src/network.ts";
import type { StaticKey } from "../../src/static-keys.ts";
import { InitiatorHandshake, ResponderHandshake } from "../../src/streams/stream-handshake.ts";
import { StreamNetwork } from "../support/stream-network.ts";

const key = NetworkKey.fromHex("0123456789abcdef".repeat(4));

function sides(networkKey: NetworkKey | undefined) {
  const network = new StreamNetwork();
  const credentials = networkKey === undefined ? {} : { networkKey };
  const [alice, bob] = [network.add("alice", { credentials }), network.add("bob", { credentials })];
  const ownOf = (peer: typeof alice) => peer.credentials.staticAt(0) as StaticKey;
  const initiator = new InitiatorHandshake(alice.credentials, ownOf(alice));
  const answer = (wire: Uint8Array) => ResponderHandshake.begin(bob.credentials, ownOf(bob), wire);
  return { alice, bob, initiator, answer };
}

function* changedBits(bytes: Uint8Array): Iterable<readonly [bit: number, changed: Uint8Array]> {
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    yield [bit, changed];
  }
}

describe.each([
  ["public", undefined],
  ["private", key],
])("a handshake in a %s network", (_name, networkKey) => {
  it("fails at every changed bit of each message, and goes on with the true one", () => {
    const { alice, bob, initiator, answer } = sides(networkKey);
    for (const [bit, changed] of changedBits(initiator.first)) {
      const answered = answer(changed);
      const outcome = typeof answered === "string" ? answered : initiator.onSecond(0, answered.second);
      expect(typeof outcome, `message 1, bit ${bit}`).toBe("string");
    }
    const responder = answer(initiator.first);
    if (typeof responder === "string") throw new Error(responder);
    for (const [bit, changed] of changedBits(responder.second))
      expect(typeof initiator.onSecond(0, changed), `message 2, bit ${bit}`).toBe("string");
    expect(initiator.onSecond(0, responder.second)).toMatchObject({ peer: bob.id });
    const third = initiator.third();
    if (typeof third === "string") throw new Error(third);
    for (const [bit, changed] of changedBits(third))
      expect(typeof responder.onThird(0, changed), `message 3, bit ${bit}`).toBe("string");
    expect(responder.onThird(0, third)).toMatchObject({ peer: alice.id });
    const [ours, theirs] = [initiator.split(), responder.split()];
    expect(ours.send).toEqual(theirs.receive);
    expect(ours.receive).toEqual(theirs.send);
  });

  it("takes messages of their length and up to 1,024 bytes", () => {
    const { initiator, answer } = sides(networkKey);
    const responder = answer(initiator.first);
    if (typeof responder === "string") throw new Error(responder);
    expect(answer(new Uint8Array(1))).toBe("badLength");
    expect(answer(new Uint8Array(1_025))).toBe("badLength");
    expect(answer(Uint8Array.from([...initiator.first, 0]))).toBe("forged");
    expect(initiator.onSecond(0, new Uint8Array(0))).toBe("badLength");
    expect(initiator.onSecond(0, new Uint8Array(1_025))).toBe("badLength");
    expect(initiator.onSecond(0, responder.second.subarray(0, 198))).toBe("forged");
    expect(responder.onThird(0, new Uint8Array(1_025))).toBe("badLength");
    expect(responder.onThird(0, new Uint8Array(0))).toBe("forged");
  });
});
