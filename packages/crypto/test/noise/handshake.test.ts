import { describe, expect, it } from "vitest";
import { Handshake } from "../../src/noise/handshake.ts";
import { IK, type Pattern, withPsks, XX } from "../../src/noise/patterns.ts";
import type { CryptoProvider } from "../../src/provider.ts";
import { hex } from "../support/hex.ts";
import { native, noble, providers } from "../support/providers.ts";

const seedOf = (text: string): Uint8Array => noble.sha256(new TextEncoder().encode(text));

interface PairOptions {
  readonly pattern: Pattern;
  readonly initiator?: CryptoProvider;
  readonly responder?: CryptoProvider;
  readonly psks?: readonly [initiator: Uint8Array, responder: Uint8Array];
  readonly prologues?: readonly [initiator: string, responder: string];
}

function pair({ pattern, initiator = native, responder = native, psks, prologues = ["", ""] }: PairOptions) {
  const own = initiator.x25519(seedOf("initiator static"));
  const other = responder.x25519(seedOf("responder static"));
  const knowsResponder = pattern.knownResponder;
  return [
    new Handshake({
      provider: initiator,
      pattern,
      role: "initiator",
      prologue: new TextEncoder().encode(prologues[0]),
      static: own,
      ephemeral: () => initiator.x25519(seedOf("initiator ephemeral")),
      remoteStatic: knowsResponder ? other.publicKey : undefined,
      psks: psks && [psks[0]],
    }),
    new Handshake({
      provider: responder,
      pattern,
      role: "responder",
      prologue: new TextEncoder().encode(prologues[1]),
      static: other,
      ephemeral: () => responder.x25519(seedOf("responder ephemeral")),
      psks: psks && [psks[1]],
    }),
  ] as const;
}

function write(handshake: Handshake, payload: string): Uint8Array {
  const into = new Uint8Array(1_024).fill(0xee);
  const end = handshake.writeMessage(new TextEncoder().encode(payload), into, 5) as number;
  expect(into.subarray(0, 5).every((byte) => byte === 0xee)).toBe(true);
  return into.subarray(5, end);
}

const patterns = [XX, IK, withPsks(XX, [0]), withPsks(IK, [0])].map(
  (pattern) => [pattern.name, pattern] as const,
);
const psks = [seedOf("psk"), seedOf("psk")] as const;

describe.each(patterns)("%s", (_name, pattern) => {
  it.each([
    ["noble", "noble", noble, noble],
    ["noble", "node", noble, native],
    ["node", "noble", native, noble],
    ["node", "node", native, native],
  ])("ends with the same keys for %s and %s", (_initiator, _responder, initiator, responder) => {
    const sides = pair({ pattern, initiator, responder, psks });
    for (let i = 0; i < pattern.messages.length; i++) {
      const [sender, receiver] = i % 2 === 0 ? sides : [sides[1], sides[0]];
      expect(sender.isFinished).toBe(false);
      const message = write(sender, `payload ${i}`);
      expect(new TextDecoder().decode(receiver.readMessage(message))).toBe(`payload ${i}`);
    }
    const [ours, theirs] = sides;
    expect(ours.isFinished && theirs.isFinished).toBe(true);
    expect(hex(ours.hash)).toBe(hex(theirs.hash));
    const [sent, received] = [ours.split(), theirs.split()];
    expect(hex(sent.send)).toBe(hex(received.receive));
    expect(hex(sent.receive)).toBe(hex(received.send));
    expect(hex(sent.send)).not.toBe(hex(sent.receive));
    expect(hex(theirs.remoteStatic)).toBe(hex(initiator.x25519(seedOf("initiator static")).publicKey));
    expect(hex(ours.remoteStatic)).toBe(hex(responder.x25519(seedOf("responder static")).publicKey));
  });

  it("fails at every changed bit of the first authenticated message, and takes the true one afterwards", () => {
    const [initiator, responder] = pair({ pattern, psks });
    const message = write(initiator, "first");
    if (pattern.name === "XX") {
      // Its first message is in the clear: the second, which depends on it, is what fails.
      responder.readMessage(message);
      changedBits(write(responder, "second"), initiator);
    } else changedBits(message, responder);
  });

  it("fails with another prologue, and with another psk", () => {
    for (const sides of [
      pair({ pattern, psks, prologues: ["a", "b"] }),
      ...(pattern.hasPsk ? [pair({ pattern, psks: [seedOf("psk"), seedOf("other")] })] : []),
    ]) {
      const [initiator, responder] = sides;
      const first = responder.readMessage(write(initiator, ""));
      const second = first && initiator.readMessage(write(responder, ""));
      expect(second).toBeUndefined();
    }
  });

  it("fails with ephemeral keys of small order, and is usable afterwards", () => {
    const [initiator, responder] = pair({ pattern, psks });
    const message = write(initiator, "first");
    const forged = Uint8Array.from(message);
    forged.fill(0, 0, 32);
    if (pattern.name === "XX") {
      expect(responder.readMessage(forged)).toBeDefined();
      expect(responder.writeMessage(new Uint8Array(0), new Uint8Array(1_024), 0)).toBeUndefined();
    } else {
      expect(responder.readMessage(forged)).toBeUndefined();
      expect(responder.readMessage(message)).toBeDefined();
    }
  });

  it("takes no message that is cut", () => {
    const [initiator, responder] = pair({ pattern, psks });
    const message = write(initiator, "");
    for (let length = 0; length < message.length; length++)
      expect(responder.readMessage(message.subarray(0, length))).toBeUndefined();
    expect(responder.readMessage(message)).toBeDefined();
  });
});

function changedBits(message: Uint8Array, receiver: Handshake): void {
  const hashBefore = hex(receiver.hash);
  for (let bit = 0; bit < 8 * message.length; bit++) {
    const forged = Uint8Array.from(message);
    forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(receiver.readMessage(forged), `bit ${bit}`).toBeUndefined();
    expect(receiver.remoteStatic === undefined || receiver.remoteStatic.length === 32).toBe(true);
  }
  expect(hex(receiver.hash)).toBe(hashBefore);
  expect(receiver.readMessage(message)).toBeDefined();
}

describe("misuse", () => {
  it("is a fault of ours: out of turn, too early, without a key", () => {
    const [initiator, responder] = pair({ pattern: XX });
    expect(() => responder.writeMessage(new Uint8Array(0), new Uint8Array(64), 0)).toThrow("not our turn");
    expect(() => initiator.readMessage(new Uint8Array(32))).toThrow("not our turn");
    expect(() => initiator.split()).toThrow("before its end");
    expect(() => pair({ pattern: { ...IK, knownInitiator: true } })).toThrow("needs a key");
  });

  it("names longer than a hash are hashed, shorter ones padded", () => {
    const long = pair({ pattern: withPsks(XX, [0]), psks })[0];
    const short = pair({ pattern: XX })[0];
    expect(long.hash.length).toBe(32);
    expect(hex(short.hash)).not.toBe(hex(long.hash));
  });
});

it("computes the same transcript hash with every provider", () => {
  const hashes = new Set(
    providers.map(([, provider]) => {
      const [initiator, responder] = pair({ pattern: IK, initiator: provider, responder: provider });
      responder.readMessage(write(initiator, ""));
      initiator.readMessage(write(responder, ""));
      return hex(initiator.hash);
    }),
  );
  expect(hashes.size).toBe(1);
});
